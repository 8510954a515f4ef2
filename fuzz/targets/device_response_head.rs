//! Any bytes that a download server answers are read as a head or refused, and what is read holds together.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/device/tests/support/response_head_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_response_head(input));

//! Any bytes that reach the portal get one well-formed answer, however they are split.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/portal/tests/support/invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_request(input));

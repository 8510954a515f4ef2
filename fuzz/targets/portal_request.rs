//! Any bytes that reach the portal get one well-formed answer, however they are split, and no door lets through what it must
//! not.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/portal/tests/support/invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| drop(invariants::check_request(input)));

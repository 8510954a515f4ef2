//! Any record of the program slots starts only what it names, once on trial, and notes only what a request can hold.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/device-linux/tests/support/slots_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_slots(input));

//! Any bytes of an application get one answer for each line, and what was written is what is read.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/device-linux/tests/support/local_api_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_lines(input));

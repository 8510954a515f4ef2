//! Whatever answers at port 80 is taken for a log-in page or not, and only another host or a success makes it one.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/device/tests/support/probe_answer_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_probe_answer(input));

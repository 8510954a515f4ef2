//! Any records and any image in a chip's flash leave a board that boots what it should.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../firmware/esp32/slots/tests/support/slots_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_slots(input));

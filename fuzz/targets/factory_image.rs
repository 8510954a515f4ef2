//! Any factory partition is read whole or refused, and what is read is written in the same form.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/factory-image/tests/support/image_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_partition(input));

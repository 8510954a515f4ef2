//! Any flash image opens as a store that works, and after a wipe nothing of a home is left.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/home-store/tests/support/image_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_image(input));

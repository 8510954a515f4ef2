//! Any flash dump is answered, and erasing touches only what was found.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/flash-dump/tests/support/invariants.rs"]
mod invariants;

fuzz_target!(|image: &[u8]| invariants::check_image(image));

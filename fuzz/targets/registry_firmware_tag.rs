//! Any uploaded image has a tag of printable texts or none.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/registry/tests/support/firmware_tag_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_upload(input));

//! Any address of an update order and any server's answer to it are taken whole or refused, and no request gains a line.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/device/tests/support/ota_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_update(input));

//! Anything on D-Bus is read with its bounds or passed over, and no network passes for an open one.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/device-linux/tests/support/bus_invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| invariants::check_bus(input));

//! Any packets that reach the DHCP server get well-formed replies or silence, and no two clients share an address.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/portal/tests/support/dhcp_invariants.rs"]
mod dhcp_invariants;

fuzz_target!(|input: &[u8]| dhcp_invariants::check_dhcp(input));

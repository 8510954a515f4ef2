//! Any bytes that reach the DNS responder get one well-formed answer or silence.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/portal/tests/support/dns_invariants.rs"]
mod dns_invariants;

fuzz_target!(|input: &[u8]| dns_invariants::check_dns(input));

//! Replays the fuzz corpora of the portal's parsers.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a failing replay names its input")]

#[path = "support/dhcp_invariants.rs"]
mod dhcp_invariants;
#[path = "support/dns_invariants.rs"]
mod dns_invariants;
#[path = "support/invariants.rs"]
mod invariants;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every route that there is, as `Debug` names it; see [`portal::Route`].
const ROUTES: [&str; 23] = [
    "SetupPage",
    "BoardInfo",
    "WifiScan",
    "Config",
    "ConfigRefused",
    "ReleasePage",
    "Release",
    "ReleaseUnreadable",
    "Reset",
    "Reboot",
    "ControlRefused",
    "Status",
    "CaptiveApi",
    "ProofMissing",
    "ProofWrong",
    "DoorClosed",
    "FirmwareForm",
    "FirmwareUpload",
    "Redirect",
    "NotFound",
    "MethodNotAllowed",
    "ForeignOrigin",
    "Bad",
];

fn replay(target: &str, mut check: impl FnMut(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut input_count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus folder") {
        let path = entry.expect("a readable folder").path();
        let input = fs::read(&path).expect("a readable input");
        println!("{}", path.display());
        check(&input);
        input_count += 1;
    }
    assert!(input_count > 0, "the corpus is empty");
}

#[test]
fn the_inputs_of_the_request_corpus_take_every_route_and_get_well_formed_answers() {
    let mut taken = BTreeSet::new();
    replay("portal_request", |input| taken.extend(invariants::check_request(input)));
    let missing: Vec<_> = ROUTES.iter().filter(|route| !taken.contains(**route)).collect();
    assert!(missing.is_empty(), "no input takes {missing:?}");
}

#[test]
fn every_input_of_the_dns_corpus_gets_a_well_formed_answer() {
    replay("portal_dns", dns_invariants::check_dns);
}

#[test]
fn every_input_of_the_dhcp_corpus_gets_well_formed_replies() {
    replay("portal_dhcp", dhcp_invariants::check_dhcp);
}

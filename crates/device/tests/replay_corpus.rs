//! Replays the fuzz corpus of the parsers of update orders, HTTP answers and log-in pages.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing replay stops the test"
)]

#[path = "support/ota_invariants.rs"]
mod ota_invariants;
#[path = "support/probe_answer_invariants.rs"]
mod probe_answer_invariants;
#[path = "support/response_head_invariants.rs"]
mod response_head_invariants;

use std::fs;
use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut input_count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus folder") {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("a readable input"));
        input_count += 1;
    }
    assert!(input_count >= 12, "the corpus is empty");
}

#[test]
fn every_input_of_the_corpus_of_answers_is_read_or_refused() {
    replay("device_response_head", response_head_invariants::check_response_head);
}

#[test]
fn every_input_of_the_corpus_of_answers_at_port_80_means_one_thing() {
    replay("device_probe_answer", probe_answer_invariants::check_probe_answer);
}

#[test]
fn every_input_of_the_corpus_of_update_orders_is_taken_whole_or_refused() {
    replay("device_ota", ota_invariants::check_update);
}

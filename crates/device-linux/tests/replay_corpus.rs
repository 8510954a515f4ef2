//! Replays the corpus of the fuzz targets, so that it runs without the fuzzer too.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing replay stops the test"
)]

#[path = "support/bus_invariants.rs"]
mod bus_invariants;
#[path = "support/local_api_invariants.rs"]
mod local_api_invariants;
#[path = "support/slots_invariants.rs"]
mod slots_invariants;

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
    assert!(input_count >= 10, "the corpus is empty");
}

#[test]
fn everything_the_bus_of_the_corpus_says_is_read_or_passed_over() {
    replay("device_linux_bus", bus_invariants::check_bus);
}

#[test]
fn every_line_of_the_corpus_gets_one_answer() {
    replay("device_linux_local_api", local_api_invariants::check_lines);
}

#[test]
fn every_record_of_the_corpus_starts_only_what_it_names() {
    replay("device_linux_slots", slots_invariants::check_slots);
}

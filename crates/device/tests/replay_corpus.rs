//! Replays the fuzz corpus of the parser of HTTP answers.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a failing replay stops the test")]

#[path = "support/response_head_invariants.rs"]
mod response_head_invariants;

use std::fs;
use std::path::Path;

#[test]
fn every_input_of_the_corpus_of_answers_is_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/device_response_head");
    let mut input_count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus folder") {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        response_head_invariants::check_response_head(&fs::read(&path).expect("a readable input"));
        input_count += 1;
    }
    assert!(input_count >= 12, "the corpus is empty");
}

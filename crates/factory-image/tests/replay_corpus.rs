//! Replays the corpus of the fuzz target, so that it runs without the fuzzer too.

#![expect(clippy::indexing_slicing, reason = "a failing replay stops the test")]

#[path = "support/image_invariants.rs"]
mod image_invariants;

use std::fs;
use std::path::Path;

#[test]
fn every_partition_of_the_fuzz_corpus_is_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/factory_image");
    let mut input_count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus folder") {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        image_invariants::check_partition(&fs::read(&path).expect("a readable input"));
        input_count += 1;
    }
    assert!(input_count >= 10, "the corpus is empty");
}

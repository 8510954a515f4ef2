//! Replays the corpus of the fuzz target, so that it runs without the fuzzer too.

#[path = "support/invariants.rs"]
mod invariants;

use std::fs;
use std::path::Path;

#[test]
fn every_input_of_the_fuzz_corpus_is_answered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/flash_dump");
    let mut input_count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus folder") {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        invariants::check_image(&fs::read(&path).expect("a readable input"));
        input_count += 1;
    }
    assert!(input_count > 0, "the corpus is empty");
}

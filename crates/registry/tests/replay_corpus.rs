//! Replays the corpus of the fuzz target, so that it runs without the fuzzer too.

#[path = "support/firmware_tag_invariants.rs"]
mod firmware_tag_invariants;

use std::fs;
use std::path::Path;

#[test]
fn every_upload_of_the_fuzz_corpus_has_a_tag_or_none() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/registry_firmware_tag");
    let mut input_count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus folder") {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        firmware_tag_invariants::check_upload(&fs::read(&path).expect("a readable input"));
        input_count += 1;
    }
    assert!(input_count >= 10, "the corpus is empty");
}

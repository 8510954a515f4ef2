//! Replays the fuzz corpus of the request parser.

#[path = "support/invariants.rs"]
mod invariants;

use std::fs;
use std::path::Path;

#[test]
fn every_input_of_the_fuzz_corpus_gets_a_well_formed_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/portal_request");
    let mut input_count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus folder") {
        let path = entry.expect("a readable folder").path();
        let input = fs::read(&path).expect("a readable input");
        println!("{}", path.display());
        invariants::check_request(&input);
        input_count += 1;
    }
    assert!(input_count > 0, "the corpus is empty");
}

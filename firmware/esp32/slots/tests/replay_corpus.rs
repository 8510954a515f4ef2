//! Replays the corpus of the fuzz target, so that it runs without the fuzzer too.

#[path = "support/slots_invariants.rs"]
mod slots_invariants;

use std::fs;
use std::path::Path;

#[test]
fn any_records_and_any_image_of_the_fuzz_corpus_leave_a_board_that_boots() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/firmware_slots");
    let mut input_count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus folder") {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        slots_invariants::check_slots(&fs::read(&path).expect("a readable input"));
        input_count += 1;
    }
    assert!(input_count >= 10, "the corpus is empty");
}

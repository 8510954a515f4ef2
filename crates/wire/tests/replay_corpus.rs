//! Replays the corpus of the fuzz targets, so that it runs without the fuzzer too.

#![cfg(test)]

#[path = "checks/arbitrary_bytes.rs"]
mod arbitrary_bytes;

use std::fs;
use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut input_count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        check(&fs::read(entry.unwrap().path()).unwrap());
        input_count += 1;
    }
    assert!(input_count >= 8, "only {input_count} inputs for {target}");
}

#[test]
fn the_corpus_of_wire_frame_passes() {
    replay("wire_frame", arbitrary_bytes::check_frames);
}

#[test]
fn the_corpus_of_wire_messages_passes() {
    replay("wire_messages", arbitrary_bytes::check_messages);
}

//! Whatever people type is read without harm, and what is understood has one form.

#![cfg(test)]

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[path = "checks/typed_text.rs"]
mod typed_text;

use typed_text::check_typed;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/wire_typed_text");
    let entries = fs::read_dir(folder).expect("the corpus folder");
    entries
        .map(|entry| fs::read(entry.expect("a readable folder").path()).expect("a readable input"))
        .collect()
}

#[test]
fn every_input_of_the_corpus_is_read_without_harm() {
    let corpus = corpus();
    assert!(corpus.len() >= 10, "{}", corpus.len());
    for input in &corpus {
        check_typed(input);
    }
    let has = |is_read: fn(&[u8]) -> bool| corpus.iter().any(|input| is_read(input));
    let text = |input: &[u8]| wire::ReleaseText::collect(input.iter().copied()).ok();
    assert!(corpus.iter().any(|input| text(input).is_some_and(|text| text.order().is_ok())));
    assert!(corpus.iter().any(|input| text(input).is_some_and(|text| text.receipt().is_ok())));
    assert!(has(|input| wire::ClaimCode::parse(input).is_ok()));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(typed in proptest::collection::vec(any::<u8>(), 0..300)) {
        check_typed(&typed);
    }

    #[test]
    fn changed_inputs_of_the_corpus_are_read_without_harm(
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let corpus = corpus();
        let mut input = pick.get(&corpus).clone();
        if !input.is_empty() {
            let at = at.index(input.len());
            if cut { input.truncate(at) } else { input[at] = byte }
        }
        check_typed(&input);
    }
}

//! What must hold for program slots whose files hold anything. Shared by the replayed corpus and the fuzz target.

use std::fs;
use std::path::Path;

use device::{IMAGE_PIECE_BYTES, SlotState};
use device_linux::SlotName;
use device_linux::parsers::{Choice, ProgramSlots};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const BUILT_VERSION: &str = "1.0.0";
/// Stands between the files in an input.
const BETWEEN: &[u8] = b"\n--\n";
const FILES: [&str; 4] = ["active", "incoming", "a", "b"];

/// The record of what runs, the note of what is received, and the two programs, in this order.
pub(crate) fn check_slots(input: &[u8]) {
    let state_dir = tempfile::tempdir().expect("a folder");
    let folder = state_dir.path().join("slots");
    fs::create_dir(&folder).expect("a folder");
    let mut rest = input;
    for name in FILES {
        let end = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        let content = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + BETWEEN.len()..]);
        if !content.is_empty() {
            fs::write(folder.join(name), content).expect("a file");
        }
    }
    for running in [None, Some(SlotName::A), Some(SlotName::B)] {
        check_texts(&ProgramSlots::new(state_dir.path(), running, BUILT_VERSION));
    }
    check_choice(state_dir.path());
}

/// Texts go into requests, logs and events.
fn check_texts(slots: &ProgramSlots) {
    let is_text = |text: &str| text.len() <= 32 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let version = slots.version();
    assert!(!version.is_empty() && is_text(&version), "{version:?}");
    if let SlotState::Restored { tried } = slots.state() {
        assert!(is_text(&tried), "{tried:?}");
    }
    let Some((download, written_bytes)) = slots.noted_download() else { return };
    assert!(is_text(&download.image.version), "{download:?}");
    let etag = download.etag.as_str();
    assert!(
        etag.starts_with('"')
            && etag.ends_with('"')
            && etag.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    );
    assert!((written_bytes as usize).is_multiple_of(IMAGE_PIECE_BYTES));
    assert!((1..download.image.image_bytes).contains(&written_bytes));
}

fn check_choice(state_dir: &Path) {
    let record = fs::read(state_dir.join("slots/active")).unwrap_or_default();
    let slots = ProgramSlots::new(state_dir, None, BUILT_VERSION);
    let first = slots.choose();
    check_program(state_dir, &record, &first);
    let second = slots.choose();
    check_program(state_dir, &record, &second);
    assert!(!matches!(second, Choice::Trial { .. }), "a program gets one start until it is confirmed");
    if !matches!(first, Choice::Trial { .. }) {
        assert_eq!(second, first);
    }
    assert_eq!(slots.choose(), second, "it stays so");
}

/// What is started from a slot has the digest that the record gives for that slot.
fn check_program(state_dir: &Path, record: &[u8], choice: &Choice) {
    let (slot, path, program) = match choice {
        Choice::Installed => return,
        Choice::Confirmed { slot, path } => (slot, path, "/confirmed"),
        Choice::Trial { slot, path } => (slot, path, "/candidate/program"),
    };
    assert_eq!(path, &state_dir.join("slots").join(slot.as_str()));
    let digest = Sha256::digest(fs::read(path).expect("a program that can be read"));
    // Keys that nobody knows are passed over, text or not.
    let record = String::from_utf8_lossy(record);
    let record: Value = serde_json::from_str(&record).expect("only a record names a slot");
    let named = record.pointer(program).expect("the record names the program");
    assert_eq!(named["slot"], slot.as_str());
    assert_eq!(named["sha256"], digest.as_slice().iter().copied().map(Value::from).collect::<Value>());
}

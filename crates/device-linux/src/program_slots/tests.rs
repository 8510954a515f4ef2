//! What runs after every step of an update, and after every step that a power cut left out.

use std::fs;
use std::path::Path;

use device::{Download, ImageFacts, SlotState};
use sha2::{Digest as _, Sha256};

use super::{Choice, DOWNLOAD_FILE, ProgramSlots, RECORD_FILE, SlotName, is_newer};

fn slots(state_dir: &Path, running: Option<SlotName>, version: &str) -> ProgramSlots {
    ProgramSlots::new(state_dir, running, version)
}

fn program(version: &str) -> Vec<u8> {
    version.bytes().cycle().take(5_000).collect()
}

fn facts(version: &str) -> ImageFacts {
    ImageFacts {
        image_bytes: 5_000,
        sha256: Sha256::digest(program(version)).into(),
        version: version.try_into().unwrap(),
    }
}

fn install(slots: &ProgramSlots, version: &str) {
    slots.begin().unwrap();
    for (index, piece) in program(version).chunks(2_048).enumerate() {
        slots.write_at(u32::try_from(index * 2_048).unwrap(), piece).unwrap();
    }
    slots.install(&facts(version)).unwrap();
}

/// Starts what is chosen and returns it as the process that then runs.
fn start(state_dir: &Path) -> (ProgramSlots, Choice) {
    let choice = slots(state_dir, None, "1.0.0").choose();
    let running = match &choice {
        Choice::Installed => None,
        Choice::Confirmed { slot, .. } | Choice::Trial { slot, .. } => Some(*slot),
    };
    let running = slots(state_dir, running, "1.0.0");
    if let Choice::Confirmed { path, .. } | Choice::Trial { path, .. } = &choice {
        let bytes = fs::read(path).unwrap();
        assert_eq!(running.version().as_bytes(), &bytes[..5], "whatever the options file says");
    }
    (running, choice)
}

fn trial(state_dir: &Path, slot: SlotName) -> Choice {
    Choice::Trial { slot, path: state_dir.join("slots").join(slot.as_str()) }
}

fn confirmed(state_dir: &Path, slot: SlotName) -> Choice {
    Choice::Confirmed { slot, path: state_dir.join("slots").join(slot.as_str()) }
}

#[test]
fn a_new_program_is_started_once_and_stays_only_when_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = folder.path();
    let (first, choice) = start(state_dir);
    assert_eq!(choice, Choice::Installed);
    install(&first, "2.0.0");
    assert!(first.is_other_due());
    let (second, choice) = start(state_dir);
    assert_eq!(choice, trial(state_dir, SlotName::A));
    assert_eq!(second.state(), SlotState::OnTrial { former: "1.0.0".try_into().unwrap() });
    assert!(second.begin().is_err(), "a program on trial replaces nothing");

    let (back, choice) = start(state_dir);
    assert_eq!(choice, Choice::Installed);
    assert_eq!(back.state(), SlotState::Restored { tried: "2.0.0".try_into().unwrap() });
    back.confirm().unwrap();
    assert_eq!(back.state(), SlotState::Confirmed, "told and forgotten");

    install(&back, "3.0.0");
    let (third, _) = start(state_dir);
    third.confirm().unwrap();
    assert!(!third.is_other_due());
    let (third, choice) = start(state_dir);
    assert_eq!((choice, third.state()), (confirmed(state_dir, SlotName::A), SlotState::Confirmed));
    install(&third, "2.5.0");
    let (fourth, choice) = start(state_dir);
    assert_eq!(choice, trial(state_dir, SlotName::B), "the slots take turns");
    fourth.roll_back().unwrap();
    assert!(fourth.is_other_due());
    let (third, choice) = start(state_dir);
    assert_eq!(choice, confirmed(state_dir, SlotName::A));
    assert_eq!(third.state(), SlotState::Restored { tried: "2.5.0".try_into().unwrap() });
}

/// A device that runs 2.0.0 from slot A for good.
fn updated(state_dir: &Path) -> ProgramSlots {
    install(&slots(state_dir, None, "1.0.0"), "2.0.0");
    start(state_dir).0.confirm().unwrap();
    start(state_dir).0
}

#[test]
fn a_power_cut_after_any_step_of_an_update_leaves_the_confirmed_program() {
    for step_count in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let running = updated(folder.path());
        let image = program("3.0.0");
        let steps: [&dyn Fn(); 5] = [
            &|| running.begin().unwrap(),
            &|| running.write_at(0, &image[..2_048]).unwrap(),
            // Torn: half of a piece.
            &|| running.write_at(2_048, &image[2_048..3_000]).unwrap(),
            &|| running.write_at(2_048, &image[2_048..]).unwrap(),
            // The record's draft, before it took the record's place.
            &|| fs::write(folder.path().join("slots/active.new"), "{\"confirmed\":").unwrap(),
        ];
        steps[..=step_count].iter().for_each(|step| step());
        let (after, choice) = start(folder.path());
        assert_eq!(choice, confirmed(folder.path(), SlotName::A), "after step {step_count}");
        install(&after, "3.0.0");
        assert_eq!(start(folder.path()).1, trial(folder.path(), SlotName::B), "after step {step_count}");
    }
}

#[test]
fn a_download_is_known_after_a_restart_by_its_whole_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let running = updated(folder.path());
    let download = Download { image: facts("3.0.0"), etag: "\"3\"".try_into().unwrap() };
    running.begin().unwrap();
    running.note_download(Some(&download)).unwrap();
    let (image, again) = (program("3.0.0"), || start(folder.path()).0.noted_download());
    running.write_at(0, &image[..2_048]).unwrap();
    assert_eq!(again(), None, "the only piece may be torn");
    running.write_at(2_048, &image[2_048..3_000]).unwrap();
    assert_eq!(again(), None);
    running.write_at(2_048, &image[2_048..4_096]).unwrap();
    assert_eq!(again(), Some((download.clone(), 2_048)));
    running.write_at(4_096, &image[4_096..]).unwrap();
    assert_eq!(again(), Some((download.clone(), 2_048)), "the whole image is never taken for granted");
    for text in ["", "{}", "{\"image_bytes\":-1}"] {
        fs::write(folder.path().join("slots").join(DOWNLOAD_FILE), text).unwrap();
        assert_eq!(again(), None, "{text:?}");
    }
    running.note_download(Some(&download)).unwrap();
    running.begin().unwrap();
    assert_eq!(again(), None, "another image begins");
    running.note_download(None).expect("nothing to forget is no error");
    install(&running, "3.0.0");
    assert_eq!(running.noted_download(), None);
}

#[test]
fn a_damaged_program_is_never_started() {
    let folder = tempfile::tempdir().unwrap();
    let running = updated(folder.path());
    install(&running, "3.0.0");
    let path = folder.path().join("slots/b");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (after, choice) = start(folder.path());
    assert_eq!(choice, confirmed(folder.path(), SlotName::A));
    assert_eq!(after.state(), SlotState::Restored { tried: "3.0.0".try_into().unwrap() });

    fs::write(folder.path().join("slots/a"), "something else").unwrap();
    assert_eq!(start(folder.path()).1, Choice::Installed, "the installed program is always left");
}

#[test]
fn a_damaged_record_starts_the_installed_program() {
    let folder = tempfile::tempdir().unwrap();
    updated(folder.path());
    for text in ["", "{", "{\"confirmed\":{\"slot\":\"c\"}}", "\u{0}\u{0}"] {
        fs::write(folder.path().join("slots").join(RECORD_FILE), text).unwrap();
        let (after, choice) = start(folder.path());
        assert_eq!((choice, after.state()), (Choice::Installed, SlotState::Confirmed), "{text:?}");
    }
}

#[test]
fn a_trial_that_cannot_be_noted_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let running = updated(folder.path());
    install(&running, "3.0.0");
    // A folder where the record's draft would be.
    fs::create_dir(folder.path().join("slots/active.new")).unwrap();
    assert_eq!(start(folder.path()).1, confirmed(folder.path(), SlotName::A));
    fs::remove_dir(folder.path().join("slots/active.new")).unwrap();
    assert_eq!(start(folder.path()).1, trial(folder.path(), SlotName::B), "tried once it can be noted");
}

#[test]
fn a_record_with_a_version_that_is_no_text_is_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = start(folder.path());
    install(&first, "2.0.0");
    let record_path = folder.path().join("slots").join(RECORD_FILE);
    let record = fs::read_to_string(&record_path).unwrap();
    for version in ["2\\r\\nX: y", "", "2.0.0 and much more than a version has"] {
        fs::write(&record_path, record.replacen("2.0.0", version, 1)).unwrap();
        let (running, choice) = start(folder.path());
        assert_eq!((choice, running.version()), (Choice::Installed, "1.0.0".to_owned()), "{version:?}");
    }
    fs::write(&record_path, &record).unwrap();
    assert_eq!(start(folder.path()).1, trial(folder.path(), SlotName::A));
}

#[test]
fn a_candidate_in_the_slot_of_the_confirmed_program_is_no_candidate() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = start(folder.path());
    install(&first, "2.0.0");
    let record_path = folder.path().join("slots").join(RECORD_FILE);
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&record_path).unwrap()).unwrap();
    record["confirmed"] = record["candidate"]["program"].clone();
    fs::write(&record_path, record.to_string()).unwrap();
    assert_eq!(start(folder.path()).1, Choice::Installed);
}

#[test]
fn a_note_whose_tag_would_add_lines_to_a_request_is_no_note() {
    let folder = tempfile::tempdir().unwrap();
    let (slots, _) = start(folder.path());
    slots.begin().unwrap();
    slots.write_at(0, &program("2.0.0")).unwrap();
    for (etag, is_noted) in [("\"v2\"", true), ("\"a\"\r\nX: \"b\"", false), ("\"a\r\nb\"", false)] {
        let download = Download { image: facts("2.0.0"), etag: etag.try_into().unwrap() };
        slots.note_download(Some(&download)).unwrap();
        assert_eq!(slots.noted_download().is_some(), is_noted, "{etag:?}");
    }
}

#[test]
fn an_installed_program_that_was_upgraded_past_the_slot_s_runs() {
    let folder = tempfile::tempdir().unwrap();
    updated(folder.path());
    let choose = |installed: &str| slots(folder.path(), None, installed).choose();
    for older in ["1.0.0", "1.9.9", "2.0.0", "2.0.0-rc1"] {
        assert_eq!(choose(older), confirmed(folder.path(), SlotName::A), "{older}");
    }
    assert_eq!(choose("2.0.1"), Choice::Installed);
    let upgraded = slots(folder.path(), None, "2.0.1");
    assert!(!upgraded.is_other_due(), "the slot is given up");
    install(&upgraded, "2.1.0");
    assert!(matches!(choose("2.0.1"), Choice::Trial { .. }), "and takes the next program");
}

#[test]
fn an_older_program_over_the_air_stays_until_the_package_is_upgraded() {
    let folder = tempfile::tempdir().unwrap();
    let choose = |installed: &str| slots(folder.path(), None, installed).choose();
    install(&slots(folder.path(), None, "3.0.0"), "2.0.0");
    assert_eq!(choose("3.0.0"), trial(folder.path(), SlotName::A));
    slots(folder.path(), Some(SlotName::A), "3.0.0").confirm().unwrap();
    assert_eq!(choose("3.0.0"), confirmed(folder.path(), SlotName::A), "it was there before");
    assert_eq!(choose("3.0.1"), Choice::Installed);
}

#[test]
fn versions_are_compared_by_their_numbers() {
    let rising =
        ["0.9", "1.0-rc1", "1.0-rc2", "1.0", "1.0.1", "1.9", "1.10~beta", "1.10", "1.10b", "2", "2024.1"];
    for (index, older) in rising.iter().enumerate() {
        assert!(!is_newer(older, older), "{older}");
        for newer in &rising[index + 1..] {
            assert!(is_newer(newer, older), "{newer} > {older}");
            assert!(!is_newer(older, newer), "{older} < {newer}");
        }
    }
    assert!(!is_newer("01.0", "1.0") && !is_newer("1.0", " 01.0"));
    assert!(is_newer(&"9".repeat(60), "1"), "numbers beyond all numbers are compared as text");
}

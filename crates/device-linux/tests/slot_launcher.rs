//! Real processes: scripts in the program slots, started by the example `slot_launcher`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what tests share stops the test when it fails"
)]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Longer than any script here runs unless it hangs.
const PATIENT_MS: &str = "60000";

/// Cargo builds examples beside the tests.
fn launcher() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/slot_launcher")
}

fn spawn(state_dir: &Path, trial_ms: &str) -> Child {
    let mut command = Command::new(launcher());
    command.arg(state_dir).arg(trial_ms).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn run(state_dir: &Path, trial_ms: &str) -> String {
    let output = spawn(state_dir, trial_ms).wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Puts a script into a slot.
fn program(state_dir: &Path, slot: &str, script: &str) -> Value {
    fs::create_dir_all(state_dir.join("slots")).unwrap();
    let (path, text) = (state_dir.join("slots").join(slot), format!("#!/bin/sh\n{script}\n"));
    fs::write(&path, &text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let sha256: [u8; 32] = Sha256::digest(text).into();
    json!({"slot": slot, "sha256": sha256, "version": "2.0.0"})
}

fn write_record(state_dir: &Path, confirmed: &Value, candidate: &Value) {
    let record = json!({"confirmed": confirmed, "candidate": candidate}).to_string();
    fs::write(state_dir.join("slots/active"), record).unwrap();
}

fn new(program: &Value) -> Value {
    json!({"program": program, "stage": "new", "former": "1.0.0"})
}

fn stage(state_dir: &Path) -> Value {
    let record: Value = serde_json::from_slice(&fs::read(state_dir.join("slots/active")).unwrap()).unwrap();
    record["candidate"]["stage"].clone()
}

const INSTALLED: &str = "the installed program runs\n";

#[test]
fn without_slots_the_installed_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), PATIENT_MS), INSTALLED);
}

#[test]
fn a_confirmed_program_takes_the_process_over_and_knows_its_slot() {
    let folder = tempfile::tempdir().unwrap();
    let confirmed = program(folder.path(), "b", "echo \"$REHOME_SLOT, $1, $$, ${REHOME_LAUNCHER##*/}\"");
    write_record(folder.path(), &confirmed, &Value::Null);
    let child = spawn(folder.path(), PATIENT_MS);
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, format!("b, an argument, {pid}, slot_launcher\n"));
}

#[test]
fn a_state_file_that_cannot_be_used_keeps_no_program_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let confirmed = program(folder.path(), "b", "echo runs");
    write_record(folder.path(), &confirmed, &Value::Null);
    fs::create_dir(folder.path().join("home.flash")).unwrap();
    assert_eq!(run(folder.path(), PATIENT_MS), "runs\n");
}

#[test]
fn a_new_program_that_ends_unconfirmed_gives_way_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let tried = program(folder.path(), "a", "echo \"$REHOME_SLOT on trial\"; exit 3");
    write_record(folder.path(), &Value::Null, &new(&tried));
    assert_eq!(run(folder.path(), PATIENT_MS), format!("a on trial\n{INSTALLED}"));
    assert_eq!(stage(folder.path()), "failed");
    assert_eq!(run(folder.path(), PATIENT_MS), INSTALLED, "tried once");
}

#[test]
fn a_new_program_that_hangs_is_ended_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let former = program(folder.path(), "b", "echo former");
    let tried = program(folder.path(), "a", "echo hangs; exec sleep 1000");
    write_record(folder.path(), &former, &new(&tried));
    assert_eq!(run(folder.path(), "300"), "hangs\nformer\n");
    assert_eq!(stage(folder.path()), "failed");
}

#[test]
fn a_new_program_that_cannot_be_started_gives_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut tried = program(folder.path(), "a", "");
    let text = "no program at all";
    fs::write(folder.path().join("slots/a"), text).unwrap();
    tried["sha256"] = json!(<[u8; 32]>::from(Sha256::digest(text)));
    write_record(folder.path(), &Value::Null, &new(&tried));
    let told = run(folder.path(), PATIENT_MS);
    assert!(told.ends_with(INSTALLED), "{told}");
}

#[test]
fn a_program_whose_bytes_changed_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let tried = program(folder.path(), "a", "echo original");
    program(folder.path(), "a", "echo altered");
    write_record(folder.path(), &tried, &new(&tried));
    assert_eq!(run(folder.path(), PATIENT_MS), INSTALLED);
}

#[test]
fn a_confirmed_program_stays_after_the_launcher_has_watched_it() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("slots/active");
    // The program confirms itself as the agent does, by the record, and ends for a restart.
    let script = format!(
        "if [ -n \"$REHOME_LAUNCHER\" ]; then echo for good; exit; fi; echo first; cp {0}.proven {0}",
        record.display()
    );
    let tried = program(folder.path(), "a", &script);
    write_record(folder.path(), &tried, &Value::Null);
    fs::rename(&record, folder.path().join("slots/active.proven")).unwrap();
    write_record(folder.path(), &Value::Null, &new(&tried));
    assert_eq!(run(folder.path(), PATIENT_MS), "first\nfor good\n");
}

#[test]
fn a_launcher_that_is_killed_during_a_trial_brings_the_former_program_back() {
    let folder = tempfile::tempdir().unwrap();
    let tried = program(folder.path(), "a", "echo started; exec sleep 2");
    write_record(folder.path(), &Value::Null, &new(&tried));
    let mut child = spawn(folder.path(), PATIENT_MS);
    let mut started = [0; 8];
    child.stdout.as_mut().unwrap().read_exact(&mut started).unwrap();
    assert_eq!(&started, b"started\n");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(run(folder.path(), PATIENT_MS), INSTALLED);
}

//! Backup while the server runs, restore elsewhere, check.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::device_client::{Device, HARDWARE, INVALID_TOKEN, LOGIN, frame};
use crate::process::{Ended, rehome, run, wait_until};
use crate::server::{TestServer, content_of};

/// Devices that write while the backup is made.
const WRITERS: usize = 3;

/// Each writer gets this far before the backup begins.
const WRITTEN_BEFORE: u64 = 20;

fn program(folder: &Path, words: &[&str]) -> Ended {
    let ended = run(&mut rehome(folder, words));
    assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
    ended
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn back_up(server: &TestServer, to: &Path) -> Ended {
    program(to.parent().unwrap(), &["backup", "--data-dir", text(&server.data_dir()), "--to", text(to)])
}

fn restore(from: &Path, data_dir: &Path) -> Ended {
    program(from.parent().unwrap(), &["restore", "--from", text(from), "--data-dir", text(data_dir)])
}

fn check(data_dir: &Path) -> (i32, Vec<Value>) {
    let ended = program(data_dir.parent().unwrap(), &["check", "--data-dir", text(data_dir), "--json"]);
    let printed: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:#?}"));
    (ended.code(), printed["problems"].as_array().unwrap().clone())
}

#[track_caller]
fn succeeded(ended: &Ended) {
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
}

/// Every file and folder is for its owner alone.
fn is_private(path: &Path) {
    let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
    if path.is_dir() {
        assert_eq!(mode, 0o700, "{}", path.display());
        for entry in fs::read_dir(path).unwrap() {
            is_private(&entry.unwrap().path());
        }
    } else {
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}

/// A restored server and what lies beside it, on a folder of its own.
fn serve_restored(from: &Path) -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    succeeded(&restore(from, &folder.path().join("data")));
    TestServer::serve_in(folder)
}

/// Writes growing numbers to V1 until the server is gone, and counts what was acknowledged.
fn write(server: &TestServer, token: &str, acknowledged: &AtomicU64) {
    let mut next = 1;
    // 60 writes are below the quota of one connection.
    while let Some(mut device) = Device::try_connect(server.plain_addr) {
        let Some(status) = device.try_login(LOGIN, token) else { return };
        assert_eq!(status, 200);
        for _ in 0..60 {
            let Some(_) = device.try_send_acknowledged(&frame(HARDWARE, 2, &format!("vw|1|{next}")), 3)
            else {
                return;
            };
            acknowledged.store(next, Ordering::SeqCst);
            next += 1;
        }
    }
}

#[test]
fn a_backup_made_under_load_holds_every_value_acknowledged_before_it_began() {
    let place = tempfile::tempdir().unwrap();
    let backups: [PathBuf; 2] = ["folder", "file.tar"].map(|name| place.path().join(name));
    let mut server = TestServer::serve();
    let devices: Vec<(String, String)> = (0..WRITERS).map(|_| server.create_device()).collect();
    let acknowledged: [AtomicU64; WRITERS] = Default::default();
    let mut before = Vec::new();
    thread::scope(|scope| {
        let running = &server;
        for ((_, token), count) in devices.iter().zip(&acknowledged) {
            scope.spawn(move || write(running, token, count));
        }
        for backup in &backups {
            let seen = || acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect::<Vec<_>>();
            let start: Vec<u64> = before.last().cloned().unwrap_or_else(|| vec![0; WRITERS]);
            let is_further = |(now, then): (&u64, &u64)| *now >= then + WRITTEN_BEFORE;
            before.push(wait_until("writes of everybody", || {
                let now = seen();
                if now.iter().zip(&start).all(is_further) { Ok(now) } else { Err(format!("{now:?}")) }
            }));
            succeeded(&back_up(running, backup));
        }
        rustix::process::kill_process(running.process().pid(), rustix::process::Signal::KILL).unwrap();
    });
    server.kill();

    for (backup, before) in backups.iter().zip(&before) {
        is_private(backup);
        let restored = serve_restored(backup);
        assert_eq!(restored.key, server.key, "programs keep their key");
        for (((id, token), least), most) in devices.iter().zip(before).zip(&acknowledged) {
            let value: u64 = restored.value(id, 1).parse().unwrap();
            // One more than was acknowledged may have been stored when the server was killed.
            let most = most.load(Ordering::SeqCst) + 1;
            assert!((*least..=most).contains(&value), "{value} is not in {least}..={most}");
            Device::log_in(restored.plain_addr, token);
        }
        assert_eq!(check(&restored.data_dir()), (0, vec![]));
    }
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), backups.len(), "something temporary is left: {left:?}");
}

#[test]
fn a_device_that_a_restored_database_does_not_know_is_told_to_try_later() {
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup.tar");
    let server = TestServer::serve();
    let (_, earlier) = server.create_device();
    succeeded(&back_up(&server, &backup));
    let (_, later) = server.create_device();
    let authority = fs::read(server.data_dir().join("tls/ca.pem")).unwrap();
    drop(server);

    let restored = serve_restored(&backup);
    restored.note_secret(&later);
    Device::log_in(restored.plain_addr, &earlier);
    let status = Device::try_connect(restored.plain_addr).unwrap().try_login(LOGIN, &later);
    assert_ne!(status, Some(INVALID_TOKEN));
    assert_eq!(status, Some(19));
    assert_eq!(fs::read(restored.data_dir().join("tls/ca.pem")).unwrap(), authority, "boards trust it");
}

#[test]
fn a_backup_and_a_restore_never_write_over_anything() {
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    let server = TestServer::serve();
    succeeded(&back_up(&server, &backup));
    let before = content_of(&backup);
    let again = back_up(&server, &backup);
    assert_eq!(again.code(), 1);
    assert!(again.message().contains("give the backup a new name"), "{}", again.message());
    assert_eq!(content_of(&backup), before);

    let full = place.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("note"), "mine").unwrap();
    let refused = restore(&backup, &full);
    assert_eq!(refused.code(), 1);
    assert!(refused.message().contains("is not empty"), "{}", refused.message());
    assert_eq!(content_of(&full).len(), 1);
}

#[test]
fn a_backup_that_was_changed_or_cut_off_is_refused_and_leaves_nothing_that_a_server_starts_on() {
    let place = tempfile::tempdir().unwrap();
    let (folder, file) = (place.path().join("backup"), place.path().join("backup.tar"));
    let (server, other) = (TestServer::serve(), TestServer::serve());
    server.create_device();
    succeeded(&back_up(&server, &folder));
    succeeded(&back_up(&server, &file));
    let target = place.path().join("data");
    let refuses = |from: &Path, words: &str| {
        let ended = restore(from, &target);
        assert_eq!(ended.code(), 1, "{}", ended.stdout);
        assert!(ended.message().contains(words), "{}", ended.message());
        let left = content_of(&target);
        assert!(left.keys().all(|path| path.ends_with("rehome.lock")), "{:?}", left.keys());
    };

    let whole = fs::read(&file).unwrap();
    for kept in [whole.len() / 3, whole.len() - 4_096] {
        fs::write(&file, &whole[..kept]).unwrap();
        refuses(&file, "backup");
    }
    // The token key of another server: devices would be unknown.
    let (own, foreign) = (fs::read(folder.join("token-key")).unwrap(), other.data_dir().join("token-key"));
    fs::copy(&foreign, folder.join("token-key")).unwrap();
    refuses(&folder, "token-key in");
    fs::write(folder.join("token-key"), own).unwrap();
    let manifest_path = folder.join("backup.json");
    let manifest: Value = serde_json::from_slice(&fs::read(&manifest_path).unwrap()).unwrap();
    let mut changed = manifest.clone();
    changed["files"][1]["name"] = json!("../token-key");
    fs::write(&manifest_path, changed.to_string()).unwrap();
    refuses(&folder, "names a file that no backup has");
    fs::write(&manifest_path, manifest.to_string()).unwrap();
    succeeded(&restore(&folder, &target));
}

#[test]
fn a_check_names_what_is_wrong_and_what_to_do() {
    let mut server = TestServer::serve();
    server.create_device();
    assert_eq!(check(&server.data_dir()), (0, vec![]), "while it runs");
    server.stop();
    let data_dir = server.data_dir();
    let other = TestServer::serve();

    fs::set_permissions(data_dir.join("release-key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::copy(other.data_dir().join("token-key"), data_dir.join("token-key")).unwrap();
    let (code, problems) = check(&data_dir);
    let kinds: Vec<&Value> = problems.iter().map(|problem| &problem["kind"]).collect();
    assert_eq!((code, kinds), (1, vec![&json!("key"), &json!("permissions")]), "{problems:#?}");
    let remedy = problems[1]["remedy"].as_str().unwrap();
    assert!(remedy.starts_with("chmod 600 ") && remedy.ends_with("/release-key"), "{remedy}");

    let database = data_dir.join("rehome.db");
    let mut bytes = fs::read(&database).unwrap();
    // The second page and all after it; the first says what the file is.
    bytes[4_096..].fill(0x5A);
    fs::write(&database, bytes).unwrap();
    let (code, problems) = check(&data_dir);
    assert_eq!((code, &problems[0]["kind"]), (1, &json!("database")), "{problems:#?}");
    let words = program(&data_dir, &["check", "--data-dir", text(&data_dir)]);
    assert!(words.stdout.contains("rehome restore"), "{}", words.stdout);
    let refused = back_up(&server, &data_dir.parent().unwrap().join("backup"));
    assert_eq!(refused.code(), 1, "a damaged database makes no backup that looks good");
    assert!(!data_dir.parent().unwrap().join("backup").exists());
}

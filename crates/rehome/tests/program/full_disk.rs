//! A disk without room: the server says so, keeps what it has, and works again when there is room.
//!
//! Two full disks are tried. A limit on the size of files makes every write fail, for any user; it fails with "file too
//! large". A tiny file system of its own fails with "no space left", which is the real thing, and needs a kernel that lets
//! this user mount one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::json;

use crate::device_client::{Device, HARDWARE, LOGIN, frame};
use crate::process::{Ended, Process, isolate, rehome, run, wait_until};
use crate::server::{Answer, TestServer, arguments, ask, content_of, http_agent, unchanged};

/// Runs `rehome serve` where no file may grow beyond some blocks of 1,024 bytes.
fn serve_within(blocks: u32, folder: &Path, data_dir: &Path) -> Ended {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_rehome")]);
    command.args(arguments("serve", data_dir.to_str().unwrap()));
    isolate(&mut command, folder);
    let ended = run(&mut command);
    assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
    ended
}

fn put(server: &TestServer, device: &str, value: &str) -> Answer {
    server.send("PUT", &format!("/api/v1/devices/{device}/datastreams/1"), Some(json!({"value": value})))
}

/// Lets files of the running server grow to `bytes` from now on; without a limit when there is none.
fn limit_files(server: &TestServer, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Some(server.process().pid()), Resource::Fsize, limit).unwrap();
}

#[test]
fn a_first_start_without_room_fails_and_works_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    for blocks in [0, 1, 8, 32] {
        let ended = serve_within(blocks, folder.path(), &data_dir);
        assert_eq!(ended.code(), 1, "{blocks}: {}", ended.stderr);
        println!("{blocks} kB: {}", ended.message());
    }
    let words = arguments("serve", data_dir.to_str().unwrap());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let process = Process::spawn(&mut rehome(folder.path(), &words));
    process.stdout.wait_for_line("the addresses", |line| line.contains("devices").then_some(())).unwrap();
    assert_eq!(process.stop().code(), 0);
}

#[test]
fn a_start_without_room_leaves_an_existing_folder_as_it_is() {
    let mut server = TestServer::serve();
    let (device, _token) = server.create_device();
    put(&server, &device, "kept").expect(200);
    server.stop();
    let before = content_of(&server.data_dir());
    let ended = serve_within(0, server.data_dir().parent().unwrap(), &server.data_dir());
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    println!("{}", ended.message());
    unchanged(&before, &server.data_dir());
    server.start_again();
    assert_eq!(server.value(&device, 1), "kept");
}

#[test]
fn a_server_whose_disk_fills_up_acknowledges_nothing_more_and_goes_on_when_there_is_room() {
    let mut server = TestServer::serve();
    let (device, token) = server.create_device();
    put(&server, &device, "kept").expect(200);
    limit_files(&server, Some(0));
    assert_eq!(problem(&put(&server, &device, "lost")), (503, "store_unavailable".to_owned()));
    assert_eq!(server.value(&device, 1), "kept", "reading goes on");
    let mut unacknowledged = Device::try_connect(server.plain_addr).unwrap();
    let status = unacknowledged.try_login(LOGIN, &token);
    assert!(!matches!(status, Some(9)), "no room is no reason to give up for good");
    if status == Some(200) {
        assert_eq!(unacknowledged.try_send_acknowledged(&frame(HARDWARE, 2, "vw|1|lost"), 3), None);
    }
    limit_files(&server, None);
    put(&server, &device, "after").expect(200);
    Device::log_in(server.plain_addr, &token);
    server.kill();
    server.start_again();
    assert_eq!(server.value(&device, 1), "after");
}

#[test]
fn a_full_disk_makes_the_server_unready_and_devices_try_later_until_there_is_room() {
    let server = TestServer::serve();
    let (device, token) = server.create_device();
    let mut connected = Device::log_in(server.plain_addr, &token);
    let ready = || server.send("GET", "/readyz", None).status;
    assert_eq!(ready(), 200);
    limit_files(&server, Some(0));
    // The values are taken, the ping after them is not answered, and the connection ends.
    assert_eq!(connected.try_send_acknowledged(&frame(HARDWARE, 2, "vw|1|lost"), 3), None);
    wait_until("an unready server", || if ready() == 503 { Ok(()) } else { Err("ready".to_owned()) });
    for _ in 0..3 {
        let mut late = Device::try_connect(server.plain_addr).unwrap();
        assert_eq!(late.try_login(LOGIN, &token), Some(19), "try later, and never 9");
    }
    limit_files(&server, None);
    // By itself: nobody writes anything meanwhile.
    wait_until("a ready server", || if ready() == 200 { Ok(()) } else { Err("unready".to_owned()) });
    let mut back = Device::log_in(server.plain_addr, &token);
    assert!(back.try_send_acknowledged(&frame(HARDWARE, 2, "vw|1|after"), 3).is_some());
    assert_eq!(server.value(&device, 1), "after");
}

/// Status and code of a problem document.
fn problem(answer: &Answer) -> (u16, String) {
    let code = answer.json()["code"].as_str().map(str::to_owned);
    (answer.status, code.unwrap_or_else(|| panic!("{answer:?}")))
}

/// A command with the right to mount, in a file system view of its own.
fn unshare(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "sh", "-c", script]).arg(folder).arg(env!("CARGO_BIN_EXE_rehome"));
    command.args(arguments("serve", folder.join("data").to_str().unwrap()));
    isolate(&mut command, &std::env::temp_dir());
    command
}

/// Whether this kernel lets this user mount; says so when it does not.
fn can_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(&mut unshare(folder.path(), "mount -t tmpfs tmpfs \"$0\""));
    if !ended.status.success() {
        println!("SKIPPED: this user may not mount a small file system: {}", ended.stderr);
    }
    ended.status.success()
}

#[test]
fn a_start_on_a_full_file_system_says_so_and_the_next_one_with_space_works() {
    if !can_mount() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Every 4 kB another file is the one that finds no room, until there is enough for all.
    for size_kb in (4..=180).step_by(4) {
        let script = format!(
            "mount -t tmpfs -o size={size_kb}k tmpfs \"$0\" && \"$@\"; code=$?; echo \"first start: $code\"
             mount -o remount,size=8m \"$0\" && exec \"$@\""
        );
        let process = Process::spawn(&mut unshare(folder.path(), &script));
        let started =
            process.stdout.wait_for_line("the addresses", |line| line.contains("sign in").then_some(()));
        started.unwrap_or_else(|seen| panic!("{size_kb} kB: {seen}\n{}", process.stderr.text()));
        let ended = process.stop();
        assert_eq!(ended.code(), 0, "{size_kb} kB: {}", ended.stderr);
        assert!(ended.stdout.starts_with("first start: 1\n"), "{size_kb} kB: {}", ended.stdout);
        let message = ended.message().split("INFO").next().unwrap();
        println!("{size_kb} kB: {message}");
        assert!(message.contains("full") && message.contains("free some space"), "{size_kb} kB: {message}");
        assert!(!ended.stderr.contains("panicked at"), "{size_kb} kB: {}", ended.stderr);
    }
}

#[test]
fn a_file_system_that_fills_up_stops_writes_and_nothing_else() {
    if !can_mount() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=4m tmpfs \"$0\" && exec \"$@\"";
    let process = Process::spawn(&mut unshare(folder.path(), script));
    let console = process.stdout.wait_for_line("the address", |line| {
        Some(line.trim().strip_prefix("console")?.trim().trim_end_matches('/').to_owned())
    });
    let console = console.unwrap_or_else(|seen| panic!("{seen}\n{}", process.stderr.text()));
    // The folder as the server sees it.
    let root = PathBuf::from(format!("/proc/{}/root", process.pid().as_raw_nonzero()));
    let inside = root.join(folder.path().strip_prefix("/").unwrap());
    let key = fs::read_to_string(inside.join("data/admin-api-key")).unwrap();
    let authorization = format!("Bearer {}", key.trim());
    let agent = http_agent();
    let create = |name: &str| {
        let headers = [("authorization", authorization.as_str())];
        let body = ("application/json", json!({"name": name}).to_string());
        ask(&agent, "POST", &format!("{console}/api/v1/templates"), &headers, Some(body)).unwrap()
    };
    create("before").expect(201);
    let filler = inside.join("filler");
    assert!(fs::write(&filler, vec![1; 8 << 20]).is_err(), "the file system takes more than its size");
    let refused = wait_until("a refused write", || {
        let answer = create("without room");
        if answer.status == 201 { Err("another write had room".to_owned()) } else { Ok(answer) }
    });
    assert_eq!(problem(&refused), (503, "store_unavailable".to_owned()));
    fs::remove_file(&filler).unwrap();
    create("after").expect(201);
    let ended = process.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(key.trim()), "the key is in the log");
}

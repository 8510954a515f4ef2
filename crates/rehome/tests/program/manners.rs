//! What commands leave behind and print where nobody looks for colours.

use std::fs;

use crate::process::{Process, rehome, run};

#[test]
fn a_log_that_goes_to_a_file_has_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["serve", "--data-dir", "data", "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"];
    let server = Process::spawn(rehome(folder.path(), &words).env_remove("NO_COLOR"));
    server
        .stdout
        .wait_for_line("the console's address", |line| line.contains("console").then_some(()))
        .unwrap();
    let ended = server.stop();
    assert!(ended.stderr.contains("INFO"), "something was logged: {}", ended.stderr);
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
}

#[test]
fn devices_that_could_not_be_made_leave_no_file_in_the_way_of_the_next_try() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), "0".repeat(64)).unwrap();
    // Port 9 of this machine, "discard": nobody listens there.
    let words = ["load", "devices", "--api", "127.0.0.1:9", "--admin-key-file", "key", "--output", "tokens"];
    for _try in 0..2 {
        let ended = run(&mut rehome(folder.path(), &words));
        assert_eq!(ended.code(), 1);
        assert!(!ended.message().contains("exists"), "{}", ended.message());
        assert!(!folder.path().join("tokens").exists());
    }
}

#[test]
fn a_bench_without_a_certificate_to_trust_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wifi.txt"), "no certificate").unwrap();
    let ended = run(&mut rehome(folder.path(), &["bench", "--trust", "wifi.txt", "--listen", "127.0.0.1:0"]));
    assert_eq!(ended.code(), 1);
    assert!(ended.message().contains("wifi.txt holds no certificate"), "{}", ended.message());
}

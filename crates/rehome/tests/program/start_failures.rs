//! Starts that cannot work: the message says what to do, the exit code is 1 (2 for a senseless command line), and nothing
//! is damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::process::{Ended, isolate, rehome, run};
use crate::server::{TestServer, arguments, content_of, unchanged};

/// Position of the format number in a database file. Source: SQLite file format, section 1.3, user version.
const FORMAT_OFFSET: usize = 60;

/// Runs `rehome serve` on a data folder with more arguments; it must give up.
fn serve_with(folder: &Path, data_dir: &Path, more: &[&str]) -> Ended {
    let words = arguments("serve", data_dir.to_str().unwrap());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // A flag may be given once: what `more` gives is left out.
    let kept = without_given(&words, more);
    refused(&mut rehome(folder, &[kept.as_slice(), more].concat()))
}

fn without_given<'a>(words: &[&'a str], more: &[&str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word.starts_with("--") && more.contains(word) {
            words.next();
        } else {
            kept.push(*word);
        }
    }
    kept
}

/// Runs a program that must give up without a panic and without printing any address.
fn refused(command: &mut Command) -> Ended {
    let ended = run(command);
    assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "", "it started");
    ended
}

/// The exit code is 1 and the message says all of this.
#[track_caller]
fn says(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    let message = ended.message();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

/// A data folder with a device and a value, closed well.
struct Filled {
    server: TestServer,
    device: String,
}

impl Filled {
    fn new() -> Self {
        let mut server = TestServer::serve();
        let (device, _token) = server.create_device();
        put(&server, &device, "kept").expect(200);
        server.stop();
        Self { server, device }
    }

    fn data_dir(&self) -> std::path::PathBuf {
        self.server.data_dir()
    }

    /// Starts the server and finds the value again.
    fn opens_unharmed(mut self) {
        self.server.start_again();
        assert_eq!(self.server.value(&self.device, 1), "kept");
    }
}

fn put(server: &TestServer, device: &str, value: &str) -> crate::server::Answer {
    server.send("PUT", &format!("/api/v1/devices/{device}/datastreams/1"), Some(json!({"value": value})))
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_busy_port_is_named_with_the_flags_that_choose_another() {
    let first = TestServer::serve();
    for (flag, address) in [("--listen", first.plain_addr), ("--listen-tls", first.tls_addr)] {
        let second = Filled::new();
        let before = content_of(&second.data_dir());
        let ended = serve_with(folder().path(), &second.data_dir(), &[flag, &address.to_string()]);
        says(&ended, &[&address.to_string(), "in use", flag]);
        unchanged(&before, &second.data_dir());
        second.opens_unharmed();
    }
    assert_eq!(first.get("/api/v1/devices")["items"], json!([]));
}

#[test]
fn a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let first = TestServer::serve();
    let (device, _token) = first.create_device();
    let ended = serve_with(folder().path(), &first.data_dir(), &[]);
    says(&ended, &["another server", "--data-dir"]);
    put(&first, &device, "still served").expect(200);
}

#[test]
fn a_data_folder_that_is_a_file_is_refused_and_left_as_it_is() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "something else").unwrap();
    for data_dir in [file.clone(), file.join("below")] {
        let ended = serve_with(folder.path(), &data_dir, &[]);
        says(&ended, &["cannot use the data folder", "check that", data_dir.to_str().unwrap()]);
    }
    assert_eq!(content_of(folder.path()), [(file, b"something else".to_vec())].into());
}

#[test]
fn an_unreadable_data_folder_is_refused_and_left_as_it_is() {
    let filled = Filled::new();
    let data_dir = filled.data_dir();
    let before = content_of(&data_dir);
    for unreadable in [data_dir.clone(), data_dir.join("rehome.db"), data_dir.join("token-key")] {
        let mode = fs::metadata(&unreadable).unwrap().permissions();
        fs::set_permissions(&unreadable, fs::Permissions::from_mode(0o000)).unwrap();
        let ended = refused(&mut without_superpowers(&arguments("serve", data_dir.to_str().unwrap())));
        fs::set_permissions(&unreadable, mode).unwrap();
        says(&ended, &["check", "ermission", data_dir.to_str().unwrap()]);
        unchanged(&before, &data_dir);
    }
    filled.opens_unharmed();
}

/// `rehome` without the superuser's right to read everything.
fn without_superpowers(words: &[String]) -> Command {
    if !rustix::process::geteuid().is_root() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        return rehome(&std::env::temp_dir(), &words);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--bounding-set", "-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_rehome")])
        .args(words);
    isolate(&mut command, &std::env::temp_dir());
    command
}

#[test]
fn a_data_folder_of_a_newer_version_is_refused_without_touching_a_byte() {
    let filled = Filled::new();
    let database = filled.data_dir().join("rehome.db");
    let original = fs::read(&database).unwrap();
    let mut newer = original.clone();
    newer[FORMAT_OFFSET..FORMAT_OFFSET + 4].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&database, &newer).unwrap();
    let before = content_of(&filled.data_dir());
    for command in ["serve", "up"] {
        let words = arguments(command, filled.server.data_dir().to_str().unwrap());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = refused(&mut rehome(folder().path(), &words));
        says(&ended, &["newer version", "99", "update this program"]);
        unchanged(&before, &filled.data_dir());
    }
    fs::write(&database, &original).unwrap();
    filled.opens_unharmed();
}

#[test]
fn a_lost_or_foreign_token_key_is_refused_and_not_replaced() {
    let filled = Filled::new();
    let key = filled.data_dir().join("token-key");
    let original = fs::read(&key).unwrap();
    fs::write(&key, format!("{}\n", "ab".repeat(32))).unwrap();
    says(&serve_with(folder().path(), &filled.data_dir(), &[]), &["token-key", "backup"]);
    fs::remove_file(&key).unwrap();
    says(&serve_with(folder().path(), &filled.data_dir(), &[]), &["token-key", "restore it from the backup"]);
    assert!(!key.exists());
    fs::write(&key, original).unwrap();
    filled.opens_unharmed();
}

#[test]
fn half_a_certificate_is_refused_before_anything_is_made() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    for flag in ["--tls-cert", "--tls-key"] {
        let ended = serve_with(folder.path(), &data_dir, &[flag, "file.pem"]);
        says(&ended, &["tls_cert", "tls_key", "belong together"]);
    }
    let both = serve_with(folder.path(), &data_dir, &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    says(&both, &["cert.pem"]);
    fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let garbage = serve_with(folder.path(), &data_dir, &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    says(&garbage, &["cert.pem"]);
}

#[test]
fn an_unknown_setting_is_named_wherever_it_stands() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    fs::write(folder.path().join("rehome.toml"), "lisen = '127.0.0.1:1'\n").unwrap();
    says(&serve_with(folder.path(), &data_dir, &[]), &["configuration", "lisen", "rehome.toml"]);
    fs::write(folder.path().join("rehome.toml"), "[timings]\nwrite_s = 5\n").unwrap();
    says(&serve_with(folder.path(), &data_dir, &[]), &["configuration", "write_s"]);
    fs::write(folder.path().join("rehome.toml"), "listen = = 1\n").unwrap();
    says(&serve_with(folder.path(), &data_dir, &[]), &["rehome.toml"]);
    says(&serve_with(folder.path(), &data_dir, &["--config", "missing.toml"]), &["missing.toml"]);
    fs::remove_file(folder.path().join("rehome.toml")).unwrap();
    let mistyped = serve_with(folder.path(), &data_dir, &["--lisen", "127.0.0.1:1"]);
    assert_eq!(mistyped.code(), 2, "{}", mistyped.stderr);
    assert!(mistyped.stderr.contains("--lisen"), "{}", mistyped.stderr);
    let no_address = serve_with(folder.path(), &data_dir, &["--listen", "here"]);
    assert_eq!(no_address.code(), 2, "{}", no_address.stderr);
    assert!(!data_dir.exists(), "nothing was made");
}

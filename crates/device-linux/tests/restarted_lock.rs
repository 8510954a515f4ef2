//! Real processes: five wrong passphrases lock the door, and no end of the agent's process opens it again.

#![expect(clippy::unwrap_used, reason = "what tests share stops the test when it fails")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a door that stays closed is listened to. An open one is heard within milliseconds of the API's answer.
const QUIET: Duration = Duration::from_millis(500);
/// Interface of the example's hotspot.
const INTERFACE: &str = "radioless0";

/// Cargo builds examples beside the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/radioless_device")
}

/// A running agent; it is killed in the end, as by a crash.
struct Agent {
    process: Child,
    said: Receiver<String>,
}

impl Agent {
    /// Starts it and waits until its local API answers: its door is open by then, or a moment later.
    fn start(folder: &Path) -> Self {
        let socket = folder.join("device.sock");
        let _left_behind = fs::remove_file(&socket);
        let mut command = Command::new(program());
        let mut process = command.arg(folder).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, said) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let started_at = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(started_at.elapsed() < DEADLINE, "the agent does not start");
            thread::yield_now();
        }
        Self { process, said }
    }

    fn says(&self) -> String {
        self.said.recv_timeout(DEADLINE).unwrap()
    }

    fn is_silent_for(&self, wait: Duration) -> bool {
        self.said.recv_timeout(wait) == Err(RecvTimeoutError::Timeout)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Five strangers at the hotspot, as the supplicant tells of them.
fn guess_five_times(supplicant: &UnixDatagram) {
    let mut request = [0; 16];
    let (_bytes, agent) = supplicant.recv_from(&mut request).unwrap();
    for number in 0..5 {
        let message = format!("<3>AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:03:0{number}");
        supplicant.send_to_addr(message.as_bytes(), &agent).unwrap();
    }
}

/// What a kernel that booted once more would make of the folder: what was noted is of another boot.
fn age_by_one_boot(folder: &Path) {
    let kernel = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for name in ["boot-id", "wrong-proofs"] {
        let path = folder.join("state").join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(kernel.trim()), "{name} names the boot");
        fs::write(&path, text.replace(kernel.trim(), "an earlier boot")).unwrap();
    }
}

#[test]
fn a_crash_of_the_agent_opens_no_locked_door_and_a_power_on_does() {
    let folder = tempfile::tempdir().unwrap();
    let supplicant = UnixDatagram::bind(folder.path().join(INTERFACE)).unwrap();
    supplicant.set_read_timeout(Some(DEADLINE)).unwrap();

    let agent = Agent::start(folder.path());
    assert_eq!(agent.says(), "hotspot open");
    guess_five_times(&supplicant);
    assert_eq!(agent.says(), "hotspot closed");
    drop(agent);

    for _restart in 0..2 {
        let agent = Agent::start(folder.path());
        assert!(agent.is_silent_for(QUIET), "a restart is no power-on");
    }

    age_by_one_boot(folder.path());
    assert_eq!(Agent::start(folder.path()).says(), "hotspot open");
}

//! The tools that the commands need, checked before work starts and installed where that is possible.

use std::path::Path;

use anyhow::{Result, bail};

use crate::stage::Process;

/// Where Debian installs the browser of the page tests.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Checks every tool of the tests, and installs nextest where it is missing.
///
/// # Errors
/// Names what is missing and how to get it.
pub(crate) fn require_test_tools(root: &Path) -> Result<()> {
    let mut missing = Vec::new();
    if !answers(root, "npm") {
        missing.push("Node.js 20 with npm");
    }
    if !answers(root, "python3") {
        missing.push("Python 3 (Debian: apt-get install python3)");
    }
    if !Process::new(root, "python3", &["-c", "import ensurepip, venv"]).succeeds() {
        missing.push("Python's venv module (Debian: apt-get install python3-venv)");
    }
    if !answers(root, "dbus-daemon") {
        missing.push("D-Bus (Debian: apt-get install dbus)");
    }
    // `--help` ends with 1, so the program is looked for instead of asked.
    if !Process::new(root, "sh", &["-c", "command -v mosquitto_pub mosquitto_sub"]).succeeds() {
        missing.push("mosquitto's clients (Debian: apt-get install mosquitto-clients)");
    }
    if !Process::new(root, "sh", &["-c", "command -v pebble && command -v pebble-challtestsrv"]).succeeds() {
        missing.push("the ACME server for tests (Debian: apt-get install pebble)");
    }
    // Debian's own interpreter: the mock is a Debian package, which another one does not see.
    if !Process::new(root, "/usr/bin/python3", &["-c", "import dbusmock"]).succeeds() {
        missing.push("NetworkManager's mock (Debian: apt-get install python3-dbusmock)");
    }
    if !Path::new(CHROMIUM).exists() {
        missing.push("Chromium (Debian: apt-get install chromium)");
    }
    if !missing.is_empty() {
        bail!("the tests need, and this machine lacks: {}", missing.join("; "));
    }
    if !Process::new(root, "cargo", &["nextest", "--version"]).succeeds() {
        println!("cargo-nextest is not installed; building it once takes some minutes");
        Process::new(root, "cargo", &["install", "--locked", "--debug", "cargo-nextest"]).run()?;
    }
    Ok(())
}

fn answers(root: &Path, program: &str) -> bool {
    Process::new(root, program, &["--version"]).succeeds()
}

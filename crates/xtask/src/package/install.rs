//! Installs, upgrades, removes and purges the package in a Debian of its own.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::stage::Process;

/// What is done there.
const SCRIPT: &str = "crates/device-linux/packaging/install-test.sh";
/// Where script and package lie there.
const GUEST_SCRIPT: &str = "/tmp/install-test.sh";
const GUEST_PACKAGE: &str = "/tmp/rehome.deb";
/// Oldest release that the package is for.
const RELEASE: &str = "bookworm";
/// What Debian's installer puts on every machine and `minbase` lacks.
const INCLUDED: &str = "--include=systemd";

/// Looks for what is needed before anything is built.
///
/// # Errors
/// Says what is missing.
pub(super) fn require_tools(root: &Path) -> Result<()> {
    if !Process::new(root, "debootstrap", &["--version"]).succeeds() {
        bail!("debootstrap is missing; `apt-get install debootstrap` brings it");
    }
    ensure!(
        fs::read_to_string("/proc/self/status").is_ok_and(|text| text.contains("\nUid:\t0\t")),
        "a Debian of its own is made by root; run this as root, in a container for instance"
    );
    Ok(())
}

/// Makes the Debian in `folder`, once, and plays the script in it.
///
/// # Errors
/// When the Debian cannot be made, or a step of the script fails.
pub(super) fn run(root: &Path, package: &Path, folder: &Path) -> Result<()> {
    let is_made = folder.join("usr/bin/dpkg").is_file() && folder.join("usr/bin/systemd-sysusers").is_file();
    if !is_made {
        let target = folder.to_string_lossy();
        let arguments = ["--variant=minbase", INCLUDED, RELEASE, target.as_ref()];
        Process::new(root, "debootstrap", &arguments).run()?;
    }
    let put = |from: &Path, to: &str| {
        let to = folder.join(to.trim_start_matches('/'));
        fs::copy(from, &to).map(drop).with_context(|| format!("copying {} there", from.display()))
    };
    put(&root.join(SCRIPT), GUEST_SCRIPT)?;
    put(package, GUEST_PACKAGE)?;
    let target = folder.to_string_lossy();
    Process::new(root, "chroot", &[target.as_ref(), "sh", GUEST_SCRIPT, GUEST_PACKAGE]).run()
}

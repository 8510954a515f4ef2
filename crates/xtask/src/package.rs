//! The Debian package: `cargo xtask package` builds it and looks at what a machine would get; `--install` goes through a
//! machine's life with it.

mod install;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::stage::{Process, Stages};
use crate::{console, target_folder};

/// Files of the package: where, permissions, and what they are copies of.
const FILES: [(&str, u32, &str); 6] = [
    (
        "usr/lib/systemd/system/rehome-device.service",
        0o644,
        "crates/device-linux/packaging/rehome-device.service",
    ),
    (
        "usr/share/polkit-1/rules.d/50-rehome-device.rules",
        0o644,
        "crates/device-linux/packaging/50-rehome-device.rules",
    ),
    ("usr/lib/sysusers.d/rehome-device.conf", 0o644, "crates/device-linux/packaging/rehome-device.sysusers"),
    ("usr/lib/rehome/make-hotspot-interface", 0o755, "crates/device-linux/packaging/make-hotspot-interface"),
    // May hold the proof of possession.
    ("etc/rehome/device.toml", 0o600, "crates/device-linux/packaging/device.toml"),
    ("usr/share/doc/rehome/linux-device.md", 0o644, "docs/guides/linux-device.md"),
];
const PROGRAM: &str = "usr/bin/rehome";
const PROGRAM_MODE: u32 = 0o755;
const PERMISSION_BITS: u32 = 0o7777;
/// Highest exposure of the service, in tenths, as `systemd-analyze security` counts it.
const EXPOSURE_MAX: &str = "--threshold=20";

/// Arguments of `cargo xtask package`.
#[derive(Debug, Args)]
pub(crate) struct PackageArguments {
    /// Also installs, upgrades, removes and purges the package in a Debian of its own; needs root and debootstrap.
    #[arg(long)]
    install: bool,
}

/// Builds the package and checks it.
///
/// # Errors
/// When it cannot be built, or lacks something.
pub(crate) fn run(root: &Path, arguments: &PackageArguments) -> Result<()> {
    let target = target_folder(root)?;
    let (package, unpacked) = (target.join("debian/rehome.deb"), target.join("debian/unpacked"));
    let mut stages = Stages::default();
    stages.run("tools", || {
        if arguments.install {
            install::require_tools(root)?;
        }
        require_cargo_deb(root)
    })?;
    stages.run("console: packages", || console::install_packages(root))?;
    stages.run("console: build", || console::build(root))?;
    stages.run("package", || {
        let output = package.to_string_lossy();
        Process::new(root, "cargo", &["deb", "--package", "rehome", "--output", output.as_ref()]).run()
    })?;
    stages.run("unpack and look", || {
        unpack(root, &package, &unpacked)?;
        check_files(root, &unpacked)?;
        check_program(root, &unpacked)?;
        check_service(root, &unpacked)
    })?;
    if arguments.install {
        let machine = target.join("debian/machine");
        stages.run("install, upgrade, remove, purge", || install::run(root, &package, &machine))?;
    }
    stages.print_summary();
    println!("\n{}", package.display());
    Ok(())
}

fn require_cargo_deb(root: &Path) -> Result<()> {
    if !Process::new(root, "dpkg-deb", &["--version"]).succeeds() {
        bail!("dpkg-deb is missing; the package is built on Debian");
    }
    if !Process::new(root, "cargo", &["deb", "--version"]).succeeds() {
        println!("cargo-deb is not installed; building it once takes some minutes");
        Process::new(root, "cargo", &["install", "--locked", "--debug", "cargo-deb"]).run()?;
    }
    Ok(())
}

fn unpack(root: &Path, package: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    Process::new(root, "dpkg-deb", &[Path::new("--extract"), package, folder]).run()
}

fn check_files(root: &Path, unpacked: &Path) -> Result<()> {
    for (path, mode, source) in FILES {
        let reading = || format!("reading {path} of the package");
        let packed = fs::read(unpacked.join(path)).with_context(reading)?;
        let expected = fs::read(root.join(source)).with_context(|| format!("reading {source}"))?;
        ensure!(packed == expected, "{path} of the package is not {source}");
        check_mode(unpacked, path, mode)?;
    }
    check_mode(unpacked, PROGRAM, PROGRAM_MODE)
}

fn check_mode(unpacked: &Path, path: &str, mode: u32) -> Result<()> {
    let metadata =
        fs::metadata(unpacked.join(path)).with_context(|| format!("reading {path} of the package"))?;
    let found = metadata.permissions().mode() & PERMISSION_BITS;
    ensure!(found == mode, "{path} of the package has the permissions {found:o} in place of {mode:o}");
    Ok(())
}

/// The program must take the options that come with it.
fn check_program(root: &Path, unpacked: &Path) -> Result<()> {
    let program = unpacked.join(PROGRAM);
    let options = unpacked.join("etc/rehome/device.toml");
    let arguments =
        [Path::new("device"), Path::new("--check-config"), Path::new("--config"), options.as_path()];
    Process::new(root, &program.to_string_lossy(), &arguments).run()
}

fn check_service(root: &Path, unpacked: &Path) -> Result<()> {
    if !Process::new(root, "systemd-analyze", &["--version"]).succeeds() {
        println!("systemd-analyze is missing, so the service's sandbox is not checked");
        return Ok(());
    }
    let unit: PathBuf = unpacked.join("usr/lib/systemd/system/rehome-device.service");
    let judged = Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true", EXPOSURE_MAX])
        .arg(&unit)
        .output()
        .context("starting systemd-analyze")?;
    let text = String::from_utf8_lossy(&judged.stdout);
    let verdict = text.lines().rfind(|line| line.contains("exposure")).unwrap_or_default();
    ensure!(judged.status.success(), "the service's sandbox has holes: {verdict}");
    println!("{verdict}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_of_the_package_is_one_that_sh_can_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device-linux/packaging");
        for script in ["debian/postinst", "debian/postrm", "make-hotspot-interface", "install-test.sh"] {
            let read = Command::new("sh").arg("-n").arg(folder.join(script)).output().unwrap();
            assert!(read.status.success(), "{script}: {}", String::from_utf8_lossy(&read.stderr));
        }
    }

    /// The guide has every application join the agent's group.
    #[test]
    fn the_group_of_the_socket_may_not_read_the_options() {
        let script = include_str!("../../device-linux/packaging/debian/postinst");
        let sets = |line: &str| script.lines().any(|found| found.trim() == line);
        assert!(sets("chown rehome-device:root /etc/rehome/device.toml"));
        assert!(sets("chmod 0600 /etc/rehome/device.toml"));
        let packed = FILES.iter().find(|(path, ..)| path.ends_with("device.toml"));
        assert_eq!(packed.map(|(_, mode, _)| *mode), Some(0o600));
    }

    /// Without the minutes that building takes: what the package is made of is there, and nothing is forgotten here.
    #[test]
    fn every_file_of_the_package_exists_and_is_looked_at() {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rehome");
        let text = fs::read_to_string(crate_folder.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
        for asset in assets {
            let [source, to, mode] = [0, 1, 2].map(|index| asset[index].as_str().unwrap());
            let mode = u32::from_str_radix(mode, 8).unwrap();
            if to == "usr/bin/" {
                assert_eq!(mode, PROGRAM_MODE);
                continue;
            }
            assert!(crate_folder.join(source).is_file(), "{source}");
            let is_looked_at =
                FILES.iter().any(|(path, expected, _)| path.starts_with(to) && *expected == mode);
            assert!(is_looked_at, "{source} at {to}");
        }
    }
}

//! The core library for a chip without an operating system: installed by rustup, or built from its source.

mod debian_source;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt};

use anyhow::{Context as _, Result};

use crate::stage::Process;

/// The 32-bit RISC-V of the ESP32-C3: no atomics, no floating point.
pub(crate) const RV32IMC: &str = "riscv32imc-unknown-none-elf";
/// The 32-bit RISC-V of the ESP32-C6: with atomics.
pub(crate) const RV32IMAC: &str = "riscv32imac-unknown-none-elf";

/// Asks for a build from source although the library may be installed: a folder that holds `library`, or [`DEBIAN`].
const SOURCE_VARIABLE: &str = "REHOME_RUST_SRC";
/// The source is taken from Debian's package.
const DEBIAN: &str = "debian";

/// Where the core library of a target comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CoreLibrary {
    /// Installed for this target.
    Installed,
    /// Built with the program, from the source in this folder.
    FromSource(PathBuf),
}

impl CoreLibrary {
    /// Finds the core library for `target` as cargo sees it from `folder`, and prints which it is.
    ///
    /// Tried in this order: what the environment asks for, the installed library, `rustup target add`, the source that
    /// rustup has or fetches, and Debian's package with the source.
    ///
    /// # Errors
    /// When none of them can be had.
    pub(crate) fn find(folder: &Path, target: &str) -> Result<Self> {
        let library = Self::search(folder, target)?;
        println!("core library for {target}: {library}");
        Ok(library)
    }

    fn search(folder: &Path, target: &str) -> Result<Self> {
        match env::var_os(SOURCE_VARIABLE) {
            Some(source) if source == DEBIAN => return debian_source::fetch(folder).map(Self::FromSource),
            Some(source) => return Ok(Self::FromSource(PathBuf::from(source))),
            None => {}
        }
        if is_installed(folder, target)? || rustup(folder, "target", target) && is_installed(folder, target)?
        {
            return Ok(Self::Installed);
        }
        let source = sysroot(folder)?.join("lib/rustlib/src/rust");
        let is_there = || source.join("library/core").is_dir();
        if is_there() || rustup(folder, "component", "rust-src") && is_there() {
            return Ok(Self::FromSource(source));
        }
        debian_source::fetch(folder).map(Self::FromSource)
    }

    /// Returns `cargo <command>` for `target` in `folder`, with these arguments more.
    pub(crate) fn cargo(&self, folder: &Path, command: &str, target: &str, arguments: &[&str]) -> Process {
        let mut all = vec![command, "--quiet", "--locked", "--target", target];
        all.extend(arguments);
        match self {
            Self::Installed => Process::new(folder, "cargo", &all),
            Self::FromSource(source) => {
                all.push("-Zbuild-std=core,alloc");
                // Both are what makes a released compiler build its own library from a source of the same version.
                Process::new(folder, "cargo", &all)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("__CARGO_TESTS_ONLY_SRC_ROOT", source.join("library"))
            }
        }
    }
}

impl fmt::Display for CoreLibrary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => formatter.write_str("installed by rustup"),
            Self::FromSource(source) => {
                write!(formatter, "built with -Zbuild-std from {}", source.display())
            }
        }
    }
}

fn is_installed(folder: &Path, target: &str) -> Result<bool> {
    Ok(sysroot(folder)?.join("lib/rustlib").join(target).join("lib").is_dir())
}

/// Not every machine has rustup, and not every one that has it reaches its server.
fn rustup(folder: &Path, kind: &str, name: &str) -> bool {
    Process::new(folder, "rustup", &[kind, "add", name]).succeeds()
}

fn sysroot(folder: &Path) -> Result<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(folder)
        .output()
        .context("asking rustc for its folder")?;
    let path = String::from_utf8(output.stdout).context("reading rustc's folder")?;
    Ok(PathBuf::from(path.trim()))
}

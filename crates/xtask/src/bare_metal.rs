//! The core library for a chip without an operating system: installed by rustup, or built from its source.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::stage::Process;

/// The 32-bit RISC-V of the ESP32-C3: no atomics, no floating point.
pub(crate) const RV32IMC: &str = "riscv32imc-unknown-none-elf";
/// The 32-bit RISC-V of the ESP32-C6: with atomics.
pub(crate) const RV32IMAC: &str = "riscv32imac-unknown-none-elf";

/// Names a folder with the standard library's source, as Debian's package `rust-src` unpacks it; needed only where
/// rustup can fetch neither the target nor the source.
const SOURCE_VARIABLE: &str = "REHOME_RUST_SRC";
/// SHA-256 of Debian's `rust-src` 1.95.0 in trixie-backports, architecture `all`.
const DEBIAN_SOURCE_SHA256: &str = "7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b";

/// Where the core library of a target comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CoreLibrary {
    /// Installed for this target.
    Installed,
    /// Built with the program, from the source in this folder.
    FromSource(PathBuf),
}

impl CoreLibrary {
    /// Finds the core library for `target` as cargo sees it from `folder`, and says which it is.
    ///
    /// # Errors
    /// When there is neither the library nor its source.
    pub(crate) fn find(folder: &Path, target: &str) -> Result<Self> {
        let is_installed = is_installed(folder, target)?
            || Process::new(folder, "rustup", &["target", "add", target]).succeeds()
                && is_installed(folder, target)?;
        if is_installed {
            println!("core library for {target}: installed by rustup");
            return Ok(Self::Installed);
        }
        let source = find_source(folder)?;
        println!("core library for {target}: built from {}", source.display());
        Ok(Self::FromSource(source))
    }

    /// Returns `cargo build --release` for `target` in `folder`, with these arguments more.
    pub(crate) fn build(&self, folder: &Path, target: &str, arguments: &[&str]) -> Process {
        let mut all = vec!["build", "--quiet", "--release", "--locked", "--target", target];
        all.extend(arguments);
        match self {
            Self::Installed => Process::new(folder, "cargo", &all),
            Self::FromSource(source) => {
                all.push("-Zbuild-std=core,alloc");
                // Both are what makes a released compiler build its own library from a source of the same version.
                Process::new(folder, "cargo", &all)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("__CARGO_TESTS_ONLY_SRC_ROOT", source)
            }
        }
    }
}

fn is_installed(folder: &Path, target: &str) -> Result<bool> {
    Ok(sysroot(folder)?.join("lib/rustlib").join(target).join("lib").is_dir())
}

fn find_source(folder: &Path) -> Result<PathBuf> {
    if let Some(source) = env::var_os(SOURCE_VARIABLE) {
        return Ok(PathBuf::from(source));
    }
    let source = sysroot(folder)?.join("lib/rustlib/src/rust");
    let is_there = || source.join("library/core").is_dir();
    if is_there()
        || Process::new(folder, "rustup", &["component", "add", "rust-src"]).succeeds() && is_there()
    {
        return Ok(source);
    }
    bail!(
        "rustup can fetch neither the target nor the source of the core library. Unpack Debian's rust-src of the \
         compiler's own version (1.95.0: trixie-backports, SHA-256 {DEBIAN_SOURCE_SHA256}) and set {SOURCE_VARIABLE} \
         to the folder that holds `library`"
    );
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

//! Builds the device's cores for a chip without an operating system.

use std::path::Path;

use anyhow::{Result, bail};

use crate::stage::Process;

/// Crates that must build without the standard library.
pub(crate) const NO_STD_CRATES: [&str; 5] = ["wire", "home-store", "lifecycle", "portal", "device"];

/// The 32-bit RISC-V of the ESP32-C3: no atomics beyond load and store, no floating point.
const BARE_METAL_TARGET: &str = "riscv32imc-unknown-none-elf";

/// Type-checks [`NO_STD_CRATES`] for [`BARE_METAL_TARGET`].
///
/// # Errors
/// When the target cannot be had or a crate needs the standard library.
pub(crate) fn check(root: &Path) -> Result<()> {
    let has_target = Process::new(root, "rustup", &["target", "add", BARE_METAL_TARGET]).succeeds();
    if !has_target {
        bail!("`rustup target add {BARE_METAL_TARGET}` failed; it needs rustup and its download server");
    }
    let mut arguments = vec!["check", "--quiet", "--target", BARE_METAL_TARGET];
    for package in NO_STD_CRATES {
        arguments.extend(["--package", package]);
    }
    Process::new(root, "cargo", &arguments).run()
}

//! Builds the device's cores for a chip without an operating system.

use std::path::Path;

use anyhow::Result;

use crate::bare_metal::{CoreLibrary, RV32IMC};

/// Crates that must build without the standard library.
pub(crate) const NO_STD_CRATES: [&str; 5] = ["wire", "home-store", "lifecycle", "portal", "device"];

/// Type-checks [`NO_STD_CRATES`] for the smallest chip.
///
/// # Errors
/// When the target cannot be had or a crate needs the standard library.
pub(crate) fn check(root: &Path) -> Result<()> {
    let packages: Vec<&str> = NO_STD_CRATES.iter().flat_map(|package| ["--package", package]).collect();
    CoreLibrary::find(root, RV32IMC)?.cargo(root, "check", RV32IMC, &packages).run()
}

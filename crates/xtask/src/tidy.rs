//! The rules of this repository that no compiler knows.
//!
//! Each rule is a function from the tree to a list of complaints; a complaint names a place and what to do.

mod decisions;
mod guarantees;
mod imports;
mod licences;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Checks every rule and reports all complaints at once.
///
/// # Errors
/// When a rule is broken, or the tree cannot be read.
pub(crate) fn run(root: &Path) -> Result<()> {
    let files = committed_files(root)?;
    let mut complaints = imports::complaints(root)?;
    complaints.extend(licences::complaints(root)?);
    complaints.extend(sources::complaints(root, &files)?);
    complaints.extend(decisions::complaints(&files));
    complaints.extend(guarantees::complaints(root)?);
    if complaints.is_empty() {
        println!("tidy: {} files, no complaint", files.len());
        return Ok(());
    }
    for complaint in &complaints {
        println!("tidy: {complaint}");
    }
    bail!("tidy has {} complaints", complaints.len());
}

/// Lists the files that git tracks or would track, relative to the root.
fn committed_files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("starting git to list the files")?;
    if !output.status.success() {
        bail!("git could not list the files: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let listing = String::from_utf8(output.stdout).context("reading the names of the files")?;
    let files = listing.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    Ok(files.filter(|path| root.join(path).is_file()).collect())
}

//! The unmodified third-party clients that the tests run against the server.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::stage::Process;

/// Installs the clients of `crates/rehome/tests/clients` into `folder`.
///
/// # Errors
/// When npm or pip cannot install what the committed lists name.
pub(crate) fn install(root: &Path, folder: &Path) -> Result<()> {
    let lists = root.join("crates/rehome/tests/clients");
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    for name in ["package.json", "package-lock.json", "requirements.txt"] {
        fs::copy(lists.join(name), folder.join(name)).with_context(|| format!("copying {name}"))?;
    }
    Process::new(folder, "npm", &["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
        .run()?;
    if !folder.join("venv/bin/pip").exists() {
        Process::new(folder, "python3", &["-m", "venv", "venv"]).run()?;
    }
    Process::new(folder, "venv/bin/pip", &["install", "--quiet", "--requirement", "requirements.txt"]).run()
}

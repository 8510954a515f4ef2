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
    for name in ["package.json", "package-lock.json", "requirements.txt", "requirements-scanners.txt"] {
        fs::copy(lists.join(name), folder.join(name)).with_context(|| format!("copying {name}"))?;
    }
    Process::new(folder, "npm", &["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
        .run()?;
    install_python(folder, "venv", "requirements.txt")?;
    // Apart from the clients, whose versions they must not decide.
    install_python(folder, "scanners", "requirements-scanners.txt")
}

fn install_python(folder: &Path, venv: &str, list: &str) -> Result<()> {
    let python = format!("{venv}/bin/python");
    if !folder.join(&python).exists() {
        Process::new(folder, "python3", &["-m", "venv", venv]).run()?;
    }
    // By its module: the script `pip` holds the path of the folder it was made in.
    Process::new(folder, &python, &["-m", "pip", "install", "--quiet", "--requirement", list]).run()
}

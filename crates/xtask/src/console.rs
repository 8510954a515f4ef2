//! The web console's commands, all through npm.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};

use crate::stage::Process;

/// Installs the console's packages unless the installed ones are those of the lock file.
pub(crate) fn install_packages(root: &Path) -> Result<()> {
    let console = console_folder(root);
    let installed_at = modified_at(&console.join("node_modules/.package-lock.json"));
    let locked_at = modified_at(&console.join("package-lock.json"));
    if installed_at.is_some() && installed_at >= locked_at {
        return Ok(());
    }
    Process::new(&console, "npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"]).run()
}

/// Builds `console/dist` unless it is newer than every source of the console.
pub(crate) fn build(root: &Path) -> Result<()> {
    let console = console_folder(root);
    let built_at = modified_at(&console.join("dist/index.html"));
    let mut sources: Vec<PathBuf> = ["index.html", "package-lock.json", "vite.config.ts", "tsconfig.json"]
        .iter()
        .map(|name| console.join(name))
        .collect();
    list_files(&console.join("src"), &mut sources).context("listing the console's sources")?;
    let changed_at = sources.iter().filter_map(|path| modified_at(path)).max();
    if built_at.is_some() && built_at >= changed_at {
        return Ok(());
    }
    run_script(root, "build")
}

/// Runs one script of `console/package.json`.
pub(crate) fn run_script(root: &Path, script: &str) -> Result<()> {
    script_process(root, script).run()
}

/// Prepares one script of `console/package.json`.
pub(crate) fn script_process(root: &Path, script: &str) -> Process {
    Process::new(&console_folder(root), "npm", &["run", "--silent", script])
}

/// Rewrites both `OpenAPI` documents from the code, and the console's clients from the documents.
pub(crate) fn regenerate_clients(root: &Path) -> Result<()> {
    for package in ["api-types", "bench"] {
        Process::new(root, "cargo", &["nextest", "run", "--package", package, "openapi"])
            .env("UPDATE_OPENAPI", "1")
            .run()?;
    }
    install_packages(root)?;
    run_script(root, "generate")
}

fn console_folder(root: &Path) -> PathBuf {
    root.join("console")
}

fn modified_at(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn list_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list_files(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    Ok(())
}

//! Rules about the text of files.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::no_std::NO_STD_CRATES;

/// Largest file that may be committed, in bytes; a larger one is data that belongs elsewhere.
const FILE_BYTES_MAX: u64 = 200_000;

/// Generated files that may be larger: lock files grow with their dependencies, a description with what it describes.
const LARGE_FILES: [&str; 3] = ["Cargo.lock", "openapi.json", "package-lock.json"];

/// Product lines after which a Rust file surely holds two ideas.
const PRODUCT_LINES_MAX: usize = 600;

/// Folder and file names that say nothing about their content.
const DRAWER_NAMES: [&str; 5] = ["utils", "util", "common", "helpers", "misc"];

/// Complains about every file that breaks a rule.
pub(super) fn complaints(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for file in files {
        let path = root.join(file);
        let size_bytes = fs::metadata(&path).with_context(|| format!("reading {}", path.display()))?.len();
        let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if size_bytes > FILE_BYTES_MAX && !LARGE_FILES.contains(&name) && !is_picture(file) {
            complaints.push(format!("{}: {size_bytes} bytes; at most {FILE_BYTES_MAX}", file.display()));
        }
        if file.extension() == Some(OsStr::new("rs")) {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            rust_complaints(file, &text, &mut complaints);
        }
    }
    for package in NO_STD_CRATES {
        let root_file = root.join("crates").join(package).join("src/lib.rs");
        let text =
            fs::read_to_string(&root_file).with_context(|| format!("reading {}", root_file.display()))?;
        if !text.contains("#![no_std]") && !text.contains("#![cfg_attr(not(test), no_std)]") {
            complaints.push(format!("crates/{package}/src/lib.rs: must be #![no_std]"));
        }
    }
    Ok(complaints)
}

fn rust_complaints(file: &Path, text: &str, complaints: &mut Vec<String>) {
    let shown = file.display();
    let stem = file.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    if DRAWER_NAMES.contains(&stem) {
        complaints.push(format!("{shown}: name the idea instead of `{stem}`"));
    }
    if stem == "mod" {
        complaints.push(format!("{shown}: use `name.rs` beside the folder `name/`"));
    }
    let is_root = stem == "lib" || stem == "main";
    if is_root && !text.trim_start().starts_with("//!") {
        complaints.push(format!("{shown}: start with a `//!` paragraph that says what the crate does"));
    }
    // Split so that this file does not complain about itself.
    if text.contains(concat!("FIX", "ME")) || text.contains(concat!("#[ig", "nore")) {
        complaints.push(format!("{shown}: mend it now or name an issue; no test is ignored"));
    }
    let is_test = file.components().any(|part| part.as_os_str() == "tests") || stem == "tests";
    let line_count = product_lines(text);
    if !is_test && line_count > PRODUCT_LINES_MAX {
        complaints.push(format!("{shown}: {line_count} product lines; at most {PRODUCT_LINES_MAX}"));
    }
}

fn product_lines(text: &str) -> usize {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

fn is_picture(file: &Path) -> bool {
    matches!(file.extension().and_then(OsStr::to_str), Some("png" | "webp" | "ico"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints_about(name: &str, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        rust_complaints(Path::new(name), text, &mut complaints);
        complaints
    }

    #[test]
    fn a_drawer_name_is_refused() {
        assert_eq!(complaints_about("crates/wire/src/utils.rs", "").len(), 1);
        assert!(complaints_about("crates/wire/src/frame.rs", "").is_empty());
    }

    #[test]
    fn a_crate_without_an_opening_paragraph_is_refused() {
        assert_eq!(complaints_about("crates/wire/src/lib.rs", "pub mod frame;").len(), 1);
        assert!(complaints_about("crates/wire/src/lib.rs", "//! Frames.\npub mod frame;").is_empty());
    }

    #[test]
    fn comments_blank_lines_and_tests_do_not_count_as_product_lines() {
        let text = "// why\n\nfn a() {}\n#[cfg(test)]\nmod tests {}\n";
        assert_eq!(product_lines(text), 1);
    }
}

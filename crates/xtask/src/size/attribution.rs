//! Finds out which crate each machine instruction belongs to, from the program's line table.
//!
//! Optimised for size, much of a crate ends up inside functions of others, and names of functions say little. The line
//! table says for each address which source line it came from, and through which calls. An instruction counts for the
//! innermost crate that is no general tool: a comparison of two slices counts for who compares.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

use crate::elf;

/// Tools that everybody uses; what they do counts for their callers.
const GENERAL: [&str; 5] = ["core", "alloc", "heapless", "embassy-futures", "hash32"];
/// Instructions start at even addresses. Source: The RISC-V Instruction Set Manual, volume I, chapter 16.
const INSTRUCTION_STEP: usize = 2;
const UNKNOWN: &str = "(unknown)";

/// The code of one crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// Returns the bytes of code by crate, the largest first.
///
/// # Errors
/// When the program or its line table cannot be read.
pub(super) fn code_by_crate(path: &Path, program: &[u8]) -> Result<Vec<Part>> {
    let loader = addr2line::Loader::new(path).map_err(|error| anyhow!("reading the line table: {error}"))?;
    let code = elf::code_range(program)?;
    let mut bytes_of = BTreeMap::<String, u64>::new();
    for address in code.step_by(INSTRUCTION_STEP) {
        let mut frames = loader
            .find_frames(u64::from(address))
            .map_err(|error| anyhow!("looking up {address:#x}: {error}"))?;
        let mut files = Vec::new();
        while let Some(frame) = frames.next().context("reading a frame")? {
            files.extend(frame.location.and_then(|location| location.file).map(crate_of));
        }
        *bytes_of.entry(responsible(&files).to_owned()).or_default() += INSTRUCTION_STEP as u64;
    }
    let mut parts: Vec<Part> = bytes_of.into_iter().map(|(name, bytes)| Part { name, bytes }).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    Ok(parts)
}

/// Chooses from the crates of one instruction's calls, the innermost first.
fn responsible<'a>(crates: &[&'a str]) -> &'a str {
    let particular = crates.iter().find(|name| !GENERAL.contains(name));
    particular.or(crates.last()).copied().unwrap_or(UNKNOWN)
}

/// Returns the crate that a source file belongs to: ours, one from a registry, or one of the standard library.
fn crate_of(file: &str) -> &str {
    let Some((folder, _)) = file.split_once("/src/") else { return UNKNOWN };
    // The standard library's path begins with its version, and the folder of all its crates is called library.
    if let Some((_, rest)) = file.rsplit_once("/library/") {
        return rest.split('/').next().unwrap_or(UNKNOWN);
    }
    let name = match file.split_once("/registry/src/") {
        Some((_, rest)) => rest.split('/').nth(1).unwrap_or(UNKNOWN),
        None => folder.rsplit('/').next().unwrap_or(UNKNOWN),
    };
    match name.rsplit_once('-') {
        Some((name, version)) if version.starts_with(|first: char| first.is_ascii_digit()) => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::{crate_of, responsible};

    #[test]
    fn files_name_their_crates() {
        assert_eq!(crate_of("/home/a/rehome/crates/home-store/src/store.rs"), "home-store");
        assert_eq!(
            crate_of("/c/registry/src/index-1/curve25519-dalek-5.0.0/src/field.rs"),
            "curve25519-dalek"
        );
        assert_eq!(crate_of("/rustc/59807616/library/core/src/fmt/mod.rs"), "core");
        assert_eq!(crate_of("/x/lib/rustlib/src/rust/library/core/src/fmt/mod.rs"), "core");
        assert_eq!(crate_of("nowhere"), "(unknown)");
    }

    #[test]
    fn general_tools_count_for_their_callers() {
        assert_eq!(responsible(&["core", "heapless", "portal", "size-probe"]), "portal");
        assert_eq!(responsible(&["core", "core"]), "core");
        assert_eq!(responsible(&[]), "(unknown)");
    }
}

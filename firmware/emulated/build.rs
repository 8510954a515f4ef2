//! Prepares two things: the tests of the cores as plain functions, and the memory map of the emulated board.
//!
//! A test harness needs the standard library. So the test files of `home-store` and `wire` are taken as they are, and
//! only their frame is changed: `#[test]` functions become entries of a table that the program runs one by one.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Module name, source file, and whether its tests are run.
const SHARED_FILES: [(&str, &str); 4] = [
    ("fixtures", "crates/home-store/tests/store/fixtures.rs"),
    ("crash_points", "crates/home-store/tests/store/crash_points.rs"),
    ("simulated_flash", "crates/home-store/tests/store/simulated_flash.rs"),
    ("describe", "crates/wire/tests/vectors/describe.rs"),
];
const VECTOR_FOLDER: &str = "docs/vectors/wire";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("pub(crate) const SCENARIOS: &[(&str, fn())] = &[\n");
    for (module, file) in SHARED_FILES {
        let path = root.join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        let (text, names) = without_harness(&fs::read_to_string(&path)?);
        fs::write(out.join(format!("{module}.rs")), text)?;
        for name in names {
            writeln!(table, "    (\"{module}: {}\", {module}::{name}),", name.replace('_', " "))?;
        }
    }
    table.push_str("];\n");
    fs::write(out.join("scenarios.rs"), table)?;
    fs::write(out.join("vectors.rs"), vector_list(&root.join(VECTOR_FOLDER))?)?;
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        fs::copy("memory.x", out.join("memory.x"))?;
        println!("cargo::rerun-if-changed=memory.x");
        println!("cargo::rustc-link-arg-bins=-T{}", out.join("memory.x").display());
    }
    Ok(())
}

/// Turns a test file into a module of plain functions and returns the names of what were its tests.
fn without_harness(source: &str) -> (String, Vec<String>) {
    let mut text = String::from("#[allow(unused_imports)]\nuse chip_std::prelude::v1::*;\n");
    let mut names = Vec::new();
    let mut is_test_next = false;
    for line in source.lines() {
        if line.starts_with("//!") {
            continue;
        }
        if line == "#[test]" {
            is_test_next = true;
            continue;
        }
        let name = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next());
        if let Some(name) = name.filter(|_| is_test_next) {
            is_test_next = false;
            names.push(name.to_owned());
            text.push_str("pub(crate) ");
        }
        text.push_str(&line.replace("use std::", "use chip_std::"));
        text.push('\n');
    }
    (text, names)
}

/// Embeds every vector file; the emulated board has no files.
fn vector_list(folder: &Path) -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let mut text = String::from("pub(crate) const VECTOR_FILES: &[&str] = &[\n");
    for path in paths {
        let path = path.canonicalize()?;
        writeln!(text, "    include_str!(r\"{}\"),", path.display())?;
    }
    text.push_str("];\n");
    Ok(text)
}

//! Builds for the CPU of the ESP8266: the compiler writes assembly, Debian's tools do the rest.
//!
//! The compiler's own object files for this CPU cannot be linked by Debian's linker; its assembly can. Only where the
//! constants stand must change: the compiler writes them before the section of the function that uses them, and the
//! assembler must have them in that section, since code reaches constants only behind itself and at most 256 KiB away.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::stage::Process;
use crate::target_folder;

const WORKSPACE: &str = "firmware/lx106";
const TARGET: &str = "xtensa-lx106-none-elf";
const COMPILER: &str = "xtensa-lx106-elf-gcc";
pub(super) const EMULATOR: &str = "qemu-system-xtensa";
/// The simulator's board with this CPU; the program prints and ends through the simulator's own calls.
pub(super) const EMULATOR_ARGUMENTS: [&str; 11] =
    ["-M", "sim", "-cpu", "lx106", "-m", "128M", "-semihosting", "-display", "none", "-monitor", "none"];
const LITERAL: &str = ".literal";
const CODE_SECTION: &str = ".section\t.text";

/// Checks what is needed beside Rust.
///
/// # Errors
/// Names what is missing.
pub(super) fn require_tools(root: &Path) -> Result<()> {
    let tools = [(EMULATOR, "qemu-system-misc"), (COMPILER, "gcc-xtensa-lx106")];
    for (program, package) in tools {
        if !Process::new(root, program, &["--version"]).succeeds() {
            bail!("{program} is missing; Debian: apt-get install {package}");
        }
    }
    let has_source = Process::new(root, "rustup", &["component", "add", "rust-src"]).succeeds();
    ensure!(
        has_source,
        "`rustup component add rust-src` failed; this CPU's core library is built from source"
    );
    Ok(())
}

/// Returns the linked program.
///
/// # Errors
/// When a step fails.
pub(super) fn build(root: &Path) -> Result<PathBuf> {
    let folder = root.join(WORKSPACE);
    let target_file = format!("{TARGET}.json");
    let arguments = [
        "rustc",
        "--quiet",
        "--release",
        "--locked",
        "--target",
        &target_file,
        "-Zbuild-std=core,alloc",
        "-Zjson-target-spec",
        "--",
        "--emit=asm",
    ];
    // A released compiler takes these switches only when told that it may.
    Process::new(&folder, "cargo", &arguments).env("RUSTC_BOOTSTRAP", "1").run()?;
    let out = target_folder(&folder)?.join(TARGET).join("release");
    let assembly = newest_assembly(&out.join("deps"))?;
    let text = fs::read_to_string(&assembly).with_context(|| format!("reading {}", assembly.display()))?;
    let moved = out.join("lx106.s");
    fs::write(&moved, with_literals_in_their_sections(&text)?).context("writing the assembly")?;
    let program = out.join("lx106.elf");
    let sources = [folder.join("src/start.S"), folder.join("src/support.c"), moved];
    let options = [
        "-O2",
        "-ffreestanding",
        "-fno-tree-loop-distribute-patterns",
        "-mlongcalls",
        "-mtext-section-literals",
        "-Wa,--text-section-literals,--longcalls",
        "-nostdlib",
        "-Wl,--no-warn-rwx-segments",
        "-Wl,-z,noexecstack",
        "-T",
    ];
    let script = folder.join("memory.x");
    let arguments: Vec<&Path> = options
        .iter()
        .map(Path::new)
        .chain([script.as_path(), Path::new("-o"), &program])
        .chain(sources.iter().map(PathBuf::as_path))
        .collect();
    Process::new(&folder, COMPILER, &arguments).run()?;
    Ok(program)
}

fn newest_assembly(folder: &Path) -> Result<PathBuf> {
    let mut newest = None;
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry.context("listing the assembly")?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("lx106-") && path.extension().is_some_and(|extension| extension == "s") {
            let modified =
                fs::metadata(&path).and_then(|metadata| metadata.modified()).context("dating a file")?;
            newest = newest.max(Some((modified, path)));
        }
    }
    newest.map(|(_, path)| path).context("the compiler wrote no assembly")
}

/// Moves each group of constants behind the section directive that follows it.
fn with_literals_in_their_sections(assembly: &str) -> Result<String> {
    let mut moved = String::with_capacity(assembly.len());
    let mut held = String::new();
    for line in assembly.lines() {
        let is_literal = line.trim_start().starts_with(LITERAL);
        let text = if is_literal { &mut held } else { &mut moved };
        text.push_str(line);
        text.push('\n');
        if !held.is_empty() && line.trim_start().starts_with(CODE_SECTION) {
            // Constants are words.
            moved.push_str("\t.p2align\t2\n");
            moved.push_str(&std::mem::take(&mut held));
        }
    }
    ensure!(held.is_empty(), "the assembly ends with constants that no function follows");
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::with_literals_in_their_sections;

    #[test]
    fn constants_move_into_the_section_of_their_function() {
        let written =
            "\t.literal_position\n\t.literal .L0, 1\n\t.text\n\t.section\t.text.f,\"ax\"\nf:\n\tret\n";
        let moved = "\t.text\n\t.section\t.text.f,\"ax\"\n\t.p2align\t2\n\t.literal_position\n\t.literal .L0, 1\nf:\n\tret\n";
        assert_eq!(with_literals_in_their_sections(written).unwrap(), moved);
    }

    #[test]
    fn constants_without_a_function_are_an_error() {
        assert!(with_literals_in_their_sections("\t.literal .L0, 1\n").is_err());
    }
}

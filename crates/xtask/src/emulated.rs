//! Runs the device's cores on an emulated 32-bit CPU and compares with the host, line by line.

mod lx106;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};

use crate::bare_metal::{CoreLibrary, RV32IMC};
use crate::stage::{Process, Stages};
use crate::target_folder;

/// The workspace of the program that runs on both.
const WORKSPACE: &str = "firmware/emulated";
const EMULATOR: &str = "qemu-system-riscv32";
/// QEMU's plain board with the instruction set of the ESP32-C3: no atomics, no floating point; ends by semihosting.
const EMULATOR_ARGUMENTS: [&str; 9] = [
    "-M",
    "virt",
    "-cpu",
    "rv32,a=false,f=false,d=false",
    "-bios",
    "none",
    "-semihosting-config",
    "enable=on,target=native",
    "-nographic",
];
/// Lines that begin like this tell of one CPU only.
const NOTE_PREFIX: &str = "note: ";
/// Lines shown of a transcript that differs.
const CONTEXT_LINE_COUNT: usize = 3;

/// Which CPU to emulate.
#[derive(Debug, Args)]
pub(crate) struct EmulatedArguments {
    /// The CPU: that of the ESP32-C3, or that of the ESP8266.
    #[arg(long, default_value = "rv32imc")]
    cpu: Cpu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Cpu {
    Rv32imc,
    Lx106,
}

/// Builds for both CPUs, runs both, and compares the transcripts.
///
/// # Errors
/// When a tool is missing, a run fails, or the transcripts differ.
pub(crate) fn run(root: &Path, arguments: &EmulatedArguments) -> Result<()> {
    let mut stages = Stages::default();
    let line_count = match arguments.cpu {
        Cpu::Rv32imc => run_rv32imc(root, &mut stages)?,
        Cpu::Lx106 => run_lx106(root, &mut stages)?,
    };
    stages.print_summary();
    println!("\n{line_count} lines, the same on the host and on the emulated {:?}", arguments.cpu);
    Ok(())
}

fn run_rv32imc(root: &Path, stages: &mut Stages) -> Result<usize> {
    if !Process::new(root, EMULATOR, &["--version"]).succeeds() {
        bail!("{EMULATOR} is missing; Debian: apt-get install qemu-system-misc");
    }
    let on_host = transcript_on_host(root, stages)?;
    let folder = root.join(WORKSPACE);
    stages.run("build for rv32imc", || {
        CoreLibrary::find(&folder, RV32IMC)?.cargo(&folder, "build", RV32IMC, &["--release"]).run()
    })?;
    let on_chip = stages.run("run on the emulated rv32imc", || {
        let kernel = target_folder(&folder)?.join(RV32IMC).join("release/emulated");
        transcript_of(Command::new(EMULATOR).args(EMULATOR_ARGUMENTS).arg("-kernel").arg(kernel))
    })?;
    on_chip.lines().filter(|line| line.starts_with(NOTE_PREFIX)).for_each(|line| println!("{line}"));
    compare(&on_host, &on_chip)
}

fn run_lx106(root: &Path, stages: &mut Stages) -> Result<usize> {
    lx106::require_tools(root)?;
    let on_host = transcript_on_host(root, stages)?;
    let kernel = stages.run("build for lx106", || lx106::build(root))?;
    let on_chip = stages.run("run on the emulated lx106", || {
        transcript_of(
            Command::new(lx106::EMULATOR).args(lx106::EMULATOR_ARGUMENTS).arg("-kernel").arg(kernel),
        )
    })?;
    compare(&on_host, &on_chip)
}

fn transcript_on_host(root: &Path, stages: &mut Stages) -> Result<String> {
    let folder = root.join(WORKSPACE);
    stages.run("build for the host", || {
        Process::new(&folder, "cargo", &["build", "--quiet", "--release", "--locked"]).run()
    })?;
    let target = target_folder(&folder)?;
    stages.run("run on the host", || transcript_of(&mut Command::new(target.join("release/emulated"))))
}

/// Runs a program and returns what it printed; the emulator prints semihosting output to standard error.
fn transcript_of(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {}", command.get_program().display()))?;
    let mut text = String::from_utf8(output.stdout).context("reading the transcript")?;
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        let tail: Vec<&str> = text.lines().rev().take(20).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        bail!("the run ended with {}:\n{}", output.status, tail.join("\n"));
    }
    Ok(text)
}

/// Returns how many lines both transcripts have.
///
/// # Errors
/// At the first line that differs, and for a transcript that does not end with its digest.
fn compare(on_host: &str, on_chip: &str) -> Result<usize> {
    let without_notes = |text: &str| {
        text.lines().filter(|line| !line.starts_with(NOTE_PREFIX)).map(str::to_owned).collect::<Vec<_>>()
    };
    let (host, chip) = (without_notes(on_host), without_notes(on_chip));
    if let Some(index) = (0..host.len().max(chip.len())).find(|&index| host.get(index) != chip.get(index)) {
        let around = |lines: &[String]| {
            let from = index.saturating_sub(CONTEXT_LINE_COUNT);
            lines.iter().skip(from).take(2 * CONTEXT_LINE_COUNT + 1).cloned().collect::<Vec<_>>().join("\n")
        };
        bail!("line {} differs\non the host:\n{}\non the chip:\n{}", index + 1, around(&host), around(&chip));
    }
    ensure!(
        host.last().is_some_and(|line| line.starts_with("digest ")),
        "the transcripts have no digest at the end"
    );
    Ok(host.len())
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn equal_transcripts_are_counted_without_notes() {
        let chip = "a\nb\nnote: only here\ndigest 1\n";
        assert_eq!(compare("a\nb\ndigest 1\n", chip).unwrap(), 3);
    }

    #[test]
    fn first_difference_is_named_with_its_line() {
        let error = compare("a\nb\ndigest 1\n", "a\nc\ndigest 1\n").unwrap_err().to_string();
        assert!(error.starts_with("line 2 differs"), "{error}");
    }

    #[test]
    fn transcript_that_breaks_off_is_an_error() {
        assert!(compare("a\ndigest 1\n", "a\n").is_err());
        assert!(compare("a\n", "a\n").is_err());
        assert!(compare("", "").is_err());
    }
}

//! Named stages with their times, and the processes they start.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The stages of one command, in the order in which they ran.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    finished: Vec<(String, Duration)>,
}

impl Stages {
    /// Runs one stage and prints its name before and its time after.
    ///
    /// # Errors
    /// Whatever `work` returns, with the stage's name as context.
    pub(crate) fn run<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n==> {name}");
        let started_at = Instant::now();
        let outcome = work().with_context(|| format!("stage '{name}'"));
        let elapsed = started_at.elapsed();
        println!("<== {name}: {:.1} s", elapsed.as_secs_f64());
        self.finished.push((name.to_owned(), elapsed));
        outcome
    }

    /// Prints a line per finished stage and the sum.
    pub(crate) fn print_summary(&self) {
        println!("\nStages:");
        for (name, elapsed) in &self.finished {
            println!("  {:>7.1} s  {name}", elapsed.as_secs_f64());
        }
        let total: Duration = self.finished.iter().map(|(_, elapsed)| *elapsed).sum();
        println!("  {:>7.1} s  together", total.as_secs_f64());
    }
}

/// A process to run in a folder of the workspace, its output passed through.
#[derive(Debug)]
pub(crate) struct Process {
    command: Command,
    shown: String,
}

impl Process {
    /// Prepares `program` with `arguments`, to run in `folder`.
    pub(crate) fn new<S: AsRef<OsStr>>(folder: &Path, program: &str, arguments: &[S]) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).args(arguments);
        let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        Self { command, shown: format!("{program} {}", words.join(" ")) }
    }

    /// Sets an environment variable of the process.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs the process to its end.
    ///
    /// # Errors
    /// When it cannot be started or ends with anything but success.
    pub(crate) fn run(mut self) -> Result<()> {
        let status = self
            .command
            .status()
            .with_context(|| format!("starting `{}` (is it installed and on PATH?)", self.shown))?;
        if !status.success() {
            bail!("`{}` ended with {status}", self.shown);
        }
        Ok(())
    }

    /// Runs the process to its end without showing its output, and says whether it succeeded.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command.output().is_ok_and(|output| output.status.success())
    }
}

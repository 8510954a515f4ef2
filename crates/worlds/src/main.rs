//! Runs worlds: one seed to replay, a range for a night, a few to measure.
//!
//! Started by `cargo xtask worlds`.
#![expect(clippy::print_stdout, reason = "a command-line tool talks to a person")]

mod fleet;
mod report;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser};
use lifecycle::RecoveryPolicy;

use crate::fleet::{Fleet, Seeds};

/// Seeded worlds of fifty boards for thirty days, judged at every step.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask worlds", bin_name = "cargo xtask worlds")]
struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Runs `rehome` alone instead of all three policies side by side.
    #[arg(long)]
    rehome_only: bool,
    /// Writes the report of the three policies, one HTML file, to this path.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Writes the figures of the three policies, one page of Markdown, to this path.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Worlds at a time; as many as there are processor cores unless told otherwise.
    #[arg(long)]
    jobs: Option<usize>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Runs one world; the same seed is always the same world.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs the worlds of a range, the end not included.
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,
    /// Runs eight worlds one after the other and says how fast that was.
    #[arg(long)]
    measure: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            println!("worlds failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let which = &arguments.which;
    if which.measure {
        fleet::measure();
        return Ok(ExitCode::SUCCESS);
    }
    let seeds = match (which.seed, which.seeds) {
        (Some(seed), _) => Seeds { first: seed, end: seed.saturating_add(1) },
        (None, Some(seeds)) => seeds,
        (None, None) => Seeds { first: 0, end: 0 },
    };
    let policies: &[RecoveryPolicy] = if arguments.rehome_only {
        &[RecoveryPolicy::Rehome]
    } else {
        &[RecoveryPolicy::Stock, RecoveryPolicy::Reset, RecoveryPolicy::Rehome]
    };
    let fleet = Fleet::run(seeds, policies, arguments.jobs);
    fleet.print();
    if let Some(path) = &arguments.report {
        fs::write(path, report::render(&fleet)).with_context(|| format!("writing {}", path.display()))?;
        println!("Report: {}", path.display());
    }
    if let Some(path) = &arguments.summary {
        fs::write(path, report::render_summary(&fleet))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(if fleet.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

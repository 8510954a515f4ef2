//! `cargo xtask bench`: the speed table, measured on this machine in one run.
//!
//! The floor server, the real server and, where it is installed, mosquitto are started one after the other on one processor
//! core, and `rehome load` on another. Every figure is the median of several runs. It prints numbers and asserts none: a
//! shared machine is no place for a timed test.

mod rows;
mod servers;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use rows::{ROWS, Row};
use servers::{Bed, Kind};
use table::Table;

use crate::stage::{Process, Stages};
use crate::target_folder;

/// Arguments of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// How often each row is measured; the table shows medians.
    #[arg(long, default_value_t = 3)]
    repeat: usize,

    /// Measure only rows whose name contains this.
    #[arg(long, default_value = "")]
    row: String,

    /// Measure only this server.
    #[arg(long, value_enum)]
    server: Option<Kind>,

    /// Processor core of the servers.
    #[arg(long, default_value_t = 0)]
    server_core: u32,

    /// Processor core of the load generator.
    #[arg(long, default_value_t = 1)]
    load_core: u32,

    /// Another `rehome` program to measure instead of this workspace's; for before and after a change.
    #[arg(long, value_name = "FILE")]
    rehome: Option<PathBuf>,

    /// Measure what has been built before.
    #[arg(long)]
    skip_build: bool,

    /// Where the table is written as Markdown; `bench/table.md` in cargo's target folder without it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Builds everything for release, measures, and writes the table.
pub(crate) fn run(root: &Path, arguments: &BenchArguments) -> Result<()> {
    if !Process::new(root, "taskset", &["--version"]).succeeds() {
        bail!(
            "the servers are pinned with taskset, which this machine lacks (Debian: apt-get install util-linux)"
        );
    }
    let target = target_folder(root)?;
    let mut stages = Stages::default();
    if !arguments.skip_build {
        stages.run("build", || build(root))?;
    }
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let load_program = target.join("release/rehome");
    let bed = Bed {
        floor_program: target.join("release/examples/floor"),
        rehome_program: arguments.rehome.clone().unwrap_or_else(|| load_program.clone()),
        load_program,
        folder: folder.clone(),
        server_core: arguments.server_core,
        load_core: arguments.load_core,
    };
    let kinds = kinds(root, arguments.server);
    stages.run("prepare", || bed.prepare(&kinds))?;
    let mut table = Table::default();
    for row in ROWS.iter().filter(|row| row.name.contains(&arguments.row)) {
        // The servers take turns, so that a busy minute of a shared machine does not hit one of them alone.
        for _ in 0..arguments.repeat.max(1) {
            for kind in &kinds {
                measure(&bed, &mut table, row, *kind)?;
            }
        }
    }
    let markdown = table.markdown();
    let output = arguments.output.clone().unwrap_or_else(|| folder.join("table.md"));
    std::fs::write(&output, &markdown).with_context(|| format!("writing {}", output.display()))?;
    println!("\n{markdown}\nwritten to {}", output.display());
    Ok(())
}

fn build(root: &Path) -> Result<()> {
    Process::new(root, "cargo", &["build", "--release", "--package", "rehome"]).run()?;
    Process::new(root, "cargo", &["build", "--release", "--package", "load", "--example", "floor"]).run()
}

fn measure(bed: &Bed, table: &mut Table, row: &'static Row, kind: Kind) -> Result<()> {
    let context = || format!("measuring {} with {}", row.name, kind.name());
    let server = bed.start_afresh(kind).with_context(context)?;
    let report = bed.load(row, &server).with_context(context)?;
    println!("{:<12} {:<10} {}", row.name, kind.name(), table::short(row, &report));
    table.add(row, kind, &report);
    Ok(())
}

fn kinds(root: &Path, only: Option<Kind>) -> Vec<Kind> {
    let is_installed = |kind: &Kind| match kind {
        Kind::Floor | Kind::Rehome => true,
        // Its `-h` ends with 3.
        Kind::Mosquitto => Process::new(root, "sh", &["-c", "command -v mosquitto"]).succeeds(),
    };
    let wanted = [Kind::Floor, Kind::Rehome, Kind::Mosquitto].into_iter();
    let kinds: Vec<Kind> =
        wanted.filter(|kind| only.is_none_or(|only| only == *kind)).filter(is_installed).collect();
    if !kinds.contains(&Kind::Mosquitto) {
        println!("mosquitto is not installed or not wanted; its column stays empty");
    }
    kinds
}

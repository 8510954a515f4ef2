//! Plays the founding story on real Wi-Fi software without a radio: `cargo xtask wifi`.
//!
//! An emulated machine boots Debian's own kernel, which makes six radios out of nothing (`mac80211_hwsim`). In it run
//! real access points, a real phone's supplicant, NetworkManager, the cloud and `rehome device`, and a laptop with
//! `rehome provision` and `rehome rescue`. What they play is in `tests/wifi/`; here the machine is made, watched and judged.
//! Nothing on this computer is changed: the emulated machine lives in memory and writes its logs to one folder.

mod archive;
mod image;
mod machine;
mod requirements;
mod transcript;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::stage::{Process, Stages};
use crate::target_folder;
use machine::{Machine, Next};
use requirements::Found;
use transcript::{Line, Transcript};

/// What the emulated machine runs.
const GUEST_FOLDER: &str = "tests/wifi";
const PACKAGING_FOLDER: &str = "crates/device-linux/packaging";
/// Lines shown of each log after a failure.
const LOG_LINES_SHOWN: usize = 30;
/// Longest run of the emulated machine in seconds. The whole command must end within 8 minutes.
const RUN_TIME_MAX_S: u64 = 450;

/// Arguments of `cargo xtask wifi`.
#[derive(Debug, Args)]
pub(crate) struct WifiArguments {
    /// Longest run in seconds; a computer that is busy with something else needs more.
    #[arg(long, value_name = "SECONDS", default_value_t = RUN_TIME_MAX_S)]
    limit_s: u64,
}

/// Builds the program, plays the story with it and shows each step with its time.
///
/// # Errors
/// When a tool is missing, the machine does not come to an end, or a step fails.
pub(crate) fn run(root: &Path, arguments: &WifiArguments) -> Result<()> {
    let needed = requirements::find()?;
    let target = target_folder(root)?;
    let mut stages = Stages::default();
    stages.run("build rehome", || {
        Process::new(root, "cargo", &["build", "--quiet", "--package", "rehome"]).run()
    })?;
    let limit = Duration::from_secs(arguments.limit_s);
    stages.run("play the story", || play_with(root, &needed, &target, limit))?;
    stages.print_summary();
    Ok(())
}

/// Plays the story with the program that was built already.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_built(root: &Path) -> Result<()> {
    let limit = Duration::from_secs(RUN_TIME_MAX_S);
    play_with(root, &requirements::find()?, &target_folder(root)?, limit)
}

/// Looks for all tools before anything else is done.
///
/// # Errors
/// Names what is missing and the packages that bring it.
pub(crate) fn require_tools() -> Result<()> {
    requirements::find().map(|_found| ())
}

fn play_with(root: &Path, needed: &Found, target: &Path, limit: Duration) -> Result<()> {
    let exchange = target.join("wifi");
    let logs = exchange.join("log");
    empty_exchange(&exchange)?;
    let image = image::make(root, needed, &target.join("debug/rehome"), target)?;
    println!("logs: {}", logs.display());
    let played = play(Machine::boot(&needed.kernel, &image, &exchange)?, limit)?;
    if !played.has_passed() {
        print_logs(&logs)?;
    }
    println!("\n{played}");
    if !played.has_passed() {
        bail!("the story on real Wi-Fi software failed; logs: {}", logs.display());
    }
    Ok(())
}

/// Shows how each log ends: where a build machine fails nobody can look into its folders.
fn print_logs(folder: &Path) -> Result<()> {
    let reading = || format!("reading {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        files.push(entry.with_context(reading)?.path());
    }
    files.sort();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        println!("\n--- {}", file.display());
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES_SHOWN)) {
            println!("{line}");
        }
    }
    Ok(())
}

/// Makes the folder into which the machine writes its logs.
fn empty_exchange(exchange: &Path) -> Result<()> {
    if exchange.exists() {
        fs::remove_dir_all(exchange).with_context(|| format!("emptying {}", exchange.display()))?;
    }
    fs::create_dir_all(exchange.join("log")).with_context(|| format!("making {}", exchange.display()))
}

/// Follows the machine to its end or to the end of its time.
fn play(mut machine: Machine, limit: Duration) -> Result<Transcript> {
    let booted_at = Instant::now();
    let mut transcript = Transcript::default();
    loop {
        let left = limit.saturating_sub(booted_at.elapsed());
        match machine.next_line(left) {
            Next::Line(text) => {
                let Some(line) = Line::parse(&text) else {
                    println!("        ?  {text}");
                    continue;
                };
                println!("{:>6} s  {line}", booted_at.elapsed().as_secs());
                transcript.take(line, booted_at.elapsed());
            }
            Next::TimeUp => {
                transcript.stop_with(format!("not finished within {} s", limit.as_secs()));
                return Ok(transcript);
            }
            Next::Ended(status) => {
                ensure!(status.success() || transcript.has_ended(), "the emulator ended with {status}");
                return Ok(transcript);
            }
        }
    }
}

//! Plays the founding story on real Wi-Fi software without a radio: `cargo xtask wifi`.
//!
//! An emulated machine boots Debian's own kernel, which makes four radios out of nothing (`mac80211_hwsim`). In it run
//! real access points, a real phone's supplicant, NetworkManager, the cloud and `rehome device`. What they play is in
//! `tests/wifi/`; here the machine is made, watched and judged. Nothing on this computer is changed: the emulated machine
//! reads its file system and writes to memory and to one folder.

mod machine;
mod requirements;
mod start_image;
mod transcript;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::stage::{Process, Stages};
use crate::target_folder;
use machine::{Machine, Next};
use transcript::{Line, Transcript};

/// What the emulated machine runs.
const GUEST_FOLDER: &str = "tests/wifi";
/// Files of the Linux package that the story uses as they are shipped.
const PACKAGED_FILES: [&str; 2] = ["50-rehome-device.rules", "make-hotspot-interface"];
const PACKAGING_FOLDER: &str = "crates/device-linux/packaging";
/// Longest run of the emulated machine. The whole command must end within 8 minutes.
const RUN_TIME_MAX: Duration = Duration::from_secs(450);

/// Builds what runs, plays the story and shows each step with its time.
///
/// # Errors
/// When a tool is missing, the machine does not come to an end, or a step fails.
pub(crate) fn run(root: &Path) -> Result<()> {
    let needed = requirements::find()?;
    let mut stages = Stages::default();
    let target = target_folder(root)?;
    stages.run("build rehome", || {
        Process::new(root, "cargo", &["build", "--quiet", "--package", "rehome"]).run()
    })?;
    let exchange = target.join("wifi");
    let start_image = stages.run("prepare the machine", || {
        prepare_exchange(root, &exchange, &target.join("debug/rehome"))?;
        start_image::make(root, &needed, &target)
    })?;
    println!("logs: {}", exchange.join("log").display());
    let played = stages.run("play the story", || {
        let machine = Machine::boot(&needed.kernel, &start_image, &exchange)?;
        play(machine)
    })?;
    stages.print_summary();
    println!("\n{played}");
    if !played.has_passed() {
        bail!("the story on real Wi-Fi software failed; logs: {}", exchange.join("log").display());
    }
    Ok(())
}

/// Makes the folder that both sides write: scripts and program for the machine, logs for us.
fn prepare_exchange(root: &Path, exchange: &Path, program: &Path) -> Result<()> {
    if exchange.exists() {
        fs::remove_dir_all(exchange).with_context(|| format!("emptying {}", exchange.display()))?;
    }
    let guest = exchange.join("guest");
    for folder in [&guest, &exchange.join("log")] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let scripts = root.join(GUEST_FOLDER);
    let mut files: Vec<PathBuf> = PACKAGED_FILES.map(|name| root.join(PACKAGING_FOLDER).join(name)).into();
    for entry in fs::read_dir(&scripts).with_context(|| format!("reading {}", scripts.display()))? {
        files.push(entry.with_context(|| format!("reading {}", scripts.display()))?.path());
    }
    for file in files {
        let name = file.file_name().with_context(|| format!("naming {}", file.display()))?;
        fs::copy(&file, guest.join(name)).with_context(|| format!("copying {}", file.display()))?;
    }
    fs::copy(program, exchange.join("rehome")).with_context(|| format!("copying {}", program.display()))?;
    Ok(())
}

/// Follows the machine to its end or to the end of its time.
fn play(mut machine: Machine) -> Result<Transcript> {
    let booted_at = Instant::now();
    let mut transcript = Transcript::default();
    loop {
        let left = RUN_TIME_MAX.saturating_sub(booted_at.elapsed());
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
                transcript.stop_with(format!("not finished within {} s", RUN_TIME_MAX.as_secs()));
                return Ok(transcript);
            }
            Next::Ended(status) => {
                ensure!(status.success() || transcript.has_ended(), "the emulator ended with {status}");
                return Ok(transcript);
            }
        }
    }
}

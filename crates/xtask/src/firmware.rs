//! Builds the flashable image of one chip and compares its size with the committed budget.

mod frames;
mod partitions;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::bare_metal::{CoreLibrary, RV32IMAC, RV32IMC};
use crate::elf;
use crate::stage::{Process, Stages};
use crate::target_folder;

const WORKSPACE: &str = "firmware/esp32";
/// The package that runs on chips only.
const PACKAGE: &str = "rehome-esp32";
const BUDGET_FILE: &str = "size-budget.toml";
const PARTITION_FILE: &str = "partitions.csv";
/// What turns an ELF file into what the chip's bootloader loads, and what runs its first lines; pinned.
const PYTHON_REQUIREMENTS: &str = "python-requirements.txt";
/// Runs the first lines of an image for the ESP32-C3.
const FIRST_LINES: &str = "emulator/first_lines.py";
/// Flash of the boards that are sold most.
const FLASH_SIZE: &str = "4MB";

/// Which image to build.
#[derive(Debug, Args)]
pub(crate) struct FirmwareArguments {
    /// The chip on the board.
    #[arg(long, required_unless_present = "tests", conflicts_with = "tests")]
    chip: Option<Chip>,
    /// Runs the tests of what needs no chip, and builds no image.
    #[arg(long)]
    tests: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Chip {
    Esp32c3,
    Esp32c6,
}

impl Chip {
    const fn name(self) -> &'static str {
        match self {
            Self::Esp32c3 => "esp32c3",
            Self::Esp32c6 => "esp32c6",
        }
    }

    const fn target(self) -> &'static str {
        match self {
            Self::Esp32c3 => RV32IMC,
            Self::Esp32c6 => RV32IMAC,
        }
    }

    /// Addresses under which the chip sees its RAM as data. Source: technical reference manuals, "Address Mapping".
    const fn ram(self) -> std::ops::Range<u32> {
        match self {
            Self::Esp32c3 => 0x3FC8_0000..0x3FCE_0000,
            Self::Esp32c6 => 0x4080_0000..0x4088_0000,
        }
    }
}

/// What one chip's image may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    /// The image file.
    image_bytes_max: u64,
    /// Code and data in RAM, with everything static, the static part of the heap included.
    static_ram_bytes_max: u64,
    /// What is left for the stack of the main thread.
    stack_bytes_min: u64,
    /// The largest frame of one function; several are open at once.
    frame_bytes_max: u64,
}

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    image_bytes: u64,
    ram: elf::RamUse,
    frame_bytes: u64,
}

/// Builds the image, or runs the tests.
///
/// # Errors
/// When a tool is missing, a build or a test fails, or the budget is exceeded.
pub(crate) fn run(root: &Path, arguments: &FirmwareArguments) -> Result<()> {
    require_tools(root)?;
    let folder = root.join(WORKSPACE);
    match arguments.chip {
        Some(chip) => build_image(root, &folder, chip),
        None => Process::new(
            &folder,
            "cargo",
            &["test", "--quiet", "--locked", "--workspace", "--exclude", PACKAGE],
        )
        .run(),
    }
}

/// Builds, converts, measures, compares.
fn build_image(root: &Path, folder: &Path, chip: Chip) -> Result<()> {
    let table = fs::read_to_string(folder.join(PARTITION_FILE)).context("reading the partition table")?;
    let slot_bytes = partitions::check(&table)?;
    let mut stages = Stages::default();
    stages.run(&format!("build for {}", chip.name()), || {
        let library = CoreLibrary::find(folder, chip.target())?;
        let arguments = ["--release", "--package", PACKAGE, "--features", chip.name()];
        library.cargo(folder, "build", chip.target(), &arguments).run()
    })?;
    // Without the dots of the workspace's settings: the path is shown.
    let target = target_folder(folder)?.canonicalize().context("finding the target folder")?;
    let program = target.join(chip.target()).join("release").join(PACKAGE);
    let image = target.join(format!("rehome-{}.bin", chip.name()));
    let python = stages.run("image tools", || install_image_tools(folder, &target))?;
    stages.run("make the image", || make_image(root, &python, chip, &program, &image))?;
    if chip == Chip::Esp32c3 {
        stages.run("first lines on an emulated CPU", || {
            let arguments = [Path::new(FIRST_LINES), image.as_path(), Path::new(PARTITION_FILE)];
            Process::new(folder, &python.to_string_lossy(), &arguments).run()
        })?;
    }
    let bytes = fs::read(&program).with_context(|| format!("reading {}", program.display()))?;
    let sizes = Sizes {
        image_bytes: fs::metadata(&image).context("measuring the image")?.len(),
        ram: elf::ram_use(&bytes, chip.ram())?,
        frame_bytes: frames::largest_frame_bytes(elf::code(&bytes)?),
    };
    stages.print_summary();
    println!("\nimage: {}\nflash: see docs/guides/esp32.md", image.display());
    report(chip, sizes, read_budget(folder, chip)?, slot_bytes)
}

fn require_tools(root: &Path) -> Result<()> {
    let tools =
        [("cmake", "cmake"), ("make", "make"), ("clang", "clang"), ("python3", "python3 python3-venv")];
    let missing: Vec<&str> = tools
        .into_iter()
        .filter(|(program, _)| !Process::new(root, program, &["--version"]).succeeds())
        .map(|(_, packages)| packages)
        .collect();
    if !missing.is_empty() {
        bail!(
            "the firmware's TLS library is C and the image tool is Python; Debian: apt-get install {}",
            missing.join(" ")
        );
    }
    Ok(())
}

/// Installs the tools where that was not done yet, and returns the Python that has them.
fn install_image_tools(folder: &Path, target: &Path) -> Result<PathBuf> {
    let requirements = folder.join(PYTHON_REQUIREMENTS);
    let wanted = fs::read(&requirements).with_context(|| format!("reading {}", requirements.display()))?;
    let venv = target.join("image-tools");
    let python = venv.join("bin/python");
    // Written last: what is there is complete, and was installed for these requirements.
    let stamp = venv.join("installed-requirements.txt");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) && python.exists() {
        return Ok(python);
    }
    Process::new(folder, "python3", &[Path::new("-m"), Path::new("venv"), Path::new("--clear"), &venv])
        .run()?;
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
    let install: Vec<&Path> = install.iter().map(Path::new).chain([requirements.as_path()]).collect();
    Process::new(folder, &python.to_string_lossy(), &install).run()?;
    fs::write(&stamp, wanted).context("noting what is installed")?;
    Ok(python)
}

fn make_image(root: &Path, python: &Path, chip: Chip, program: &Path, image: &Path) -> Result<()> {
    let arguments = [
        "-m",
        "esptool",
        "--chip",
        chip.name(),
        "elf2image",
        "--flash-mode",
        "dio",
        "--flash-size",
        FLASH_SIZE,
    ];
    let arguments: Vec<&Path> =
        arguments.iter().map(Path::new).chain([Path::new("-o"), image, program]).collect();
    Process::new(root, &python.to_string_lossy(), &arguments).run()
}

fn read_budget(folder: &Path, chip: Chip) -> Result<Budget> {
    let path: PathBuf = folder.join(BUDGET_FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    parse_budget(&text, chip)
}

fn parse_budget(text: &str, chip: Chip) -> Result<Budget> {
    let mut table: toml::Table = text.parse().context("parsing the size budget")?;
    let budget =
        table.remove(chip.name()).with_context(|| format!("the size budget has no [{}]", chip.name()))?;
    budget.try_into().with_context(|| format!("reading [{}] of the size budget", chip.name()))
}

fn report(chip: Chip, sizes: Sizes, budget: Budget, slot_bytes: u64) -> Result<()> {
    let Sizes { image_bytes, ram, frame_bytes } = sizes;
    println!("\nsizes of {}, in bytes:", chip.name());
    println!("  image       {image_bytes:>9}  budget {:>9}  slot {slot_bytes}", budget.image_bytes_max);
    println!("  static RAM  {:>9}  budget {:>9}", ram.static_bytes, budget.static_ram_bytes_max);
    println!("  reclaimed   {:>9}  (the bootloader's memory, heap)", ram.reclaimed_bytes);
    println!("  stack       {:>9}  at least {:>7}", ram.stack_bytes, budget.stack_bytes_min);
    println!(
        "  frame       {frame_bytes:>9}  budget {:>9}  (largest of one function)",
        budget.frame_bytes_max
    );
    ensure!(image_bytes <= slot_bytes, "the image does not fit its slot");
    ensure!(image_bytes <= budget.image_bytes_max, "the image exceeds its budget");
    ensure!(ram.static_bytes <= budget.static_ram_bytes_max, "static RAM exceeds its budget");
    ensure!(ram.stack_bytes >= budget.stack_bytes_min, "too little is left for the stack");
    ensure!(frame_bytes <= budget.frame_bytes_max, "one function takes too much of the stack");
    Ok(())
}

#[cfg(test)]
mod tests;

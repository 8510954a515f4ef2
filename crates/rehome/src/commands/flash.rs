//! `rehome flash`: what a dump of a board's flash holds, erasing what is left of a home, and the factory partition.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use factory_image::{FactoryImage, Pop, Uid};
use flash_dump::{EraseScope, IMAGE_BYTES_MAX, Inspection, Verdict, erase_homes, inspect};
use serde_json::json;

use crate::secret_input::read_file_or_stdin;

/// Arguments of `rehome flash`.
#[derive(Debug, Args)]
pub(crate) struct FlashArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows what a dump holds, secrets masked, and whether anything of a home is left.
    Inspect(InspectArguments),
    /// Writes a dump from which everything of a home is erased.
    Erase(EraseArguments),
    /// Writes the image of a board's factory partition: its UID and its proof of possession.
    Factory(FactoryArguments),
}

#[derive(Debug, Args)]
struct InspectArguments {
    /// The dump.
    dump: PathBuf,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    /// Exit with 1 unless nothing of a home was found.
    #[arg(long)]
    expect_clean: bool,
}

#[derive(Debug, Args)]
struct EraseArguments {
    /// The dump.
    dump: PathBuf,

    /// New file for the erased dump; it must not exist.
    #[arg(long, short, value_name = "FILE", required_unless_present = "in_place")]
    output: Option<PathBuf>,

    /// Replace the dump itself.
    #[arg(long, conflicts_with = "output")]
    in_place: bool,

    /// Leave alone what is only perhaps of a home: in a dump of the whole flash it may be part of a program.
    #[arg(long)]
    certain_only: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct FactoryArguments {
    /// Unique id of the board: 1 to 32 letters, digits, `-` and `_`.
    #[arg(long)]
    uid: String,

    /// File that holds the proof of possession (8 to 63 visible characters), or `-`; without it the hotspot is open.
    #[arg(long, value_name = "FILE")]
    pop_file: Option<PathBuf>,

    /// New file for the image; it must not exist.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Inspects, erases or writes a factory partition.
pub(crate) fn run(arguments: &FlashArguments) -> Result<ExitCode> {
    match &arguments.action {
        Action::Inspect(arguments) => run_inspect(arguments),
        Action::Erase(arguments) => run_erase(arguments),
        Action::Factory(arguments) => run_factory(arguments),
    }
}

fn run_factory(arguments: &FactoryArguments) -> Result<ExitCode> {
    let uid = Uid::parse(arguments.uid.as_bytes()).context("reading --uid")?;
    let pop = match &arguments.pop_file {
        Some(path) => {
            let content = read_file_or_stdin(path).context("--pop-file")?;
            let pop = Pop::parse(content.trim_ascii_end());
            Some(pop.with_context(|| format!("reading the proof of possession from {}", path.display()))?)
        }
        None => None,
    };
    write_new(&arguments.output, &FactoryImage { uid, pop }.encode())?;
    println!("{} written; flash it to the factory partition", arguments.output.display());
    Ok(ExitCode::SUCCESS)
}

fn run_inspect(arguments: &InspectArguments) -> Result<ExitCode> {
    let inspection = inspect(&read_dump(&arguments.dump)?);
    if arguments.json {
        println!("{:#}", inspection_json(&inspection)?);
    } else {
        println!("{inspection}");
    }
    let is_clean = inspection.verdict() == Verdict::NothingFound;
    Ok(if arguments.expect_clean && !is_clean { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn inspection_json(inspection: &Inspection) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(inspection).context("writing JSON")?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("verdict".to_owned(), json!(inspection.verdict()));
    }
    Ok(value)
}

fn run_erase(arguments: &EraseArguments) -> Result<ExitCode> {
    let mut image = read_dump(&arguments.dump)?;
    let scope = if arguments.certain_only { EraseScope::Certain } else { EraseScope::PerhapsToo };
    let erased = erase_homes(&mut image, scope).context("nothing was written")?;
    match &arguments.output {
        Some(output) => write_new(output, &image)?,
        None => replace(&arguments.dump, &image)?,
    }
    if arguments.json {
        let after = inspection_json(&erased.after)?;
        println!("{:#}", json!({ "erased": erased.regions, "after": after }));
    } else {
        for region in &erased.regions {
            println!("{:#010x}  {} bytes erased", region.offset, region.length_bytes);
        }
        println!("{}", erased.after);
    }
    Ok(ExitCode::SUCCESS)
}

fn read_dump(path: &Path) -> Result<Vec<u8>> {
    let size = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.len();
    if size > IMAGE_BYTES_MAX as u64 {
        bail!("{} is larger than any dump of a board's flash ({IMAGE_BYTES_MAX} bytes)", path.display());
    }
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn write_new(path: &Path, image: &[u8]) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("creating {}", path.display()))?;
    file.write_all(image)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("writing {}", path.display()))
}

/// By way of a file beside it, so that a full disk does not cost the dump.
fn replace(path: &Path, image: &[u8]) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".erased");
    let beside = PathBuf::from(beside);
    write_new(&beside, image)?;
    fs::rename(&beside, path).with_context(|| format!("replacing {}", path.display()))
}

//! `rehome flash`: what a dump of a board's flash holds, erasing what is left of a home, and the factory partition.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use factory_image::{FactoryImage, Pop, Uid};
use flash_dump::{EraseScope, IMAGE_BYTES_MAX, Inspection, SECTOR_BYTES, Verdict, erase_homes, inspect};
use serde_json::json;

use crate::output::say;
use crate::secret_input::{OWNER_ONLY, read_file_or_stdin};

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

    /// Exit with 1 unless nothing of a home was found in a whole dump that is blank or holds a store of a known kind.
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
    say!("{} written; flash it to the factory partition", arguments.output.display())?;
    Ok(ExitCode::SUCCESS)
}

fn run_inspect(arguments: &InspectArguments) -> Result<ExitCode> {
    let image = read_dump(&arguments.dump)?;
    let inspection = inspect(&image);
    let doubt = doubt(&image, &inspection);
    if arguments.json {
        let mut value = inspection_json(&inspection)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("doubt".to_owned(), json!(doubt));
        }
        say!("{value:#}")?;
    } else {
        say!("{inspection}")?;
        if let Some(doubt) = doubt {
            say!("This proves nothing: {doubt}")?;
        }
    }
    let is_clean = inspection.verdict() == Verdict::NothingFound && doubt.is_none();
    Ok(if arguments.expect_clean && !is_clean { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Why nothing found says nothing; none where it does.
fn doubt(image: &[u8], inspection: &Inspection) -> Option<&'static str> {
    if inspection.verdict() != Verdict::NothingFound {
        return None;
    }
    if !image.len().is_multiple_of(SECTOR_BYTES) {
        return Some("the dump ends within a sector of flash, so it is not whole. Read it again.");
    }
    // The erased state: a partition in which nothing was ever stored, or which was erased as a whole.
    let is_blank = image.iter().all(|&byte| byte == 0xFF);
    if is_blank || inspection.recognises_a_store() {
        return None;
    }
    Some(
        "the dump is not blank, and no store of a known kind was recognised in it. Read the partition that holds the home, \
         from its beginning to its end.",
    )
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
        say!("{:#}", json!({ "erased": erased.regions, "after": after }))?;
    } else {
        for region in &erased.regions {
            say!("{:#010x}  {} bytes erased", region.offset, region.length_bytes)?;
        }
        say!("{}", erased.after)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read_dump(path: &Path) -> Result<Vec<u8>> {
    let size = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.len();
    if size > IMAGE_BYTES_MAX as u64 {
        bail!("{} is larger than any dump of a board's flash ({IMAGE_BYTES_MAX} bytes)", path.display());
    }
    let image = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    if image.is_empty() {
        bail!("{} is empty: nothing was read from the board", path.display());
    }
    Ok(image)
}

fn write_new(path: &Path, image: &[u8]) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path);
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
    // Whoever could read the dump still can.
    fs::metadata(path)
        .and_then(|before| fs::set_permissions(&beside, before.permissions()))
        .with_context(|| format!("replacing {}", path.display()))?;
    fs::rename(&beside, path).with_context(|| format!("replacing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: FlashArguments,
    }

    fn run_words(words: &[&str]) -> Result<ExitCode> {
        run(&Line::parse_from([&["rehome"], words].concat()).arguments)
    }

    fn expect_clean(image: &[u8]) -> Result<ExitCode> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("dump.bin");
        fs::write(&file, image)?;
        run(&Line::parse_from(
            ["rehome", "inspect", "--expect-clean"]
                .map(Into::into)
                .into_iter()
                .chain([file.into_os_string()]),
        )
        .arguments)
    }

    #[test]
    fn an_empty_dump_is_refused_because_nothing_was_read() {
        assert!(expect_clean(&[]).unwrap_err().to_string().contains("nothing was read"));
    }

    #[test]
    fn a_blank_dump_is_clean_and_one_without_any_known_store_proves_nothing() {
        assert_eq!(expect_clean(&[0xFF; 2 * SECTOR_BYTES]).unwrap(), ExitCode::SUCCESS);
        for image in [[0; SECTOR_BYTES].as_slice(), &b"something else! ".repeat(4_096), &[0xFF; 4_000]] {
            assert_eq!(expect_clean(image).unwrap(), ExitCode::FAILURE, "{} bytes", image.len());
        }
    }

    #[test]
    fn a_factory_image_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("factory.bin");
        run_words(&["factory", "--uid", "board-1", "--output", file.to_str().unwrap()]).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
    }
}

//! `rehome label`: QR labels for boards.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use label::{Board, Label, Pop, find_shared, read_batch, render_sheet};

use crate::output::say;
use crate::secret_input::{OWNER_ONLY, read_file_or_stdin, usage_error};

/// 20 warnings of a batch are told: a file that repeats itself would say the same a thousand times.
const SHARED_TOLD_MAX: usize = 20;

/// Arguments of `rehome label`.
#[derive(Debug, Args)]
pub(crate) struct LabelArguments {
    /// Name of the hotspot, as the board announces it.
    #[arg(long, required_unless_present = "batch", conflicts_with = "batch")]
    ssid: Option<String>,

    /// File with the PoP, or `-` for standard input; without it the hotspot is open.
    #[arg(long, value_name = "FILE", conflicts_with = "batch")]
    pop_file: Option<PathBuf>,

    /// UID of the device, in text only.
    #[arg(long, conflicts_with = "batch")]
    uid: Option<String>,

    /// CSV file with a line for each board; its first line names the columns `ssid`, `pop` and `uid`.
    #[arg(long, value_name = "FILE")]
    batch: Option<PathBuf>,

    /// What to draw; by default what the output's name ends in.
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Paper of a PDF sheet, 21 labels on each.
    #[arg(long, value_enum, default_value_t = Paper::A4)]
    paper: Paper,

    /// File to write; for a batch as SVG or PNG a folder, which is created.
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,

    /// Replace files that exist.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Scalable drawing of one label.
    Svg,
    /// Picture of one label, 610 dpi.
    Png,
    /// Sheets with cut marks.
    Pdf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Paper {
    /// 210 mm × 297 mm.
    A4,
    /// 8.5 in × 11 in.
    Letter,
}

/// Draws the labels.
pub(crate) fn run(arguments: &LabelArguments) -> Result<ExitCode> {
    let format = arguments.format.or_else(|| format_of(&arguments.output));
    let Some(format) = format else {
        usage_error("the output's name does not end in .svg, .png or .pdf: give --format");
    };
    let labels = read_labels(arguments)?;
    if format == Format::Pdf {
        let paper = match arguments.paper {
            Paper::A4 => label::Paper::A4,
            Paper::Letter => label::Paper::Letter,
        };
        write(&arguments.output, &render_sheet(&labels, paper)?, arguments.force)?;
    } else if arguments.batch.is_some() {
        fs::create_dir_all(&arguments.output)
            .with_context(|| format!("creating {}", arguments.output.display()))?;
        for (number, label) in (1..).zip(&labels) {
            let name = format!("{number:05}.{}", extension(format));
            write(&arguments.output.join(name), &draw(label, format)?, arguments.force)?;
        }
    } else {
        for label in &labels {
            write(&arguments.output, &draw(label, format)?, arguments.force)?;
        }
    }
    say!("{} label(s) written to {}", labels.len(), arguments.output.display())?;
    Ok(ExitCode::SUCCESS)
}

fn format_of(path: &Path) -> Option<Format> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    Format::from_str(&extension, false).ok()
}

const fn extension(format: Format) -> &'static str {
    match format {
        Format::Svg => "svg",
        Format::Png => "png",
        Format::Pdf => "pdf",
    }
}

fn read_labels(arguments: &LabelArguments) -> Result<Vec<Label>> {
    let boards = if let Some(path) = &arguments.batch {
        let file = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let boards = read_batch(&file).with_context(|| format!("reading {}", path.display()))?;
        warn_of_shared(&boards);
        boards
    } else {
        let pop = arguments.pop_file.as_deref().map(read_pop).transpose()?;
        let ssid = arguments.ssid.as_deref().unwrap_or_default();
        vec![Board::new(ssid, pop, arguments.uid.as_deref())?]
    };
    boards.into_iter().map(|board| Label::new(board).context("making the QR code")).collect()
}

/// The labels are made all the same: a sheet may be a second print.
fn warn_of_shared(boards: &[Board]) {
    let shared = find_shared(boards);
    for shared in shared.iter().take(SHARED_TOLD_MAX) {
        eprintln!("warning: {shared}");
    }
    let untold = shared.len().saturating_sub(SHARED_TOLD_MAX);
    if untold > 0 {
        eprintln!("warning: {untold} more like these");
    }
}

fn read_pop(path: &Path) -> Result<Pop> {
    let content = read_file_or_stdin(path)?;
    let text = str::from_utf8(&content).context("the PoP is not text")?;
    Ok(Pop::parse(text.trim_end_matches(['\r', '\n']))?)
}

fn draw(label: &Label, format: Format) -> Result<Vec<u8>> {
    match format {
        Format::Svg => Ok(label.to_svg().into_bytes()),
        Format::Png => Ok(label.to_png()?),
        Format::Pdf => Ok(render_sheet(std::slice::from_ref(label), label::Paper::A4)?),
    }
}

fn write(path: &Path, content: &[u8], force: bool) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).truncate(force).create(force).create_new(!force).mode(OWNER_ONLY);
    let mut file = options.open(path).with_context(|| {
        if path.exists() && !force {
            format!("{} exists; give --force to replace it", path.display())
        } else {
            format!("creating {}", path.display())
        }
    })?;
    // A file that is replaced keeps its mode otherwise, and a PoP opens a board's door.
    file.set_permissions(fs::Permissions::from_mode(OWNER_ONLY))
        .with_context(|| format!("keeping others from reading {}", path.display()))?;
    file.write_all(content).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: LabelArguments,
    }

    fn draw_to(file: &Path, more: &[&str]) -> Result<ExitCode> {
        let words = ["rehome", "--ssid", "Blynk Lamp", "--output", file.to_str().unwrap()];
        run(&Line::parse_from([&words, more].concat()).arguments)
    }

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_label_is_for_its_owner_alone_and_replaces_nothing_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lamp.svg");
        draw_to(&file, &[]).unwrap();
        assert_eq!(mode(&file), OWNER_ONLY);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = format!("{:#}", draw_to(&file, &[]).unwrap_err());
        assert!(refused.contains("lamp.svg exists; give --force"), "{refused}");
        draw_to(&file, &["--force"]).unwrap();
        assert_eq!(mode(&file), OWNER_ONLY);
    }
}

//! `rehome backup` and `rehome restore`: a data folder, put away and brought back.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::output::say;

/// Arguments of `rehome backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// Data folder of the server, which may run meanwhile.
    #[arg(long, value_name = "FOLDER", env = "REHOME_DATA_DIR", default_value = "./rehome-data")]
    data_dir: PathBuf,

    /// New folder, or new file when the name ends in `.tar`.
    #[arg(long, value_name = "FILE_OR_FOLDER")]
    to: PathBuf,
}

/// Arguments of `rehome restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// Folder or `.tar` that `rehome backup` made.
    #[arg(long, value_name = "FILE_OR_FOLDER")]
    from: PathBuf,

    /// Data folder to fill; it must be empty or not exist.
    #[arg(long, value_name = "FOLDER", env = "REHOME_DATA_DIR", default_value = "./rehome-data")]
    data_dir: PathBuf,
}

/// Makes a backup.
pub(crate) fn back_up(arguments: &BackupArguments) -> Result<ExitCode> {
    let summary = cloud::back_up(&arguments.data_dir, &arguments.to)?;
    say!(
        "{}: {} files, {} bytes. It holds every key of the server: keep it as carefully as the data folder.",
        arguments.to.display(),
        summary.file_count,
        summary.size_bytes
    )?;
    print_missing(&summary.missing_images)?;
    Ok(ExitCode::SUCCESS)
}

/// Restores a backup.
pub(crate) fn restore(arguments: &RestoreArguments) -> Result<ExitCode> {
    let summary = cloud::restore(&arguments.from, &arguments.data_dir)?;
    say!("{}: {} files restored.", arguments.data_dir.display(), summary.file_count)?;
    print_missing(&summary.missing_images)?;
    say!(
        "Let one server run with these keys, never two. Devices that were set up after the backup are told to try later"
    )?;
    say!("and are listed in the console as unknown tokens; none of them is told that its token is invalid.")?;
    Ok(ExitCode::SUCCESS)
}

fn print_missing(images: &[String]) -> Result<()> {
    for name in images {
        say!(
            "The file of the firmware image {name} is missing; upload the same image again in the console."
        )?;
    }
    Ok(())
}

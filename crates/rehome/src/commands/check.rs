//! `rehome check`: what is wrong in a data folder, and what to do.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::output::say;

/// Arguments of `rehome check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Data folder of the server, which may run meanwhile.
    #[arg(long, value_name = "FOLDER", env = "REHOME_DATA_DIR", default_value = "./rehome-data")]
    data_dir: PathBuf,

    /// Print the problems as JSON.
    #[arg(long)]
    json: bool,
}

/// Looks the folder over; fails when anything is wrong.
pub(crate) fn run(arguments: &CheckArguments) -> Result<ExitCode> {
    let problems = cloud::check_data_folder(&arguments.data_dir)?;
    if arguments.json {
        say!("{:#}", json!({"data_dir": arguments.data_dir, "problems": problems}))?;
    } else {
        for problem in &problems {
            say!("{}: {}\n  {}", problem.path.display(), problem.problem, problem.remedy)?;
        }
        if problems.is_empty() {
            say!("{}: nothing is wrong.", arguments.data_dir.display())?;
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! Runs seeded worlds of boards in virtual time: `cargo xtask worlds`.

use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::stage::Process;

/// Which worlds to run; handed on as they are.
#[derive(Debug, Args)]
pub(crate) struct WorldsArguments {
    /// `--seed N`, `--seeds A..B`, `--measure`, `--rehome-only`, `--report FILE`, `--summary FILE`, `--jobs N`; `--help` explains
    /// them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

/// Builds the worlds and runs them.
///
/// In the profile of the tests, which optimises this crate and keeps the assertions: what is found at night is then the
/// same as what is found by day.
///
/// # Errors
/// When a guarantee is broken, the options make no sense, or the build fails.
pub(crate) fn run(root: &Path, arguments: &WorldsArguments) -> Result<()> {
    let cargo = ["run", "--quiet", "--package", "worlds", "--"].map(str::to_owned);
    let words: Vec<String> = cargo.into_iter().chain(arguments.options.iter().cloned()).collect();
    Process::new(root, "cargo", &words).run()
}

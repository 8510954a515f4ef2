//! Kills the server under load, again and again: `cargo xtask kill`.

use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::stage::Process;

/// The test that plays the rounds; 10 of them are part of every test run.
const TEST: &str =
    "test(=durability::a_server_killed_under_load_has_every_acknowledged_value_after_its_restart)";

/// Arguments of `cargo xtask kill`.
#[derive(Debug, Args)]
pub(crate) struct KillArguments {
    /// Times the server is killed.
    #[arg(long, default_value_t = 200)]
    rounds: u64,

    /// Repeats the moments of an earlier run, which printed its seed.
    #[arg(long)]
    seed: Option<u64>,
}

/// Plays the rounds and prints each.
///
/// # Errors
/// When an acknowledged value is gone, the database is damaged, a device does not come back, or the build fails.
pub(crate) fn run(root: &Path, arguments: &KillArguments) -> Result<()> {
    let words =
        ["nextest", "run", "--package", "rehome", "--test", "program", "--no-capture", "--filterset", TEST];
    let process = Process::new(root, "cargo", &words).env("REHOME_KILL_ROUNDS", arguments.rounds.to_string());
    match arguments.seed {
        Some(seed) => process.env("REHOME_TEST_SEED", seed.to_string()).run(),
        None => process.run(),
    }
}

//! Every project command: `cargo xtask <command>`.
//!
//! The commands only start the field's own tools (cargo, npm, Playwright) in the right order with the right arguments; what CI
//! runs is what a person runs. Start reading at [`Command`].
#![expect(clippy::print_stdout, reason = "a command-line tool talks to a person")]

mod bare_metal;
mod bench;
mod check;
mod clients;
mod console;
mod elf;
mod emulated;
mod firmware;
mod kill;
mod no_std;
mod package;
mod size;
mod stage;
mod test;
mod tidy;
mod tools;
mod up;
mod wifi;
mod worlds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;

/// Every project command of Rehome.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Builds what is missing and starts the cloud, its console and the virtual bench.
    Up(up::UpArguments),
    /// Runs every test: Rust, console, browser, third-party clients.
    Test(test::TestArguments),
    /// Runs the checks that need no test: formatting, lints, documentation, tidy, bare-metal builds.
    Check,
    /// Checks the rules of this repository that no compiler knows.
    Tidy,
    /// Rewrites the generated files: both `OpenAPI` documents and the console's clients.
    Api,
    /// Runs the device's cores on an emulated 32-bit CPU and compares with the host.
    Emulated(emulated::EmulatedArguments),
    /// Kills the server under load many times and looks for every acknowledged value.
    Kill(kill::KillArguments),
    /// Measures the speed table: the server against a floor server and mosquitto.
    Bench(bench::BenchArguments),
    /// Builds the flashable image of one chip and compares its size with the budget.
    Firmware(firmware::FirmwareArguments),
    /// Measures flash and RAM of the device's cores on a small chip and compares with the budget.
    Size,
    /// Plays the founding story on real Wi-Fi software in an emulated machine.
    Wifi(wifi::WifiArguments),
    /// Runs seeded worlds of fifty boards for thirty days in virtual time and judges them at every step.
    #[command(disable_help_flag = true)]
    Worlds(worlds::WorldsArguments),
    /// Builds the Debian package and checks what is in it.
    Package(package::PackageArguments),
}

fn main() -> ExitCode {
    let command = Command::parse();
    match run(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nxtask failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    let root = workspace_root()?;
    match command {
        Command::Up(arguments) => up::run(&root, arguments),
        Command::Test(arguments) => test::run(&root, arguments),
        Command::Check => check::run(&root),
        Command::Tidy => tidy::run(&root),
        Command::Api => console::regenerate_clients(&root),
        Command::Emulated(arguments) => emulated::run(&root, arguments),
        Command::Kill(arguments) => kill::run(&root, arguments),
        Command::Bench(arguments) => bench::run(&root, arguments),
        Command::Firmware(arguments) => firmware::run(&root, arguments),
        Command::Size => size::run(&root),
        Command::Wifi(arguments) => wifi::run(&root, arguments),
        Command::Package(arguments) => package::run(&root, arguments),
        Command::Worlds(arguments) => worlds::run(&root, arguments),
    }
}

/// Returns the folder of the workspace's `Cargo.toml`.
fn workspace_root() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .context("finding the workspace above crates/xtask")
}

/// Returns the folder into which cargo builds, wherever the environment puts it.
fn target_folder(root: &Path) -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(root)
        .no_deps()
        .exec()
        .context("asking cargo for its target folder")?;
    Ok(metadata.target_directory.into_std_path_buf())
}

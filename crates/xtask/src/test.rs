//! Every test, the Rust runner last so that its summary closes the output.

use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::stage::{Process, Stages};
use crate::{clients, console, target_folder, tidy, tools, wifi};

/// Arguments of `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Also plays the story on real Wi-Fi software (as `cargo xtask wifi`), with the program that the tests use.
    #[arg(long)]
    wifi: bool,
}

/// Runs every test.
pub(crate) fn run(root: &Path, arguments: &TestArguments) -> Result<()> {
    let target = target_folder(root)?;
    let mut stages = Stages::default();
    stages.run("tools", || {
        if arguments.wifi {
            wifi::require_tools()?;
        }
        tools::require_test_tools(root)
    })?;
    stages.run("tidy", || tidy::run(root))?;
    stages.run("console: packages", || console::install_packages(root))?;
    stages.run("console: types", || console::run_script(root, "typecheck"))?;
    stages.run("console: unit tests", || console::run_script(root, "test"))?;
    stages.run("console: build", || console::build(root))?;
    stages.run("third-party clients", || clients::install(root, &target.join("clients")))?;
    stages
        .run("build", || Process::new(root, "cargo", &["nextest", "run", "--workspace", "--no-run"]).run())?;
    stages.run("browser tests", || {
        console::script_process(root, "e2e").env("REHOME_BIN", target.join("debug/rehome")).run()
    })?;
    if arguments.wifi {
        stages.run("Wi-Fi story", || wifi::run_built(root))?;
    }
    stages.print_summary();
    let skipped = if arguments.wifi { "nothing" } else { "the Wi-Fi story, which `cargo xtask wifi` plays" };
    println!("\nSkipped: {skipped}.\n\n==> Rust tests");
    Process::new(root, "cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])
        .env("REHOME_CLIENTS", target.join("clients"))
        .run()
}

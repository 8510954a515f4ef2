//! Starts everything on this machine.

use std::path::Path;

use anyhow::Result;

use crate::console;
use crate::stage::Process;
use crate::target_folder;

/// Arguments that are passed on to `rehome up`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArguments {
    /// Passed on to `rehome up`; `cargo xtask up -- --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<String>,
}

/// Builds what is missing, then runs `rehome up` until it is interrupted.
pub(crate) fn run(root: &Path, arguments: &UpArguments) -> Result<()> {
    console::install_packages(root)?;
    console::build(root)?;
    Process::new(root, "cargo", &["build", "--package", "rehome"]).run()?;
    let mut words = vec!["up".to_owned()];
    words.extend(arguments.passed_on.iter().cloned());
    let program = target_folder(root)?.join("debug/rehome");
    Process::new(root, &program.to_string_lossy(), &words).run()
}

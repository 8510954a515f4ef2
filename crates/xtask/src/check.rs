//! The checks that need no test.

use std::path::Path;

use anyhow::Result;

use crate::stage::{Process, Stages};
use crate::{no_std, tidy};

/// Runs formatting, tidy, lints, documentation and bare-metal builds.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut stages = Stages::default();
    stages.run("formatting", || Process::new(root, "cargo", &["fmt", "--all", "--check"]).run())?;
    stages.run("tidy", || tidy::run(root))?;
    stages.run("lints", || {
        let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        Process::new(root, "cargo", &arguments).run()
    })?;
    stages.run("documentation", || {
        Process::new(root, "cargo", &["doc", "--quiet", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings")
            .run()
    })?;
    stages.run("bare-metal builds", || no_std::check(root))?;
    stages.print_summary();
    Ok(())
}

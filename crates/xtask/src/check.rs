//! The checks that need no test.

use std::path::Path;

use anyhow::Result;

use crate::stage::{Process, Stages};
use crate::{no_std, target_folder, tidy};

/// Runs formatting, tidy, lints and documentation, and builds what no test builds.
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
    // They are a workspace of their own, and run by hand; what they call must not change under them unseen.
    stages.run("fuzz targets", || {
        let target = target_folder(root)?;
        let arguments = ["check", "--quiet", "--locked", "--manifest-path", "fuzz/Cargo.toml"];
        Process::new(root, "cargo", &arguments).env("CARGO_TARGET_DIR", target).run()
    })?;
    stages.print_summary();
    Ok(())
}

//! Measures what the device's cores take of a small chip's flash and RAM, and compares it with the committed budget.

mod attribution;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::bare_metal::{CoreLibrary, RV32IMC};
use crate::elf;
use crate::stage::Stages;
use crate::target_folder;

const WORKSPACE: &str = "firmware/emulated";
const PROGRAM: &str = "size-probe";
const PROFILE: &str = "size";
const BUDGET_FILE: &str = "size-budget.toml";

/// What the program may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    /// Code, constants and initial values, without the calls that stand in for the shell.
    flash_bytes_max: u64,
    /// Variables.
    static_ram_bytes_max: u64,
}

/// Builds, measures, reports, compares.
///
/// # Errors
/// When a build fails or the budget is exceeded.
pub(crate) fn run(root: &Path) -> Result<()> {
    let folder = root.join(WORKSPACE);
    let mut stages = Stages::default();
    stages.run("build for rv32imc, optimised for size", || {
        let library = CoreLibrary::find(&folder, RV32IMC)?;
        library.cargo(&folder, "build", RV32IMC, &["--profile", PROFILE, "--package", PROGRAM]).run()
    })?;
    let path = target_folder(&folder)?.join(RV32IMC).join(PROFILE).join(PROGRAM);
    let program = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let parts = stages.run("find out whose code it is", || attribution::code_by_crate(&path, &program))?;
    let budget = fs::read_to_string(folder.join(BUDGET_FILE)).context("reading the size budget")?;
    report(
        &elf::loaded_sections(&program)?,
        &parts,
        toml::from_str(&budget).context("reading the size budget")?,
    )
}

fn report(sections: &[elf::Loaded<'_>], parts: &[attribution::Part], budget: Budget) -> Result<()> {
    println!("\nsections, in bytes:");
    for section in sections {
        println!("  {:>8}  {}", section.size_bytes, section.name);
    }
    println!("\ncode by the crate that asked for it, in bytes:");
    for part in parts {
        println!("  {:>8}  {}", part.bytes, part.name);
    }
    let glue_bytes: u64 = parts.iter().filter(|part| part.name == PROGRAM).map(|part| part.bytes).sum();
    let sum = |is_counted: fn(&elf::Loaded<'_>) -> bool| {
        sections.iter().filter(|section| is_counted(section)).map(|section| section.size_bytes).sum::<u64>()
    };
    let flash_bytes = sum(|section| section.is_stored).saturating_sub(glue_bytes);
    let ram_bytes = sum(|section| section.is_writable);
    println!("\n  flash       {flash_bytes:>8}  budget {:>8}  (without {PROGRAM})", budget.flash_bytes_max);
    println!("  static RAM  {ram_bytes:>8}  budget {:>8}", budget.static_ram_bytes_max);
    ensure!(flash_bytes <= budget.flash_bytes_max, "the cores exceed their flash budget");
    ensure!(ram_bytes <= budget.static_ram_bytes_max, "the cores exceed their RAM budget");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Budget, attribution, elf, report};

    const CODE: elf::Loaded<'static> =
        elf::Loaded { name: ".text", size_bytes: 100, is_stored: true, is_writable: false };
    const VARIABLES: elf::Loaded<'static> =
        elf::Loaded { name: ".bss", size_bytes: 10, is_stored: false, is_writable: true };

    fn parts() -> Vec<attribution::Part> {
        vec![attribution::Part { name: "size-probe".to_owned(), bytes: 20 }]
    }

    #[test]
    fn the_stand_in_for_the_shell_is_not_counted() {
        let budget = Budget { flash_bytes_max: 80, static_ram_bytes_max: 10 };
        report(&[CODE, VARIABLES], &parts(), budget).unwrap();
    }

    #[test]
    fn one_byte_over_the_budget_fails() {
        let flash = Budget { flash_bytes_max: 79, static_ram_bytes_max: 10 };
        assert!(report(&[CODE, VARIABLES], &parts(), flash).is_err());
        let ram = Budget { flash_bytes_max: 80, static_ram_bytes_max: 9 };
        assert!(report(&[CODE, VARIABLES], &parts(), ram).is_err());
    }
}

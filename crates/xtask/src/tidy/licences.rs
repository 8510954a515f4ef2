//! Every dependency's licence is one that `deny.toml` allows.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;
use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

/// The part of `deny.toml` that this check reads.
#[derive(Debug, Deserialize)]
struct DenyFile {
    licenses: Licences,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: Vec<String>,
}

/// Complains about every dependency whose licence is missing or not allowed.
pub(super) fn complaints(root: &Path) -> Result<Vec<String>> {
    let path = root.join("deny.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let file: DenyFile = toml::from_str(&text).with_context(|| format!("parsing {}", path.display()))?;
    let allowed = file
        .licenses
        .allow
        .iter()
        .map(|name| {
            Licensee::parse(name).with_context(|| format!("`{name}` in deny.toml is no SPDX licence"))
        })
        .collect::<Result<Vec<_>>>()?;
    let metadata =
        MetadataCommand::new().current_dir(root).exec().context("asking cargo for all packages")?;
    let complaints = metadata.packages.iter().filter_map(|package| {
        let licence = package.license.as_deref().unwrap_or_default();
        let is_allowed = is_allowed(licence, &allowed);
        (!is_allowed)
            .then(|| format!("{} {}: licence `{licence}` is not in deny.toml", package.name, package.version))
    });
    Ok(complaints.collect())
}

fn is_allowed(licence: &str, allowed: &[Licensee]) -> bool {
    Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|expression| {
        expression.evaluate(|requirement| allowed.iter().any(|licensee| licensee.satisfies(requirement)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_allowed_choice_is_enough_and_all_parts_of_a_conjunction_are_needed() {
        let allowed = [Licensee::parse("MIT").unwrap()];
        assert!(is_allowed("MIT OR GPL-3.0-only", &allowed));
        assert!(is_allowed("MIT/Apache-2.0", &allowed));
        assert!(!is_allowed("MIT AND GPL-3.0-only", &allowed));
        assert!(!is_allowed("", &allowed));
    }
}

//! Who may import whom.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The arrows that the architecture allows, per crate, for ordinary dependencies.
///
/// A new arrow needs a decision record in `docs/decisions/`, not just a line in a `Cargo.toml`.
const ALLOWED: [(&str, &[&str]); 20] = [
    ("wire", &[]),
    ("home-store", &[]),
    ("portal", &["wire"]),
    ("lifecycle", &["wire"]),
    ("device", &["home-store", "lifecycle", "portal", "wire"]),
    ("bench", &["device", "home-store", "lifecycle", "portal", "wire"]),
    ("device-linux", &["device", "home-store", "lifecycle", "portal", "wire"]),
    ("registry", &["wire"]),
    ("telemetry", &["wire"]),
    ("api-types", &["registry", "telemetry"]),
    ("store", &["registry", "telemetry"]),
    ("cloud", &["api-types", "registry", "store", "telemetry", "wire"]),
    ("factory-image", &[]),
    ("label", &[]),
    ("flash-dump", &["home-store"]),
    ("load", &["wire"]),
    ("provision", &["api-types", "portal"]),
    (
        "rehome",
        &["bench", "cloud", "device-linux", "factory-image", "flash-dump", "label", "load", "provision"],
    ),
    ("worlds", &["device", "home-store", "lifecycle", "portal", "wire"]),
    ("xtask", &[]),
];

/// Libraries that the pure cores must not reach, not even through another library's features.
const FORBIDDEN_IN_CORES: [&str; 8] =
    ["tokio", "async-io", "axum", "hyper", "rusqlite", "chrono", "rand", "async-std"];

/// The crates that know no runtime, socket, clock or SQL.
const CORES: [&str; 6] = ["wire", "home-store", "lifecycle", "portal", "registry", "telemetry"];

/// Complains about every arrow that the table does not allow.
pub(super) fn complaints(root: &Path) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .no_deps()
        .exec()
        .context("asking cargo for the workspace's packages")?;
    Ok(check(&metadata))
}

fn check(metadata: &Metadata) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let packages = metadata.workspace_packages();
    let mut complaints = Vec::new();
    for package in &packages {
        let name = package.name.as_str();
        let Some(allowed) = allowed.get(name) else {
            complaints.push(format!("crate {name} is not in the table of {}", file!()));
            continue;
        };
        for imported in ordinary_dependencies(package) {
            let is_ours = packages.iter().any(|other| other.name.as_str() == imported);
            if is_ours && !allowed.contains(&imported) {
                complaints.push(format!("crate {name} must not import {imported} (see ARCHITECTURE.md)"));
            }
            if CORES.contains(&name) && FORBIDDEN_IN_CORES.contains(&imported) {
                complaints
                    .push(format!("core {name} must not import {imported}: cores know no runtime or I/O"));
            }
        }
    }
    complaints
}

fn ordinary_dependencies(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.as_str())
}

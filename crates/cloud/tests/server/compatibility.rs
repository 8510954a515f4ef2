//! `docs/compatibility.md` says what is shown by which test; here it is held to that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn table() -> String {
    std::fs::read_to_string(root().join("docs/compatibility.md")).unwrap()
}

/// What stands between back-ticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_table_names_exists() {
    let table = table();
    let mut seen = BTreeSet::new();
    for name in quoted(&table) {
        let parts: Vec<&str> = name.split("::").collect();
        let [suite, file, test] = parts.as_slice() else { continue };
        let folder = match *suite {
            "server" => "crates/cloud/tests/server",
            "program" => "crates/rehome/tests/program",
            _ => continue,
        };
        if *test == "test" {
            continue;
        }
        let path = root().join(folder).join(format!("{file}.rs"));
        let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{name} does not exist");
        seen.insert(name.to_owned());
    }
    assert!(seen.len() > 20, "{seen:?}");
}

#[test]
fn every_call_of_the_device_https_api_has_a_row() {
    let document: Value = serde_json::from_str(include_str!("../../../api-types/openapi.json")).unwrap();
    let table = table();
    let rows: BTreeSet<&str> = quoted(&table).collect();
    let paths = document["paths"].as_object().unwrap().keys();
    let calls: Vec<&str> = paths.filter_map(|path| path.strip_prefix("/external/api")).collect();
    assert!(calls.len() >= 13, "{calls:?}");
    for call in calls {
        assert!(rows.contains(call), "{call} has no row");
    }
}

//! Every test that `docs/guarantees.md` names exists.
//!
//! An entry is a list item that begins with a file, as in ``- `crates/x/src/y.rs`: `a_test`, `another_test` ``; it may go on
//! over several lines.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

const DOCUMENT: &str = "docs/guarantees.md";
/// Guarantees of a device. Source: the specification of its behaviour.
const GUARANTEE_COUNT: usize = 9;

/// Complains about tests that do not exist, and about guarantees that no test holds.
///
/// # Errors
/// When the document cannot be read.
pub(super) fn complaints(root: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join(DOCUMENT)).with_context(|| format!("reading {DOCUMENT}"))?;
    Ok(check(&text, |file| fs::read_to_string(root.join(file)).ok()))
}

fn check(document: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut held = BTreeSet::new();
    let mut guarantee = None;
    let mut source: Option<(&str, String)> = None;
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            guarantee = heading.split('.').next().and_then(|number| number.parse::<usize>().ok());
            source = None;
        } else if line.starts_with("- `") {
            let file = line.split('`').nth(1).unwrap_or_default();
            source = read(file).map(|text| (file, text));
            if source.is_none() {
                complaints.push(format!("{DOCUMENT}: there is no file {file}"));
            }
        } else if !line.starts_with("  ") {
            source = None;
        }
        let Some((file, text)) = &source else { continue };
        for name in line.split('`').skip(1).step_by(2).filter(|name| is_test_name(name)) {
            if text.contains(&format!("fn {name}(")) {
                held.extend(guarantee);
            } else {
                complaints.push(format!("{DOCUMENT}: {file} has no test {name}"));
            }
        }
    }
    let bare = (1..=GUARANTEE_COUNT).filter(|number| !held.contains(number));
    complaints.extend(bare.map(|number| format!("{DOCUMENT}: no test holds guarantee {number}")));
    complaints
}

fn is_test_name(word: &str) -> bool {
    word.contains('_')
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(entry: &str) -> String {
        let held = |number: usize| format!("## {number}. G\n\n- `a.rs`: `a_test`\n");
        let rest: Vec<String> = (2..=9).map(held).collect();
        format!("## 1. G\n\n{entry}\n{}", rest.concat())
    }

    fn complain(entry: &str) -> Vec<String> {
        check(&document(entry), |file| (file == "a.rs").then(|| "fn a_test() {}".to_owned()))
    }

    #[test]
    fn named_tests_that_exist_are_fine_also_over_several_lines() {
        assert_eq!(complain("- `a.rs`: `a_test`,\n  `a_test` and `words`"), Vec::<String>::new());
    }

    #[test]
    fn a_missing_test_a_missing_file_and_a_bare_guarantee_are_complaints() {
        assert!(
            complain("- `a.rs`: `a_test`,\n  `another_test`")[0].contains("a.rs has no test another_test")
        );
        assert!(complain("- `b.rs`: `a_test`")[0].contains("no file b.rs"));
        assert_eq!(complain("Nothing."), ["docs/guarantees.md: no test holds guarantee 1"]);
        // A test whose name only begins like another's is not that test.
        assert_eq!(complain("- `a.rs`: `a_tes`").len(), 2);
    }
}

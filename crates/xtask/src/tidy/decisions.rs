//! Decision records carry one number each.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Digits that open the name of a decision record, as in `0001-one-listener.md`.
const NUMBER_DIGITS: usize = 4;

/// Complains about records without a number and about numbers used twice.
pub(super) fn complaints(files: &[PathBuf]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut first_with: BTreeMap<&str, &Path> = BTreeMap::new();
    for file in files.iter().filter(|file| file.starts_with("docs/decisions")) {
        let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let number = name.get(..NUMBER_DIGITS).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match number {
            None => complaints.push(format!("{}: start the name with four digits", file.display())),
            Some(number) => {
                if let Some(other) = first_with.insert(number, file) {
                    complaints.push(format!("{} and {} share a number", other.display(), file.display()));
                }
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_records_with_one_number_are_refused() {
        let files = ["docs/decisions/0001-a.md", "docs/decisions/0001-b.md"].map(PathBuf::from);
        assert_eq!(complaints(&files).len(), 1);
    }

    #[test]
    fn a_record_without_a_number_is_refused() {
        assert_eq!(complaints(&[PathBuf::from("docs/decisions/listener.md")]).len(), 1);
    }
}

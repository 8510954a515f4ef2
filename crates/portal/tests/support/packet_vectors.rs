//! Reads the packet vectors of `docs/vectors`.

#![expect(clippy::expect_used, clippy::panic, reason = "an unreadable vector must stop the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One entry: its values by key.
pub(crate) struct Vector(BTreeMap<String, String>);

impl Vector {
    pub(crate) fn text(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("an entry without {key}: {:?}", self.0.get("name")))
    }

    /// Returns the bytes of a value, or `None` for "none".
    pub(crate) fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        let text = self.text(key);
        (text != "none").then(|| text.split_whitespace().flat_map(run).collect())
    }
}

/// Reads `C0`, or `00*12` for twelve zeros.
fn run(token: &str) -> Vec<u8> {
    let (digits, count) = token.split_once('*').unwrap_or((token, "1"));
    let byte = u8::from_str_radix(digits, 16).unwrap_or_else(|error| panic!("{token}: {error}"));
    vec![byte; count.parse().unwrap_or_else(|error| panic!("{token}: {error}"))]
}

/// Reads all entries of a file below `docs/vectors`.
pub(crate) fn read_vectors(file: &str) -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors").join(file);
    let text = fs::read_to_string(&path).expect("a vector file");
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let vectors: Vec<Vector> =
        text.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()).map(entry).collect();
    assert!(!vectors.is_empty(), "no vectors in {file}");
    vectors
}

fn entry(lines: &[&str]) -> Vector {
    let mut values = BTreeMap::new();
    let mut last = "";
    for line in lines {
        if let Some(more) = line.strip_prefix(' ') {
            let value: &mut String = values.get_mut(last).expect("a value to go on with");
            value.push(' ');
            value.push_str(more);
        } else {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("no key in {line}"));
            values.insert(key.to_owned(), value.to_owned());
            last = key;
        }
    }
    Vector(values)
}

//! Configuration files whose errors say where a fault is and never what stands there.

use std::path::Path;

use figment::providers::{Data, Format};
use serde::de::DeserializeOwned;

/// TOML as figment reads it from files.
///
/// Its own TOML provider is not used because an error of that one repeats the line it stumbled over, and that line may hold a
/// password: a forgotten quotation mark is all it takes.
#[derive(Debug)]
pub(crate) struct TomlFile;

impl TomlFile {
    /// A file that must exist, or one that is looked for here and in the folders above, as figment does it.
    pub(crate) fn open(chosen: Option<&Path>, default: &Path) -> Data<Self> {
        match chosen {
            Some(path) => Self::file_exact(path),
            None => Self::file(default),
        }
    }
}

impl Format for TomlFile {
    type Error = figment::Error;

    const NAME: &'static str = "TOML";

    fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Self::Error> {
        // The parser's message is made of fixed words, the only thing taken from the file is the place.
        toml::from_str(text).map_err(|error| match error.span() {
            Some(span) => {
                let (line, column) = place(text, span.start);
                figment::Error::from(format!("line {line}, column {column}: {}", error.message()))
            }
            None => figment::Error::from(error.message().to_owned()),
        })
    }
}

/// Line and column of an offset in bytes; both are counted from 1, the column in characters.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.chars().rev().take_while(|character| *character != '\n').count().saturating_add(1);
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Table = std::collections::BTreeMap<String, String>;

    #[test]
    fn a_fault_is_placed_and_its_line_is_not_repeated() {
        let wrong = [
            ("a = 'b'\nsmtp_password=\"hunter2secret\n", "line 2, column 29"),
            ("pop = \"k7f2-hunter2secret", "line 1, column 26"),
            ("pop = hunter2secret\n", "line 1, column 7"),
            ("\u{e4} = 'x' hunter2secret = 'y'\n", "line 1, column 9"),
            ("pop = \"hunter2secret\\q\"\n", "line 1, column 22"),
            ("hunter2secret = 'a'\nhunter2secret = 'b'\n", "line 2, column 1"),
        ];
        for (text, expected) in wrong {
            let error = TomlFile::from_str::<Table>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}: {text}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

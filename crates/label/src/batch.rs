//! Many boards from one CSV file.

use std::collections::HashMap;
use std::fmt;

use thiserror::Error;

use crate::board::{Board, ParseBoardError, ParsePopError, Pop};

/// Boards in one file at most: 500 sheets, far more than anybody prints at once.
pub const BATCH_ROWS_MAX: usize = 10_500;

/// Reads boards, one a line, from CSV with a heading line.
///
/// The columns are `ssid`, `pop` and `uid` in any order; `pop` and `uid` may be left out or empty. Quoting is that of
/// RFC 4180. Spaces belong to the value, because they may belong to a network's name.
///
/// # Errors
/// [`ReadBatchError`] with the line, on the first line that makes no label. No secret is repeated.
pub fn read_batch(file: &[u8]) -> Result<Vec<Board>, ReadBatchError> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(file);
    let columns = Columns::find(reader.headers().map_err(|source| malformed(&source))?)?;
    let mut boards = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|source| malformed(&source))?;
        let line = record.position().map_or(0, csv::Position::line);
        if boards.len() == BATCH_ROWS_MAX {
            return Err(ReadBatchError::TooMany);
        }
        boards.push(columns.read(&record, line)?);
    }
    if boards.is_empty() { Err(ReadBatchError::Empty) } else { Ok(boards) }
}

/// Two boards that share what one board should have alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// What it is: never the value, which may be a secret.
    pub what: &'static str,
    /// The first board that has it, counted from 1 in the order of the file.
    pub first: usize,
    /// A later one.
    pub later: usize,
}

impl fmt::Display for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "boards {} and {} have the same {}", self.first, self.later, self.what)
    }
}

/// Finds boards with the same network name, PoP or UID. A PoP that two boards share is known to whoever reads either label.
#[must_use]
pub fn find_shared(boards: &[Board]) -> Vec<Shared> {
    let mut seen = HashMap::new();
    let mut shared = Vec::new();
    for (number, board) in (1..).zip(boards) {
        let values = [
            ("network name", Some(board.ssid())),
            ("PoP", board.pop().map(Pop::expose)),
            ("UID", board.uid()),
        ];
        for (what, value) in values {
            let Some(value) = value else { continue };
            let first = *seen.entry((what, value)).or_insert(number);
            if first != number {
                shared.push(Shared { what, first, later: number });
            }
        }
    }
    shared
}

struct Columns {
    ssid: usize,
    pop: Option<usize>,
    uid: Option<usize>,
}

impl Columns {
    fn find(headings: &csv::StringRecord) -> Result<Self, ReadBatchError> {
        let position = |name: &str| headings.iter().position(|heading| heading.trim() == name);
        if headings.iter().any(|heading| !matches!(heading.trim(), "ssid" | "pop" | "uid")) {
            return Err(ReadBatchError::UnknownColumn);
        }
        let ssid = position("ssid").ok_or(ReadBatchError::NoSsidColumn)?;
        Ok(Self { ssid, pop: position("pop"), uid: position("uid") })
    }

    fn read(&self, record: &csv::StringRecord, line: u64) -> Result<Board, ReadBatchError> {
        let filled = |column: Option<usize>| {
            column.and_then(|index| record.get(index)).filter(|text| !text.is_empty())
        };
        let pop = filled(self.pop).map(Pop::parse).transpose();
        let pop = pop.map_err(|source| ReadBatchError::Pop { line, source })?;
        let ssid = record.get(self.ssid).unwrap_or_default();
        Board::new(ssid, pop, filled(self.uid)).map_err(|source| ReadBatchError::Board { line, source })
    }
}

fn malformed(source: &csv::Error) -> ReadBatchError {
    // The library's text may repeat a value, and a value may be a PoP.
    ReadBatchError::Malformed { line: source.position().map_or(1, csv::Position::line) }
}

/// A batch could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadBatchError {
    /// No line besides the heading.
    #[error("the file holds no board")]
    Empty,
    /// More lines than are printed at once.
    #[error("the file holds more than {BATCH_ROWS_MAX} boards")]
    TooMany,
    /// The heading line lacks the one column that is needed.
    #[error("the first line must name the columns, and one of them must be `ssid`")]
    NoSsidColumn,
    /// A misspelled column would be left out of every label.
    #[error("the first line names a column other than `ssid`, `pop` and `uid`")]
    UnknownColumn,
    /// Not CSV, not UTF-8, or another number of values than columns.
    #[error("line {line} is not CSV in UTF-8 with as many values as there are columns")]
    Malformed {
        /// Line from 1.
        line: u64,
    },
    /// The name or the UID cannot be printed.
    #[error("line {line} makes no label")]
    Board {
        /// Line from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: ParseBoardError,
    },
    /// The PoP is none.
    #[error("line {line} has no usable PoP")]
    Pop {
        /// Line from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: ParsePopError,
    },
}

#[cfg(test)]
mod tests {
    use super::{ReadBatchError, Shared, find_shared, read_batch};
    use crate::ParsePopError;

    #[test]
    fn boards_are_read_with_quoting_and_columns_in_any_order() {
        let file =
            "\u{feff}uid,ssid,pop\r\n1,\"Blynk \"\"A\"\", B-1W7R\",abcd1234\r\n,\u{1f600},\r\n".as_bytes();
        let boards = read_batch(file).unwrap();
        let [first, second] = boards.as_slice() else { panic!("two boards") };
        assert_eq!((first.ssid(), first.uid()), ("Blynk \"A\", B-1W7R", Some("1")));
        assert_eq!(first.pop().unwrap().expose(), "abcd1234");
        assert_eq!((second.ssid(), second.uid(), second.pop()), ("\u{1f600}", None, None));
    }

    #[test]
    fn boards_that_share_a_name_a_pop_or_a_uid_are_found() {
        let file = b"ssid,pop,uid\na,abcd1234,1\nb,abcd1234,2\nc,,\nd,,\na,other123,2\n";
        let shared = find_shared(&read_batch(file).unwrap());
        let expected = [("PoP", 1, 2), ("network name", 1, 5), ("UID", 2, 5)];
        assert_eq!(shared, expected.map(|(what, first, later)| Shared { what, first, later }));
        assert_eq!(shared[0].to_string(), "boards 1 and 2 have the same PoP");
    }

    #[test]
    fn an_error_names_the_line_and_no_secret() {
        let error = read_batch(b"ssid,pop\na,abcd1234\nb,sesame\n").unwrap_err();
        let source = ParsePopError::Length { found_bytes: 6 };
        assert_eq!(error, ReadBatchError::Pop { line: 3, source });
        let error = read_batch(b"ssid,pop\na,sesame,sesame\n").unwrap_err();
        assert_eq!(error, ReadBatchError::Malformed { line: 2 });
        let error = read_batch(b"ssid,pop\na,\xffsesame12\n").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("sesame"));
    }

    #[test]
    fn files_without_boards_or_with_odd_columns_are_refused() {
        assert_eq!(read_batch(b""), Err(ReadBatchError::NoSsidColumn));
        assert_eq!(read_batch(b"ssid\n"), Err(ReadBatchError::Empty));
        assert_eq!(read_batch(b"ssid,pop2\na,b\n"), Err(ReadBatchError::UnknownColumn));
    }
}

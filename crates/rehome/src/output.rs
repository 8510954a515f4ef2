//! What commands print for people and for programs.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};

use anyhow::{Context as _, Result};

/// Prints a line to standard output. `println!` panics when nobody reads it any more.
///
/// # Errors
/// As [`print_line`].
macro_rules! say {
    ($($text:tt)*) => { $crate::output::print_line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Prints a line. A reader that has had enough, such as `head` or a pager that was left, is no error, and what is done besides
/// printing goes on.
///
/// # Errors
/// When the line could not be written, for example because the disk is full.
pub(crate) fn print_line(line: fmt::Arguments<'_>) -> Result<()> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to standard output"),
    }
}

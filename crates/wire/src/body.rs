//! Building bodies, and what can be wrong with them.

use core::fmt::{self, Write as _};

use crate::command::Command;
use crate::frame::{EncodeFrameError, body_length, split_output, write_header};

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseBodyError {
    /// The body ends before this field, or the field is empty where that makes no sense.
    #[error("{name} is missing")]
    MissingField {
        /// Name of the field.
        name: &'static str,
    },
    /// The field is not a decimal number, or is out of range.
    #[error("{name} is not a number in range")]
    NotANumber {
        /// Name of the field.
        name: &'static str,
    },
    /// The field should be text and is not.
    #[error("{name} is not UTF-8")]
    NotUtf8 {
        /// Name of the field.
        name: &'static str,
    },
    /// The field is longer than the receiver keeps.
    #[error("{name} is too long")]
    TooLong {
        /// Name of the field.
        name: &'static str,
    },
    /// The field names an operation, mode or scope that does not exist here.
    #[error("{name} is not known")]
    Unknown {
        /// Name of the field.
        name: &'static str,
    },
}

/// Why a message was not written. The output buffer is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeMessageError {
    /// The frame around the body is not possible.
    #[error("the frame cannot be written")]
    Frame(#[from] EncodeFrameError),
    /// A NUL inside a field would be read as the end of it.
    #[error("a field contains a NUL")]
    FieldContainsNul,
    /// A list that needs an entry has none, or a name is empty.
    #[error("{name} is missing")]
    MissingField {
        /// Name of the field.
        name: &'static str,
    },
    /// The receiver would cut the field and act on the rest.
    #[error("{name} is too long")]
    TooLong {
        /// Name of the field.
        name: &'static str,
    },
    /// The text would be read as something else.
    #[error("{name} has another meaning on the wire")]
    Ambiguous {
        /// Name of the field.
        name: &'static str,
    },
    /// The buffer of a [`BodyWriter`] is full.
    #[error("the fields do not fit the buffer")]
    BufferFull,
}

/// Joins fields with NULs in a buffer of the caller's, for [`crate::Values`] with several values.
///
/// ```
/// # use wire::{BodyWriter, Values};
/// let mut scratch = [0; 32];
/// let mut writer = BodyWriter::new(&mut scratch);
/// writer.field(b"hello")?;
/// writer.integer(123)?;
/// writer.float(12.34)?;
/// assert_eq!(Values::new(writer.finish()?).raw(), b"hello\x00123\x0012.340");
/// # Ok::<(), wire::EncodeMessageError>(())
/// ```
#[derive(Debug)]
pub struct BodyWriter<'b> {
    /// `None` only counts.
    out: Option<&'b mut [u8]>,
    position: usize,
    has_fields: bool,
    is_last_empty: bool,
}

impl<'b> BodyWriter<'b> {
    /// Starts at the beginning of `out`.
    #[must_use]
    pub fn new(out: &'b mut [u8]) -> Self {
        Self { out: Some(out), position: 0, has_fields: false, is_last_empty: false }
    }

    /// Adds one field.
    ///
    /// # Errors
    ///
    /// When it contains a NUL or does not fit.
    pub fn field(&mut self, field: &[u8]) -> Result<(), EncodeMessageError> {
        if field.contains(&0) {
            return Err(EncodeMessageError::FieldContainsNul);
        }
        self.raw(field)
    }

    /// Adds a whole number.
    ///
    /// # Errors
    ///
    /// When it does not fit.
    pub fn integer(&mut self, value: i64) -> Result<(), EncodeMessageError> {
        self.display(format_args!("{value}"))
    }

    /// Adds a number with three decimals, as the C++ library prints a `float` (reference §1).
    ///
    /// # Errors
    ///
    /// When it does not fit.
    pub fn float(&mut self, value: f32) -> Result<(), EncodeMessageError> {
        self.display(format_args!("{value:.3}"))
    }

    /// Adds a number with seven decimals, as the C++ library prints a `double` (reference §1).
    ///
    /// # Errors
    ///
    /// When it does not fit.
    pub fn double(&mut self, value: f64) -> Result<(), EncodeMessageError> {
        self.display(format_args!("{value:.7}"))
    }

    /// Ends the list and returns its bytes.
    ///
    /// A last field that is empty gets a NUL of its own, or the receiver would not see it.
    ///
    /// # Errors
    ///
    /// When that NUL does not fit.
    pub fn finish(mut self) -> Result<&'b [u8], EncodeMessageError> {
        if self.is_last_empty {
            self.put(&[0])?;
        }
        let written: &'b [u8] = self.out.unwrap_or_default();
        written.get(..self.position).ok_or(EncodeMessageError::BufferFull)
    }

    /// Adds bytes as they are, after a separator when something is before them.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), EncodeMessageError> {
        self.separate()?;
        self.is_last_empty = bytes.is_empty();
        self.put(bytes)
    }

    /// Adds a field that is formatted on the way.
    pub(crate) fn display(&mut self, arguments: fmt::Arguments<'_>) -> Result<(), EncodeMessageError> {
        self.separate()?;
        self.is_last_empty = false;
        self.write_fmt(arguments).or(Err(EncodeMessageError::BufferFull))
    }

    /// Adds a name, which may not be empty.
    pub(crate) fn name(&mut self, value: &str, name: &'static str) -> Result<(), EncodeMessageError> {
        if value.is_empty() {
            return Err(EncodeMessageError::MissingField { name });
        }
        self.field(value.as_bytes())
    }

    fn counting() -> Self {
        Self { out: None, position: 0, has_fields: false, is_last_empty: false }
    }

    fn separate(&mut self) -> Result<(), EncodeMessageError> {
        if self.has_fields {
            self.put(&[0])?;
        }
        self.has_fields = true;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeMessageError> {
        let end = self.position.saturating_add(bytes.len());
        if let Some(out) = &mut self.out {
            let room = out.get_mut(self.position..end).ok_or(EncodeMessageError::BufferFull)?;
            room.copy_from_slice(bytes);
        }
        self.position = end;
        Ok(())
    }
}

impl fmt::Write for BodyWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).or(Err(fmt::Error))
    }
}

/// Returns the size of the body that `write_body` writes.
pub(crate) fn measure(
    write_body: impl FnOnce(&mut BodyWriter<'_>) -> Result<(), EncodeMessageError>,
) -> Result<usize, EncodeMessageError> {
    let mut counter = BodyWriter::counting();
    write_body(&mut counter)?;
    Ok(counter.position)
}

/// Writes one whole frame, or nothing: the body is measured and checked before the first byte is written.
pub(crate) fn encode_frame(
    command: Command,
    message_id: u16,
    out: &mut [u8],
    write_body: impl Fn(&mut BodyWriter<'_>) -> Result<(), EncodeMessageError>,
) -> Result<usize, EncodeMessageError> {
    let body_bytes = measure(&write_body)?;
    let length = body_length(command, body_bytes)?;
    let (header, body) = split_output(message_id, body_bytes, out)?;
    write_body(&mut BodyWriter::new(body))?;
    write_header(header, command, message_id, length);
    Ok(header.len().saturating_add(body_bytes))
}

#[cfg(test)]
mod tests {
    use super::{BodyWriter, EncodeMessageError};
    use crate::fields::Values;

    #[test]
    fn floats_have_three_and_doubles_seven_decimals() {
        let mut scratch = [0; 64];
        let mut writer = BodyWriter::new(&mut scratch);
        writer.float(12.34).unwrap();
        writer.double(12.34).unwrap();
        assert_eq!(writer.finish(), Ok(&b"12.340\x0012.3400000"[..]));
    }

    #[test]
    fn a_last_empty_value_is_seen_by_the_receiver() {
        let mut scratch = [0; 8];
        let mut writer = BodyWriter::new(&mut scratch);
        writer.field(b"a").unwrap();
        writer.field(b"").unwrap();
        let values = Values::new(writer.finish().unwrap());
        assert!(values.iter().eq([&b"a"[..], b""]));
    }

    #[test]
    fn a_field_that_does_not_fit_or_contains_a_nul_is_an_error() {
        let mut scratch = [0; 3];
        let mut writer = BodyWriter::new(&mut scratch);
        assert_eq!(writer.field(b"a\0b"), Err(EncodeMessageError::FieldContainsNul));
        assert_eq!(writer.field(b"ab"), Ok(()));
        assert_eq!(writer.field(b"c"), Err(EncodeMessageError::BufferFull));
    }
}

//! Fields: the parts of a body, separated by NUL.

use core::fmt;

use crate::body::ParseBodyError;

/// Iterates over the fields of a body.
///
/// A NUL ends a field; the last field may go without. So `a\0b` and `a\0b\0` are the same two fields, `a\0\0` ends
/// with an empty one, and an empty body has none: what the C++ library reads too (reference §1).
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// Returns the fields of `body`.
    #[must_use]
    pub const fn new(body: &'a [u8]) -> Self {
        Self { rest: if body.is_empty() { None } else { Some(body) } }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (field, rest) = split_field(self.rest?);
        self.rest = rest.filter(|rest| !rest.is_empty());
        Some(field)
    }
}

/// One value or several, as they stand at the end of a write.
///
/// The bytes may be anything ([`Values::raw`], for `virtualWriteBinary`); read as fields they are one or more values.
/// A missing value cannot be represented, an empty one can. To build several, use [`crate::BodyWriter`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Values<'a> {
    raw: &'a [u8],
}

impl<'a> Values<'a> {
    /// Takes bytes as they travel: one value, or several separated by NUL.
    #[must_use]
    pub const fn new(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// Returns the bytes as they travel, NULs included.
    #[must_use]
    pub const fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// Returns the values in order; there is at least one.
    #[must_use]
    pub const fn iter(self) -> Fields<'a> {
        Fields { rest: Some(self.raw) }
    }

    /// Returns the first value.
    #[must_use]
    pub fn first(self) -> &'a [u8] {
        split_field(self.raw).0
    }
}

impl<'a> IntoIterator for Values<'a> {
    type Item = &'a [u8];
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.iter()
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values(\"{}\")", self.raw.escape_ascii())
    }
}

/// Cuts `body` at its first NUL. The second part is `None` when there is no NUL, and empty when nothing follows it.
pub(crate) fn split_field(body: &[u8]) -> (&[u8], Option<&[u8]>) {
    match body.iter().position(|byte| *byte == 0) {
        Some(at) => {
            let rest = body.get(at.saturating_add(1)..).unwrap_or_default();
            (body.get(..at).unwrap_or_default(), Some(rest))
        }
        None => (body, None),
    }
}

/// Reads a field as text that is not empty.
pub(crate) fn text<'a>(field: &'a [u8], name: &'static str) -> Result<&'a str, ParseBodyError> {
    if field.is_empty() {
        return Err(ParseBodyError::MissingField { name });
    }
    core::str::from_utf8(field).or(Err(ParseBodyError::NotUtf8 { name }))
}

/// Reads a field as a decimal number.
pub(crate) fn decimal<T: TryFrom<i64>>(field: &[u8], name: &'static str) -> Result<T, ParseBodyError> {
    let malformed = ParseBodyError::NotANumber { name };
    // `FromStr` takes a leading plus, which nobody sends.
    if field.first() == Some(&b'+') {
        return Err(malformed);
    }
    // Read as one type, because a small chip keeps a copy of the reader for each.
    let number = core::str::from_utf8(field).ok().and_then(|digits| digits.parse::<i64>().ok());
    number.and_then(|number| T::try_from(number).ok()).ok_or(malformed)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::{Fields, Values, decimal};

    fn fields(body: &[u8]) -> Vec<&[u8]> {
        Fields::new(body).collect()
    }

    #[test]
    fn one_trailing_nul_adds_no_field() {
        assert_eq!(fields(b""), Vec::<&[u8]>::new());
        assert_eq!(fields(b"a\0b"), [b"a", b"b"]);
        assert_eq!(fields(b"a\0b\0"), [b"a", b"b"]);
        assert_eq!(fields(b"a\0\0"), [&b"a"[..], b""]);
        assert_eq!(fields(b"\0"), [b""]);
    }

    #[test]
    fn values_are_never_none() {
        assert_eq!(Values::new(b"").iter().collect::<Vec<_>>(), [b""]);
        assert_eq!(Values::new(b"1\0two").iter().collect::<Vec<_>>(), [&b"1"[..], b"two"]);
        assert_eq!(Values::new(b"1\0two").first(), b"1");
    }

    #[test]
    fn numbers_are_plain_decimal_text() {
        assert_eq!(decimal::<u8>(b"255", "pin").ok(), Some(255));
        assert_eq!(decimal::<i16>(b"-60", "offset").ok(), Some(-60));
        for malformed in [&b""[..], b"256", b"+1", b" 1", b"1 ", b"V1", b"0x1", b"-1", b"\xff"] {
            assert!(decimal::<u8>(malformed, "pin").is_err(), "{malformed:?}");
        }
    }
}

//! Pins and lists of them.

use core::fmt;

use crate::body::{BodyWriter, EncodeMessageError, ParseBodyError};
use crate::fields::{Fields, decimal};

/// A virtual pin, V0 to V255. Source: reference §1, limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualPin(pub u8);

impl VirtualPin {
    pub(crate) fn parse(field: &[u8]) -> Result<Self, ParseBodyError> {
        decimal(field, "pin").map(Self)
    }
}

/// Prints the number alone, as it travels.
impl fmt::Display for VirtualPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A pin of the chip. Analog pins may be named `A0`, `A1`... instead of by number. Source: reference §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhysicalPin {
    /// By the number the board uses.
    Numbered(u8),
    /// By the number after the letter A.
    Analog(u8),
}

impl PhysicalPin {
    pub(crate) fn parse(field: &[u8]) -> Result<Self, ParseBodyError> {
        match field.strip_prefix(b"A") {
            Some(digits) => decimal(digits, "pin").map(Self::Analog),
            None => decimal(field, "pin").map(Self::Numbered),
        }
    }
}

/// Prints the pin as it travels.
impl fmt::Display for PhysicalPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbered(number) => number.fmt(f),
            Self::Analog(number) => write!(f, "A{number}"),
        }
    }
}

/// One or more virtual pins, read from a body or given as a slice.
#[derive(Clone, Copy)]
pub struct PinList<'a> {
    source: PinSource<'a>,
}

#[derive(Clone, Copy)]
enum PinSource<'a> {
    // Invariant: every field was parsed as a pin when the list was made.
    Fields(&'a [u8]),
    Slice(&'a [VirtualPin]),
}

impl<'a> PinList<'a> {
    /// Takes the pins of a slice. An empty one cannot be encoded.
    #[must_use]
    pub const fn new(pins: &'a [VirtualPin]) -> Self {
        Self { source: PinSource::Slice(pins) }
    }

    /// Takes fields that are all pins.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        if body.is_empty() {
            return Err(ParseBodyError::MissingField { name: "pin" });
        }
        Fields::new(body).try_for_each(|field| VirtualPin::parse(field).map(|_| ()))?;
        Ok(Self { source: PinSource::Fields(body) })
    }

    /// Returns the pins in order.
    pub fn iter(self) -> impl Iterator<Item = VirtualPin> + Clone + 'a {
        let (fields, slice) = match self.source {
            PinSource::Fields(body) => (body, &[][..]),
            PinSource::Slice(pins) => (&[][..], pins),
        };
        Fields::new(fields).filter_map(|field| VirtualPin::parse(field).ok()).chain(slice.iter().copied())
    }

    pub(crate) fn write(self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        if self.iter().next().is_none() {
            return Err(EncodeMessageError::MissingField { name: "pin" });
        }
        self.iter().try_for_each(|pin| writer.display(format_args!("{pin}")))
    }
}

impl PartialEq for PinList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for PinList<'_> {}

impl fmt::Debug for PinList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

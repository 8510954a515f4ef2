//! Virtual pin numbers.

use std::fmt;

/// A virtual pin, V0 to V255. Source: reference/wire-protocol.md 1 (8 bits on the device).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin(u8);

/// Why a text is not a virtual pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a virtual pin is written V0 to V255")]
pub struct ParsePinError;

impl Pin {
    /// Makes a pin from its number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Reads `V1`, `v1` (HTTP) or `1` (wire).
    ///
    /// # Errors
    /// When it is anything else; signs, spaces and more than three digits included.
    pub fn parse(text: &str) -> Result<Self, ParsePinError> {
        let digits = text.strip_prefix(['V', 'v']).unwrap_or(text);
        // `u8::from_str` alone would accept a plus sign and any number of leading zeros.
        if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParsePinError);
        }
        match digits.parse() {
            Ok(number) => Ok(Self(number)),
            Err(_) => Err(ParsePinError),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}", self.0)
    }
}

impl std::str::FromStr for Pin {
    type Err = ParsePinError;

    fn from_str(text: &str) -> Result<Self, ParsePinError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_pin_can_be_written_in_three_ways() {
        for number in 0..=255_u8 {
            for text in [format!("V{number}"), format!("v{number}"), number.to_string()] {
                assert_eq!(Pin::parse(&text), Ok(Pin::new(number)), "{text}");
            }
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "V", "VV1", "V256", "V-1", "+1", "V+1", " 1", "1 ", "0001", "A0", "V1.0", "\u{0663}"]
        {
            assert_eq!(Pin::parse(text), Err(ParsePinError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_and_parses_again(text in "\\PC{0,6}") {
            if let Ok(pin) = Pin::parse(&text) {
                prop_assert_eq!(Pin::parse(&pin.to_string()), Ok(pin));
            }
        }
    }
}

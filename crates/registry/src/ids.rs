//! Identifiers: one newtype per thing, parsed at the edge.

use std::fmt;

/// 32 characters without 0, O, 1 and I, so that an identifier can be read out over the telephone.
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// 10 characters of 5 bits: 50 random bits, enough for ten million records with one collision in ten thousand fleets;
/// the store's primary key turns a collision into an error, never into a mix-up.
const ID_RANDOM_CHARS: usize = 10;

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `{prefix}` followed by 1 to 28 letters or digits")]
pub struct ParseIdError {
    /// What the identifier must start with.
    pub prefix: &'static str,
}

fn id_from_random(prefix: &str, random: [u8; ID_RANDOM_CHARS]) -> String {
    let random_part =
        random.iter().filter_map(|byte| ID_ALPHABET.get(usize::from(byte & 31))).map(|c| char::from(*c));
    prefix.chars().chain(random_part).collect()
}

fn parse_id(prefix: &'static str, text: &str) -> Result<String, ParseIdError> {
    let rest = text.strip_prefix(prefix).ok_or(ParseIdError { prefix })?;
    if rest.is_empty() || rest.len() > 28 || !rest.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(ParseIdError { prefix });
    }
    Ok(text.to_owned())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Makes a new identifier from 10 random bytes.
            #[must_use]
            pub fn from_random(random: [u8; ID_RANDOM_CHARS]) -> Self {
                Self(id_from_random($prefix, random))
            }

            /// Reads an identifier that came from outside.
            ///
            /// # Errors
            /// When the text does not have the shape of this kind of identifier.
            pub fn parse(text: &str) -> Result<Self, ParseIdError> {
                parse_id($prefix, text).map(Self)
            }

            /// Returns the identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                Self::parse(text)
            }
        }
    };
}

text_id! {
    /// A template: `TMPL` and 10 characters.
    ///
    /// Edgent firmware halts for ever when its template id does not start with `TMPL` (reference/edgent-device.md 1).
    TemplateId, "TMPL"
}
text_id! {
    /// A device record: `DEV` and 10 characters.
    DeviceId, "DEV"
}
text_id! {
    /// A provisioning session: `PROV` and 10 characters.
    SessionId, "PROV"
}
text_id! {
    /// An uploaded firmware image: `FW` and 10 characters.
    FirmwareId, "FW"
}
text_id! {
    /// A firmware shipment: `SHIP` and 10 characters.
    ShipmentId, "SHIP"
}

/// Number of an ownership: 1 for the first, plus one with each next, never back.
///
/// Values, metadata and events belong to one device *and* one epoch, so that the next owner cannot see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u32);

impl Epoch {
    /// The epoch of a device's first ownership.
    pub const FIRST: Self = Self(1);

    /// Makes an epoch from a stored number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the epoch of the next ownership.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_identifiers_parse_and_keep_their_kind() {
        let id = TemplateId::from_random([0, 31, 32, 255, 7, 8, 9, 10, 11, 12]);
        assert_eq!(id.as_str(), "TMPLA9A9HJKLMN");
        assert_eq!(TemplateId::parse(id.as_str()), Ok(id.clone()));
        assert!(DeviceId::parse(id.as_str()).is_err());
    }

    #[test]
    fn odd_identifiers_are_refused() {
        for text in ["", "DEV", "DEV-1", "dev1", "DEV\0", "DEV\u{e9}", "DEVAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(DeviceId::parse(text).is_err(), "{text:?}");
        }
    }
}

//! What a label says, checked once.

use std::fmt;

use thiserror::Error;

/// Longest network name in bytes. Source: IEEE 802.11-2020, 9.4.2.2.
pub const SSID_BYTES_MAX: usize = 32;

/// Shortest PoP in bytes: it is a WPA2 passphrase. Source: IEEE 802.11-2020, annex J.4.
pub const POP_BYTES_MIN: usize = 8;

/// Longest PoP in bytes: it is a WPA2 passphrase. Source: IEEE 802.11-2020, annex J.4.
pub const POP_BYTES_MAX: usize = 63;

/// Longest device UID on a label, in bytes. A UUID has 36; more than 64 do not fit beside the code.
pub const UID_BYTES_MAX: usize = 64;

/// What one label is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    ssid: String,
    pop: Option<Pop>,
    uid: Option<String>,
}

impl Board {
    /// Checks what is to be printed. Without a `pop` the hotspot is open.
    ///
    /// # Errors
    /// [`ParseBoardError`] if the name or the UID has no place on a label or in a QR code.
    pub fn new(ssid: &str, pop: Option<Pop>, uid: Option<&str>) -> Result<Self, ParseBoardError> {
        if ssid.is_empty() || ssid.len() > SSID_BYTES_MAX {
            return Err(ParseBoardError::SsidLength { found_bytes: ssid.len() });
        }
        if ssid.chars().any(char::is_control) {
            return Err(ParseBoardError::SsidControlCharacter);
        }
        if let Some(uid) = uid {
            let is_printable = uid.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
            if uid.is_empty() || uid.len() > UID_BYTES_MAX || !is_printable {
                return Err(ParseBoardError::Uid);
            }
        }
        Ok(Self { ssid: ssid.to_owned(), pop, uid: uid.map(ToOwned::to_owned) })
    }

    /// Name of the hotspot.
    #[must_use]
    pub fn ssid(&self) -> &str {
        &self.ssid
    }

    /// Proof of possession, the hotspot's passphrase; `None` for an open hotspot.
    #[must_use]
    pub fn pop(&self) -> Option<&Pop> {
        self.pop.as_ref()
    }

    /// Device UID.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }
}

/// A proof of possession. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Pop(String);

impl Pop {
    /// Checks that a hotspot can use the text as its passphrase.
    ///
    /// # Errors
    /// [`ParsePopError`] if it has not 8 to 63 printable ASCII characters.
    pub fn parse(text: &str) -> Result<Self, ParsePopError> {
        if !(POP_BYTES_MIN..=POP_BYTES_MAX).contains(&text.len()) {
            return Err(ParsePopError::Length { found_bytes: text.len() });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(ParsePopError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// Hands out the text, for the label only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// A label cannot say this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseBoardError {
    /// No name, or one that no network can have.
    #[error("the network name is {found_bytes} bytes, 1 to {SSID_BYTES_MAX} are allowed")]
    SsidLength {
        /// Bytes that were given.
        found_bytes: usize,
    },
    /// A line break or the like.
    #[error("the network name has a control character, which nobody could read off a label")]
    SsidControlCharacter,
    /// Empty, too long, or not printable ASCII.
    #[error("the UID must have 1 to {UID_BYTES_MAX} printable ASCII characters")]
    Uid,
}

/// A hotspot cannot have this passphrase. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParsePopError {
    /// Too short or too long for WPA2.
    #[error("the PoP is {found_bytes} bytes, {POP_BYTES_MIN} to {POP_BYTES_MAX} are allowed")]
    Length {
        /// Bytes that were given.
        found_bytes: usize,
    },
    /// Not printable ASCII.
    #[error("the PoP must consist of printable ASCII characters")]
    Character,
}

#[cfg(test)]
mod tests {
    use super::{Board, ParseBoardError, ParsePopError, Pop};

    #[test]
    fn debug_output_hides_the_pop() {
        let board = Board::new("Blynk Air-1W7R", Some(Pop::parse("horse-battery").unwrap()), None).unwrap();
        assert!(!format!("{board:?}").contains("horse"));
    }

    #[test]
    fn names_that_no_network_can_have_are_refused() {
        assert_eq!(Board::new("", None, None), Err(ParseBoardError::SsidLength { found_bytes: 0 }));
        let long = "x".repeat(33);
        assert_eq!(Board::new(&long, None, None), Err(ParseBoardError::SsidLength { found_bytes: 33 }));
        assert_eq!(Board::new("a\nb", None, None), Err(ParseBoardError::SsidControlCharacter));
        assert!(Board::new(&"\u{1f600}".repeat(8), None, None).is_ok());
    }

    #[test]
    fn passphrases_that_wpa2_cannot_have_are_refused() {
        assert_eq!(Pop::parse("1234567"), Err(ParsePopError::Length { found_bytes: 7 }));
        assert_eq!(Pop::parse(&"x".repeat(64)), Err(ParsePopError::Length { found_bytes: 64 }));
        assert_eq!(Pop::parse("pass\u{e9}word"), Err(ParsePopError::Character));
        assert!(Pop::parse(&"x".repeat(63)).is_ok());
    }

    #[test]
    fn a_uid_must_be_printable_and_fit() {
        assert_eq!(Board::new("a", None, Some("")), Err(ParseBoardError::Uid));
        assert_eq!(Board::new("a", None, Some(&"u".repeat(65))), Err(ParseBoardError::Uid));
        assert_eq!(Board::new("a", None, Some("a\u{7}")), Err(ParseBoardError::Uid));
    }
}

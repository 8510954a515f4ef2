//! The factory partition of a board: what makes this one board different from its sisters, and is on its label.
//!
//! Start at [`FactoryImage`]. The maker's tool encodes it into a file of [`IMAGE_BYTES`], which is flashed once; the
//! firmware parses it at every boot. Nothing here is ever written by the firmware, so a wipe leaves it alone.
//!
//! | bytes | content |
//! |---|---|
//! | 0–3 | `RHFI` |
//! | 4 | layout version, 1 |
//! | 5 | bytes of the UID, 1–32 |
//! | 6 | bytes of the PoP, 0 (none) or 8–63 |
//! | 7 | 0 |
//! | 8–39 | UID, filled up with 0 |
//! | 40–102 | PoP, filled up with 0 |
//! | 103–123 | 0 |
//! | 124–127 | CRC-32 (ISO 3309) of bytes 0–123, little-endian |
//! | 128–4095 | 0xFF: one flash sector |

#![no_std]

#[cfg(test)]
extern crate std;

use core::fmt;

use heapless::String;

/// Bytes of the image: one flash sector, the smallest partition there is.
pub const IMAGE_BYTES: usize = 4096;
/// Bytes of the image that are not filling.
pub const RECORD_BYTES: usize = 128;
/// Longest UID.
pub const UID_BYTES_MAX: usize = 32;
/// Shortest PoP: it is the passphrase of the hotspot, and WPA2 asks for 8. Source: IEEE 802.11-2020, annex J.4.
pub const POP_BYTES_MIN: usize = 8;
/// Longest PoP. Source: as above.
pub const POP_BYTES_MAX: usize = 63;

const MAGIC: [u8; 4] = *b"RHFI";
const LAYOUT_VERSION: u8 = 1;
const UID_OFFSET: usize = 8;
const POP_OFFSET: usize = 40;
const CRC_OFFSET: usize = 124;
const ERASED: u8 = 0xFF;

/// UID and PoP of one board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactoryImage {
    /// Names the board to the cloud and on its label.
    pub uid: Uid,
    /// Proves that somebody holds the board; without one the hotspot is open.
    pub pop: Option<Pop>,
}

impl FactoryImage {
    /// Writes the image of a whole partition.
    #[must_use]
    pub fn encode(&self) -> [u8; IMAGE_BYTES] {
        let mut record = [0; RECORD_BYTES];
        let uid = self.uid.0.as_bytes();
        let pop = self.pop.as_ref().map_or(&[][..], |pop| pop.0.as_bytes());
        put(&mut record, 0, &MAGIC);
        // Both lengths are below 64.
        let lengths = [uid, pop].map(|text| u8::try_from(text.len()).unwrap_or_default());
        put(&mut record, MAGIC.len(), &[LAYOUT_VERSION, lengths[0], lengths[1]]);
        put(&mut record, UID_OFFSET, uid);
        put(&mut record, POP_OFFSET, pop);
        let crc = crc32(record.get(..CRC_OFFSET).unwrap_or_default());
        put(&mut record, CRC_OFFSET, &crc.to_le_bytes());
        let mut image = [ERASED; IMAGE_BYTES];
        put(&mut image, 0, &record);
        image
    }

    /// Reads an image; its first [`RECORD_BYTES`] are enough.
    ///
    /// # Errors
    /// [`ParseFactoryImageError`]; a board with such a partition works, under a UID made of its MAC address and without
    /// PoP.
    pub fn parse(image: &[u8]) -> Result<Self, ParseFactoryImageError> {
        let record: &[u8; RECORD_BYTES] = image.first_chunk().ok_or(ParseFactoryImageError::TooShort)?;
        if record.iter().all(|&byte| byte == ERASED) {
            return Err(ParseFactoryImageError::Empty);
        }
        let [m0, m1, m2, m3, version, uid_bytes, pop_bytes, ..] = *record;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(ParseFactoryImageError::NotFactoryImage);
        }
        let (checked, crc) = record.split_at(CRC_OFFSET);
        if crc != crc32(checked).to_le_bytes() {
            return Err(ParseFactoryImageError::Damaged);
        }
        if version != LAYOUT_VERSION {
            return Err(ParseFactoryImageError::NewerVersion { found: version });
        }
        let text = |offset: usize, length: u8| record.get(offset..offset.checked_add(usize::from(length))?);
        let uid = text(UID_OFFSET, uid_bytes).ok_or(ParseFactoryImageError::Damaged)?;
        let pop = text(POP_OFFSET, pop_bytes).ok_or(ParseFactoryImageError::Damaged)?;
        let pop = if pop.is_empty() { None } else { Some(Pop::parse(pop)?) };
        Ok(Self { uid: Uid::parse(uid)?, pop })
    }
}

fn put(out: &mut [u8], offset: usize, bytes: &[u8]) {
    for (target, source) in out.iter_mut().skip(offset).zip(bytes) {
        *target = *source;
    }
}

/// CRC-32 as in ISO 3309, bit by bit: 124 bytes at each boot are not worth a table.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Unique id of a board: 1 to 32 letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uid(String<UID_BYTES_MAX>);

impl Uid {
    /// Copies a UID.
    ///
    /// # Errors
    /// [`ParseUidError`] for another length or other characters.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseUidError> {
        let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if bytes.is_empty() || !bytes.iter().all(is_allowed) {
            return Err(ParseUidError);
        }
        copy_text(bytes).map(Self).ok_or(ParseUidError)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Proof of possession: 8 to 63 visible ASCII characters. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Pop(String<POP_BYTES_MAX>);

impl Pop {
    /// Copies a PoP.
    ///
    /// # Errors
    /// [`ParsePopError`] for another length or other characters.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParsePopError> {
        if bytes.len() < POP_BYTES_MIN || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(ParsePopError);
        }
        copy_text(bytes).map(Self).ok_or(ParsePopError)
    }

    /// Hands out the secret: for the label and for the hotspot's passphrase only.
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

fn copy_text<const N: usize>(bytes: &[u8]) -> Option<String<N>> {
    String::try_from(core::str::from_utf8(bytes).ok()?).ok()
}

/// A UID of the wrong length or with other characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a UID is 1 to {UID_BYTES_MAX} letters, digits, '-' and '_'")]
pub struct ParseUidError;

/// A PoP of the wrong length or with other characters. It is not repeated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PoP is {POP_BYTES_MIN} to {POP_BYTES_MAX} visible ASCII characters")]
pub struct ParsePopError;

/// The partition holds no usable image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseFactoryImageError {
    /// Fewer bytes than a record.
    #[error("a factory image has at least {RECORD_BYTES} bytes")]
    TooShort,
    /// The partition was never written.
    #[error("the factory partition is empty")]
    Empty,
    /// Something else is stored there.
    #[error("this is no factory image")]
    NotFactoryImage,
    /// The checksum or a length is wrong.
    #[error("the factory image is damaged")]
    Damaged,
    /// Written by a newer tool.
    #[error("the factory image has layout {found}, this program knows {LAYOUT_VERSION}")]
    NewerVersion {
        /// The layout found.
        found: u8,
    },
    /// The UID is none.
    #[error("the UID in the factory image cannot be used")]
    Uid(#[from] ParseUidError),
    /// The PoP is none.
    #[error("the PoP in the factory image cannot be used")]
    Pop(#[from] ParsePopError),
}

#[cfg(test)]
mod tests;

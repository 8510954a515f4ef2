//! The QR code as a square of dark and light modules.

use qrcode::bits::Bits;
use qrcode::types::{Color, QrError};
use qrcode::{EcLevel, QrCode, Version};
use thiserror::Error;

/// Restores 15 % of the code: enough for a scratch, and the modules stay large. Source: ISO/IEC 18004:2015, table 8.
const CORRECTION: EcLevel = EcLevel::M;

/// Largest version of a QR code. Source: ISO/IEC 18004:2015, 5.3.1.
const VERSION_MAX: i16 = 40;

/// A QR code without its quiet zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matrix {
    side_modules: u16,
    is_dark: Vec<bool>,
}

impl Matrix {
    /// Encodes text as UTF-8 bytes.
    ///
    /// Always in byte mode: left to itself the encoder takes some pairs of UTF-8 bytes for Shift-JIS and writes them as
    /// Kanji, which a phone then reads as other characters.
    pub(crate) fn encode(text: &str) -> Result<Self, EncodeJoinCodeError> {
        for version in 1..=VERSION_MAX {
            match encode_as(text.as_bytes(), Version::Normal(version)) {
                Ok(code) => return Self::from_code(&code).ok_or(EncodeJoinCodeError::TooLong),
                Err(QrError::DataTooLong) => {}
                Err(_) => return Err(EncodeJoinCodeError::Encoder),
            }
        }
        Err(EncodeJoinCodeError::TooLong)
    }

    fn from_code(code: &QrCode) -> Option<Self> {
        let side_modules = u16::try_from(code.width()).ok()?;
        let is_dark = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        Some(Self { side_modules, is_dark })
    }

    pub(crate) fn side_modules(&self) -> u16 {
        self.side_modules
    }

    /// The modules row by row from the top, each row from the left.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[bool]> {
        self.is_dark.chunks(usize::from(self.side_modules).max(1))
    }
}

fn encode_as(bytes: &[u8], version: Version) -> Result<QrCode, QrError> {
    let mut bits = Bits::new(version);
    bits.push_byte_data(bytes)?;
    bits.push_terminator(CORRECTION)?;
    QrCode::with_bits(bits, CORRECTION)
}

/// The text does not become a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeJoinCodeError {
    /// More than the largest QR code holds.
    #[error("the text is too long for a QR code")]
    TooLong,
    /// The encoder refused its own input.
    #[error("the QR encoder failed")]
    Encoder,
}

//! Release orders and receipts as text, for QR codes, files and people: release without a network.
//!
//! An order is `rehome-release-1.<device id>.<epoch>.<nonce>.<signature>`, a receipt
//! `rehome-receipt-1.<device id>.<digest>.<signature>`; numbers are decimal, bytes lower-case hexadecimal. Neither holds a
//! character that a URL fragment would have to escape. Source: decision 0028.

use crate::body::ParseBodyError;
use crate::fields::decimal;
use crate::release::{
    DEVICE_ID_BYTES_MAX, DeviceId, KEY_BYTES, NONCE_BYTES, Receipt, ReleaseOrder, ReleaseTerms,
    SIGNATURE_BYTES, hex_digits, read_hex,
};

/// Longest text in bytes: an order for the longest device id in the last epoch has 222, a link before it 27 more.
pub const RELEASE_TEXT_BYTES_MAX: usize = 256;

const ORDER_KIND: &[u8] = b"rehome-release-1";
const RECEIPT_KIND: &[u8] = b"rehome-receipt-1";

// Every text that can be written fits.
const _: () = assert!(
    ORDER_KIND.len() + 4 + DEVICE_ID_BYTES_MAX + 10 + 2 * (NONCE_BYTES + SIGNATURE_BYTES)
        <= RELEASE_TEXT_BYTES_MAX
);
const _: () = assert!(RECEIPT_KIND.len() + 3 + DEVICE_ID_BYTES_MAX + 4 * KEY_BYTES <= RELEASE_TEXT_BYTES_MAX);

/// Text that may be an order or a receipt: no white space, nothing up to the last `#`.
///
/// People copy texts with line breaks in them, or the whole link of a QR code; neither is part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseText {
    bytes: [u8; RELEASE_TEXT_BYTES_MAX],
    length: usize,
}

/// Why a text is no order, or no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReadReleaseTextError {
    /// There is nothing in it.
    #[error("enter the release code")]
    Empty,
    /// Longer than any order or receipt.
    #[error("this is longer than any release code")]
    TooLong,
    /// It begins like something else.
    #[error("this is not a release code")]
    Kind,
    /// A part is missing, cut off, or has a character that does not belong there.
    #[error("the release code is not complete: copy or scan it again")]
    Damaged,
}

impl ReleaseText {
    /// Collects what somebody pasted, scanned or uploaded.
    ///
    /// # Errors
    /// [`ReadReleaseTextError::TooLong`].
    pub fn collect(typed: impl IntoIterator<Item = u8>) -> Result<Self, ReadReleaseTextError> {
        let mut text = Self::empty();
        for byte in typed {
            match byte {
                b'#' => text.length = 0,
                byte if byte.is_ascii_whitespace() => {}
                byte => {
                    let room = text.bytes.get_mut(text.length).ok_or(ReadReleaseTextError::TooLong)?;
                    *room = byte;
                    text.length = text.length.saturating_add(1);
                }
            }
        }
        Ok(text)
    }

    /// Writes an order.
    #[must_use]
    pub fn from_order(order: &ReleaseOrder<'_>) -> Self {
        let mut text = Self::empty();
        text.push(ORDER_KIND);
        text.push_part(order.terms.device_id.as_str().as_bytes());
        text.push(b".");
        text.push_decimal(order.terms.epoch);
        text.push_hex(&order.terms.nonce);
        text.push_hex(&order.signature);
        text
    }

    /// Writes a receipt.
    #[must_use]
    pub fn from_receipt(receipt: &Receipt<'_>) -> Self {
        let mut text = Self::empty();
        text.push(RECEIPT_KIND);
        text.push_part(receipt.device_id.as_str().as_bytes());
        text.push_hex(&receipt.digest);
        text.push_hex(&receipt.signature);
        text
    }

    /// Reads an order. It proves nothing before its signature is checked.
    ///
    /// # Errors
    /// When it is something else or damaged.
    pub fn order(&self) -> Result<ReleaseOrder<'_>, ReadReleaseTextError> {
        let mut parts = self.parts(ORDER_KIND)?;
        let terms = ReleaseTerms {
            device_id: take_device_id(&mut parts)?,
            epoch: take_epoch(&mut parts)?,
            nonce: take_hex(&mut parts)?,
        };
        let order = ReleaseOrder { terms, signature: take_hex(&mut parts)? };
        if parts.next().is_some() { Err(ReadReleaseTextError::Damaged) } else { Ok(order) }
    }

    /// Reads a receipt. It proves nothing before its signature is checked.
    ///
    /// # Errors
    /// When it is something else or damaged.
    pub fn receipt(&self) -> Result<Receipt<'_>, ReadReleaseTextError> {
        let mut parts = self.parts(RECEIPT_KIND)?;
        let receipt = Receipt {
            device_id: take_device_id(&mut parts)?,
            digest: take_hex(&mut parts)?,
            signature: take_hex(&mut parts)?,
        };
        if parts.next().is_some() { Err(ReadReleaseTextError::Damaged) } else { Ok(receipt) }
    }

    /// Returns the text; empty when what was collected is not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    const fn empty() -> Self {
        Self { bytes: [0; RELEASE_TEXT_BYTES_MAX], length: 0 }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn parts(&self, kind: &[u8]) -> Result<impl Iterator<Item = &[u8]>, ReadReleaseTextError> {
        if self.length == 0 {
            return Err(ReadReleaseTextError::Empty);
        }
        let mut parts = self.as_bytes().split(|byte| *byte == b'.');
        if parts.next() == Some(kind) { Ok(parts) } else { Err(ReadReleaseTextError::Kind) }
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.length.saturating_add(part.len());
        // The longest text fits, see the assertions above.
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(part);
            self.length = end;
        }
    }

    fn push_part(&mut self, part: &[u8]) {
        self.push(b".");
        self.push(part);
    }

    fn push_hex(&mut self, bytes: &[u8]) {
        self.push(b".");
        for byte in bytes {
            self.push(&hex_digits(*byte));
        }
    }

    fn push_decimal(&mut self, number: u32) {
        if number >= 10 {
            self.push_decimal(number / 10);
        }
        self.push(&[b'0' + u8::try_from(number % 10).unwrap_or_default()]);
    }
}

fn take<'a>(parts: &mut impl Iterator<Item = &'a [u8]>) -> Result<&'a [u8], ReadReleaseTextError> {
    parts.next().ok_or(ReadReleaseTextError::Damaged)
}

fn take_device_id<'a>(
    parts: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<DeviceId<'a>, ReadReleaseTextError> {
    let text = core::str::from_utf8(take(parts)?).or(Err(ReadReleaseTextError::Damaged))?;
    DeviceId::parse(text).ok_or(ReadReleaseTextError::Damaged)
}

fn take_epoch<'a>(parts: &mut impl Iterator<Item = &'a [u8]>) -> Result<u32, ReadReleaseTextError> {
    let digits = take(parts)?;
    let epoch: Result<u32, ParseBodyError> = decimal(digits, "epoch");
    // One form for every number: no sign, no leading zeros.
    let is_canonical =
        digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
    epoch.ok().filter(|_| is_canonical).ok_or(ReadReleaseTextError::Damaged)
}

fn take_hex<'a, const N: usize>(
    parts: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<[u8; N], ReadReleaseTextError> {
    read_hex(take(parts)?).ok_or(ReadReleaseTextError::Damaged)
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn order() -> ReleaseOrder<'static> {
        let device_id = DeviceId::parse("DEVA9A9HJKLMN").unwrap();
        let terms = ReleaseTerms { device_id, epoch: 7, nonce: [0xA0; NONCE_BYTES] };
        ReleaseOrder { terms, signature: core::array::from_fn(|index| u8::try_from(index).unwrap()) }
    }

    fn collected(text: &str) -> ReleaseText {
        ReleaseText::collect(text.bytes()).unwrap()
    }

    #[test]
    fn an_order_reads_back_from_its_text_with_line_breaks_and_from_its_link() {
        let text = String::from(ReleaseText::from_order(&order()).as_str());
        assert!(text.starts_with("rehome-release-1.DEVA9A9HJKLMN.7.a0a0"), "{text}");
        let (first, second) = text.split_at(70);
        let broken = std::format!("  {first}\r\n {second}\n");
        let link = std::format!("http://192.168.4.1/release#{text}");
        for typed in [text.clone(), broken, link] {
            assert_eq!(collected(&typed).order(), Ok(order()), "{typed}");
        }
        assert_eq!(collected(&text).receipt(), Err(ReadReleaseTextError::Kind));
    }

    #[test]
    fn a_receipt_reads_back_from_its_text() {
        let device_id = DeviceId::parse("D").unwrap();
        let receipt = Receipt { device_id, digest: [1; KEY_BYTES], signature: [0xFE; KEY_BYTES] };
        let text = ReleaseText::from_receipt(&receipt);
        assert_eq!(collected(text.as_str()).receipt(), Ok(receipt));
        assert_eq!(text.order(), Err(ReadReleaseTextError::Kind));
    }

    #[test]
    fn the_longest_order_fits() {
        let longest = "A".repeat(DEVICE_ID_BYTES_MAX);
        let device_id = DeviceId::parse(&longest).unwrap();
        let order =
            ReleaseOrder { terms: ReleaseTerms { device_id, epoch: u32::MAX, ..order().terms }, ..order() };
        assert_eq!(ReleaseText::from_order(&order).order(), Ok(order));
    }

    #[test]
    fn no_flipped_bit_and_no_cut_reads_as_the_same_order() {
        let text = ReleaseText::from_order(&order());
        let whole: Vec<u8> = text.as_str().bytes().collect();
        for at in 0..whole.len() {
            assert!(
                ReleaseText::collect(whole[..at].iter().copied()).unwrap().order().is_err(),
                "cut at {at}"
            );
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let read = ReleaseText::collect(flipped).unwrap();
                assert_ne!(read.order(), Ok(order()), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn other_forms_of_the_same_order_are_refused() {
        let text = String::from(ReleaseText::from_order(&order()).as_str());
        for other in [
            text.replace(".7.", ".07."),
            text.replace(".7.", ".+7."),
            text.replace(".7.", ".."),
            text.replace("a0a0", "A0A0"),
            std::format!("{text}."),
            std::format!("{text}.0"),
            text.replace("release-1", "release-2"),
        ] {
            assert!(collected(&other).order().is_err(), "{other}");
        }
        assert_eq!(collected(" \n").order(), Err(ReadReleaseTextError::Empty));
        assert_eq!(ReleaseText::collect([b'a'; 257]), Err(ReadReleaseTextError::TooLong));
    }
}

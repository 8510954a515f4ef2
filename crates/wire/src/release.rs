//! Claim, release order and receipt: what travels between our cloud and our firmware, and what is signed.
//!
//! This crate writes and reads the bytes; it knows no cryptography. The cloud signs the bytes of
//! [`ReleaseTerms::canonical_bytes`] with Ed25519, the device the bytes of [`receipt_bytes`] with HMAC-SHA-512 cut to
//! 32 bytes. Source: decision 0012.

use core::fmt;

use crate::body::{BodyWriter, EncodeMessageError, ParseBodyError};
use crate::fields::{Fields, decimal};

/// Version of these messages that `rehome` in the info message declares.
pub const REHOME_PROTOCOL_VERSION: u8 = 1;

/// Longest device id in bytes. Those of our cloud have 13.
pub const DEVICE_ID_BYTES_MAX: usize = 32;

/// Bytes of an Ed25519 public key, of a receipt secret, of a digest and of a receipt's signature.
pub const KEY_BYTES: usize = 32;

/// Bytes of a nonce: two orders of one server share one with a chance of 2^-64 after 2^32 orders.
pub const NONCE_BYTES: usize = 16;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Hexadecimal digits of a key's fingerprint in the info message: enough to notice another server, no proof of anything.
pub const FINGERPRINT_DIGITS: usize = 16;

/// Tells an order from everything else that the same key may ever sign.
const ORDER_DOMAIN: &[u8] = b"rehome release order v1\0";

/// Tells a receipt from everything else that the same secret may ever sign.
const RECEIPT_DOMAIN: &[u8] = b"rehome release receipt v1\0";

/// Room for the longest canonical form: domain, length of the id, id, digest.
const CANONICAL_BYTES_MAX: usize = RECEIPT_DOMAIN.len() + 1 + DEVICE_ID_BYTES_MAX + KEY_BYTES;

/// The cloud's name for a device: 1 to 32 ASCII letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId<'a>(&'a str);

impl<'a> DeviceId<'a> {
    /// Reads an id; `None` when the text has another shape.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let is_id = (1..=DEVICE_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_id.then_some(Self(text))
    }

    /// The id as text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// The secret with which a device signs its receipt. `Debug` never shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReceiptSecret(pub [u8; KEY_BYTES]);

impl fmt::Debug for ReceiptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// `claim`: what a device keeps with its home, so that it can check release orders and sign a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Under which name orders will come.
    pub device_id: DeviceId<'a>,
    /// The ownership that begins.
    pub epoch: u32,
    /// Ed25519 public key of the server.
    pub release_key: [u8; KEY_BYTES],
    /// Signs the receipt.
    pub receipt_secret: ReceiptSecret,
}

/// Which release is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseTerms<'a> {
    /// The device to be wiped.
    pub device_id: DeviceId<'a>,
    /// The ownership that ends.
    pub epoch: u32,
    /// Makes this order, and with it its receipt, different from every other.
    pub nonce: [u8; NONCE_BYTES],
}

impl ReleaseTerms<'_> {
    /// Returns the bytes that are signed: domain, length of the id, id, epoch (big-endian), nonce.
    #[must_use]
    pub fn canonical_bytes(&self) -> CanonicalBytes {
        let id = self.device_id.as_str().as_bytes();
        let mut bytes = CanonicalBytes::new(ORDER_DOMAIN, id);
        bytes.push(&self.epoch.to_be_bytes());
        bytes.push(&self.nonce);
        bytes
    }
}

/// `release`: the order to wipe, as signed by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseOrder<'a> {
    /// What was signed.
    pub terms: ReleaseTerms<'a>,
    /// Ed25519 signature of [`ReleaseTerms::canonical_bytes`].
    pub signature: [u8; SIGNATURE_BYTES],
}

/// `released`: the device's proof that it wiped itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// Who was wiped.
    pub device_id: DeviceId<'a>,
    /// First 32 bytes of the SHA-512 of the order's canonical bytes; names epoch and nonce.
    pub digest: [u8; KEY_BYTES],
    /// First 32 bytes of the HMAC-SHA-512 of [`receipt_bytes`].
    pub signature: [u8; KEY_BYTES],
}

/// Returns the bytes of a receipt that are signed: domain, length of the id, id, digest.
#[must_use]
pub fn receipt_bytes(device_id: DeviceId<'_>, digest: &[u8; KEY_BYTES]) -> CanonicalBytes {
    let mut bytes = CanonicalBytes::new(RECEIPT_DOMAIN, device_id.as_str().as_bytes());
    bytes.push(digest);
    bytes
}

/// The one form in which something is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanonicalBytes {
    bytes: [u8; CANONICAL_BYTES_MAX],
    length: usize,
}

impl CanonicalBytes {
    fn new(domain: &[u8], id: &[u8]) -> Self {
        let mut bytes = Self { bytes: [0; CANONICAL_BYTES_MAX], length: 0 };
        bytes.push(domain);
        // A `DeviceId` has at most 32 bytes.
        bytes.push(&[u8::try_from(id.len()).unwrap_or(u8::MAX)]);
        bytes.push(id);
        bytes
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.length.saturating_add(part.len());
        // The buffer is made for the longest form, so there is always room.
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(part);
            self.length = end;
        }
    }

    /// The bytes to sign.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Writes the fingerprint of a release key into `out` and returns it as text, for the info message.
#[must_use]
pub fn key_fingerprint<'a>(key: &[u8; KEY_BYTES], out: &'a mut [u8; FINGERPRINT_DIGITS]) -> &'a str {
    for (pair, byte) in out.chunks_exact_mut(2).zip(key) {
        pair.copy_from_slice(&hex_digits(*byte));
    }
    core::str::from_utf8(out).unwrap_or_default()
}

impl<'a> Claim<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let mut fields = Fields::new(body);
        let claim = Self {
            device_id: take_device_id(&mut fields)?,
            epoch: decimal(take(&mut fields, "epoch")?, "epoch")?,
            release_key: take_hex(&mut fields, "release key")?,
            receipt_secret: ReceiptSecret(take_hex(&mut fields, "receipt secret")?),
        };
        end(fields, claim)
    }

    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        writer.raw(b"claim")?;
        writer.name(self.device_id.as_str(), "device id")?;
        writer.integer(self.epoch.into())?;
        write_hex(writer, &self.release_key)?;
        write_hex(writer, &self.receipt_secret.0)
    }
}

impl<'a> ReleaseOrder<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let mut fields = Fields::new(body);
        let terms = ReleaseTerms {
            device_id: take_device_id(&mut fields)?,
            epoch: decimal(take(&mut fields, "epoch")?, "epoch")?,
            nonce: take_hex(&mut fields, "nonce")?,
        };
        let order = Self { terms, signature: take_hex(&mut fields, "signature")? };
        end(fields, order)
    }

    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        writer.raw(b"release")?;
        writer.name(self.terms.device_id.as_str(), "device id")?;
        writer.integer(self.terms.epoch.into())?;
        write_hex(writer, &self.terms.nonce)?;
        write_hex(writer, &self.signature)
    }
}

impl<'a> Receipt<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let mut fields = Fields::new(body);
        let receipt = Self {
            device_id: take_device_id(&mut fields)?,
            digest: take_hex(&mut fields, "digest")?,
            signature: take_hex(&mut fields, "signature")?,
        };
        end(fields, receipt)
    }

    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        writer.raw(b"released")?;
        writer.name(self.device_id.as_str(), "device id")?;
        write_hex(writer, &self.digest)?;
        write_hex(writer, &self.signature)
    }
}

fn take<'a>(fields: &mut Fields<'a>, name: &'static str) -> Result<&'a [u8], ParseBodyError> {
    fields.next().filter(|field| !field.is_empty()).ok_or(ParseBodyError::MissingField { name })
}

fn take_device_id<'a>(fields: &mut Fields<'a>) -> Result<DeviceId<'a>, ParseBodyError> {
    const NAME: &str = "device id";
    let text = core::str::from_utf8(take(fields, NAME)?).or(Err(ParseBodyError::NotUtf8 { name: NAME }))?;
    DeviceId::parse(text).ok_or(ParseBodyError::Unknown { name: NAME })
}

/// Reads exactly `2 * N` lower-case digits: every value has one form.
fn take_hex<const N: usize>(fields: &mut Fields<'_>, name: &'static str) -> Result<[u8; N], ParseBodyError> {
    read_hex(take(fields, name)?).ok_or(ParseBodyError::NotANumber { name })
}

/// Reads exactly `2 * N` lower-case digits.
pub(crate) fn read_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != N.saturating_mul(2) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit_value(*high)? << 4 | digit_value(*low)?;
    }
    Some(bytes)
}

/// Something after the last field is no message of ours.
fn end<T>(mut fields: Fields<'_>, message: T) -> Result<T, ParseBodyError> {
    match fields.next() {
        None => Ok(message),
        Some(_) => Err(ParseBodyError::TooLong { name: "body" }),
    }
}

fn write_hex<const N: usize>(writer: &mut BodyWriter<'_>, bytes: &[u8; N]) -> Result<(), EncodeMessageError> {
    // The longest is a signature.
    let mut digits = [0; 2 * SIGNATURE_BYTES];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&hex_digits(*byte));
    }
    writer.field(digits.get(..N.saturating_mul(2)).unwrap_or_default())
}

pub(crate) fn hex_digits(byte: u8) -> [u8; 2] {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + (value - 10) };
    [digit(byte >> 4), digit(byte & 15)]
}

fn digit_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

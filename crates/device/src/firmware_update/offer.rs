//! Judges a server's answer: which image it is, and whether this device may take it.

use core::fmt::Write as _;

use super::error::UpdateError;
use super::response_head::{ETAG_BYTES_MAX, ResponseHead};
use crate::firmware_slots::{FirmwareVersion, ImageFacts};
use crate::signature::{PUBLIC_KEY_BYTES, is_signed_by};

/// Shortest image, in bytes. Source: edgent-device.md, section 8, "OTA".
pub const IMAGE_BYTES_MIN: u64 = 1024;
/// First line of what a firmware signature covers.
const SIGNED_BEGINNING: &str = "rehome-firmware-1";
/// Room for what a signature covers: the words, a type and a version of 64 bytes each, and a digest.
const SIGNED_BYTES_MAX: usize = 256;

/// An image that this device may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What is known of it: size, digest, version.
    pub image: ImageFacts,
    /// By which the same image is asked for again; without it a broken download starts over.
    pub etag: Option<heapless::String<ETAG_BYTES_MAX>>,
}

/// What the device demands of an image.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'a> {
    /// The device's own firmware type.
    pub firmware_type: &'a str,
    /// Bytes that the free slot holds.
    pub slot_bytes: u32,
    /// The Ed25519 key that must have signed the image, where the device has one.
    pub firmware_key: Option<[u8; PUBLIC_KEY_BYTES]>,
}

/// What an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The whole image.
    Whole(Offer),
    /// The rest of the image that is known already.
    Rest,
}

/// Judges an answer to a request for the whole image, or for what follows `written_bytes` of a known one.
///
/// # Errors
/// [`UpdateError`], when the device does not take what the server offers.
pub fn judge_answer(
    head: &ResponseHead<'_>,
    known: Option<(&Offer, u32)>,
    demands: Demands<'_>,
) -> Result<Answer, UpdateError> {
    match (head.status, known) {
        (200, _) => {
            let image_bytes = content_bytes(head)?;
            check_offer(head, image_bytes, demands).map(Answer::Whole)
        }
        (206, Some((offer, written_bytes))) => {
            let range = head.range.ok_or(UpdateError::OtherImage)?;
            let is_rest = range.first_byte == u64::from(written_bytes)
                && range.last_byte + 1 == range.whole_bytes
                && content_bytes(head)? == range.whole_bytes - range.first_byte;
            let resumed = check_offer(head, range.whole_bytes, demands)?;
            if is_rest && resumed.image == offer.image {
                Ok(Answer::Rest)
            } else {
                Err(UpdateError::OtherImage)
            }
        }
        (300..=399, _) => Err(UpdateError::Redirected),
        (status, _) => Err(UpdateError::Status(status)),
    }
}

fn content_bytes(head: &ResponseHead<'_>) -> Result<u64, UpdateError> {
    if head.is_chunked {
        return Err(UpdateError::Chunked);
    }
    if head.is_compressed {
        return Err(UpdateError::Compressed);
    }
    head.content_bytes.ok_or(UpdateError::NoLength)
}

fn check_offer(
    head: &ResponseHead<'_>,
    image_bytes: u64,
    demands: Demands<'_>,
) -> Result<Offer, UpdateError> {
    if image_bytes < IMAGE_BYTES_MIN {
        return Err(UpdateError::TooShort { image_bytes });
    }
    let slot_bytes = demands.slot_bytes;
    let too_long = UpdateError::TooLong { image_bytes, slot_bytes };
    let fitting_bytes =
        u32::try_from(image_bytes).ok().filter(|bytes| *bytes <= slot_bytes).ok_or(too_long)?;
    let sha256 = head.sha256.ok_or(UpdateError::NoDigest)?;
    match head.firmware_type {
        None => return Err(UpdateError::NoType),
        Some(firmware_type) if firmware_type != demands.firmware_type => return Err(UpdateError::OtherType),
        Some(_) => {}
    }
    let version = head.firmware_version.and_then(|version| FirmwareVersion::try_from(version).ok());
    let version = version.ok_or(UpdateError::NoVersion)?;
    let image = ImageFacts { image_bytes: fitting_bytes, sha256, version };
    if let Some(key) = demands.firmware_key {
        let signature = head.signature.ok_or(UpdateError::NotSigned)?;
        let signed = signed_bytes(demands.firmware_type, &image).ok_or(UpdateError::Signature)?;
        if !is_signed_by(signed.as_bytes(), &signature, &key) {
            return Err(UpdateError::Signature);
        }
    }
    let etag = head.etag.and_then(|etag| heapless::String::try_from(etag).ok());
    Ok(Offer { image, etag })
}

/// What the signature of an image covers.
fn signed_bytes(firmware_type: &str, image: &ImageFacts) -> Option<heapless::String<SIGNED_BYTES_MAX>> {
    let mut text = heapless::String::new();
    let ImageFacts { image_bytes, sha256, version } = image;
    write!(text, "{SIGNED_BEGINNING}\n{firmware_type}\n{version}\n{image_bytes}\n").ok()?;
    for byte in sha256 {
        write!(text, "{byte:02x}").ok()?;
    }
    text.push('\n').ok()?;
    Some(text)
}

#[cfg(test)]
mod tests;

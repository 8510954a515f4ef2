//! The one place that checks Ed25519 signatures.

use ed25519_dalek::{Signature, VerifyingKey};

/// Bytes of a public key.
pub(crate) const PUBLIC_KEY_BYTES: usize = 32;
/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// Tells whether `message` was signed with the key that belongs to `public_key`.
///
/// Strict: a signature has one form, and a key of small order, with which one signature would fit many messages, fits
/// none.
pub(crate) fn is_signed_by(
    message: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
    public_key: &[u8; PUBLIC_KEY_BYTES],
) -> bool {
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(public_key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// Tells whether these bytes are a public key at all.
pub(crate) fn is_public_key(bytes: &[u8; PUBLIC_KEY_BYTES]) -> bool {
    VerifyingKey::from_bytes(bytes).is_ok()
}

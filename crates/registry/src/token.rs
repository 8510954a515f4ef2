//! Device tokens: made from random bytes, shown once, kept only as a keyed hash.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{DeviceId, ShipmentId};

/// 32 characters. Source: reference/wire-protocol.md 4 (24 random bytes in URL-safe base64).
pub const TOKEN_CHARS: usize = 32;

const TOKEN_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// SHA-256 works on blocks of 64 bytes; a shorter HMAC key is padded with zeros to one block (RFC 2104, section 2).
const HMAC_BLOCK_BYTES: usize = 64;

/// A device token: 32 characters of the URL-safe base64 alphabet. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a text is not a token. Says nothing about the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTokenError {
    /// Not 32 bytes long.
    #[error("a token has {TOKEN_CHARS} characters, this has {bytes} bytes")]
    Length {
        /// Length of what was presented.
        bytes: usize,
    },
    /// Contains something other than `A-Z a-z 0-9 - _`.
    #[error("a token consists of letters, digits, `-` and `_`")]
    Alphabet,
}

impl Token {
    /// Makes a token from 24 random bytes.
    #[must_use]
    pub fn from_random(random: [u8; 24]) -> Self {
        let text = random
            .as_chunks::<3>()
            .0
            .iter()
            .flat_map(|[a, b, c]| {
                [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63]
                    .map(|six_bits| TOKEN_ALPHABET.get(usize::from(six_bits)).copied().unwrap_or(b'A'))
            })
            .map(char::from)
            .collect();
        Self(text)
    }

    /// Reads a token from a login body.
    ///
    /// # Errors
    /// When it is malformed. A malformed token can never have been handed out, so it may be refused with status 9.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseTokenError> {
        if bytes.len() != TOKEN_CHARS {
            return Err(ParseTokenError::Length { bytes: bytes.len() });
        }
        if !bytes.iter().all(|byte| TOKEN_ALPHABET.contains(byte)) {
            return Err(ParseTokenError::Alphabet);
        }
        Ok(Self(bytes.iter().copied().map(char::from).collect()))
    }

    /// Returns the secret text, for the one answer that hands it out.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// Keyed hash of a token (HMAC-SHA-256). Whoever reads the database alone cannot test guesses against it, and the time
/// that a look-up takes says nothing about a token, because nobody without the key can steer its hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Makes a hash from its stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns what people may see of a token.
    #[must_use]
    pub fn fingerprint(&self) -> TokenFingerprint {
        let first_bits = self.0.iter().take(6).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        TokenFingerprint(first_bits)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({})", self.fingerprint())
    }
}

/// First 48 bits of a token's keyed hash: enough to recognise a token in a list, useless for logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenFingerprint(u64);

impl fmt::Display for TokenFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// What a secret is for. The same text hashed for two purposes gives two unrelated hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPurpose {
    /// A device token.
    DeviceToken,
    /// A one-time sign-in code of the console.
    SignInCode,
    /// The cookie of a console session.
    ConsoleSession,
    /// Proof, stored in the database, that a key belongs to it.
    KeyCheck,
    /// A claim code.
    ClaimCode,
    /// A claim code that can be made again from its nonce without being stored.
    DerivedClaimCode,
    /// A token that an idempotent request can be answered with twice without storing it.
    DerivedToken,
    /// What lets one device fetch the image of one shipment.
    FirmwareDownload,
}

impl SecretPurpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::DeviceToken => b"device-token\0",
            Self::SignInCode => b"sign-in-code\0",
            Self::ConsoleSession => b"console-session\0",
            Self::KeyCheck => b"key-check\0",
            Self::ClaimCode => b"claim-code\0",
            Self::DerivedClaimCode => b"derived-claim-code\0",
            Self::DerivedToken => b"derived-token\0",
            Self::FirmwareDownload => b"firmware-download\0",
        }
    }
}

/// The server's secret key for hashing tokens: 32 random bytes, kept beside the database, not in it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey([u8; 32]);

impl TokenKey {
    /// Makes a key from 32 random bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the secret bytes, for the key file only.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the keyed hash of a token.
    #[must_use]
    pub fn hash_token(&self, token: &Token) -> TokenHash {
        TokenHash(self.hash(SecretPurpose::DeviceToken, token.0.as_bytes()))
    }

    /// Returns the keyed hash of any other secret.
    #[must_use]
    pub fn hash(&self, purpose: SecretPurpose, secret: &[u8]) -> [u8; 32] {
        let mut block = [0_u8; HMAC_BLOCK_BYTES];
        for (target, source) in block.iter_mut().zip(self.0) {
            *target = source;
        }
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(purpose.label());
        mac.update(secret);
        mac.finalize().into_bytes().into()
    }

    /// Returns the token that belongs to `nonce`: the same for the same nonce, unguessable without this key.
    ///
    /// An idempotent request must get the same answer twice although tokens are not stored. The nonce is stored for as
    /// long as the idempotency key lives; once it is gone the token cannot be made again.
    #[must_use]
    pub fn derive_token(&self, nonce: &[u8; 16]) -> Token {
        self.token_for(SecretPurpose::DerivedToken, nonce)
    }

    /// Returns the secret that lets one device fetch the image of one shipment: the same each time.
    #[must_use]
    pub fn download_token(&self, shipment: &ShipmentId, device: &DeviceId) -> Token {
        self.token_for(SecretPurpose::FirmwareDownload, format!("{shipment}/{device}").as_bytes())
    }

    fn token_for(&self, purpose: SecretPurpose, subject: &[u8]) -> Token {
        let hash = self.hash(purpose, subject);
        let mut random = [0_u8; 24];
        for (target, source) in random.iter_mut().zip(hash) {
            *target = source;
        }
        Token::from_random(random)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey([redacted])")
    }
}

#[cfg(test)]
mod tests;

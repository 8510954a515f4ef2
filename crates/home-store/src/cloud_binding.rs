//! The cloud a device belongs to: where it is, how it is recognised, what the device shows to it.

use core::fmt;

use heapless::{String, Vec};

use crate::Epoch;

/// Longest host name in bytes. Stock firmware stores 33; names of hosted services are well below 64.
pub const HOST_BYTES_MAX: usize = 64;

/// Bytes of a device token. Source: wire protocol, LOGIN.
pub const TOKEN_BYTES: usize = 32;

/// Longest trust anchor in bytes: room for an X.509 certificate with an ECDSA key, or for a digest of any other.
pub const TRUST_ANCHOR_BYTES_MAX: usize = 1024;

/// Longest name a cloud has for a device, in bytes. Source: decision 0012.
pub const DEVICE_ID_BYTES_MAX: usize = 32;

/// Bytes of the public key that signs release orders (Ed25519), and of the secret that signs the receipt.
pub const RELEASE_KEY_BYTES: usize = 32;

/// One cloud and the device's credentials for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudBinding {
    /// Name or address of the server.
    pub host: Host,
    /// TCP port of the server.
    pub port: u16,
    /// The device's token.
    pub token: Token,
    /// The link is TLS; plain TCP only where it was configured.
    pub uses_tls: bool,
    /// The only authority trusted for this server; `None` uses the firmware's built-in list.
    pub trust_anchor: Option<TrustAnchor>,
    /// What proves a release order; `None` for a claim without one.
    pub release_key: Option<ReleaseKey>,
}

/// A host name or address: 1 to 64 visible ASCII characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Host(String<HOST_BYTES_MAX>);

impl Host {
    /// Copies a host name.
    ///
    /// # Errors
    ///
    /// [`ParseHostError`] if the name is empty, too long, or has a space, a control character or anything beyond ASCII.
    pub fn parse(name: &str) -> Result<Self, ParseHostError> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ParseHostError::Characters);
        }
        match String::try_from(name) {
            Ok(name) => Ok(Self(name)),
            Err(_) => Err(ParseHostError::Length { found_bytes: name.len() }),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Host({self})")
    }
}

/// A host name that cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseHostError {
    /// The name is empty or has a character that no host name has.
    #[error("the host name must consist of visible ASCII characters")]
    Characters,
    /// The name is too long.
    #[error("the host name is {found_bytes} bytes, at most {HOST_BYTES_MAX} fit")]
    Length {
        /// Bytes that were given.
        found_bytes: usize,
    },
}

/// A device token: 32 visible ASCII characters. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// Copies a token.
    ///
    /// # Errors
    ///
    /// [`ParseTokenError`] if `bytes` are not exactly 32 visible ASCII characters.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseTokenError> {
        match <[u8; TOKEN_BYTES]>::try_from(bytes) {
            Ok(token) if token.iter().all(u8::is_ascii_graphic) => Ok(Self(token)),
            _ => Err(ParseTokenError),
        }
    }

    /// Hands out the token, for the cloud link only.
    #[must_use]
    pub fn expose(&self) -> &[u8; TOKEN_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// A token of the wrong length or alphabet. The token itself is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token must be exactly {TOKEN_BYTES} visible ASCII characters")]
pub struct ParseTokenError;

/// Bytes that identify the authority of a server: 1 to 1024, usually a certificate in DER. Their form is the TLS
/// client's business.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustAnchor(Vec<u8, TRUST_ANCHOR_BYTES_MAX>);

impl TrustAnchor {
    /// Copies a trust anchor.
    ///
    /// # Errors
    ///
    /// [`ParseTrustAnchorError`] if `bytes` is empty or longer than [`TRUST_ANCHOR_BYTES_MAX`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseTrustAnchorError> {
        match Vec::from_slice(bytes) {
            Ok(anchor) if !anchor.is_empty() => Ok(Self(anchor)),
            _ => Err(ParseTrustAnchorError { found_bytes: bytes.len() }),
        }
    }

    /// The stored bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TrustAnchor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TrustAnchor({} bytes)", self.0.len())
    }
}

/// A trust anchor has no byte or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the trust anchor is {found_bytes} bytes, 1 to {TRUST_ANCHOR_BYTES_MAX} fit")]
pub struct ParseTrustAnchorError {
    /// Bytes that were given.
    pub found_bytes: usize,
}

/// What proves a release order, and what signs its receipt. Comes from the cloud at claim and goes with the home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseKey {
    /// The device's name at its cloud; an order names it.
    pub device_id: CloudDeviceId,
    /// The ownership that the claim began; an order names it.
    pub epoch: Epoch,
    /// Ed25519 public key of the server.
    pub public_key: [u8; RELEASE_KEY_BYTES],
    /// Signs the receipt.
    pub receipt_secret: ReceiptSecret,
}

/// The cloud's name for a device: 1 to 32 ASCII letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudDeviceId(String<DEVICE_ID_BYTES_MAX>);

impl CloudDeviceId {
    /// Copies a name; `None` when it is empty, too long or has another character.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let is_id = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        String::try_from(name).ok().filter(|_| is_id).map(Self)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The secret that signs a receipt. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiptSecret([u8; RELEASE_KEY_BYTES]);

impl ReceiptSecret {
    /// Wraps a secret.
    #[must_use]
    pub const fn new(secret: [u8; RELEASE_KEY_BYTES]) -> Self {
        Self(secret)
    }

    /// Hands out the secret, for the receipt only.
    #[must_use]
    pub const fn expose(&self) -> &[u8; RELEASE_KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for ReceiptSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

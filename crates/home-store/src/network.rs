//! Wi-Fi networks as they are stored: name, secret, address.

use core::fmt;
use core::net::Ipv4Addr;

use heapless::Vec;

/// Longest network name in bytes. Source: IEEE 802.11-2020, 9.4.2.2.
pub const SSID_BYTES_MAX: usize = 32;

/// Shortest passphrase in bytes. Source: IEEE 802.11-2020, annex J.4.
pub const PASSPHRASE_BYTES_MIN: usize = 8;

/// Longest passphrase in bytes. Source: IEEE 802.11-2020, annex J.4.
pub const PASSPHRASE_BYTES_MAX: usize = 63;

/// Hexadecimal digits of a pre-shared key (256 bits). Source: IEEE 802.11-2020, annex J.4.
pub const PRE_SHARED_KEY_DIGITS: usize = 64;

/// A stored Wi-Fi network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The name the access point announces.
    pub ssid: Ssid,
    /// What the network asks for.
    pub secret: NetworkSecret,
    /// The network does not announce its name and must be probed for by name.
    pub is_hidden: bool,
    /// The address to use; `None` asks the network for one (DHCP).
    pub static_address: Option<StaticAddress>,
}

/// A network name: 1 to 32 bytes of any value, often but not always UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssid(Vec<u8, SSID_BYTES_MAX>);

impl Ssid {
    /// Copies a network name.
    ///
    /// # Errors
    ///
    /// [`ParseSsidError`] if `bytes` is empty or longer than [`SSID_BYTES_MAX`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseSsidError> {
        match Vec::from_slice(bytes) {
            Ok(name) if !name.is_empty() => Ok(Self(name)),
            _ => Err(ParseSsidError { found_bytes: bytes.len() }),
        }
    }

    /// The raw bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Prints the name with bytes that are not printable ASCII escaped.
impl fmt::Display for Ssid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Ssid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ssid(\"{self}\")")
    }
}

/// A network name has no byte or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network name is {found_bytes} bytes, 1 to {SSID_BYTES_MAX} are allowed")]
pub struct ParseSsidError {
    /// Bytes that were given.
    pub found_bytes: usize,
}

/// What a network asks a device for. `Debug` never shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkSecret {
    /// Nothing: the network is open.
    Open,
    /// A passphrase of 8 to 63 bytes.
    Passphrase(Passphrase),
    /// The 256-bit key itself, as 64 hexadecimal digits.
    PreSharedKey(PreSharedKey),
}

impl NetworkSecret {
    /// Reads what a person typed as password: nothing, a passphrase, or 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`ParseNetworkSecretError`] for every other length, and for 64 bytes that are not hexadecimal digits.
    pub fn parse(password: &[u8]) -> Result<Self, ParseNetworkSecretError> {
        match password.len() {
            0 => Ok(Self::Open),
            PRE_SHARED_KEY_DIGITS => PreSharedKey::parse(password).map(Self::PreSharedKey),
            _ => Passphrase::parse(password).map(Self::Passphrase),
        }
    }

    /// Hands out the secret as it was typed, for the radio only; empty for an open network.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        match self {
            Self::Open => &[],
            Self::Passphrase(passphrase) => &passphrase.0,
            Self::PreSharedKey(key) => &key.0,
        }
    }

    /// The network asks for no secret.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

/// A passphrase of 8 to 63 bytes. The standard allows printable ASCII; access points accept UTF-8 too, and so do we.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Vec<u8, PASSPHRASE_BYTES_MAX>);

impl Passphrase {
    fn parse(bytes: &[u8]) -> Result<Self, ParseNetworkSecretError> {
        match Vec::from_slice(bytes) {
            Ok(text) if text.len() >= PASSPHRASE_BYTES_MIN => Ok(Self(text)),
            _ => Err(ParseNetworkSecretError::Length { found_bytes: bytes.len() }),
        }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// A 256-bit key as 64 hexadecimal digits, kept as typed.
#[derive(Clone, PartialEq, Eq)]
pub struct PreSharedKey([u8; PRE_SHARED_KEY_DIGITS]);

impl PreSharedKey {
    fn parse(bytes: &[u8]) -> Result<Self, ParseNetworkSecretError> {
        let Ok(digits) = <[u8; PRE_SHARED_KEY_DIGITS]>::try_from(bytes) else {
            return Err(ParseNetworkSecretError::Length { found_bytes: bytes.len() });
        };
        if digits.iter().all(u8::is_ascii_hexdigit) {
            Ok(Self(digits))
        } else {
            Err(ParseNetworkSecretError::NotHexadecimal)
        }
    }
}

impl fmt::Debug for PreSharedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// A password can belong to no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseNetworkSecretError {
    /// The password is too short or too long.
    #[error("the password is {found_bytes} bytes; allowed are none, 8 to 63, or 64 hexadecimal digits")]
    Length {
        /// Bytes that were given.
        found_bytes: usize,
    },
    /// 64 bytes must be a key in hexadecimal digits.
    #[error("a password of 64 characters must consist of hexadecimal digits")]
    NotHexadecimal,
}

/// A fixed IPv4 configuration. The unspecified address 0.0.0.0 stands for an unset gateway or mask, as in stock firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticAddress {
    /// The device's own address.
    pub address: Ipv4Addr,
    /// The subnet mask.
    pub mask: Ipv4Addr,
    /// The router.
    pub gateway: Ipv4Addr,
    /// Name servers, the preferred one first.
    pub dns: [Option<Ipv4Addr>; 2],
}

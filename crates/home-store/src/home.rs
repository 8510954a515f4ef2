//! The home: everything a device needs to reach its owner.

use core::fmt;

use heapless::Vec;

use crate::{CloudBinding, Network};

/// Networks stored in one home at most. Source: "Networks" in the behaviour specification; stock firmware stores 16.
pub const NETWORK_COUNT_MAX: usize = 16;

/// Bytes of owner data in one home at most.
pub const OWNER_DATA_BYTES_MAX: usize = 256;

/// What lets a device reach its owner: stored networks, one cloud binding and owner data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The stored networks, in the order in which they were added.
    pub networks: Vec<Network, NETWORK_COUNT_MAX>,
    /// The cloud that the device belongs to.
    pub cloud: CloudBinding,
    /// Bytes that the application keeps for the owner; they are wiped with the home.
    pub owner_data: OwnerData,
}

/// Up to [`OWNER_DATA_BYTES_MAX`] bytes that belong to the owner. `Debug` shows only their number.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OwnerData(Vec<u8, OWNER_DATA_BYTES_MAX>);

impl OwnerData {
    /// Copies owner data.
    ///
    /// # Errors
    ///
    /// [`ParseOwnerDataError`] if there are more than [`OWNER_DATA_BYTES_MAX`] bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseOwnerDataError> {
        match Vec::from_slice(bytes) {
            Ok(data) => Ok(Self(data)),
            Err(_) => Err(ParseOwnerDataError { found_bytes: bytes.len() }),
        }
    }

    /// The stored bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for OwnerData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OwnerData([redacted], {} bytes)", self.0.len())
    }
}

/// Owner data is too long to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("owner data is {found_bytes} bytes, at most {OWNER_DATA_BYTES_MAX} fit")]
pub struct ParseOwnerDataError {
    /// Bytes that were given.
    pub found_bytes: usize,
}

//! Homes, ownership epoch, boot counter, gesture counter and last error on NOR flash, all-or-nothing.
//!
//! Start at [`HomeStore`]. A home is replaced or wiped as a whole: after a power cut at any byte written or in any
//! erase, the next [`HomeStore::open`] finds the whole old or the whole new home. A wipe that was cut short is finished
//! by the next `open` before anything else.
//!
//! The crate knows no clock, no network and no meaning of an error code. It never logs, and no secret it stores appears
//! in `Debug` or in an error.
//!
//! # Flash layout
//!
//! | region | content |
//! |---|---|
//! | journal, two sectors or more | records of 32 bytes, each a complete copy of epoch, counters, last error and wipe intention; appended, so wear is spread |
//! | home slot 0, home slot 1 | a sealed copy of the home each; the seal (generation, lengths, checksums) is written last |
//!
//! Both slots hold the same home at rest, so one damaged sector costs nothing. Replacing a home rewrites both, which
//! also takes the earlier home's secrets out of the flash.
//!
//! A general log store (`sequential-storage`) was weighed. It judges a page by its first and last word, so a page whose
//! erase was cut short can pass as empty, and earlier values stay readable until their page comes round again. Here a
//! sector is never written without an erase by the same boot or a check of every cell that follows, and replaced homes
//! are erased at once.

#![no_std]

#[cfg(any(test, feature = "sim-flash"))]
extern crate std;

mod access;
mod cloud_binding;
mod crc;
mod encoding;
mod home;
mod journal;
mod layout;
mod network;
#[cfg(feature = "sim-flash")]
pub mod sim_flash;
mod slots;
mod store;

pub use access::{FlashAction, FlashFault};
pub use cloud_binding::{
    CloudBinding, CloudDeviceId, DEVICE_ID_BYTES_MAX, HOST_BYTES_MAX, Host, ParseHostError, ParseTokenError,
    ParseTrustAnchorError, RELEASE_KEY_BYTES, ReceiptSecret, ReleaseKey, TOKEN_BYTES, TRUST_ANCHOR_BYTES_MAX,
    Token, TrustAnchor,
};
pub use encoding::{DecodeHomeError, HOME_BYTES_MAX, HOME_SCHEMA_VERSION, decode_home, encode_home};
pub use home::{Home, NETWORK_COUNT_MAX, OWNER_DATA_BYTES_MAX, OwnerData, ParseOwnerDataError};
pub use journal::{AppendRecordError, Epoch};
pub use layout::{CheckLayoutError, JOURNAL_SECTOR_COUNT, StoreLayout};
pub use network::{
    Network, NetworkSecret, PASSPHRASE_BYTES_MAX, PASSPHRASE_BYTES_MIN, PRE_SHARED_KEY_DIGITS,
    ParseNetworkSecretError, ParseSsidError, Passphrase, PreSharedKey, SSID_BYTES_MAX, Ssid, StaticAddress,
};
pub use store::{
    HomeStore, LoadHomeError, OpenHomeStoreError, Redundancy, SaveHomeError, UpdateJournalError,
    WipeHomeError, WipeReport,
};

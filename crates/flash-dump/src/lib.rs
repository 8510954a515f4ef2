//! Finds what is left of a home in a raw flash dump, and erases it.
//!
//! Start at [`inspect`]. It understands Rehome's home store, old Edgent's record of 212 bytes, new Edgent's keys, and
//! ESP32's key-value store (NVS) around the latter two, deleted entries included: that store only marks them as deleted.
//! A dump may be of the whole flash or of one partition, but must begin at a sector boundary.
//!
//! The crate holds no secret: a [`Finding`] says that a password or a token is there, and how long it is, never which. It
//! does not look into file systems (new Edgent on ESP8266 keeps its settings in one), encrypted flash or compressed data;
//! [`Inspection::notes`] says where something could not be read.

mod bytes;
mod erase;
mod finding;
mod network_entry;
mod nvs;
mod nvs_home;
mod old_record;
mod rehome_store;
mod report;

pub use erase::{EraseHomesError, EraseScope, Erased, erase_homes};
pub use finding::{
    Certainty, Content, Finding, Inspection, Liveness, MaskedHome, MaskedNetwork, Note, Region, SecretLength,
    StoreFacts, Verdict,
};
pub use old_record::OldRecord;

/// Sector of NOR flash in bytes: what one erase clears. Source: data sheets of the SPI flash on ESP8266 and ESP32 modules.
pub const SECTOR_BYTES: usize = 4096;

/// Largest dump that is inspected, in bytes: 128 MiB, eight times the largest module.
pub const IMAGE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Says what a dump holds. Every input is answered; work and memory grow linearly with it.
#[must_use]
pub fn inspect(image: &[u8]) -> Inspection {
    let mut inspection = Inspection::default();
    rehome_store::find(image, &mut inspection);
    nvs_home::find(image, &mut inspection);
    old_record::find(image, &mut inspection);
    network_entry::find(image, &mut inspection);
    inspection.findings.sort_by_key(|finding| finding.region.offset);
    inspection
}

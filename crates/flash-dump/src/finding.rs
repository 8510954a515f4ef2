//! What an inspection found, without the secrets themselves.

use home_store::{Home, Network, NetworkSecret};
use serde::Serialize;

use crate::bytes::shown;
use crate::old_record::OldRecord;

/// Everything found in one dump.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// What was found, in the order of the dump.
    pub findings: Vec<Finding>,
    /// Facts of Rehome stores, which outlive a wipe and are no part of a home.
    pub stores: Vec<StoreFacts>,
    /// What could not be read.
    pub notes: Vec<Note>,
    /// Pages of ESP32's key-value store whose header is sound.
    pub key_value_pages: usize,
}

impl Inspection {
    /// Whether anything in the dump has the form of a store that homes are kept in. Where nothing has, finding nothing of a home
    /// says little: the dump may be of another range, cut off, or encrypted.
    #[must_use]
    pub fn recognises_a_store(&self) -> bool {
        !self.findings.is_empty() || !self.stores.is_empty() || self.key_value_pages > 0
    }

    /// Whether something of a home is left.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let certainties =
            self.findings.iter().filter(|finding| finding.holds_home).map(|finding| finding.certainty);
        match certainties.max() {
            Some(Certainty::Certain) => Verdict::HomeLeft,
            None if self.notes.is_empty() => Verdict::NothingFound,
            Some(Certainty::Perhaps) | None => Verdict::PerhapsLeft,
        }
    }

    /// The ranges of everything found so far.
    pub(crate) fn covered(&self) -> Covered {
        let mut regions: Vec<Region> = self.findings.iter().map(|finding| finding.region).collect();
        regions.sort_by_key(|region| region.offset);
        // Invariant: the ends grow with the offsets, so that one search finds what may contain an offset.
        regions.dedup_by(|next, kept| next.end() <= kept.end());
        Covered(regions)
    }
}

/// Ranges in rising order, for a fast look-up.
#[derive(Debug)]
pub(crate) struct Covered(Vec<Region>);

impl Covered {
    pub(crate) fn contains(&self, offset: usize) -> bool {
        let after = self.0.partition_point(|region| region.offset <= offset);
        let last = after.checked_sub(1).and_then(|index| self.0.get(index));
        last.is_some_and(|region| region.contains(offset))
    }
}

/// Whether something of a home is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    HomeLeft,
    /// Something looks like it, or could not be read.
    PerhapsLeft,
    /// Nothing that this program knows.
    NothingFound,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it lies. Erasing this range takes it away.
    pub region: Region,
    /// How sure it is.
    pub certainty: Certainty,
    /// Whether the firmware still sees it.
    pub liveness: Liveness,
    /// Whether it is part of a home: a record of defaults is not.
    pub holds_home: bool,
    /// What it is.
    #[serde(flatten)]
    pub content: Content,
}

/// A range of the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Region {
    /// First byte, from the start of the dump.
    pub offset: usize,
    /// Number of bytes.
    pub length_bytes: usize,
}

impl Region {
    /// First byte after the range.
    #[must_use]
    pub fn end(self) -> usize {
        self.offset.saturating_add(self.length_bytes)
    }

    pub(crate) fn contains(self, offset: usize) -> bool {
        (self.offset..self.end()).contains(&offset)
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// It has the form, but nothing proves it, such as a checksum or a name.
    Perhaps,
    /// A checksum, or a magic number and the form of every field.
    Certain,
}

/// Whether the firmware still sees what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// The firmware reads it at its next boot.
    Live,
    /// Deleted or replaced, but its bytes are still there.
    Deleted,
    /// Nothing tells.
    Unknown,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// A sealed home of Rehome's store.
    RehomeHome {
        /// Grows with every saved home.
        generation: u32,
        /// Ownership epoch in which it was saved.
        epoch: u32,
        /// The home; `None` if its seal is sound and its bytes are damaged or of a newer form.
        home: Option<MaskedHome>,
    },
    /// Bytes in a home slot of Rehome's store that has no sound seal: an interrupted save or wipe.
    RehomeRemains {
        /// Bytes that are not erased.
        written_bytes: usize,
    },
    /// Old Edgent's record of 212 bytes.
    EdgentOldRecord(OldRecord),
    /// A piece of old Edgent's record, split by the key-value store.
    EdgentOldPiece {
        /// Bytes of the piece.
        piece_bytes: usize,
    },
    /// New Edgent's token.
    EdgentNewToken {
        /// Characters stored.
        #[serde(rename = "token_bytes")]
        token: SecretLength,
    },
    /// New Edgent's server name.
    EdgentNewHost {
        /// The name.
        host: String,
    },
    /// New Edgent's network.
    EdgentNewNetwork {
        /// The network; `None` if the entry does not have the known form.
        network: Option<MaskedNetwork>,
    },
    /// What the radio driver of ESP32 stored by itself.
    RadioDriver {
        /// Key in the driver's namespace.
        key: String,
        /// Network name, where the key holds one.
        ssid: Option<String>,
    },
}

/// Length of a secret in bytes, which is all that is told of it. 0: none is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SecretLength(pub usize);

/// A home without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MaskedHome {
    /// Stored networks.
    pub networks: Vec<MaskedNetwork>,
    /// Server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Device token.
    #[serde(rename = "token_bytes")]
    pub token: SecretLength,
    /// Bytes of owner data.
    pub owner_data_bytes: usize,
}

impl MaskedHome {
    pub(crate) fn of(home: &Home) -> Self {
        Self {
            networks: home.networks.iter().map(MaskedNetwork::of).collect(),
            host: shown(home.cloud.host.as_str().as_bytes()),
            port: home.cloud.port,
            token: SecretLength(home.cloud.token.expose().len()),
            owner_data_bytes: home.owner_data.as_bytes().len(),
        }
    }
}

/// A network without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MaskedNetwork {
    /// Name; bytes that are not UTF-8 are escaped.
    pub ssid: String,
    /// Password or key.
    #[serde(rename = "password_bytes")]
    pub password: SecretLength,
    /// Whether a fixed address is stored.
    pub has_static_address: bool,
}

impl MaskedNetwork {
    fn of(network: &Network) -> Self {
        let password = match &network.secret {
            NetworkSecret::Open => 0,
            secret => secret.expose().len(),
        };
        Self {
            ssid: shown(network.ssid.as_bytes()),
            password: SecretLength(password),
            has_static_address: network.static_address.is_some(),
        }
    }
}

/// What the newest record of a Rehome store's journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StoreFacts {
    /// Where the record lies.
    pub offset: usize,
    /// Ownership epoch.
    pub epoch: u32,
    /// Boots counted.
    pub boot_count: u32,
    /// Code of the last error.
    pub last_error: Option<u16>,
    /// A wipe was begun and not finished.
    pub is_wipe_pending: bool,
}

/// Something that could not be read and may hold a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// A page of the key-value store whose entries are encrypted or damaged.
    UnreadableNvsPage {
        /// Start of the page.
        offset: usize,
        /// Entries in use that could not be read.
        entry_count: usize,
    },
    /// A home slot of a Rehome store that the dump does not reach: it ends before it.
    MissingHomeSlot {
        /// Where the slot begins.
        offset: usize,
    },
}

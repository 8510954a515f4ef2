//! Findings in words.

use std::fmt::{self, Display, Formatter};

use crate::finding::{
    Certainty, Content, Finding, Inspection, Liveness, MaskedHome, MaskedNetwork, Note, SecretLength, Verdict,
};
use crate::old_record::OldRecord;

impl Display for Inspection {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for store in &self.stores {
            write!(
                formatter,
                "{:#010x}  Rehome store: epoch {}, {} boots",
                store.offset, store.epoch, store.boot_count
            )?;
            if let Some(code) = store.last_error {
                write!(formatter, ", last error {code}")?;
            }
            writeln!(formatter, "{}", if store.is_wipe_pending { ", a wipe is not finished" } else { "" })?;
        }
        for finding in &self.findings {
            writeln!(formatter, "{finding}")?;
        }
        for note in &self.notes {
            writeln!(formatter, "{note}")?;
        }
        write!(formatter, "{}", self.verdict())
    }
}

impl Display for Note {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreadableNvsPage { offset, entry_count } => write!(
                formatter,
                "{offset:#010x}  {entry_count} key-value entries cannot be read: encrypted or damaged"
            ),
            Self::MissingHomeSlot { offset } => {
                write!(formatter, "{offset:#010x}  the dump ends before this home slot of the Rehome store")
            }
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::HomeLeft => "Something of a home is left.",
            Self::PerhapsLeft => "Perhaps something of a home is left: see above.",
            Self::NothingFound => {
                "Nothing of a home was found. File systems and encrypted flash are not looked into."
            }
        })
    }
}

impl Display for Finding {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#010x}  ", self.region.offset)?;
        if self.certainty == Certainty::Perhaps {
            formatter.write_str("perhaps ")?;
        }
        self.content.fmt(formatter)?;
        if self.liveness == Liveness::Deleted {
            formatter.write_str(" (not in use any more, but still readable)")?;
        }
        formatter.write_str(if self.holds_home { "" } else { "; nothing of a home" })
    }
}

impl Display for Content {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::RehomeHome { generation, epoch, home } => {
                write!(formatter, "Rehome home {generation} of epoch {epoch}: ")?;
                match home {
                    Some(home) => home.fmt(formatter),
                    None => formatter.write_str("damaged, or written by a newer firmware"),
                }
            }
            Self::RehomeRemains { written_bytes } => {
                write!(formatter, "Rehome home slot without a seal: {written_bytes} bytes are left")
            }
            Self::EdgentOldRecord(record) => record.fmt(formatter),
            Self::EdgentOldPiece { piece_bytes } => {
                write!(formatter, "a piece of an old Edgent record, {piece_bytes} bytes")
            }
            Self::EdgentNewToken { token } => write!(formatter, "new Edgent: token {token}"),
            Self::EdgentNewHost { host } => write!(formatter, "new Edgent: server {host:?}"),
            Self::EdgentNewNetwork { network: Some(network) } => {
                write!(formatter, "new Edgent: network {network}")
            }
            Self::EdgentNewNetwork { network: None } => {
                formatter.write_str("new Edgent: a network of unknown form")
            }
            Self::RadioDriver { key, ssid } => {
                write!(formatter, "radio driver: {key}")?;
                ssid.as_ref().map_or(Ok(()), |ssid| write!(formatter, " {ssid:?}"))
            }
        }
    }
}

impl Display for OldRecord {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let validity = if self.is_valid { "valid" } else { "not valid" };
        write!(formatter, "old Edgent record, firmware {:?}, {validity}: ", self.version)?;
        write!(formatter, "network {:?}, password {}, token {}, ", self.ssid, self.password, self.token)?;
        write!(formatter, "server {:?} port {}, last error {}", self.host, self.port, self.last_error)?;
        formatter.write_str(if self.has_static_address { ", fixed address" } else { "" })
    }
}

impl Display for MaskedHome {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "server {:?} port {}, token {}", self.host, self.port, self.token)?;
        for network in &self.networks {
            write!(formatter, ", network {network}")?;
        }
        write!(formatter, ", {} bytes of owner data", self.owner_data_bytes)
    }
}

impl Display for MaskedNetwork {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} with password {}", self.ssid, self.password)?;
        formatter.write_str(if self.has_static_address { " and fixed address" } else { "" })
    }
}

impl Display for SecretLength {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { formatter.write_str("none") } else { write!(formatter, "[{} bytes]", self.0) }
    }
}

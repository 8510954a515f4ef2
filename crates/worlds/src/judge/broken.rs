//! What the judge may find, in words that name the guarantee.

use std::fmt;

/// A guarantee that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Guarantee 1.
    Stranded(&'static str),
    /// Guarantee 1, second half: no counter or time-out gives up for good.
    NotBack,
    /// Guarantee 2 or 6.
    HomeLost,
    /// Guarantee 2 or 3.
    HomeAltered,
    /// Guarantee 3.
    OldHomeNotTried,
    /// Guarantee 3.
    NoReasonShown,
    /// Guarantee 4.
    StoreUnusable(&'static str),
    /// Guarantee 5.
    TraceLeft {
        /// Where in the raw image.
        offset: usize,
        /// How long the byte string is.
        length_bytes: usize,
    },
    /// Guarantee 5, second half.
    IdentityLost,
    /// An epoch never goes back, so that no old order can be obeyed again.
    EpochWentBack,
    /// Guarantee 7: five wrong proofs close the hotspot until the next power-on.
    LockIgnored,
    /// Guarantee 8: five short power-ups open it for a quarter of an hour.
    GestureIgnored,
    /// An image was installed that is not the one on offer, or that the device must refuse.
    WrongImage,
    /// A firmware was confirmed that had not reached `RUNNING`.
    UnprovenFirmware,
    /// A firmware on trial neither proved itself nor gave way.
    TrialWithoutEnd,
    /// Guarantee 3: something was stored that lives in RAM only, such as a claim code.
    NeverToBeStored {
        /// Where in the raw image.
        offset: usize,
    },
    /// Guarantee 9.
    FlashWorn {
        /// Erases of the sector that has most.
        erases: u32,
        /// How many there should be at most.
        erases_max: u64,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranded(why) => write!(formatter, "guarantee 1: the hotspot is closed although {why}"),
            Self::NotBack => formatter
                .write_str("guarantee 1: the way to the cloud has been free for hours and the board is not back"),
            Self::HomeLost => {
                formatter.write_str("guarantees 2 and 6: the stored home is gone without anybody's authority")
            }
            Self::HomeAltered => formatter.write_str(
                "guarantees 2 and 3: the stored home is neither the old one nor the new one that the cloud accepted",
            ),
            Self::OldHomeNotTried => formatter
                .write_str("guarantee 3: the old home was not tried again within 90 s of the submission"),
            Self::NoReasonShown => {
                formatter.write_str("guarantee 3: the portal shows no reason for the failed trial")
            }
            Self::StoreUnusable(why) => write!(formatter, "guarantee 4: {why}"),
            Self::TraceLeft { offset, length_bytes } => write!(
                formatter,
                "guarantee 5: {length_bytes} bytes of an earlier home are left in flash at {offset:#x}"
            ),
            Self::IdentityLost => formatter.write_str("guarantee 5: the identity went with the home"),
            Self::EpochWentBack => formatter.write_str("guarantee 6: the epoch went back"),
            Self::LockIgnored => formatter
                .write_str("guarantee 7: the hotspot is open although five wrong proofs were given since power-on"),
            Self::GestureIgnored => formatter.write_str(
                "guarantee 8: the hotspot is closed within 15 min after five short power-ups in a row",
            ),
            Self::WrongImage => formatter.write_str("updates: an image was installed that must be refused"),
            Self::UnprovenFirmware => {
                formatter.write_str("updates: a firmware was confirmed before it reached its cloud")
            }
            Self::TrialWithoutEnd => {
                formatter.write_str("updates: a firmware on trial neither proved itself nor gave way")
            }
            Self::NeverToBeStored { offset } => write!(
                formatter,
                "guarantee 3: what must live in RAM only, such as a claim code, is in flash at {offset:#x}"
            ),
            Self::FlashWorn { erases, erases_max } => write!(
                formatter,
                "guarantee 9: a sector was erased {erases} times where at most {erases_max} are explained"
            ),
        }
    }
}

//! What runs on a board: the seam that every firmware implements.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use home_store::sim_flash::SimFlash;

use crate::board::BoardHandle;

/// Which firmware a board carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirmwareKind {
    /// Stock Edgent of the C++ library 1.4.0.
    EdgentOld,
    /// Stock Edgent for Arduino 0.9.0.
    EdgentNew,
    /// Ours.
    Rehome,
}

/// How one start of a firmware ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The firmware asked for a restart: it runs again after the boot time.
    Restart,
    /// The firmware stopped for good; only a power cycle starts it again.
    Halt,
}

/// A running firmware.
pub type FirmwareRun = Pin<Box<dyn Future<Output = RunEnd>>>;

/// What a firmware's flash image says, without any secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlashFacts {
    /// Whether a home is stored: networks and a token that the firmware would use at boot.
    pub is_home_stored: bool,
    /// Whether a token is stored.
    pub is_token_stored: bool,
    /// Number of the ownership; `None` where the firmware knows no such thing.
    pub epoch: Option<u32>,
    /// Names of the stored networks, strongest claim first.
    pub network_ssids: Vec<Vec<u8>>,
}

/// A firmware that can be put on a board.
pub trait Firmware: std::fmt::Debug {
    /// Returns which firmware this is.
    fn kind(&self) -> FirmwareKind;

    /// Runs from power-on or restart until the firmware asks for a restart or halts.
    ///
    /// A power cut drops the future at its next waiting point; whatever it wrote to flash stays.
    fn run(&self, board: BoardHandle) -> FirmwareRun;

    /// Reads what this firmware's flash image says. Works on a copy, never changes the board.
    fn inspect_flash(&self, flash: &SimFlash) -> FlashFacts;
}

/// Recovery policy of our own firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryChoice {
    /// As Edgent ships.
    Stock,
    /// The forum's workaround.
    Reset,
    /// Opens the hotspot, keeps the home.
    Rehome,
}

/// Names a firmware and its variant; unlike a [`Firmware`] it may travel between threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirmwareSpec {
    /// Stock Edgent of the C++ library.
    EdgentOld {
        /// With the two changes that the forum recommends: a refused token and a failed connection reset the board.
        is_patched: bool,
    },
    /// Stock Edgent for Arduino.
    EdgentNew,
    /// Ours.
    Rehome(RecoveryChoice),
}

impl FirmwareSpec {
    /// Returns a name for boards that got none.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::EdgentOld { is_patched: false } => "Old Edgent board",
            Self::EdgentOld { is_patched: true } => "Old Edgent board, patched",
            Self::EdgentNew => "New Edgent board",
            Self::Rehome(_) => "Rehome board",
        }
    }

    /// Builds the firmware.
    #[must_use]
    pub fn build(self) -> Rc<dyn Firmware> {
        match self {
            Self::EdgentOld { is_patched } => Rc::new(crate::edgent_old::EdgentOld::new(is_patched)),
            Self::EdgentNew => Rc::new(crate::edgent_new::EdgentNew::new()),
            Self::Rehome(recovery) => Rc::new(crate::rehome::RehomeFirmware::new(recovery)),
        }
    }
}

//! States of old Edgent, their names and what the LED shows. Source: edgent-device.md §1 and §6.

use crate::board::Led;
use crate::edgent_board::{LED_ERROR, LED_RUNNING, blink, color};

/// Where old Edgent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Init,
    WaitConfig,
    Configuring,
    ConnectingNet,
    ConnectingCloud,
    Running,
    OtaUpgrade,
    SwitchToSta,
    ResetConfig,
    Error,
}

impl State {
    /// Returns the name that the serial log shows.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::WaitConfig => "WAIT_CONFIG",
            Self::Configuring => "CONFIGURING",
            Self::ConnectingNet => "CONNECTING_NET",
            Self::ConnectingCloud => "CONNECTING_CLOUD",
            Self::Running => "RUNNING",
            Self::OtaUpgrade => "OTA_UPGRADE",
            Self::SwitchToSta => "SWITCH_TO_STA",
            Self::ResetConfig => "RESET_CONFIG",
            Self::Error => "ERROR",
        }
    }

    /// Returns what the LED shows; `None` leaves it as it is.
    pub(super) fn led(self) -> Option<Led> {
        match self {
            Self::Init | Self::SwitchToSta => None,
            Self::WaitConfig | Self::ResetConfig => Some(blink(color::BLUE, 50, 500)),
            Self::Configuring => Some(blink(color::BLUE, 200, 200)),
            Self::ConnectingNet => Some(blink(color::BLYNK, 50, 500)),
            Self::ConnectingCloud => Some(blink(color::BLYNK, 100, 100)),
            Self::Running => Some(LED_RUNNING),
            Self::OtaUpgrade => Some(blink(color::MAGENTA, 50, 50)),
            Self::Error => Some(LED_ERROR),
        }
    }
}

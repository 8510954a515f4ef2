//! States of new Edgent, their names and what the LED shows. Source: edgent-device.md §8 and §6.

use crate::board::{LED_OFF, Led, LedPattern};
use crate::edgent_board::{LED_ERROR, LED_RUNNING, blink, color};

/// Where new Edgent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Init,
    Idle,
    WaitConfig,
    ConnectingNet,
    ConnectingCloud,
    Running,
    OtaUpgrade,
    ResetConfig,
    Error,
}

impl State {
    /// Returns the name that the serial log shows.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Idle => "IDLE",
            Self::WaitConfig => "WAIT_CONFIG",
            Self::ConnectingNet => "CONNECTING_NET",
            Self::ConnectingCloud => "CONNECTING_CLOUD",
            Self::Running => "RUNNING",
            Self::OtaUpgrade => "OTA_UPGRADE",
            Self::ResetConfig => "RESET_CONFIG",
            Self::Error => "ERROR",
        }
    }

    /// Returns what the LED shows.
    pub(super) fn led(self) -> Led {
        match self {
            Self::Init | Self::ResetConfig => LED_OFF,
            Self::Idle => blink(color::YELLOW, 50, 2000),
            Self::WaitConfig => blink(color::BLUE, 50, 500),
            Self::ConnectingNet | Self::ConnectingCloud => blink(color::BLYNK, 50, 500),
            Self::Running => LED_RUNNING,
            Self::OtaUpgrade => Led { pattern: LedPattern::Wave { period_ms: 5000 }, color: color::MAGENTA },
            Self::Error => LED_ERROR,
        }
    }

    /// Returns whether somebody who leaves the hotspot now lets it close, instead of starting the setup over.
    pub(super) fn is_connecting_or_running(self) -> bool {
        matches!(self, Self::ConnectingNet | Self::ConnectingCloud | Self::Running)
    }
}

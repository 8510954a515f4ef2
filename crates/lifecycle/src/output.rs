//! What the machine asks of its shell.

use crate::{ErrorCode, Indication};

/// The nine states of Edgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Waits for somebody to set it up.
    WaitConfig,
    /// Somebody is setting it up.
    Configuring,
    /// Joins a network, or waits to try again.
    ConnectingNet,
    /// Logs in at the cloud, or waits to try again.
    ConnectingCloud,
    /// Accepted by the cloud.
    Running,
    /// Replaces its firmware.
    OtaUpgrade,
    /// Has new credentials and is about to try them.
    SwitchToSta,
    /// Erases its home.
    ResetConfig,
    /// Shows an error.
    Error,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::WaitConfig,
        Self::Configuring,
        Self::ConnectingNet,
        Self::ConnectingCloud,
        Self::Running,
        Self::OtaUpgrade,
        Self::SwitchToSta,
        Self::ResetConfig,
        Self::Error,
    ];

    /// The name used in logs and over the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
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
}

impl core::fmt::Display for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which home an attempt uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HomeSource {
    /// The home in flash.
    Stored,
    /// The submitted home in RAM, on trial.
    Candidate,
}

/// One thing the shell must do. The table in the crate documentation says which input answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Output {
    /// Log `[<ms since boot>] FROM => TO`; `None` is written `INIT`.
    StateChanged {
        /// The state before; `None` for the first.
        from: Option<State>,
        /// The state now.
        to: State,
    },
    /// Open the hotspot with its portal, beside a network connection where the radio can.
    OpenHotspot,
    /// Close the hotspot; stations are gone and need not be reported as detached.
    CloseHotspot,
    /// Join one network. Replaces an earlier [`Output::Join`].
    Join {
        /// The home whose network is meant.
        source: HomeSource,
        /// Position in that home's network list as the shell ranks it (best reachable first), from 0.
        network_index: u8,
    },
    /// Leave the network, or give up joining it.
    Leave,
    /// Connect to the cloud of that home over the joined network and log in.
    ConnectCloud {
        /// The home whose cloud binding is meant.
        source: HomeSource,
    },
    /// Close the cloud connection, or give up connecting.
    DisconnectCloud,
    /// Read the stored home again, which could not be read.
    LoadHome,
    /// Replace the stored home by the candidate, all or nothing; the cloud accepted it.
    SaveCandidate,
    /// Forget the candidate in RAM.
    DropCandidate,
    /// Erase the stored home and verify that it is gone.
    WipeHome,
    /// Send the receipt of the release: the wipe was verified, and the session in which the order came still stands.
    SendReceipt,
    /// Tell the cloud that the ordered update begins; its session ends soon, by [`Output::DisconnectCloud`].
    AnnounceOta,
    /// Download and install the firmware that the OTA order named, to be booted on trial.
    StartOta,
    /// Give up the running download; no answer is needed.
    AbortOta,
    /// The firmware on trial reached its cloud: make it the one that boots from now on.
    ConfirmFirmware,
    /// The firmware on trial did not prove itself: make the former one boot. A restart follows, which brings the
    /// former one back in any case.
    RollBackFirmware,
    /// Restart the device; nothing that happens afterwards matters to this machine.
    Restart,
    /// Show this on the LED until told otherwise.
    Indicate(Indication),
    /// Show and log this error; the portal shows [`crate::Machine::last_error`].
    ReportError(ErrorCode),
}

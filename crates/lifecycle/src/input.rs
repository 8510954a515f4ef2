//! What may happen to a device.

use crate::{CloudError, ErrorCode, NetworkError};

/// Why the device started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BootReason {
    /// Power came (back); only these count for the power-up gesture.
    PowerOn,
    /// The firmware asked for it, see [`crate::Output::Restart`].
    Restart,
    /// Watchdog, brown-out or panic.
    Fault,
}

/// What the shell found when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Boot {
    /// Why the device started.
    pub reason: BootReason,
    /// Networks of the stored home, 1 to 16; 0 = no home is stored.
    pub stored_network_count: u8,
    /// The last error the shell remembered across the restart, if any.
    pub last_error: Option<ErrorCode>,
    /// Short power-ups in a row before this start, as [`crate::PowerUpGesture`] counted them.
    pub short_power_up_count: u8,
    /// Five wrong proofs of possession were given since power-on, before a restart.
    pub is_door_locked: bool,
}

/// The home store could not finish an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the home store could not finish the operation")]
pub struct StoreFault;

/// A firmware update did not take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the firmware update failed")]
pub struct OtaFault;

/// The firmware slots could not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the firmware slots could not be changed")]
pub struct SlotFault;

/// One event. The table in the crate documentation says which output asks for which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// The device started and the store is open; an interrupted wipe is already finished. Comes once, first.
    Booted(Boot),
    /// The moment of [`crate::Machine::next_timeout`] has come.
    TimerFired,
    /// The network asked for is up and has an address.
    NetworkJoined,
    /// The network asked for could not be joined.
    NetworkFailed(NetworkError),
    /// The joined network is gone; its cloud connection with it.
    NetworkLost,
    /// The cloud accepted the login (status 200 or 4).
    LoginAccepted,
    /// The cloud refused the token (status 9).
    LoginRefused {
        /// The answer came over TLS whose certificate and name were checked.
        verified_tls: bool,
    },
    /// The login came to no answer about the token.
    CloudFailed(CloudError),
    /// The accepted session ended while the network stayed.
    CloudLost,
    /// A station joined the hotspot.
    StationAttached,
    /// A station left the hotspot.
    StationDetached,
    /// Somebody asked the portal for something; captive probes of an idle phone need not be told.
    PortalRequested,
    /// `/board_info.json` was read.
    BoardInfoRead,
    /// A valid new home was submitted; the shell holds it in RAM. Its network 0 is the submitted one and the only one
    /// that is tried before the home is stored.
    CandidateSubmitted {
        /// Networks of the new home, 1 to 16.
        network_count: u8,
    },
    /// The portal's status was sent, and it said that the submitted home is stored.
    ResultRead,
    /// The last wrong proof of possession was given: the hotspot closes until the next power-on.
    ProofsUsedUp,
    /// `/reset` of the portal.
    PortalReset,
    /// `/reboot` of the portal; send it after the answer is out.
    PortalReboot,
    /// The button went down.
    ButtonPressed,
    /// The button came up.
    ButtonReleased,
    /// INTERNAL `dbg` `config erase` arrived in the present cloud session.
    ConfigEraseOrdered,
    /// `config start` arrived, from the cloud session or a console.
    ConfigStartOrdered,
    /// `config stop` arrived, from the cloud session or a console.
    ConfigStopOrdered,
    /// A release order was verified: device, epoch and signature are right.
    ReleaseProven,
    /// The cloud acknowledged the receipt that [`crate::Output::SendReceipt`] asked for.
    ReceiptAcknowledged,
    /// Answer to [`crate::Output::LoadHome`]: how many networks the stored home has, 0 when none is stored. `Err` also
    /// comes right after [`Input::Booted`] without a home, when a home may be stored and could not be read.
    HomeRead(Result<u8, StoreFault>),
    /// Answer to [`crate::Output::SaveCandidate`]; `Ok` only when the new home can be read back.
    Saved(Result<(), StoreFault>),
    /// Answer to [`crate::Output::WipeHome`]; `Ok` only when the wipe was verified.
    Wiped(Result<(), StoreFault>),
    /// INTERNAL `ota` arrived in the present cloud session.
    OtaOrdered,
    /// Answer to [`crate::Output::StartOta`].
    OtaFinished(Result<(), OtaFault>),
    /// This boot is the trial of a new firmware. Comes right after [`Input::Booted`] or not at all.
    FirmwareOnTrial,
    /// Answer to [`crate::Output::ConfirmFirmware`].
    FirmwareConfirmed(Result<(), SlotFault>),
}

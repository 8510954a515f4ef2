//! The device's life: events in, actions out; no I/O, no clock, no randomness of its own.
//!
//! Read [`Machine`] first. This crate decides when a device joins, logs in, opens its hotspot, tries a new home and
//! erases the old one. It refuses to know SSIDs, passwords and tokens: networks are positions in a list, homes are
//! [`HomeSource::Stored`] (in flash) or [`HomeSource::Candidate`] (in the shell's RAM).
//!
//! # The shell's loop
//!
//! Wait for the earliest of {[`Machine::next_timeout`], an event} → [`Machine::handle_input`] → perform every
//! [`Machine::poll_output`] in order until it returns `None` → repeat. Send [`Input::TimerFired`] when the timeout comes.
//!
//! | output | the shell does | answered by |
//! |---|---|---|
//! | [`Output::StateChanged`] | logs `[ms] OLD => NEW` | – |
//! | [`Output::OpenHotspot`] | access point, DHCP, DNS and portal on | later [`Input::StationAttached`], portal inputs |
//! | [`Output::CloseHotspot`] | all of that off | – |
//! | [`Output::Join`] | joins that network and gets an address | [`Input::NetworkJoined`] or [`Input::NetworkFailed`]; once joined, [`Input::NetworkLost`] when it goes |
//! | [`Output::Leave`] | stops joining or leaves | – |
//! | [`Output::ConnectCloud`] | connects, checks the certificate, logs in | [`Input::LoginAccepted`], [`Input::LoginRefused`] or [`Input::CloudFailed`]; once accepted, [`Input::CloudLost`] when it ends |
//! | [`Output::DisconnectCloud`] | stops connecting or closes | – |
//! | [`Output::LoadHome`] | home store: read the home again | [`Input::HomeRead`] |
//! | [`Output::SaveCandidate`] | home store: save, read back | [`Input::Saved`] |
//! | [`Output::DropCandidate`] | forgets the candidate | – |
//! | [`Output::WipeHome`] | home store: wipe, verify | [`Input::Wiped`] |
//! | [`Output::SendReceipt`] | signs and sends the receipt | [`Input::ReceiptAcknowledged`], [`Input::CloudLost`] or nothing |
//! | [`Output::AnnounceOta`] | sends the event that an update begins | – |
//! | [`Output::StartOta`] | downloads and installs | [`Input::OtaFinished`] |
//! | [`Output::AbortOta`] | stops that | – |
//! | [`Output::ConfirmFirmware`] | firmware slots: the running image boots from now on | [`Input::FirmwareConfirmed`] |
//! | [`Output::RollBackFirmware`] | firmware slots: the former image boots from now on | – |
//! | [`Output::Restart`] | restarts; drops this machine | a new machine's [`Input::Booted`] |
//! | [`Output::Indicate`] | plays [`Indication::pattern`] | – |
//! | [`Output::ReportError`] | logs and shows the code | – |
//!
//! Outputs are performed in order; a save is finished before the wipe that follows it begins. Answers belong to the
//! newest request of their kind: after `Leave`, `Join`, `DisconnectCloud`, `ConnectCloud` or `AbortOta` the shell drops
//! answers to the request before. `SaveCandidate`, `WipeHome` and `ConfirmFirmware` are always answered; the machine waits for them.
//! The end of a network ends its cloud connection: `NetworkLost` alone is sent.
//!
//! Before the shell puts a submitted home into its RAM slot it asks [`Machine::accepts_candidate`], and before it
//! answers `/reset` it asks [`Machine::accepts_portal_reset`]. Beside the machine it runs a [`PowerUpGesture`], whose
//! count it keeps in flash. The store must be open and an interrupted wipe finished
//! within 5 s of power-on, before [`Input::Booted`], so that the hotspot is open within 45 s.

#![no_std]
#![warn(clippy::std_instead_of_core)]

#[cfg(test)]
extern crate std;

mod button;
mod error_code;
mod firmware_trial;
mod gesture;
mod indication;
mod input;
mod machine;
mod networks;
mod output;
mod policy;
mod recovery;
mod retry;
mod timing;

pub use error_code::{CloudError, ErrorCode, NetworkError};
pub use gesture::{GESTURE_POWER_UP_COUNT, PowerUpGesture};
pub use indication::{Colour, Indication, Pattern};
pub use input::{Boot, BootReason, Input, OtaFault, SlotFault, StoreFault};
pub use machine::Machine;
pub use networks::NETWORK_COUNT_MAX;
pub use output::{HomeSource, Output, State};
pub use policy::{EraseOrder, RecoveryPolicy, Settings};
pub use timing::{Instant, Timings};

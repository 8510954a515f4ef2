//! The device agent on Linux: NetworkManager for Wi-Fi, sockets, a file in place of flash, and a socket for the
//! application.
//!
//! Start at [`run`]. The crate decides nothing about the product: it gives the shell of `device` a platform. It needs
//! no root, runs no other programs than those of its own slots, and prints no password and no token.
//!
//! - `network_manager` talks to NetworkManager over D-Bus; [`Wifi`] is the seam for other radios. [`BorrowedRadio`] takes a
//!   radio of a person's computer for a while and gives it back.
//! - `radio` makes the interfaces follow what the agent wishes for.
//! - [`StateFile`] behaves like NOR flash.
//! - `program_slots` and [`Launcher`] are what boot loader and slots are on a chip.
//! - `lacks` is how a run goes on without a file that it cannot use; `proof_memory` outlives the process.
//! - [`local_api`] is how an application on the same machine takes part.

mod agent;
mod button;
mod cloud_link;
mod config;
mod heard;
mod hotspot_services;
mod identity;
mod lacks;
mod launcher;
mod led;
pub mod local_api;
mod login_page;
mod neighbours;
mod network_manager;
pub mod parsers;
mod platform;
mod portal_listener;
mod program_slots;
mod proof_memory;
mod radio;
mod random;
mod refused_passphrases;
mod state_file;
mod wifi;

pub use agent::{Ended, RunError, run, run_program, run_until};
pub use cloud_link::{DialError, ReadAuthoritiesError};
pub use config::{
    ButtonConfig, CheckConfigError, Config, FirmwareKey, Grace, Never, ParseFirmwareKeyError,
    ParsePassphraseError, Passphrase, Recovery,
};
pub use identity::{Addresses, KeepIdentityError};
pub use launcher::{
    LAUNCHER_VARIABLE, LaunchError, Launched, Launcher, SLOT_VARIABLE, TRIAL_LIMIT, hand_back,
};
pub use network_manager::{
    BorrowedRadio, GiveBackError, HeardNetwork, Interfaces, NetworkManager, ParseWifiNetworkError,
    RadioEvent, WifiNetwork,
};
pub use program_slots::SlotName;
pub use state_file::{
    AccessStateFileError, OpenStateFileError, SECTOR_BYTES, STATE_FILE_BYTES, StateFile, WORD_BYTES,
};
pub use wifi::{HotspotRequest, JoinedLink, OpenedHotspot, Wifi, WifiChange, WifiError};

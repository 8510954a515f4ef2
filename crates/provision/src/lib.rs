//! Sets up a device over its hotspot's portal, as a phone would.
//!
//! Start at [`provision`]: it reads who the device is, checks the settings against what that firmware can take, sends
//! them, and follows the device until the result is known. It speaks with old Edgent, new Edgent and Rehome.
//!
//! It joins no Wi-Fi network: the computer must be in the device's hotspot already; [`choose_hotspot`] says which of the
//! networks around that is. It reads no file and prints nothing;
//! time comes in by [`Pace`]. Passwords, tokens and keys are [`Secret`]s, and are taken out of everything that a device or
//! a server says before it is shown.

mod board_info;
mod flow;
mod hotspot;
mod http;
mod pace;
mod portal_client;
mod release;
mod secret;
mod session;
mod setup;
mod shown;

pub use board_info::{BoardInfo, Firmware, ReadBoardInfoError};
pub use flow::{Outcome, Progress, ProvisionError, ProvisionOptions, provision};
pub use hotspot::{ChooseHotspotError, HeardHotspot, choose_hotspot};
pub use http::{ParseServerUrlError, ReachError};
pub use pace::{Pace, WallPace};
pub use portal_client::{DEFAULT_PORTAL_URL, PortalClient, SubmitError};
pub use release::ReleaseStanding;
pub use secret::Secret;
pub use session::{SessionClient, SessionClientError};
pub use setup::{CloudTarget, RefuseSetupError, Setup, TOKEN_BYTES, check_claim_code};

//! Devices and their release.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{SecretText, Timestamp};

/// Creates a device with a static token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDevice {
    /// The template the device belongs to.
    pub template_id: String,
    /// The device's name, 1 to 80 characters.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
}

/// A new device with its token, which is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedDevice {
    /// The device's id.
    pub id: String,
    /// 32 characters; the server keeps only a keyed hash and cannot show it again.
    pub token: SecretText,
}

/// Renames a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameDevice {
    /// The new name, 1 to 80 characters.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
}

/// Who a device belongs to at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ownership {
    /// Made, but no device has logged in yet.
    Reserved,
    /// In use by its owner.
    Owned,
    /// Being released: no control, no data, the wipe is under way.
    Releasing,
    /// Released; nothing of the former owner is left on it.
    Released,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// The device's id.
    pub id: String,
    /// The name its owner gave it.
    pub name: String,
    /// The template it belongs to.
    pub template_id: String,
    /// The template's name.
    pub template_name: String,
    /// The hardware's own id, once it has said it.
    #[schema(required)]
    pub uid: Option<String>,
    /// Counts ownerships; each one's data is its own.
    pub epoch: u64,
    /// Who it belongs to.
    pub ownership: Ownership,
    /// Whether it is connected now.
    pub online: bool,
    /// Whether it is connected on a home that it keeps in RAM only, for a test: a restart forgets it, and nothing of it
    /// was ever written. False once it is no longer connected.
    pub on_bench: bool,
    /// When something was last heard from it.
    #[schema(required)]
    pub last_seen_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it said about its firmware.
    #[schema(required)]
    pub firmware: Option<Firmware>,
    /// The name of its hotspot, when it has reported one.
    #[schema(required)]
    pub hotspot_name: Option<String>,
    /// Whether it is known to hold a release key of this server. With one it proves its wipe, and obeys a release code
    /// that a phone brings; stock firmware never holds one.
    pub has_release_key: bool,
    /// The release under way or finished.
    #[schema(required)]
    pub release: Option<Release>,
}

/// What a device says about itself right after it logs in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Firmware {
    /// Version of the firmware.
    #[schema(required)]
    pub version: Option<String>,
    /// Firmware type; by default the template id.
    #[schema(required)]
    pub kind: Option<String>,
    /// When it was built, as the compiler writes it.
    #[schema(required)]
    pub build: Option<String>,
    /// Version of the Blynk library.
    #[schema(required)]
    pub library: Option<String>,
    /// Board name.
    #[schema(required)]
    pub board: Option<String>,
    /// Heartbeat interval in seconds.
    #[schema(required)]
    pub heartbeat_s: Option<u32>,
}

/// How far a release has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseState {
    /// Nothing shows that an order reached the device or was obeyed; it is ordered to wipe itself when it next connects.
    Pending,
    /// The order was sent; the device has neither proved the wipe nor fallen silent yet.
    Sent,
    /// The device, which can give no proof, fell silent after the order, as a wiped one does.
    Inferred,
    /// The device proved that it is wiped.
    Confirmed,
}

/// A release: the end of an ownership, finished when the device is wiped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Release {
    /// How far it has come.
    pub state: ReleaseState,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When the wipe was inferred or confirmed.
    #[schema(required)]
    pub finished_at: Option<Timestamp>,
    /// Whether the board can be given away now.
    pub safe_to_ship: bool,
    /// When something was last heard from the device.
    #[schema(required)]
    pub last_seen_at: Option<Timestamp>,
    /// How often the order was sent to a board that gave a sign of life.
    pub attempts: u32,
    /// The state as a sentence for a person.
    pub explanation: String,
}

/// The signed order of a release, for a phone that hands it to a device without a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseOrder {
    /// The order as text. It erases this device and no other, in this ownership and no later one.
    pub order: String,
    /// The page of the device's hotspot that takes the order, with the order in the fragment.
    pub link: String,
    /// The link as a QR code, an SVG image.
    pub qr_svg: String,
}

/// Hands in the receipt that a device showed after a release without a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandInReceipt {
    /// The receipt as text; line breaks in it do not matter.
    #[schema(max_length = 1024)]
    pub receipt: String,
}

/// How a device is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeviceQuery {
    /// `true` forgets the device without wiping it.
    pub force: Option<bool>,
    /// The device's name, to confirm a forced delete.
    pub confirm: Option<String>,
}

/// What a forced delete leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForcedDelete {
    /// One sentence for each thing that is still out there.
    pub left_behind: Vec<String>,
}

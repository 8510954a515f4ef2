//! Firmware images and shipments.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Timestamp;

/// Query of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct UploadFirmware {
    /// Name of the file, 1 to 80 characters.
    #[param(min_length = 1, max_length = 80)]
    pub file_name: String,
}

/// An uploaded firmware image; type, version and build come from the tag inside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirmwareImage {
    /// `FW…`.
    pub id: String,
    /// Name under which it was uploaded.
    pub file_name: String,
    /// Which devices it is for; by default the template id.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// When it was built, as the compiler writes it.
    #[schema(required)]
    pub build: Option<String>,
    /// Version of the Blynk library in it.
    #[schema(required)]
    pub library: Option<String>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

/// When a device of a shipment gets the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApplyRule {
    /// It runs a lower version.
    #[default]
    LowerVersion,
    /// It runs an earlier build.
    EarlierBuild,
    /// It runs another build.
    AnotherBuild,
    /// Its library is of a lower version.
    LowerLibrary,
}

/// Makes a shipment; it runs from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateShipment {
    /// Its name, 1 to 80 characters.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// The template whose devices it goes to.
    pub template_id: String,
    /// The image.
    pub firmware_id: String,
    /// The devices it goes to. Left out: all of the template, those that join later too.
    #[serde(default)]
    pub device_ids: Option<Vec<String>>,
    /// Only this share of the devices, in percent, chosen evenly. Not together with `device_ids`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub percent: Option<u8>,
    /// Share of the devices that get it first, in percent; the rest follows once half of these run it.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub canary_percent: Option<u8>,
    /// When a device gets the image.
    #[serde(default)]
    pub rule: ApplyRule,
    /// It stops by itself above this share of failed devices; 20 when left out.
    #[serde(default)]
    #[schema(maximum = 100)]
    pub failure_percent_max: Option<u8>,
    /// Downloads for one device in 24 hours; 3 when left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub attempts_max: Option<u32>,
}

/// Where a shipment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShipmentState {
    /// Devices are told.
    Running,
    /// Held back; what is under way ends.
    Paused,
    /// It stopped by itself because too many devices failed.
    Stopped,
    /// Ended by its owner.
    Cancelled,
    /// Every device has ended.
    Finished,
}

/// Who is told at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShipmentStage {
    /// The canaries alone.
    Canary,
    /// Everyone.
    Everyone,
}

/// How many devices stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShipmentCounts {
    /// Run the new firmware.
    pub succeeded: u64,
    /// Rolled back, or out of attempts.
    pub failed: u64,
    /// Do not need it.
    pub passed_over: u64,
    /// Everything else.
    pub open: u64,
}

/// A shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shipment {
    /// `SHIP…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The template whose devices it goes to.
    pub template_id: String,
    /// The image.
    pub firmware: FirmwareImage,
    /// When a device gets the image.
    pub rule: ApplyRule,
    /// Where it stands.
    pub state: ShipmentState,
    /// Who is told at the moment.
    pub stage: ShipmentStage,
    /// Whether devices that join the template later get it too.
    pub open_ended: bool,
    /// It stops by itself above this share of failed devices.
    pub failure_percent_max: u8,
    /// Downloads for one device in 24 hours.
    pub attempts_max: u32,
    /// How many devices stand where.
    pub counts: ShipmentCounts,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its state or stage last changed.
    pub updated_at: Timestamp,
}

/// Changes where a shipment stands: `paused`, `running` or `cancelled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeShipment {
    /// The new state.
    pub state: ShipmentState,
}

/// How far a shipment has come on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not told yet: it is offline, or not its turn.
    Waiting,
    /// Told where the image lies.
    RequestSent,
    /// It asked for the file.
    Requested,
    /// The file was delivered.
    Downloaded,
    /// It runs the new firmware.
    Success,
    /// The transfer broke; it is told again.
    UploadFailure,
    /// Too many attempts on one day.
    DownloadLimit,
    /// It came back with another version than the one it fetched.
    Rollback,
    /// The image is for another type of firmware.
    TypeMismatch,
    /// It does not run what the shipment replaces.
    VersionMismatch,
}

/// One device of a shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Which device.
    pub device_id: String,
    /// Whether it is one of the first.
    pub canary: bool,
    /// How far it has come.
    pub state: DeliveryState,
    /// Downloads begun since yesterday.
    pub attempts: u32,
    /// When the state last changed.
    pub updated_at: Timestamp,
}

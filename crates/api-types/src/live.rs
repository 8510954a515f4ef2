//! Live updates: the `data:` of server-sent events at `/api/v1/events`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{DatastreamValue, ProvisioningState, Release, Timestamp};

/// What happened to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChange {
    /// It was made.
    Created,
    /// Its name, firmware or metadata changed.
    Updated,
    /// It came online.
    Online,
    /// It went offline.
    Offline,
    /// It is gone.
    Deleted,
}

/// Event `device`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceEvent {
    /// The device.
    pub device_id: String,
    /// What happened.
    pub change: DeviceChange,
    /// When.
    pub at: Timestamp,
}

/// Event `value`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValueEvent {
    /// The device.
    pub device_id: String,
    /// Virtual pin number.
    pub pin: u8,
    /// The new value.
    pub value: DatastreamValue,
    /// When it was stored.
    pub at: Timestamp,
}

/// Event `rejected`: a value did not fit the datastream of its pin and was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedEvent {
    /// The device.
    pub device_id: String,
    /// Virtual pin number.
    pub pin: u8,
    /// Why, in words for a person; never the value itself.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Event `property`: how a datastream is to be shown has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PropertyEvent {
    /// The device.
    pub device_id: String,
    /// Virtual pin number.
    pub pin: u8,
    /// The property.
    pub property: String,
    /// Its new value.
    pub value: DatastreamValue,
    /// When it was set.
    pub at: Timestamp,
}

/// Event `session`: a provisioning session changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionEvent {
    /// The session.
    pub session_id: String,
    /// Where it stands now.
    pub state: ProvisioningState,
    /// The device, once it is claimed.
    #[schema(required)]
    pub device_id: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Event `release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseEvent {
    /// The device.
    pub device_id: String,
    /// The release as it stands now.
    pub release: Release,
}

/// Event `lagged`: the client was too slow and must fetch everything again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LaggedEvent {
    /// How many events were left out.
    pub missed_count: u64,
}

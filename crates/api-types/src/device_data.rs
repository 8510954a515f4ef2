//! What a device says besides values: metadata, properties of its datastreams, files.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::history::query_time;
use crate::{DatastreamValue, Timestamp};

/// A metadata field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MetadataField {
    /// Its number, `metaFieldId` in the Device HTTPS API; the same on every device.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The metadata of a device, by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MetadataList {
    /// At most 64, and those that every device has.
    pub items: Vec<MetadataField>,
}

/// Sets a metadata field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetMetadata {
    /// The value, at most 1,024 bytes. `Device Timezone` takes an IANA name such as `Europe/Berlin`.
    pub value: String,
}

/// A property of a datastream: how the device wants it shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceProperty {
    /// Virtual pin number.
    pub pin: u8,
    /// Its name, for example `color`.
    pub property: String,
    /// Its value.
    pub value: DatastreamValue,
    /// When it was set.
    pub at: Timestamp,
}

/// Sets a property of a datastream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetProperty {
    /// The value; several for `labels` and `urls`.
    pub value: DatastreamValue,
}

/// The properties that a device has set, by pin and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevicePropertyList {
    /// At most 64 per pin.
    pub items: Vec<DeviceProperty>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceFileKind {
    /// Anything the firmware wants to show.
    File,
    /// A crash dump.
    Dump,
}

/// A file that a device sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceFile {
    /// Names it in addresses.
    pub key: String,
    /// What it is.
    pub kind: DeviceFileKind,
    /// The name the device gave it.
    pub name: String,
    /// How much it holds, in bytes.
    pub size_bytes: u64,
    /// When it came.
    pub at: Timestamp,
}

/// The files of a device, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceFileList {
    /// At most 10 of each kind.
    pub items: Vec<DeviceFile>,
}

/// How fine an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportStep {
    /// Every value; one mean a minute for datastreams that do not save raw data.
    Raw,
    /// The mean of each minute.
    Minute,
    /// The mean of each hour.
    Hour,
    /// The mean of each day, by UTC.
    Day,
}

/// What is exported; everything that is kept when nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// One pin, such as `V1`; all when left out.
    pub pin: Option<String>,
    /// The first moment that counts, RFC 3339 or Unix milliseconds.
    #[serde(default, deserialize_with = "query_time")]
    #[param(value_type = Option<String>)]
    pub from: Option<Timestamp>,
    /// The first moment that counts no more, RFC 3339 or Unix milliseconds; now when left out.
    #[serde(default, deserialize_with = "query_time")]
    #[param(value_type = Option<String>)]
    pub to: Option<Timestamp>,
    /// How fine; `raw` when left out.
    #[param(inline)]
    pub step: Option<ExportStep>,
}

//! Datastreams of a template: what its devices' pins may hold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::DatastreamValue;

/// What values a datastream takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatastreamType {
    /// Whole numbers of 32 bits.
    Integer,
    /// Numbers with a fraction.
    Double,
    /// Any text, one field or several.
    String,
    /// Numbers of a list, each with a text.
    Enum,
    /// Longitude and latitude in degrees, in this order.
    Location,
    /// Off or on: 0 and 1; `false` and `true` become them.
    Boolean,
}

/// One row of an enum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatastreamEnumRow {
    /// The number that travels.
    pub number: i32,
    /// What it means.
    #[schema(min_length = 1, max_length = 100)]
    pub text: String,
}

/// What stands in the place of a value that stopped counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InvalidValueShows {
    /// Nothing: as if the pin had never been written.
    Nothing,
    /// The default value.
    Default,
}

/// When a value that was not renewed stops counting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvalidateValue {
    /// Seconds since it was written.
    #[schema(minimum = 1, maximum = 31_622_400)]
    pub after_s: u32,
    /// What stands in its place.
    pub shows: InvalidValueShows,
}

/// What a person sets about a datastream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatastreamSettings {
    /// Its name, unique in the template; MQTT topics carry it, so it has none of `/`, `+`, `#` and `,`.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// A second name of letters, digits and spaces, unique in the template.
    #[serde(default)]
    pub alias: Option<String>,
    /// What values it takes.
    #[serde(rename = "type")]
    pub data_type: DatastreamType,
    /// Smallest number; smaller ones become it. For `integer` and `double`.
    #[serde(default)]
    pub min: Option<f64>,
    /// Largest number; larger ones become it. For `integer` and `double`.
    #[serde(default)]
    pub max: Option<f64>,
    /// How many decimals are kept, from `#` to `#.#####` or `#.0` to `#.00000`; all when null. For `double`.
    #[serde(default)]
    pub decimals: Option<String>,
    /// The rows of an `enum`.
    #[serde(default)]
    pub enum_rows: Vec<DatastreamEnumRow>,
    /// The number that stands for every number outside `enum_rows`; when null those are refused.
    #[serde(default)]
    pub enum_fallback: Option<i32>,
    /// What the pin holds before anything was written.
    #[serde(default)]
    pub default: Option<DatastreamValue>,
    /// The unit of its values.
    #[serde(default)]
    pub unit: Option<String>,
    /// Whether the last value goes to the device after its login and when it asks for everything.
    #[serde(default)]
    pub sync_on_connect: bool,
    /// Whether the history keeps each point, and not only averages.
    #[serde(default)]
    pub save_raw_data: bool,
    /// When a value that was not renewed stops counting; never when null.
    #[serde(default)]
    pub invalidate: Option<InvalidateValue>,
    /// Whether the Device HTTPS API behaves as if it were not there.
    #[serde(default)]
    pub hidden_from_http: bool,
}

/// A datastream of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateDatastream {
    /// Its number, `dataStreamId` in the Device HTTPS API. Never given out twice.
    pub id: u32,
    /// Virtual pin number.
    pub pin: u8,
    /// What a person set.
    pub settings: DatastreamSettings,
}

/// The datastreams of a template, by pin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateDatastreamList {
    /// At most 256.
    pub items: Vec<TemplateDatastream>,
}

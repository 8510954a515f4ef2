//! The last values of virtual pins.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// A pin's value: one text, or several for a multi-value pin, in the order they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum DatastreamValue {
    /// One value.
    One(String),
    /// Several values.
    Many(Vec<String>),
}

/// Writes a value to a pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDatastream {
    /// The value; at most 1024 bytes for each part.
    pub value: DatastreamValue,
}

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredValue {
    /// The value.
    pub value: DatastreamValue,
    /// When it was stored.
    pub at: Timestamp,
}

/// A pin with its last value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Datastream {
    /// Virtual pin number.
    pub pin: u8,
    /// The value.
    pub value: DatastreamValue,
    /// When it was stored.
    pub at: Timestamp,
}

/// Every pin of a device that has a value, by pin number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatastreamList {
    /// The pins; at most 256.
    pub items: Vec<Datastream>,
}

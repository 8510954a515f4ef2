//! Orders to a connected device.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Sends a connected device an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandDevice {
    /// What it is to do.
    pub command: DeviceCommand,
}

/// What a device can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceCommand {
    /// Give a sign of life.
    Ping,
    /// Restart.
    Reboot,
    /// Open its hotspot for a new set-up. What it has stored stays until it is given something else.
    Reconfigure,
}

//! Templates: what the devices of one product have in common.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// Creates a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTemplate {
    /// The product's name, 1 to 80 characters.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// What becomes of a device that is claimed again; `open` when left out.
    pub reclaim: Option<ReclaimPolicy>,
    /// Whether its devices may speak MQTT for other devices (the gateway API); not when left out.
    pub gateway_api: Option<bool>,
}

/// Changes a template; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTemplate {
    /// The product's name, 1 to 80 characters. Boards keep the one that their firmware carries.
    #[schema(min_length = 1, max_length = 80)]
    pub name: Option<String>,
    /// What becomes of a device that is claimed again.
    pub reclaim: Option<ReclaimPolicy>,
    /// Whether its devices may speak MQTT for other devices (the gateway API).
    pub gateway_api: Option<bool>,
}

/// What becomes of a device that is known by its UID, was not released, and is claimed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReclaimPolicy {
    /// Whoever holds it may set it up anew; the earlier ownership ends, and the audit says so.
    Open,
    /// It is refused until its owner released it.
    Locked,
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Template {
    /// `TMPL…`, as it is compiled into firmware.
    #[schema(example = "TMPL4kq9Zt2aB")]
    pub id: String,
    /// The product's name.
    pub name: String,
    /// When the template was made.
    pub created_at: Timestamp,
    /// What becomes of a device that is claimed again.
    pub reclaim: ReclaimPolicy,
    /// Whether its devices may speak MQTT for other devices (the gateway API).
    pub gateway_api: bool,
}

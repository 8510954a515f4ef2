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
}

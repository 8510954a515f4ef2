//! Who did what when.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: `owner`, `admin-key`, `device`, `server`.
    pub actor: String,
    /// What, for example `device.release`.
    pub action: String,
    /// To which thing: its id.
    pub subject: String,
    /// More, without personal data.
    pub detail: String,
}

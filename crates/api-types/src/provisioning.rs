//! Provisioning sessions, and tokens nobody knows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{SecretText, Timestamp};

/// Opens a provisioning session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateProvisioningSession {
    /// The template of the device to come.
    pub template_id: String,
    /// The name it will get; the template's name when left out.
    pub name: Option<String>,
}

/// A new provisioning session with its token, which is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedProvisioningSession {
    /// The session's id.
    pub id: String,
    /// The template of the device to come.
    pub template_id: String,
    /// The token the device logs in with.
    pub token: SecretText,
    /// A code to type in place of the token, like `ABCD-2345`. Only Rehome firmware takes it.
    #[schema(required)]
    pub claim_code: Option<SecretText>,
    /// The host the device connects to.
    pub host: String,
    /// The port the device connects to.
    pub port: u16,
    /// Whether that port speaks TLS.
    pub uses_tls: bool,
    /// When the session ends.
    pub expires_at: Timestamp,
    /// The address of the device's own set-up page with everything filled in. The secret is in the fragment.
    pub deep_link: SecretText,
}

/// Where a provisioning session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProvisioningState {
    /// Waiting for the device.
    Open,
    /// A device logged in with the token and is claimed.
    Claimed,
    /// Time ran out.
    Expired,
    /// Cancelled by a person.
    Cancelled,
}

/// One thing that happened in a provisioning session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProvisioningStep {
    /// When.
    pub at: Timestamp,
    /// Machine name of the step, for example `code_exchanged`.
    pub step: String,
    /// The device's error code, when it gave one.
    #[schema(required)]
    pub code: Option<u16>,
    /// The step in words.
    pub message: String,
}

/// A provisioning session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProvisioningSession {
    /// The session's id.
    pub id: String,
    /// The template of the device.
    pub template_id: String,
    /// Where it stands.
    pub state: ProvisioningState,
    /// What happened so far, oldest first.
    pub steps: Vec<ProvisioningStep>,
    /// The device, once it is claimed.
    #[schema(required)]
    pub device_id: Option<String>,
    /// When the session was opened.
    pub created_at: Timestamp,
    /// When the session ends.
    pub expires_at: Timestamp,
}

/// A well-formed token that somebody tried and that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnknownToken {
    /// Start of the token's keyed hash: tells two tokens apart and gives neither away.
    pub fingerprint: String,
    /// First attempt.
    pub first_seen_at: Timestamp,
    /// Latest attempt.
    pub last_seen_at: Timestamp,
    /// Number of attempts.
    pub attempts: u64,
    /// Address of the latest attempt.
    pub remote: String,
}

//! Events of a template, the statuses of its devices, and who is told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{SecretText, Timestamp};

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventType {
    /// Good to know.
    Info,
    /// Somebody should look. Can be resolved.
    Warning,
    /// Somebody must act. Can be resolved.
    Critical,
    /// Something to read.
    Content,
}

/// Who is told, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notifying {
    /// Whether each recipient of the template gets an e-mail.
    pub email: bool,
    /// Whether each webhook of the template is called.
    pub webhooks: bool,
    /// At most one notification in so many seconds; no such limit when null.
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub limit_period_s: Option<u32>,
    /// A notification only after so many events.
    #[schema(minimum = 1, maximum = 10_000)]
    pub after_count: u32,
}

impl Default for Notifying {
    fn default() -> Self {
        Self { email: false, webhooks: false, limit_period_s: None, after_count: 1 }
    }
}

/// What a person sets about an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateEventSettings {
    /// Its name.
    #[schema(min_length = 1, max_length = 50)]
    pub name: String,
    /// How much it matters.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Stands where a device sends no description of its own.
    #[serde(default)]
    #[schema(max_length = 250)]
    pub description: String,
    /// Whether it is kept on the device's timeline.
    #[serde(default)]
    pub show_on_timeline: bool,
    /// Who is told; nobody when left out.
    #[serde(default)]
    pub notifying: Notifying,
}

/// An event of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateEvent {
    /// The code by which devices name it.
    pub code: String,
    /// What a person set.
    pub settings: TemplateEventSettings,
}

/// The events of a template, by code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateEventList {
    /// At most 100.
    pub items: Vec<TemplateEvent>,
}

/// One status of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LifecycleStatus {
    /// Its name.
    #[schema(min_length = 1, max_length = 50)]
    pub name: String,
    /// Its colour, `#RRGGBB`.
    #[serde(default)]
    pub color: Option<String>,
    /// Seconds since the status before it, or since the disconnect: 0 for online, 0 to 1,800 for offline, 1 to 2,592,000
    /// for a custom status.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub wait_s: u32,
    /// Stands on the timeline beside the name.
    #[serde(default)]
    #[schema(max_length = 250)]
    pub description: String,
    /// Whether a change to it is kept on the timeline.
    #[serde(default)]
    pub show_on_timeline: bool,
    /// Who is told of a change to it; nobody when left out.
    #[serde(default)]
    pub notifying: Notifying,
}

/// The statuses of the devices of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionLifecycle {
    /// Connected.
    pub online: LifecycleStatus,
    /// Not connected, and the wait is over.
    pub offline: LifecycleStatus,
    /// At most 2 further statuses, which apply one after another.
    #[serde(default)]
    #[schema(max_items = 2)]
    pub custom: Vec<LifecycleStatus>,
    /// An absence that ends within so many seconds is neither on the timeline nor told; every one counts when null.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 86_400)]
    pub offline_ignore_s: Option<u32>,
    /// Whether a device that sends data without a connection (HTTP) counts as connected at that moment.
    #[serde(default)]
    pub online_when_data_is_reported: bool,
}

/// Who gets a template's e-mails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipients {
    /// Addresses, each once.
    #[schema(max_items = 10)]
    pub email: Vec<String>,
}

/// Creates a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// Its name, 1 to 80 characters.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// Where it is: `https://` or `http://`, without user name and fragment.
    #[schema(min_length = 1, max_length = 1024)]
    pub url: String,
}

/// A webhook of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A webhook that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// The key of its signatures, shown this once.
    pub secret: SecretText,
}

/// The webhooks of a template, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    /// At most 10.
    pub items: Vec<Webhook>,
}

//! What happened to a device, and which status it has.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Timestamp;

/// What an entry of a timeline is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimelineEntryType {
    /// An event that is good to know.
    Info,
    /// An event at which somebody should look.
    Warning,
    /// An event on which somebody must act.
    Critical,
    /// An event with something to read.
    Content,
    /// The device came online.
    Online,
    /// The device went offline.
    Offline,
    /// A custom status began to apply.
    Status,
    /// A person wrote it.
    Note,
}

/// What a person wrote about an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineComment {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub text: String,
}

/// One entry of a device's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// Its number.
    pub id: i64,
    /// What it is about.
    #[serde(rename = "type")]
    pub entry_type: TimelineEntryType,
    /// The code of an event.
    #[schema(required)]
    pub code: Option<String>,
    /// The name of the event or status, as it was then.
    pub title: String,
    /// More; may be empty.
    pub description: String,
    /// When it happened.
    pub at: Timestamp,
    /// Whether somebody may resolve it.
    pub can_be_resolved: bool,
    /// When it was resolved.
    #[schema(required)]
    pub resolved_at: Option<Timestamp>,
    /// Who resolved it.
    #[schema(required)]
    pub resolved_by: Option<String>,
    /// Whether it was put away.
    pub archived: bool,
    /// What people wrote about it, oldest first.
    pub comments: Vec<TimelineComment>,
}

/// Which entries of a timeline are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TimelineQuery {
    /// Largest number of entries, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Of one type only.
    #[serde(rename = "type")]
    #[param(inline)]
    pub entry_type: Option<TimelineEntryType>,
    /// Resolved ones, or those that are not.
    pub resolved: Option<bool>,
    /// Those that were put away instead of the others.
    pub archived: Option<bool>,
    /// Not before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
}

/// Writes a note, or a comment on an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteTimelineText {
    /// 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub text: String,
}

/// Changes an entry; what is left out stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTimelineEntry {
    /// Resolves it, or opens it again.
    pub resolved: Option<bool>,
    /// Puts it away, or brings it back.
    pub archived: Option<bool>,
}

/// Which kind of status a device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceStatusKind {
    /// Connected.
    Online,
    /// Not connected.
    Offline,
    /// Not connected for longer.
    Custom,
}

/// The status of a device by the connection lifecycle of its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceStatus {
    /// Which kind.
    pub kind: DeviceStatusKind,
    /// Its name.
    pub name: String,
    /// Its colour.
    #[schema(required)]
    pub color: Option<String>,
    /// Since when; `null` for a device that was never connected.
    #[schema(required)]
    pub since: Option<Timestamp>,
}

/// Event `timeline`: an entry is new or has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEvent {
    /// The device.
    pub device_id: String,
    /// The entry as it is now.
    pub entry: TimelineEntry,
}

/// Event `status`: a device has another status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusEvent {
    /// The device.
    pub device_id: String,
    /// Its status now.
    pub status: DeviceStatus,
}

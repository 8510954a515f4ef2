//! Timelines, statuses and notifications as the API shows them.

use api_types::{DeviceStatus, DeviceStatusKind, NotificationState, TimelineComment, TimelineEntryType};
use registry::UtcTime;
use store::{EntryKind, NotificationTarget};
use telemetry::{ConnectionLifecycle, EventType, StatusIndex};

use super::timestamp;

pub(crate) fn timeline_entry_view(entry: store::TimelineEntry) -> api_types::TimelineEntry {
    let (resolved_at, resolved_by) = entry.resolved.unzip();
    api_types::TimelineEntry {
        id: entry.id,
        entry_type: entry_type_view(entry.kind),
        code: entry.code,
        title: entry.title,
        description: entry.description,
        at: timestamp(entry.at),
        can_be_resolved: entry.kind.can_be_resolved(),
        resolved_at: resolved_at.map(timestamp),
        resolved_by,
        archived: entry.is_archived,
        comments: entry.comments.into_iter().map(comment_view).collect(),
    }
}

fn comment_view(comment: store::Comment) -> TimelineComment {
    TimelineComment { at: timestamp(comment.at), actor: comment.actor, text: comment.text }
}

const ENTRY_TYPES: [(EntryKind, TimelineEntryType); 8] = [
    (EntryKind::Event(EventType::Info), TimelineEntryType::Info),
    (EntryKind::Event(EventType::Warning), TimelineEntryType::Warning),
    (EntryKind::Event(EventType::Critical), TimelineEntryType::Critical),
    (EntryKind::Event(EventType::Content), TimelineEntryType::Content),
    (EntryKind::Online, TimelineEntryType::Online),
    (EntryKind::Offline, TimelineEntryType::Offline),
    (EntryKind::CustomStatus, TimelineEntryType::Status),
    (EntryKind::Note, TimelineEntryType::Note),
];

fn entry_type_view(kind: EntryKind) -> TimelineEntryType {
    let found = ENTRY_TYPES.iter().find(|(known, _)| *known == kind);
    found.map_or(TimelineEntryType::Note, |(_, entry_type)| *entry_type)
}

pub(crate) fn entry_kind(entry_type: TimelineEntryType) -> Option<EntryKind> {
    ENTRY_TYPES.iter().find(|(_, known)| *known == entry_type).map(|(kind, _)| *kind)
}

pub(crate) fn status_view(
    lifecycle: &ConnectionLifecycle,
    shown: StatusIndex,
    since: Option<UtcTime>,
) -> DeviceStatus {
    let settings = lifecycle.status(shown);
    DeviceStatus {
        kind: match shown.number() {
            0 => DeviceStatusKind::Online,
            1 => DeviceStatusKind::Offline,
            _ => DeviceStatusKind::Custom,
        },
        name: settings.map(|settings| settings.name.clone()).unwrap_or_default(),
        color: settings.and_then(|settings| settings.color.clone()),
        since: since.map(timestamp),
    }
}

pub(crate) fn notification_view(notification: store::Notification) -> api_types::Notification {
    let (email, webhook_id) = match notification.target {
        NotificationTarget::Email(address) => (Some(address), None),
        NotificationTarget::Webhook(id) => (None, Some(id.0)),
    };
    api_types::Notification {
        id: notification.id,
        device_id: notification.device.to_string(),
        state: match notification.next_at {
            Some(_) => NotificationState::Waiting,
            None => NotificationState::Dead,
        },
        email,
        webhook_id,
        subject: notification.subject,
        created_at: timestamp(notification.created_at),
        attempts: notification.attempts,
        next_attempt_at: notification.next_at.map(timestamp),
        last_error: notification.last_error,
    }
}

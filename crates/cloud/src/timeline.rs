//! Events that devices log and resolve, whatever way they come. Live updates (`live.rs`) are something else; they tell who
//! watches of each new entry.

use api_types::{StatusEvent, TimelineEvent};
use metrics::counter;
use registry::{Epoch, UtcTime};
use store::{Device, LogEventError, LoggedEvent, NewEvent, ResolveScope, TimelineEntry, WriteValuesError};
use telemetry::StatusIndex;

use crate::app::App;
use crate::live::LiveEvent;
use crate::notices::{News, Subject, event_of, write_notifications};
use crate::views::timeline::{status_view, timeline_entry_view};

/// Why an event was not logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeEventError {
    /// The template has no such event.
    #[error("the template has no event with this code")]
    UnknownCode,
    /// The store did not take it.
    #[error(transparent)]
    Log(#[from] LogEventError),
}

impl TakeEventError {
    /// A short name for counters.
    fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownCode => "unknown_code",
            Self::Log(LogEventError::NotOwned) => "not_owned",
            Self::Log(LogEventError::Quota(quota)) => quota.as_str(),
            Self::Log(_) => "store",
        }
    }
}

/// Logs an event: on disk first, with whatever is to be sent, then to those who watch.
pub(crate) async fn log_event(
    app: &App,
    device: &Device,
    epoch: Epoch,
    code: &str,
    description: Option<&str>,
) -> Result<(), TakeEventError> {
    let outcome = try_log_event(app, device, epoch, code, description).await;
    if let Err(refusal) = &outcome {
        counter!("events_refused_total", "reason" => refusal.as_str()).increment(1);
    }
    outcome
}

async fn try_log_event(
    app: &App,
    device: &Device,
    epoch: Epoch,
    code: &str,
    description: Option<&str>,
) -> Result<(), TakeEventError> {
    let notices = app.notices.of(&device.template_id);
    let event = event_of(&notices, code).ok_or(TakeEventError::UnknownCode)?;
    let at = app.clock.now().utc;
    let description = event.description_of(description);
    let settings = event.settings();
    let (kind, channels) = (settings.event_type.as_str(), settings.notifying.channels);
    let subject = Subject { device: &device.id, name: &device.name, template: &device.template_id };
    let (title, text) = (settings.name.as_str(), description.as_str());
    let news = News { kind, code: Some(code), title, description: text, at };
    let notifications = write_notifications(&notices, channels, &subject, &news);
    let new = NewEvent { device: device.id.clone(), epoch, event, description, at, notifications };
    let LoggedEvent { entry, queued_count, dropped_count } = app.store.log_event(new).await?;
    counter!("events_logged_total", "type" => kind).increment(1);
    app.note_queued(queued_count, dropped_count);
    if let Some(entry) = entry {
        app.publish_entry(device.id.as_str(), entry);
    }
    Ok(())
}

/// Resolves events of a code, as a device asks for.
pub(crate) async fn resolve_events(
    app: &App,
    device: &registry::DeviceId,
    epoch: Epoch,
    code: &str,
    scope: ResolveScope,
) -> Result<(), WriteValuesError> {
    let at = app.clock.now().utc;
    let resolved = app.store.resolve_events(device.clone(), epoch, code.to_owned(), scope, at).await?;
    for entry in resolved {
        app.publish_entry(device.as_str(), entry);
    }
    Ok(())
}

impl App {
    /// Tells watchers of an entry that is new or has changed.
    pub(crate) fn publish_entry(&self, device_id: &str, entry: TimelineEntry) {
        if self.live.is_watched() {
            let (device_id, entry) = (device_id.to_owned(), timeline_entry_view(entry));
            self.live.publish(LiveEvent::Timeline(TimelineEvent { device_id, entry }));
        }
    }

    /// Tells watchers that a device has another status.
    pub(crate) fn publish_status(
        &self,
        device: &registry::DeviceId,
        template: &registry::TemplateId,
        shown: StatusIndex,
        since: UtcTime,
    ) {
        if self.live.is_watched() {
            let lifecycle = &self.notices.of(template).lifecycle;
            let status = status_view(lifecycle, shown, Some(since));
            self.live.publish(LiveEvent::Status(StatusEvent { device_id: device.to_string(), status }));
        }
    }

    /// Wakes whoever delivers notifications.
    pub(crate) fn note_queued(&self, queued_count: usize, dropped_count: usize) {
        if queued_count > 0 {
            counter!("notifications_queued_total").increment(u64::try_from(queued_count).unwrap_or(u64::MAX));
            self.notifications_queued.notify_one();
        }
        if dropped_count > 0 {
            counter!("notifications_dropped_total")
                .increment(u64::try_from(dropped_count).unwrap_or(u64::MAX));
        }
    }
}

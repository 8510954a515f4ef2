//! Live updates inside one process: whoever watches gets what happens from now on, with a bound on how far he may lag.

use std::sync::Arc;

use api_types::{
    DeviceEvent, PropertyEvent, RejectedEvent, ReleaseEvent, SessionEvent, StatusEvent, TimelineEvent,
    ValueEvent,
};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

use crate::limits::{LIVE_EVENTS_MAX, LIVE_WATCHERS_MAX};

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) enum LiveEvent {
    Device(DeviceEvent),
    Value(ValueEvent),
    Rejected(RejectedEvent),
    Property(PropertyEvent),
    Session(SessionEvent),
    Release(ReleaseEvent),
    Status(StatusEvent),
    Timeline(TimelineEvent),
}

/// The bus. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    sender: broadcast::Sender<Bytes>,
    places: Arc<Semaphore>,
    access: watch::Sender<()>,
}

/// One watcher; dropping it frees its place.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// Server-sent events, written once for all who watch.
    pub(crate) events: broadcast::Receiver<Bytes>,
    /// Changes when somebody lost his access: stop watching, and ask again with what proves yours.
    pub(crate) access: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
}

impl Live {
    pub(crate) fn new() -> Self {
        let (sender, _receiver) = broadcast::channel(LIVE_EVENTS_MAX);
        let places = Arc::new(Semaphore::new(LIVE_WATCHERS_MAX));
        Self { sender, places, access: watch::Sender::new(()) }
    }

    /// Tells every watcher; without watchers nothing happens. An event is written once, however many watch.
    #[expect(clippy::needless_pass_by_value, reason = "what happened is told once and of no use afterwards")]
    pub(crate) fn publish(&self, event: LiveEvent) {
        if !self.is_watched() {
            return;
        }
        let written = match &event {
            LiveEvent::Device(data) => write_event("device", data),
            LiveEvent::Value(data) => write_event("value", data),
            LiveEvent::Rejected(data) => write_event("rejected", data),
            LiveEvent::Property(data) => write_event("property", data),
            LiveEvent::Session(data) => write_event("session", data),
            LiveEvent::Release(data) => write_event("release", data),
            LiveEvent::Status(data) => write_event("status", data),
            LiveEvent::Timeline(data) => write_event("timeline", data),
        };
        match written {
            // The only error is "nobody watches any more".
            Ok(written) => drop(self.sender.send(written)),
            Err(error) => tracing::error!(%error, "a live update could not be written"),
        }
    }

    /// Says whether anybody watches, so that nothing is prepared for nobody.
    pub(crate) fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Starts watching; `None` when every place is taken.
    pub(crate) fn watch(&self) -> Option<Watcher> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Watcher { events: self.sender.subscribe(), access: self.access.subscribe(), _place: place })
    }

    /// Ends every watch, because somebody's access has ended. Whoever still has access comes back by himself.
    pub(crate) fn end_watches(&self) {
        self.access.send_replace(());
    }
}

/// Writes one server-sent event. JSON holds no line feed, so the data is one line.
pub(crate) fn write_event(name: &str, data: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut written = Vec::with_capacity(192);
    written.extend_from_slice(b"event: ");
    written.extend_from_slice(name.as_bytes());
    written.extend_from_slice(b"\ndata: ");
    serde_json::to_writer(&mut written, data)?;
    written.extend_from_slice(b"\n\n");
    Ok(Bytes::from(written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::{DeviceChange, Timestamp};

    fn event(device_id: &str) -> LiveEvent {
        LiveEvent::Device(DeviceEvent {
            device_id: device_id.to_owned(),
            change: DeviceChange::Online,
            at: Timestamp::from_unix_ms(0),
        })
    }

    #[test]
    fn a_slow_watcher_lags_and_nobody_waits_for_it() {
        let live = Live::new();
        assert!(!live.is_watched());
        let mut watcher = live.watch().unwrap();
        assert!(live.is_watched());
        for _ in 0..=LIVE_EVENTS_MAX {
            live.publish(event("DEV1"));
        }
        assert!(matches!(watcher.events.try_recv(), Err(broadcast::error::TryRecvError::Lagged(1))));
        let event = watcher.events.try_recv().unwrap();
        let lines: Vec<&str> = std::str::from_utf8(&event).unwrap().split('\n').collect();
        assert!(
            matches!(lines[..], ["event: device", data, "", ""] if data.starts_with("data: {\"")),
            "{lines:?}"
        );
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let live = Live::new();
        let mut watchers: Vec<_> = (0..LIVE_WATCHERS_MAX).map(|_| live.watch().unwrap()).collect();
        assert!(live.watch().is_none());
        watchers.pop();
        assert!(live.watch().is_some());
    }
}

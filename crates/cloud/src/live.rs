//! Live updates inside one process: whoever watches gets what happens from now on, with a bound on how far he may lag.

use std::sync::Arc;

use api_types::{DeviceEvent, PropertyEvent, RejectedEvent, ReleaseEvent, SessionEvent, ValueEvent};
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
}

/// The bus. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    sender: broadcast::Sender<LiveEvent>,
    places: Arc<Semaphore>,
    access: watch::Sender<()>,
}

/// One watcher; dropping it frees its place.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) events: broadcast::Receiver<LiveEvent>,
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

    /// Tells every watcher; without watchers nothing happens.
    pub(crate) fn publish(&self, event: LiveEvent) {
        // The only error is "nobody watches".
        drop(self.sender.send(event));
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
        assert!(watcher.events.try_recv().is_ok());
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

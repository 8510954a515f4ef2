//! When a device counts as online.
//!
//! A login makes it online. A closed link starts the offline wait at once; a silent one is closed by the gateway when
//! [`Heartbeat::silence_ms_max`] has passed, and the silence counts towards the wait (reference/wire-protocol.md 8). A
//! login within the wait keeps the status, so that a router's hiccup does not show.

use crate::Heartbeat;

/// 8 s from a closed link to "offline": the library waits 5 s between attempts, then needs a TLS handshake.
pub const OFFLINE_WAIT_DEFAULT_MS: u64 = 8_000;

/// Number of a connection, unique within the server's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionNumber(pub u64);

/// What happened to a device's connections. Times are monotonic milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PresenceEvent {
    /// A login was accepted on this connection. The newest login wins; the older connection no longer counts.
    LoggedIn(ConnectionNumber),
    /// Bytes came in on this connection.
    Heard(ConnectionNumber),
    /// The device declared its heartbeat on this connection.
    Declared(ConnectionNumber, Heartbeat),
    /// This connection is gone.
    Closed(ConnectionNumber),
    /// [`Presence::next_timeout_ms`] was reached.
    TimerFired,
}

/// What others must be told or what must be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PresenceChange {
    /// The device became online.
    Online,
    /// The device became offline.
    Offline,
    /// This connection was silent for too long, or a newer login took its place: close it.
    Close(ConnectionNumber),
}

/// Presence of one device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Presence {
    offline_wait_ms: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Offline,
    Connected {
        connection: ConnectionNumber,
        heartbeat: Heartbeat,
        heard_at_ms: u64,
    },
    /// Still shown as online.
    Waiting {
        offline_at_ms: u64,
    },
}

impl Presence {
    /// Makes the presence of a device that is offline.
    #[must_use]
    pub const fn new(offline_wait_ms: u64) -> Self {
        Self { offline_wait_ms, state: State::Offline }
    }

    /// Says whether the device counts as online.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        !matches!(self.state, State::Offline)
    }

    /// Returns the connection that messages to the device take.
    #[must_use]
    pub const fn connection(&self) -> Option<ConnectionNumber> {
        match self.state {
            State::Connected { connection, .. } => Some(connection),
            State::Offline | State::Waiting { .. } => None,
        }
    }

    /// Returns when [`PresenceEvent::TimerFired`] is due.
    #[must_use]
    pub const fn next_timeout_ms(&self) -> Option<u64> {
        match self.state {
            State::Offline => None,
            State::Connected { heartbeat, heard_at_ms, .. } => {
                Some(heard_at_ms.saturating_add(heartbeat.silence_ms_max()))
            }
            State::Waiting { offline_at_ms } => Some(offline_at_ms),
        }
    }

    /// Applies one event and returns what follows from it.
    #[must_use]
    pub fn handle(&mut self, now_ms: u64, event: PresenceEvent) -> Vec<PresenceChange> {
        match event {
            PresenceEvent::LoggedIn(connection) => self.logged_in(now_ms, connection),
            PresenceEvent::Heard(from) => {
                if let State::Connected { connection, heard_at_ms, .. } = &mut self.state
                    && *connection == from
                {
                    *heard_at_ms = now_ms.max(*heard_at_ms);
                }
                Vec::new()
            }
            PresenceEvent::Declared(from, declared) => {
                if let State::Connected { connection, heartbeat, .. } = &mut self.state
                    && *connection == from
                {
                    *heartbeat = declared;
                }
                Vec::new()
            }
            PresenceEvent::Closed(closed) => match self.state {
                State::Connected { connection, .. } if connection == closed => {
                    self.wait_from(now_ms, now_ms).into_iter().collect()
                }
                _ => Vec::new(),
            },
            PresenceEvent::TimerFired => self.timer_fired(now_ms),
        }
    }

    fn logged_in(&mut self, now_ms: u64, connection: ConnectionNumber) -> Vec<PresenceChange> {
        let was_online = self.is_online();
        let replaced = self.connection().filter(|older| *older != connection);
        self.state = State::Connected { connection, heartbeat: Heartbeat::ASSUMED, heard_at_ms: now_ms };
        let online = if was_online { None } else { Some(PresenceChange::Online) };
        replaced.map(PresenceChange::Close).into_iter().chain(online).collect()
    }

    fn timer_fired(&mut self, now_ms: u64) -> Vec<PresenceChange> {
        if self.next_timeout_ms().is_none_or(|due_ms| now_ms < due_ms) {
            return Vec::new();
        }
        match self.state {
            State::Connected { connection, heard_at_ms, .. } => {
                let offline = self.wait_from(heard_at_ms, now_ms);
                [Some(PresenceChange::Close(connection)), offline].into_iter().flatten().collect()
            }
            State::Waiting { .. } => {
                self.state = State::Offline;
                vec![PresenceChange::Offline]
            }
            State::Offline => Vec::new(),
        }
    }

    fn wait_from(&mut self, start_ms: u64, now_ms: u64) -> Option<PresenceChange> {
        let offline_at_ms = start_ms.saturating_add(self.offline_wait_ms);
        if offline_at_ms <= now_ms {
            self.state = State::Offline;
            return Some(PresenceChange::Offline);
        }
        self.state = State::Waiting { offline_at_ms };
        None
    }
}

#[cfg(test)]
mod tests;

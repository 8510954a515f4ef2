//! Release: from "the owner lets go" to "the board is safe to ship".
//!
//! Stock Edgent obeys INTERNAL `dbg` `config erase`, sends no receipt and, on hardware, not even a FIN
//! (reference/observed-clients.md). Only silence tells, and silence is ambiguous: a board whose plug was pulled is
//! silent too. A board that holds a release key obeys signed orders alone, and proves its wipe. The rules that keep
//! "safe to ship" honest (decision 0066 for 4 and 5):
//!
//! 1. Silence counts only after an order that went to a board that was alive: it had just logged in, answered a probe, or
//!    was heard after the order. That it was heard a moment before the request says nothing: its owner may press "release"
//!    with the plug in the hand. An order to a board that gave no sign of life leaves the release `pending`.
//! 2. A board that keeps talking gets the order again whenever it is heard [`ORDER_REPEAT_MS`] after the last one, and
//!    stays `sent`. No clock alone repeats an order: the board might have gone since it was last heard, and the silence
//!    after the new order would then say nothing.
//! 3. A board that shows up after its wipe was inferred was not wiped. The inference is taken back, the order repeated,
//!    and the silence asked of this board doubles each time, up to [`SILENCE_MAX_MS`], so that a client which merely
//!    talks rarely is not called wiped over and over.
//! 4. The silence of a board that holds a release key, or may hold one, says nothing: it could have proved its wipe.
//! 5. A board that is recorded to hold a key gets its order when it has introduced itself, because it would pass over the
//!    unsigned one. If it does not, it gets the unsigned one after [`GREETING_WAIT_MS`]; rule 4 applies.
//! 6. Only a signed receipt gives `confirmed`.

mod record;

pub use record::{ReleaseRecord, ReleaseState};

use crate::{Moment, MonoTime};

/// 20 s of silence after an order mean that the board wiped itself. Source: design.md, release.
pub const SILENCE_MS: u64 = 20_000;

/// 640 s: the longest silence asked of a board that contradicted earlier inferences (20 s doubled five times).
pub const SILENCE_MAX_MS: u64 = SILENCE_MS << CONTRADICTIONS_COUNTED_MAX;

/// 5 doublings. The result, 640 s, is longer than 1.5 times any heartbeat that a known library uses.
const CONTRADICTIONS_COUNTED_MAX: u32 = 5;

/// 30 s at least between orders to a board that keeps talking: longer than [`SILENCE_MS`], so that a frame that was on its way
/// when the order arrived does not cause a second order.
pub const ORDER_REPEAT_MS: u64 = 30_000;

/// 5 s between probes (PING) after an order: three fit into [`SILENCE_MS`], and a live board answers each at once.
pub const PROBE_INTERVAL_MS: u64 = 5_000;

/// 3 s to answer the probe before the first order. A live board answers in well under a second; a retransmission on a
/// weak radio link takes one to three.
pub const PROBE_WAIT_MS: u64 = 3_000;

/// 5 s for a board that is recorded to hold a release key to introduce itself. Boards do so right after their login; a
/// retransmission on a weak radio link takes one to three seconds.
pub const GREETING_WAIT_MS: u64 = 5_000;

/// 150 s of listening after a server restart before an order from before it may count as obeyed: a live board notices
/// the lost link after heartbeat + 18 s (58 s by default) and then tries every 5 s, with TLS that may take some more.
const LISTEN_AFTER_RESTART_MS: u64 = 150_000;

/// What is known of a release key on the board at the other end of a link. It decides which order the board obeys, and
/// whether its silence says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BoardKey {
    /// The board is not known to hold one. It obeys the unsigned order and can give no receipt.
    None,
    /// The record says that it holds one. It has not introduced itself on this link.
    Recorded,
    /// One was offered to it on this link; whether it took it is not known.
    Offered,
    /// It showed one: this server's, so that it obeys a signed order and proves it, or another server's, so that it obeys
    /// none.
    Shown,
    /// It speaks a protocol without an order to wipe, so that its silence says nothing. MQTT has `reconfigure`, which leaves
    /// the set-up where it is.
    NothingObeyed,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReleaseEvent {
    /// The release was requested while the device is connected.
    LinkFound {
        /// What it said of its key on this link, or what the record says.
        key: BoardKey,
    },
    /// The device logged in with its tombstone token and was let into quarantine.
    LoggedIn {
        /// What the record says.
        key: BoardKey,
    },
    /// The device said what it is, and with it whether it holds a key. Follows [`ReleaseEvent::Heard`].
    Introduced {
        /// What it said.
        key: BoardKey,
    },
    /// Any bytes came in on the quarantined link, the answer to a probe included.
    Heard,
    /// The link is gone, whoever closed it.
    LinkClosed,
    /// [`Release::next_timeout`] was reached.
    TimerFired,
    /// The device sent a receipt whose signature was verified.
    ReceiptVerified,
}

/// What the caller must do, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReleaseAction {
    /// Put the record on disk. The actions after it may be performed only when that succeeded; otherwise close the link
    /// and drop the machine: the stored record is the truth and the device's next login resumes from it.
    Store(ReleaseRecord),
    /// Send the order to wipe: signed to a device that showed this server's release key, INTERNAL `dbg` `config erase` to others.
    SendOrder,
    /// Send PING.
    SendProbe,
    /// Close the link.
    CloseLink,
}

/// One release in progress.
///
/// The shell feeds events and performs the actions. It keeps the machine alive after the link has closed until
/// [`Release::next_timeout`] is `None`: silence is measured without a link too, because some networks deliver a FIN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Release {
    record: ReleaseRecord,
    phase: Phase,
    /// Of the board on the latest link.
    key: BoardKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    /// No link, nothing to wait for.
    Absent,
    /// A probe was sent to find out whether anybody is there.
    Checking { order_at: MonoTime },
    /// The board is there. Its order waits until it has introduced itself.
    AwaitingGreeting { until: MonoTime },
    /// The order was sent.
    Ordered { ordered_at: MonoTime, infer_at: MonoTime, probe_at: Option<MonoTime> },
}

impl Release {
    /// Resumes a release from its stored record, at a login, at a request or after a restart.
    ///
    /// An order from before a restart that had reached a live board still counts: when that board does not log in again
    /// while the server listens, its wipe is inferred.
    #[must_use]
    pub fn resume(record: ReleaseRecord, now: MonoTime) -> Self {
        let phase = if record.state == ReleaseState::Sent {
            let listen_ms = LISTEN_AFTER_RESTART_MS.max(record.silence_ms());
            let infer_at = now.plus_ms(listen_ms);
            Phase::Ordered { ordered_at: now, infer_at, probe_at: None }
        } else {
            Phase::Absent
        };
        // Without a link nobody is heard; the record says whether the silence counts.
        Self { record, phase, key: BoardKey::Recorded }
    }

    /// Returns what must survive a restart.
    #[must_use]
    pub const fn record(&self) -> &ReleaseRecord {
        &self.record
    }

    /// Returns when [`ReleaseEvent::TimerFired`] is due; none when there is nothing to wait for.
    #[must_use]
    pub fn next_timeout(&self) -> Option<MonoTime> {
        match self.phase {
            Phase::Absent => None,
            Phase::Checking { order_at } => Some(order_at),
            Phase::AwaitingGreeting { until } => Some(until),
            Phase::Ordered { infer_at, probe_at, .. } => {
                Some(probe_at.map_or(infer_at, |at| at.min(infer_at)))
            }
        }
    }

    /// Applies one event and returns what to do.
    #[must_use]
    pub fn handle(&mut self, now: Moment, event: ReleaseEvent) -> Vec<ReleaseAction> {
        if self.record.state == ReleaseState::Confirmed {
            // Nothing changes a proof. Whoever still talks is not the board that gave it.
            return match event {
                ReleaseEvent::LinkClosed | ReleaseEvent::TimerFired => Vec::new(),
                _ => vec![ReleaseAction::CloseLink],
            };
        }
        match event {
            ReleaseEvent::LinkFound { key } => {
                self.key = key;
                self.phase = Phase::Checking { order_at: now.mono.plus_ms(PROBE_WAIT_MS) };
                vec![ReleaseAction::SendProbe]
            }
            ReleaseEvent::LoggedIn { key } => {
                self.key = key;
                self.heard(now);
                self.begin(now)
            }
            ReleaseEvent::Introduced { key } => self.introduced(now, key),
            ReleaseEvent::Heard => self.handle_heard(now),
            ReleaseEvent::LinkClosed => {
                self.link_closed();
                Vec::new()
            }
            ReleaseEvent::TimerFired => self.timer_fired(now),
            ReleaseEvent::ReceiptVerified => {
                self.heard(now);
                self.finish(now, ReleaseState::Confirmed)
            }
        }
    }

    fn handle_heard(&mut self, now: Moment) -> Vec<ReleaseAction> {
        self.heard(now);
        match &mut self.phase {
            Phase::Checking { .. } => self.begin(now),
            Phase::Ordered { ordered_at, probe_at: Some(_), .. }
                if now.mono >= ordered_at.plus_ms(ORDER_REPEAT_MS) =>
            {
                self.order(now, true)
            }
            Phase::Ordered { infer_at, .. } => {
                *infer_at = now.mono.plus_ms(self.record.silence_ms());
                if self.key == BoardKey::None { self.count_silence(true) } else { Vec::new() }
            }
            Phase::Absent if self.record.state == ReleaseState::Inferred => {
                // Bytes that were read after the link had been given up. They still prove that nothing was wiped.
                self.take_inference_back();
                vec![ReleaseAction::Store(self.record.clone())]
            }
            Phase::Absent | Phase::AwaitingGreeting { .. } => Vec::new(),
        }
    }

    fn link_closed(&mut self) {
        match &mut self.phase {
            Phase::Checking { .. } | Phase::AwaitingGreeting { .. } => self.phase = Phase::Absent,
            Phase::Ordered { probe_at, .. } => *probe_at = None,
            Phase::Absent => {}
        }
    }

    fn timer_fired(&mut self, now: Moment) -> Vec<ReleaseAction> {
        match self.phase {
            Phase::Checking { order_at } if now.mono >= order_at => self.order(now, false),
            Phase::AwaitingGreeting { until } if now.mono >= until => {
                if self.key == BoardKey::Offered {
                    // Nobody knows which order it obeys. It introduces itself again at its next login.
                    self.phase = Phase::Absent;
                    return vec![ReleaseAction::CloseLink];
                }
                self.order(now, false)
            }
            Phase::Ordered { infer_at, .. } if now.mono >= infer_at => {
                if self.record.order_reached_live_board {
                    self.finish(now, ReleaseState::Inferred)
                } else {
                    self.phase = Phase::Absent;
                    self.record.state = ReleaseState::Pending;
                    vec![ReleaseAction::Store(self.record.clone()), ReleaseAction::CloseLink]
                }
            }
            Phase::Ordered { ordered_at, infer_at, probe_at: Some(at) } if now.mono >= at => {
                let probe_at = Some(now.mono.plus_ms(PROBE_INTERVAL_MS));
                self.phase = Phase::Ordered { ordered_at, infer_at, probe_at };
                vec![ReleaseAction::SendProbe]
            }
            Phase::Absent
            | Phase::Checking { .. }
            | Phase::AwaitingGreeting { .. }
            | Phase::Ordered { .. } => Vec::new(),
        }
    }

    /// Turns to a board that is there: orders it to wipe itself, or waits until it has said which order it obeys.
    fn begin(&mut self, now: Moment) -> Vec<ReleaseAction> {
        self.take_inference_back();
        if matches!(self.key, BoardKey::None | BoardKey::Shown | BoardKey::NothingObeyed) {
            return self.order(now, true);
        }
        self.phase = Phase::AwaitingGreeting { until: now.mono.plus_ms(GREETING_WAIT_MS) };
        // Whatever it was told before, it is here: that order was not obeyed.
        self.record.state = ReleaseState::Pending;
        self.record.order_reached_live_board = false;
        vec![ReleaseAction::Store(self.record.clone())]
    }

    fn introduced(&mut self, now: Moment, key: BoardKey) -> Vec<ReleaseAction> {
        if matches!(self.key, BoardKey::Shown | BoardKey::NothingObeyed) {
            // What was shown once on this link stays true: a board loses its key by a wipe, and its token with it.
            return Vec::new();
        }
        self.key = key;
        match self.phase {
            Phase::AwaitingGreeting { .. } => self.begin(now),
            Phase::Ordered { .. } => {
                let mut actions = self.count_silence(key == BoardKey::None);
                if key == BoardKey::Shown {
                    // The same order once more, in the form that it obeys.
                    actions.push(ReleaseAction::SendOrder);
                }
                actions
            }
            Phase::Absent | Phase::Checking { .. } => Vec::new(),
        }
    }

    /// Notes whether the silence after the latest order says that it was obeyed.
    fn count_silence(&mut self, counts: bool) -> Vec<ReleaseAction> {
        if self.record.order_reached_live_board == counts {
            return Vec::new();
        }
        self.record.order_reached_live_board = counts;
        vec![ReleaseAction::Store(self.record.clone())]
    }

    fn order(&mut self, now: Moment, is_alive: bool) -> Vec<ReleaseAction> {
        self.record.state = ReleaseState::Sent;
        self.record.finished_at = None;
        if is_alive {
            self.record.attempts = self.record.attempts.saturating_add(1);
        }
        self.record.order_reached_live_board = is_alive && self.key == BoardKey::None;
        self.phase = Phase::Ordered {
            ordered_at: now.mono,
            infer_at: now.mono.plus_ms(self.record.silence_ms()),
            probe_at: Some(now.mono.plus_ms(PROBE_INTERVAL_MS)),
        };
        vec![ReleaseAction::Store(self.record.clone()), ReleaseAction::SendOrder]
    }

    fn finish(&mut self, now: Moment, state: ReleaseState) -> Vec<ReleaseAction> {
        self.phase = Phase::Absent;
        self.record.state = state;
        self.record.finished_at = Some(now.utc);
        vec![ReleaseAction::Store(self.record.clone()), ReleaseAction::CloseLink]
    }

    fn heard(&mut self, now: Moment) {
        self.record.last_seen_at = self.record.last_seen_at.max(Some(now.utc));
    }

    fn take_inference_back(&mut self) {
        if self.record.state == ReleaseState::Inferred {
            self.record.state = ReleaseState::Pending;
            self.record.finished_at = None;
            self.record.contradictions = self.record.contradictions.saturating_add(1);
            self.record.order_reached_live_board = false;
        }
    }
}

#[cfg(test)]
mod tests;

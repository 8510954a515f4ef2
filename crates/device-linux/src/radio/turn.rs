//! Whose turn it is on a radio that cannot have its hotspot beside a network connection.
//!
//! Neither side may starve the other: a device whose token is refused joins its network again and again and must still
//! be found by a phone, and a device whose hotspot waits for somebody must still find its network when that returns.

use std::time::Duration;

use tokio::time::Instant;

/// How long the hotspot stays open at least when nobody visits it. A phone needs some of it to find and join it.
const HOTSPOT_STAY_MIN: Duration = Duration::from_secs(45);
/// How long a network connection may keep a wished-for hotspot closed. Logging in may take 30 s, and the lifecycle
/// closes the hotspot 15 s after that.
const STATION_STAY_MAX: Duration = Duration::from_mins(1);

/// Remembers since when which side had the radio.
#[derive(Debug, Default)]
pub(super) struct Turn {
    hotspot_opened_at: Option<Instant>,
    visits_before: u64,
    station_ends_at: Option<Instant>,
    was_hotspot_wished: bool,
}

impl Turn {
    /// A hotspot that is newly wished for while a connection stands is opened at once.
    pub(super) fn note_hotspot_wish(&mut self, joined_now: Option<Instant>) {
        if !std::mem::replace(&mut self.was_hotspot_wished, true) && joined_now.is_some() {
            self.station_ends_at = joined_now;
        }
    }

    pub(super) fn note_no_hotspot_wish(&mut self) {
        self.was_hotspot_wished = false;
    }

    pub(super) fn note_joined(&mut self, now: Instant) {
        self.station_ends_at = Some(now + STATION_STAY_MAX);
    }

    pub(super) fn note_hotspot(&mut self, now: Instant, visit_count: u64) {
        self.hotspot_opened_at = Some(now);
        self.visits_before = visit_count;
    }

    /// Says whether joining has to wait so that a phone can find the hotspot. Once somebody visited it, the lifecycle
    /// knows and decides alone.
    pub(super) fn holds_join(&self, is_hotspot_open: bool, visit_count: u64, now: Instant) -> bool {
        is_hotspot_open
            && !self.was_visited(visit_count)
            && self.hotspot_stays_until().is_some_and(|until| now < until)
    }

    /// Says whether somebody visited the hotspot since it was opened.
    pub(super) fn was_visited(&self, visit_count: u64) -> bool {
        visit_count != self.visits_before
    }

    /// Says whether the network connection has to make room for the hotspot.
    pub(super) fn ends_station(&self, now: Instant) -> bool {
        self.station_ends_at.is_none_or(|ends_at| now >= ends_at)
    }

    /// Returns when the answers change by themselves, or have changed.
    pub(super) fn next_change(&self, is_joined: bool) -> Option<Instant> {
        if is_joined { self.station_ends_at } else { self.hotspot_stays_until() }
    }

    fn hotspot_stays_until(&self) -> Option<Instant> {
        self.hotspot_opened_at.map(|opened_at| opened_at + HOTSPOT_STAY_MIN)
    }
}

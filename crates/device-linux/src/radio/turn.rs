//! Whose turn it is on a radio that cannot have its hotspot beside a network connection.
//!
//! Neither side may starve the other: a device whose token is refused joins its network again and again and must still
//! be found by a phone, and a device whose hotspot waits for somebody must still find its network when that returns.

use std::time::Duration;

use tokio::time::Instant;

use super::StationWish;

/// How long the hotspot stays open at least when nobody visits it. A phone needs some of it to find and join it.
const HOTSPOT_STAY_MIN: Duration = Duration::from_secs(45);
/// The same for the hotspot that comes back from a trial. The old home is to be tried again within 90 s; the trial takes up
/// to 56 s of them, listening and opening up to 13 s.
const HOTSPOT_STAY_AFTER_TRIAL: Duration = Duration::from_secs(20);
/// A join that begins so soon after a visit is what the visitor asked for: the lifecycle moves 0.8 s after it, and keeps
/// everything else waiting for 3 min.
const TRIAL_AFTER_VISIT_MAX: Duration = Duration::from_secs(10);
/// How long a network connection may keep a wished-for hotspot closed. Logging in may take 30 s, and the lifecycle
/// closes the hotspot 15 s after that.
const STATION_STAY_MAX: Duration = Duration::from_mins(1);

/// Remembers since when which side had the radio.
#[derive(Debug, Default)]
pub(super) struct Turn {
    hotspot_stays_until: Option<Instant>,
    visits_before: u64,
    last_visit: Option<(u64, Instant)>,
    is_after_trial: bool,
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
        self.is_after_trial = false;
    }

    pub(super) fn note_visits(&mut self, visit_count: u64, now: Instant) {
        if self.last_visit.is_none_or(|(last_count, _visited_at)| last_count != visit_count) {
            self.last_visit = (visit_count > 0).then_some((visit_count, now));
        }
    }

    /// The hotspot gives way to an attempt to join.
    pub(super) fn note_way_given(&mut self, now: Instant) {
        self.is_after_trial = self
            .last_visit
            .is_some_and(|(_count, visited_at)| now.duration_since(visited_at) <= TRIAL_AFTER_VISIT_MAX);
    }

    pub(super) fn note_joined(&mut self, now: Instant) {
        self.station_ends_at = Some(now + STATION_STAY_MAX);
    }

    pub(super) fn note_hotspot(&mut self, now: Instant, visit_count: u64) {
        let stay = if self.is_after_trial { HOTSPOT_STAY_AFTER_TRIAL } else { HOTSPOT_STAY_MIN };
        self.hotspot_stays_until = Some(now + stay);
        self.visits_before = visit_count;
    }

    /// Says whether joining has to wait for the open hotspot.
    ///
    /// Until somebody visits it, phones get time to find it. An attempt that waited that long is not begun, because it
    /// would be given up half way: the next one gets its whole time. Once somebody visited, the lifecycle knows and
    /// decides alone; what it wished for before would throw the visitor out.
    pub(super) fn holds_join(&self, wish: &StationWish, visit_count: u64, now: Instant) -> bool {
        let is_time_left = self.hotspot_stays_until.is_some_and(|until| now < until);
        if wish.visit_count > self.visits_before {
            false
        } else if self.is_after_trial {
            is_time_left
        } else {
            is_time_left || self.was_visited(visit_count) || !wish.is_new(now)
        }
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
        if is_joined { self.station_ends_at } else { self.hotspot_stays_until }
    }
}

//! When the hotspot opens beside a stored home under `rehome`, and when it closes again.

use core::time::Duration;

use crate::{Instant, Timings};

/// The hotspot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Hotspot {
    #[default]
    Closed,
    /// Open for as long as there is a reason.
    Open,
    /// Open for a while without a lasting reason.
    OpenUntil(Instant),
}

impl Hotspot {
    pub(crate) const fn is_open(self) -> bool {
        !matches!(self, Self::Closed)
    }
}

/// What is known about the way to the cloud, as far as it decides about the hotspot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Reach {
    is_network_faulty: bool,
    is_token_refused: bool,
    has_reached_cloud: bool,
    /// From when a network fault opens the hotspot. Kept while the network comes back for a moment, so that a
    /// flickering network cannot push it away for ever; only an accepted login clears it.
    opens_at: Option<Instant>,
    /// While the device looks for another network by its own choice, it does not count as cut off before this.
    change_ends_at: Option<Instant>,
}

impl Reach {
    /// At boot no network is joined, and the hotspot opens after `wait` unless that changes.
    pub(crate) fn at_boot(now: Instant, wait: Duration) -> Self {
        Self {
            is_network_faulty: true,
            is_token_refused: false,
            has_reached_cloud: false,
            opens_at: Some(now.after(wait)),
            change_ends_at: None,
        }
    }

    /// The state after an accepted login.
    pub(crate) const fn accepted() -> Self {
        Self {
            is_network_faulty: false,
            is_token_refused: false,
            has_reached_cloud: true,
            opens_at: None,
            change_ends_at: None,
        }
    }

    pub(crate) fn note_network_fault(&mut self, now: Instant, timings: &Timings) {
        self.is_network_faulty = true;
        if self.opens_at.is_none() && self.has_reached_cloud {
            self.opens_at = timings.run_time_grace.map(|grace| now.after(grace));
        }
    }

    /// The device leaves a network that worked, to try another one. That is a fault only if nothing is joined again
    /// within [`Timings::network_change`].
    pub(crate) fn note_network_change(&mut self, now: Instant, timings: &Timings) {
        if !self.is_network_faulty {
            self.note_network_fault(now, timings);
            self.change_ends_at = Some(now.after(timings.network_change));
        }
    }

    pub(crate) const fn note_network_joined(&mut self) {
        self.is_network_faulty = false;
        self.change_ends_at = None;
    }

    pub(crate) const fn note_token_refused(&mut self) {
        self.is_token_refused = true;
    }

    /// Whether the owner is needed: the token was refused, or the networks failed for long enough.
    pub(crate) fn needs_hotspot(&self, now: Instant) -> bool {
        self.is_token_refused || self.network_fault_opens_at().is_some_and(|opens_at| opens_at <= now)
    }

    /// When [`Reach::needs_hotspot`] changes by the passing of time alone.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.network_fault_opens_at().filter(|_| !self.is_token_refused)
    }

    fn network_fault_opens_at(&self) -> Option<Instant> {
        let opens_at = self.opens_at.filter(|_| self.is_network_faulty)?;
        Some(self.change_ends_at.map_or(opens_at, |change_ends_at| change_ends_at.max(opens_at)))
    }

    pub(crate) fn relative_to(&self, origin: Instant) -> Self {
        let shift = |at: Option<Instant>| at.map(|at| at.relative_to(origin));
        Self { opens_at: shift(self.opens_at), change_ends_at: shift(self.change_ends_at), ..self.clone() }
    }
}

/// Who is at the hotspot. While somebody is, work that would move the radio's channel waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Visitors {
    station_count: u8,
    present_until: Option<Instant>,
}

impl Visitors {
    pub(crate) fn note_attached(&mut self, now: Instant, timings: &Timings) {
        self.station_count = self.station_count.saturating_add(1);
        self.note_request(now, timings);
    }

    pub(crate) fn note_detached(&mut self) {
        self.station_count = self.station_count.saturating_sub(1);
        if self.station_count == 0 {
            self.present_until = None;
        }
    }

    pub(crate) fn note_request(&mut self, now: Instant, timings: &Timings) {
        self.present_until = Some(now.after(timings.visitor_idle));
    }

    pub(crate) const fn has_stations(self) -> bool {
        self.station_count > 0
    }

    pub(crate) fn present_until(self, now: Instant) -> Option<Instant> {
        self.present_until.filter(|until| *until > now)
    }

    /// Forgets a visit that is over, so that equal situations compare equal.
    pub(crate) fn relative_to(self, origin: Instant) -> Self {
        let present_until = self.present_until(origin).map(|until| until.relative_to(origin));
        Self { present_until, ..self }
    }
}

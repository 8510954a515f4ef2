//! Which status a device has, and when people hear of a change.
//!
//! A device that is connected is online. From the disconnect on, each further status applies after its wait, one after
//! another, until a reconnect clears them all (reference/console-features.md 5). Two things follow from that, and they are
//! kept apart: what is *shown* as the device's status, and what is *told*, on the timeline and to people. With an
//! offline-ignore period nothing is told of an absence that ends within it, neither its beginning nor its end.
//!
//! [`crate::Presence`] is something else: whether there is a connection for messages.

use crate::template_event::{MakeEventError, Notifying, check_description, is_name};

/// 60 s from the disconnect to `offline` by default. Source: reference/console-features.md 5.
pub const OFFLINE_STATUS_WAIT_S_DEFAULT: u32 = 60;

/// 1,800 s from the disconnect to `offline` at most. Source: as above, 30 minutes since 2025-12.
pub const OFFLINE_STATUS_WAIT_S_MAX: u32 = 1_800;

/// 30 days from one status to the next custom one. The reference's 30 minutes would leave no use for `Inactive`.
pub const CUSTOM_STATUS_WAIT_S_MAX: u32 = 30 * 24 * 3_600;

/// 2 custom statuses. Source: reference/console-features.md 5.
pub const CUSTOM_STATUSES_MAX: usize = 2;

/// 1 day of offline-ignore period; the reference names no bound.
pub const IGNORE_PERIOD_S_MAX: u32 = 24 * 3_600;

/// The place of a status in the lifecycle of a template: 0 is online, 1 offline, 2 and 3 are custom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusIndex(u8);

impl StatusIndex {
    /// Connected.
    pub const ONLINE: Self = Self(0);

    /// Not connected, and the wait is over.
    pub const OFFLINE: Self = Self(1);

    /// Makes an index from its stored number; one that no template has becomes the last.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        if number > Self::LAST { Self(Self::LAST) } else { Self(number) }
    }

    /// Returns its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    const LAST: u8 = 3;
}

/// What a person sets about one status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSettings {
    /// Its name.
    pub name: String,
    /// Its colour, `#RRGGBB`.
    pub color: Option<String>,
    /// Seconds since the status before it applied, or since the disconnect; 0 for online.
    pub wait_s: u32,
    /// Stands on the timeline beside the name; may be empty.
    pub description: String,
    /// Whether a change to it is kept on the timeline.
    pub is_on_timeline: bool,
    /// Who is told of a change to it, and when.
    pub notifying: Notifying,
}

/// The statuses of the devices of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLifecycle {
    statuses: Vec<StatusSettings>,
    ignore_period_s: Option<u32>,
    reports_count: bool,
}

impl Default for ConnectionLifecycle {
    fn default() -> Self {
        let status = |name: &str, wait_s: u32| StatusSettings {
            name: name.to_owned(),
            color: None,
            wait_s,
            description: String::new(),
            is_on_timeline: true,
            notifying: Notifying::default(),
        };
        Self {
            statuses: vec![status("Online", 0), status("Offline", OFFLINE_STATUS_WAIT_S_DEFAULT)],
            ignore_period_s: None,
            reports_count: false,
        }
    }
}

impl ConnectionLifecycle {
    /// Makes a lifecycle of online, offline and custom statuses, in this order.
    ///
    /// `ignore_period_s` is the offline-ignore period. With `reports_count` a device that sends data without a connection
    /// (HTTP) counts as connected at that moment.
    ///
    /// # Errors
    /// When a status or a wait makes no sense; see [`MakeEventError`].
    pub fn new(
        statuses: Vec<StatusSettings>,
        ignore_period_s: Option<u32>,
        reports_count: bool,
    ) -> Result<Self, MakeEventError> {
        if !(2..=2 + CUSTOM_STATUSES_MAX).contains(&statuses.len()) {
            return Err(MakeEventError::StatusCount);
        }
        for (position, status) in statuses.iter().enumerate() {
            let waits = match position {
                0 => 0..=0,
                1 => 0..=OFFLINE_STATUS_WAIT_S_MAX,
                _ => 1..=CUSTOM_STATUS_WAIT_S_MAX,
            };
            if !waits.contains(&status.wait_s) {
                return Err(MakeEventError::StatusWait);
            }
            if !is_name(&status.name) {
                return Err(MakeEventError::Name);
            }
            if !status.color.as_deref().is_none_or(is_color) {
                return Err(MakeEventError::Color);
            }
            check_description(&status.description)?;
            status.notifying.check()?;
        }
        if ignore_period_s.is_some_and(|period_s| !(1..=IGNORE_PERIOD_S_MAX).contains(&period_s)) {
            return Err(MakeEventError::IgnorePeriod);
        }
        Ok(Self { statuses, ignore_period_s, reports_count })
    }

    /// Returns online, offline and the custom statuses.
    #[must_use]
    pub fn statuses(&self) -> &[StatusSettings] {
        &self.statuses
    }

    /// Returns a status; the last one where there are fewer by now.
    #[must_use]
    pub fn status(&self, index: StatusIndex) -> Option<&StatusSettings> {
        self.statuses.get(usize::from(index.0)).or(self.statuses.last())
    }

    /// Returns the offline-ignore period in seconds.
    #[must_use]
    pub const fn ignore_period_s(&self) -> Option<u32> {
        self.ignore_period_s
    }

    /// Says whether a device that sends data without a connection counts as connected at that moment.
    #[must_use]
    pub const fn reports_count(&self) -> bool {
        self.reports_count
    }

    /// Returns the statuses after online, each with the milliseconds from the disconnect until it applies and until it is
    /// told.
    fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let ignore_ms = i64::from(self.ignore_period_s.unwrap_or(0)) * 1_000;
        let mut applies_ms = 0_i64;
        (0_u8..).zip(&self.statuses).skip(1).map(move |(number, status)| {
            applies_ms = applies_ms.saturating_add(i64::from(status.wait_s) * 1_000);
            Step { status: StatusIndex(number), applies_ms, told_ms: applies_ms.max(ignore_ms) }
        })
    }
}

#[derive(Clone, Copy)]
struct Step {
    status: StatusIndex,
    applies_ms: i64,
    told_ms: i64,
}

fn is_color(color: &str) -> bool {
    color.strip_prefix('#').is_some_and(|d| d.len() == 6 && d.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// A change that somebody must hear of. Times are those at which the status began to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// This is the device's status from now on.
    Shown {
        /// Which.
        status: StatusIndex,
        /// Since when.
        at_ms: i64,
    },
    /// It belongs on the timeline, and people who asked for it are to be told.
    Told {
        /// Which.
        status: StatusIndex,
        /// Since when.
        at_ms: i64,
    },
}

/// The status of one device. Times are milliseconds of any clock that does not jump, counted from anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionStatus {
    contact: Contact,
    shown: StatusIndex,
    shown_at_ms: Option<i64>,
    told: Option<StatusIndex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contact {
    Connected,
    Away {
        since_ms: i64,
    },
    /// It was never there, so there is no absence to measure.
    Never,
}

impl ConnectionStatus {
    /// The status of a device that was never connected: offline, and nobody has to hear of it.
    pub const NEW: Self =
        Self { contact: Contact::Never, shown: StatusIndex::OFFLINE, shown_at_ms: None, told: None };

    /// Makes the status of a device from what was stored of it; it counts as away since `away_since_ms`.
    #[must_use]
    pub const fn resume(
        shown: StatusIndex,
        shown_at_ms: i64,
        told: Option<StatusIndex>,
        away_since_ms: i64,
    ) -> Self {
        Self {
            contact: Contact::Away { since_ms: away_since_ms },
            shown,
            shown_at_ms: Some(shown_at_ms),
            told,
        }
    }

    /// Returns the status that is shown.
    #[must_use]
    pub const fn shown(&self) -> StatusIndex {
        self.shown
    }

    /// Returns since when it applies; none for a device that was never connected.
    #[must_use]
    pub const fn shown_at_ms(&self) -> Option<i64> {
        self.shown_at_ms
    }

    /// Returns the status that was told last.
    #[must_use]
    pub const fn told(&self) -> Option<StatusIndex> {
        self.told
    }

    /// Says whether the device is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.contact == Contact::Connected
    }

    /// Returns since when the device is away; none while it is connected or was never there.
    #[must_use]
    pub const fn away_since_ms(&self) -> Option<i64> {
        match self.contact {
            Contact::Away { since_ms } => Some(since_ms),
            Contact::Connected | Contact::Never => None,
        }
    }

    /// Notes that the device is connected. What was due before `now_ms` comes first.
    #[must_use]
    pub fn connected(&mut self, lifecycle: &ConnectionLifecycle, now_ms: i64) -> Vec<StatusChange> {
        let mut changes = self.advance(lifecycle, now_ms);
        self.contact = Contact::Connected;
        let (status, at_ms) = (StatusIndex::ONLINE, now_ms);
        if self.shown != status || self.shown_at_ms.is_none() {
            (self.shown, self.shown_at_ms) = (status, Some(at_ms));
            changes.push(StatusChange::Shown { status, at_ms });
        }
        if self.told != Some(status) {
            self.told = Some(status);
            changes.push(StatusChange::Told { status, at_ms });
        }
        changes
    }

    /// Notes that the device is gone since `since_ms`. A device that is away already is away since it went.
    pub fn left(&mut self, since_ms: i64) {
        if self.contact == Contact::Connected {
            self.contact = Contact::Away { since_ms };
        }
    }

    /// Notes that data came without a connection: the device was there for a moment.
    #[must_use]
    pub fn reported(&mut self, lifecycle: &ConnectionLifecycle, now_ms: i64) -> Vec<StatusChange> {
        if self.contact == Contact::Connected {
            return Vec::new();
        }
        let changes = self.connected(lifecycle, now_ms);
        self.left(now_ms);
        changes
    }

    /// Applies the passing of time.
    #[must_use]
    pub fn advance(&mut self, lifecycle: &ConnectionLifecycle, now_ms: i64) -> Vec<StatusChange> {
        let Contact::Away { since_ms } = self.contact else { return Vec::new() };
        let away_ms = now_ms.saturating_sub(since_ms);
        // With the moment at which each is due: a status may apply before the one before it is told.
        let mut due = Vec::new();
        for Step { status, applies_ms, told_ms } in lifecycle.steps() {
            let at_ms = since_ms.saturating_add(applies_ms);
            if applies_ms <= away_ms && self.shown < status {
                (self.shown, self.shown_at_ms) = (status, Some(at_ms));
                due.push((applies_ms, StatusChange::Shown { status, at_ms }));
            }
            if told_ms <= away_ms && self.told < Some(status) {
                self.told = Some(status);
                due.push((told_ms, StatusChange::Told { status, at_ms }));
            }
        }
        due.sort_by_key(|(after_ms, _change)| *after_ms);
        due.into_iter().map(|(_after_ms, change)| change).collect()
    }

    /// Returns when [`ConnectionStatus::advance`] has something to do next; none while time changes nothing.
    #[must_use]
    pub fn next_timeout_ms(&self, lifecycle: &ConnectionLifecycle) -> Option<i64> {
        let Contact::Away { since_ms } = self.contact else { return None };
        lifecycle
            .steps()
            .flat_map(|step| {
                let applies = (self.shown < step.status).then_some(step.applies_ms);
                let told = (self.told < Some(step.status)).then_some(step.told_ms);
                [applies, told]
            })
            .flatten()
            .min()
            .map(|wait_ms| since_ms.saturating_add(wait_ms))
    }
}

#[cfg(test)]
mod tests;

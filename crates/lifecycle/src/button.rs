//! The push button: indication from 3 s, wipe on release after 10 s.

use crate::{Instant, Timings};

/// Where a press stands. Holds only moments still to come, so a machine can be moved in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Button {
    #[default]
    Up,
    Down {
        indicates_at: Instant,
        wipes_at: Instant,
    },
    Held {
        wipes_at: Instant,
    },
    Armed,
}

/// What letting go of the button means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    Nothing,
    Wipe,
}

impl Button {
    /// A second press without a release, as contacts that bounce make it, does not restart the count.
    pub(crate) fn press(&mut self, now: Instant, timings: &Timings) {
        if matches!(self, Self::Up) {
            *self = Self::Down {
                indicates_at: now.after(timings.button_indication),
                wipes_at: now.after(timings.button_wipe),
            };
        }
    }

    /// Ends the press; the time held decides, even when a timer came late.
    pub(crate) fn release(&mut self, now: Instant) -> Release {
        match core::mem::take(self) {
            Self::Armed => Release::Wipe,
            Self::Held { wipes_at } | Self::Down { wipes_at, .. } if wipes_at <= now => Release::Wipe,
            Self::Up | Self::Down { .. } | Self::Held { .. } => Release::Nothing,
        }
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        match *self {
            Self::Down { wipes_at, .. } | Self::Held { wipes_at } if wipes_at <= now => *self = Self::Armed,
            Self::Down { indicates_at, wipes_at } if indicates_at <= now => *self = Self::Held { wipes_at },
            Self::Up | Self::Down { .. } | Self::Held { .. } | Self::Armed => {}
        }
    }

    pub(crate) const fn is_up(self) -> bool {
        matches!(self, Self::Up)
    }

    pub(crate) const fn next_timeout(self) -> Option<Instant> {
        match self {
            Self::Up | Self::Armed => None,
            Self::Down { indicates_at, .. } => Some(indicates_at),
            Self::Held { wipes_at } => Some(wipes_at),
        }
    }

    pub(crate) const fn relative_to(self, origin: Instant) -> Self {
        match self {
            Self::Down { indicates_at, wipes_at } => Self::Down {
                indicates_at: indicates_at.relative_to(origin),
                wipes_at: wipes_at.relative_to(origin),
            },
            Self::Held { wipes_at } => Self::Held { wipes_at: wipes_at.relative_to(origin) },
            Self::Up | Self::Armed => self,
        }
    }
}

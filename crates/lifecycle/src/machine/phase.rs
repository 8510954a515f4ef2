//! The nine states with what each of them needs to remember.

use crate::networks::Round;
use crate::{HomeSource, Instant, State};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Before [`crate::Input::Booted`].
    Starting,
    WaitConfig,
    Configuring,
    SwitchToSta {
        until: Instant,
    },
    ConnectingNet(NetStep),
    ConnectingCloud {
        source: HomeSource,
        step: CloudStep,
        /// Failures in a row on the joined network.
        failure_count: u8,
    },
    Running {
        ota: OtaWait,
    },
    OtaUpgrade {
        until: Instant,
        is_joined: bool,
    },
    ResetConfig {
        /// When a failed wipe is repeated, or the wait for the receipt's acknowledgement ends; `None` while the store works.
        repeat_at: Option<Instant>,
        attempts_left: u8,
    },
    Error {
        until: Instant,
    },
    /// After [`crate::Output::Restart`].
    Restarting {
        shown: State,
    },
}

/// An ordered update on its way to `OTA_UPGRADE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum OtaWait {
    None,
    /// The cloud is not told yet.
    Ordered {
        announce_at: Instant,
        start_at: Instant,
    },
    /// The cloud is told; the event needs a moment to get out.
    Announced {
        start_at: Instant,
    },
}

impl OtaWait {
    const fn next_timeout(self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Ordered { announce_at, .. } => Some(announce_at),
            Self::Announced { start_at } => Some(start_at),
        }
    }

    fn relative_to(self, origin: Instant) -> Self {
        match self {
            Self::None => Self::None,
            Self::Ordered { announce_at, start_at } => Self::Ordered {
                announce_at: announce_at.relative_to(origin),
                start_at: start_at.relative_to(origin),
            },
            Self::Announced { start_at } => Self::Announced { start_at: start_at.relative_to(origin) },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum NetStep {
    /// Joins a stored network.
    Attempt { round: Round, ends_at: Instant },
    /// Joins the candidate's network.
    Trial { ends_at: Instant },
    /// Waits to try the stored networks again, or to go on with them.
    Pause {
        /// What is tried next.
        round: Round,
        retry_at: Instant,
        /// When the old home must be tried, visitor or not; set after a failed trial.
        latest_at: Option<Instant>,
        /// Set once the pause is over but goes on because of a visitor: when that ends in any case.
        hold_ends_at: Option<Instant>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum CloudStep {
    Attempt {
        ends_at: Instant,
    },
    Pause {
        retry_at: Instant,
    },
    /// The cloud accepted the candidate; the store writes it. What happens meanwhile is acted upon afterwards.
    Saving {
        link: LinkWhileSaving,
        is_erase_ordered: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum LinkWhileSaving {
    Session,
    NetworkOnly,
    Nothing,
}

impl CloudStep {
    pub(super) const fn uses_cloud(&self) -> bool {
        matches!(self, Self::Attempt { .. } | Self::Saving { .. })
    }
}

impl Phase {
    /// The state a person sees; `None` before boot.
    pub(super) const fn state(&self) -> Option<State> {
        Some(match self {
            Self::Starting => return None,
            Self::WaitConfig => State::WaitConfig,
            Self::Configuring => State::Configuring,
            Self::SwitchToSta { .. } => State::SwitchToSta,
            Self::ConnectingNet(_) => State::ConnectingNet,
            Self::ConnectingCloud { .. } => State::ConnectingCloud,
            Self::Running { .. } => State::Running,
            Self::OtaUpgrade { .. } => State::OtaUpgrade,
            Self::ResetConfig { .. } => State::ResetConfig,
            Self::Error { .. } => State::Error,
            Self::Restarting { shown } => *shown,
        })
    }

    /// The phase's own timer; visitors may change when it is due, see `Machine::phase_timeout`.
    pub(super) const fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Starting
            | Self::WaitConfig
            | Self::Configuring
            | Self::ConnectingCloud { step: CloudStep::Saving { .. }, .. }
            | Self::Restarting { .. } => None,
            Self::SwitchToSta { until } | Self::OtaUpgrade { until, .. } | Self::Error { until } => {
                Some(*until)
            }
            Self::ConnectingNet(NetStep::Attempt { ends_at, .. } | NetStep::Trial { ends_at })
            | Self::ConnectingCloud { step: CloudStep::Attempt { ends_at }, .. } => Some(*ends_at),
            Self::ConnectingNet(NetStep::Pause { retry_at, .. })
            | Self::ConnectingCloud { step: CloudStep::Pause { retry_at }, .. } => Some(*retry_at),
            Self::Running { ota } => ota.next_timeout(),
            Self::ResetConfig { repeat_at, .. } => *repeat_at,
        }
    }

    pub(super) fn relative_to(&self, origin: Instant) -> Self {
        let mut moved = self.clone();
        let shift = |at: &mut Instant| *at = at.relative_to(origin);
        match &mut moved {
            Self::SwitchToSta { until } | Self::OtaUpgrade { until, .. } | Self::Error { until } => {
                shift(until);
            }
            Self::ConnectingNet(NetStep::Attempt { ends_at, .. } | NetStep::Trial { ends_at })
            | Self::ConnectingCloud { step: CloudStep::Attempt { ends_at }, .. } => shift(ends_at),
            Self::ConnectingNet(NetStep::Pause { retry_at, latest_at, hold_ends_at, .. }) => {
                shift(retry_at);
                latest_at.as_mut().map(shift);
                hold_ends_at.as_mut().map(shift);
            }
            Self::ConnectingCloud { step: CloudStep::Pause { retry_at }, .. } => shift(retry_at),
            Self::Running { ota } => *ota = ota.relative_to(origin),
            Self::ResetConfig { repeat_at, .. } => {
                repeat_at.as_mut().map(shift);
            }
            Self::Starting
            | Self::WaitConfig
            | Self::Configuring
            | Self::ConnectingCloud { step: CloudStep::Saving { .. }, .. }
            | Self::Restarting { .. } => {}
        }
        moved
    }
}

//! From the radio to an accepted login: stored networks in rounds, the cloud with growing waits.

use core::time::Duration;

use super::phase::{CloudStep, LinkWhileSaving, NetStep, OtaWait, Phase};
use super::{LastError, Machine};
use crate::networks::{Round, StoredNetworks};
use crate::recovery::Reach;
use crate::{CloudError, ErrorCode, HomeSource, Instant, Output, RecoveryPolicy, StoreFault};

impl Machine {
    /// Tries the stored networks, best first.
    pub(super) fn start_stored_round(&mut self, now: Instant) {
        if self.home.is_some() {
            self.start_window(now);
            self.join_or_wait(now, StoredNetworks::first_round());
        } else {
            self.enter(Phase::WaitConfig);
        }
    }

    /// Joins the next network of a round, after whoever is at the hotspot: joining may move the radio's channel.
    fn join_or_wait(&mut self, now: Instant, round: Round) {
        if self.recovery() == RecoveryPolicy::Rehome && !round.has_waited && self.has_visitor(now) {
            let hold_ends_at = Some(now.after(self.settings.timings.visitor_pause_max));
            let pause = NetStep::Pause { round, retry_at: now, latest_at: None, hold_ends_at };
            self.enter(Phase::ConnectingNet(pause));
        } else {
            self.join_stored(now, round);
        }
    }

    fn has_visitor(&self, now: Instant) -> bool {
        self.is_hotspot_open() && self.visitors.present_until(now).is_some()
    }

    /// When the stored home is read again: only while nothing else is going on, so that it takes nobody's place.
    pub(super) fn home_read_due(&self) -> Option<Instant> {
        self.home_read_due.filter(|_| matches!(self.phase, Phase::WaitConfig | Phase::Configuring))
    }

    pub(super) fn read_home_again(&mut self, now: Instant) {
        self.home_read_due = Some(now.after(self.settings.timings.network_retry_max));
        self.push(Output::LoadHome);
    }

    pub(super) fn home_read(&mut self, now: Instant, result: Result<u8, StoreFault>) {
        if self.home.is_some() || !matches!(self.phase, Phase::WaitConfig | Phase::Configuring) {
            return;
        }
        match result {
            Err(StoreFault) => {
                let timings = &self.settings.timings;
                let wait =
                    self.network_backoff.next_wait(timings.network_retry_first, timings.network_retry_max);
                self.home_read_due = Some(now.after(wait));
            }
            Ok(network_count) if self.home_read_due.take().is_some() => {
                self.network_backoff.reset();
                self.home = StoredNetworks::new(network_count);
                if self.home.is_some() {
                    // The hotspot is open; it closes as after any other outage, once the home is reached.
                    self.reach = Reach::at_boot(now, Duration::ZERO);
                    self.start_stored_round(now);
                }
            }
            Ok(_) => {}
        }
    }

    pub(super) fn join_stored(&mut self, now: Instant, round: Round) {
        let ends_at = now.after(self.settings.timings.join_attempt);
        self.enter(Phase::ConnectingNet(NetStep::Attempt { round, ends_at }));
        self.push(Output::Join { source: HomeSource::Stored, network_index: round.network_index });
    }

    pub(super) fn network_joined(&mut self, now: Instant) {
        match self.phase {
            Phase::ConnectingNet(NetStep::Attempt { round, .. }) => {
                if let Some(home) = &mut self.home {
                    home.note_joined(round);
                }
                self.network_backoff.reset();
                self.reach.note_network_joined();
                self.windows.network_windows_left = self.window_count();
                self.start_window(now);
                self.connect_cloud(now, HomeSource::Stored, 0);
            }
            Phase::ConnectingNet(NetStep::Trial { .. }) => self.connect_cloud(now, HomeSource::Candidate, 0),
            _ => {}
        }
    }

    pub(super) fn connect_cloud(&mut self, now: Instant, source: HomeSource, failure_count: u8) {
        let limit = match source {
            HomeSource::Stored => self.settings.timings.cloud_attempt,
            HomeSource::Candidate => self.settings.timings.trial_cloud,
        };
        let step = CloudStep::Attempt { ends_at: now.after(limit) };
        self.enter(Phase::ConnectingCloud { source, step, failure_count });
        self.push(Output::ConnectCloud { source });
    }

    pub(super) fn network_failed(&mut self, now: Instant, code: ErrorCode) {
        match self.phase {
            Phase::ConnectingNet(NetStep::Attempt { round, .. }) => self.try_next_network(now, round, code),
            Phase::ConnectingNet(NetStep::Trial { .. }) => self.trial_failed(now, code),
            _ => {}
        }
    }

    pub(super) fn join_timed_out(&mut self, now: Instant) {
        if let Phase::ConnectingNet(NetStep::Attempt { round, .. }) = self.phase {
            self.push(Output::Leave);
            self.try_next_network(now, round, ErrorCode::NetworkTimeout);
        }
    }

    fn try_next_network(&mut self, now: Instant, round: Round, code: ErrorCode) {
        self.note_link_error(code);
        if let Some(next) = self.home.and_then(|home| home.next_in_round(round)) {
            self.join_or_wait(now, next);
            return;
        }
        self.reach.note_network_fault(now, &self.settings.timings);
        let timings = &self.settings.timings;
        let wait = match self.recovery() {
            RecoveryPolicy::Stock | RecoveryPolicy::Reset => timings.window_retry,
            RecoveryPolicy::Rehome => {
                let wait =
                    self.network_backoff.next_wait(timings.network_retry_first, timings.network_retry_max);
                self.jitter.shorten(wait, timings.jitter_percent)
            }
        };
        let retry_at = now.after(wait);
        let round = StoredNetworks::first_round();
        let pause = NetStep::Pause { round, retry_at, latest_at: None, hold_ends_at: None };
        self.enter(Phase::ConnectingNet(pause));
    }

    /// Tries again, unless somebody is at the hotspot and the radio would leave its channel under them.
    pub(super) fn network_pause_ended(&mut self, now: Instant) {
        let Phase::ConnectingNet(NetStep::Pause { mut round, retry_at, latest_at, hold_ends_at }) =
            self.phase
        else {
            return;
        };
        let has_visitor = self.has_visitor(now);
        let has_waited = hold_ends_at.is_some_and(|hold_ends_at| hold_ends_at <= now);
        let is_overdue = has_waited || latest_at.is_some_and(|latest_at| latest_at <= now);
        if has_visitor && !is_overdue {
            let hold_ends_at =
                Some(hold_ends_at.unwrap_or_else(|| now.after(self.settings.timings.visitor_pause_max)));
            self.phase = Phase::ConnectingNet(NetStep::Pause { round, retry_at, latest_at, hold_ends_at });
        } else if self.home.is_some() {
            round.has_waited = has_waited && has_visitor;
            self.join_stored(now, round);
        }
    }

    pub(super) fn network_lost(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::ConnectingCloud { step: CloudStep::Saving { link, .. }, .. } => {
                *link = LinkWhileSaving::Nothing;
            }
            Phase::ConnectingCloud { source: HomeSource::Candidate, .. } => {
                self.trial_failed(now, ErrorCode::NetworkTimeout);
            }
            Phase::ConnectingCloud { step, .. } => {
                if step.uses_cloud() {
                    self.push(Output::DisconnectCloud);
                }
                self.stored_network_lost(now);
            }
            Phase::Running { .. } => {
                self.push(Output::DisconnectCloud);
                self.stored_network_lost(now);
            }
            Phase::OtaUpgrade { is_joined, .. } => {
                *is_joined = false;
                self.reach.note_network_fault(now, &self.settings.timings);
            }
            Phase::ResetConfig { .. } => self.receipt_link_lost(Output::DisconnectCloud),
            _ => {}
        }
    }

    pub(super) fn stored_network_lost(&mut self, now: Instant) {
        self.reach.note_network_fault(now, &self.settings.timings);
        self.start_stored_round(now);
    }

    pub(super) fn login_accepted(&mut self) {
        match &mut self.phase {
            Phase::ConnectingCloud {
                source: HomeSource::Stored, step: CloudStep::Attempt { .. }, ..
            } => {
                self.note_accepted();
                self.enter(Phase::Running { ota: OtaWait::None });
            }
            Phase::ConnectingCloud { source: HomeSource::Candidate, step, .. }
                if matches!(step, CloudStep::Attempt { .. }) =>
            {
                *step = CloudStep::Saving { link: LinkWhileSaving::Session, is_erase_ordered: false };
                self.push(Output::SaveCandidate);
            }
            _ => {}
        }
    }

    /// Clears everything that spoke against the stored home.
    pub(super) fn note_accepted(&mut self) {
        self.reach = Reach::accepted();
        self.network_backoff.reset();
        self.cloud_backoff.reset();
        self.token_backoff.reset();
        self.windows.ends_at = None;
        self.windows.network_windows_left = self.window_count();
        self.windows.cloud_windows_left = self.window_count();
        if matches!(self.last_error, LastError::Link(_)) {
            self.last_error = LastError::None;
        }
    }

    pub(super) fn login_refused(&mut self, now: Instant, verified_tls: bool) {
        let Phase::ConnectingCloud { source, step: CloudStep::Attempt { .. }, failure_count } = self.phase
        else {
            return;
        };
        if source == HomeSource::Candidate {
            self.trial_refused(now);
            return;
        }
        self.note_link_error(ErrorCode::TokenRefused);
        match self.recovery() {
            RecoveryPolicy::Stock => {
                self.release_links();
                self.windows.ends_at = None;
                self.enter(Phase::WaitConfig);
            }
            RecoveryPolicy::Reset => self.start_wipe(),
            RecoveryPolicy::Rehome => {
                self.reach.note_token_refused();
                let timings = &self.settings.timings;
                let max =
                    if verified_tls { timings.token_retry_max } else { timings.unproven_token_retry_max };
                let wait = self.token_backoff.next_wait(timings.token_retry_first, max);
                let retry_at = now.after(self.jitter.shorten(wait, timings.jitter_percent));
                self.push(Output::DisconnectCloud);
                let step = CloudStep::Pause { retry_at };
                self.enter(Phase::ConnectingCloud { source, step, failure_count });
            }
        }
    }

    pub(super) fn cloud_timed_out(&mut self, now: Instant) {
        self.cloud_failed(now, CloudError::Timeout);
    }

    pub(super) fn cloud_failed(&mut self, now: Instant, error: CloudError) {
        let Phase::ConnectingCloud { source, step: CloudStep::Attempt { .. }, failure_count } = self.phase
        else {
            return;
        };
        if source == HomeSource::Candidate {
            self.trial_failed(now, error.code());
            return;
        }
        self.push(Output::DisconnectCloud);
        self.note_link_error(error.code());
        let mut failure_count = failure_count.saturating_add(1);
        if error == CloudError::CaptivePortal {
            // Such a network leads nowhere by itself: for the owner that is the same as no network.
            self.reach.note_network_fault(now, &self.settings.timings);
            failure_count = failure_count.max(self.settings.timings.cloud_failures_per_network);
        }
        self.pause_cloud(now, failure_count);
    }

    pub(super) fn cloud_lost(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::ConnectingCloud {
                step: CloudStep::Saving { link: link @ LinkWhileSaving::Session, .. },
                ..
            } => *link = LinkWhileSaving::NetworkOnly,
            Phase::Running { .. } => self.stored_session_lost(now),
            Phase::ResetConfig { .. } => self.receipt_link_lost(Output::Leave),
            _ => {}
        }
    }

    /// The network is still there: log in again after a short wait, so that a cloud that restarts is not overrun.
    pub(super) fn stored_session_lost(&mut self, now: Instant) {
        self.start_window(now);
        self.pause_cloud(now, 0);
    }

    fn pause_cloud(&mut self, now: Instant, failure_count: u8) {
        let timings = &self.settings.timings;
        let wait = match self.recovery() {
            RecoveryPolicy::Stock | RecoveryPolicy::Reset => timings.window_retry,
            RecoveryPolicy::Rehome => {
                let wait = self.cloud_backoff.next_wait(timings.cloud_retry_first, timings.cloud_retry_max);
                self.jitter.shorten(wait, timings.jitter_percent)
            }
        };
        let step = CloudStep::Pause { retry_at: now.after(wait) };
        let failure_count = failure_count.min(timings.cloud_failures_per_network.saturating_mul(2));
        self.enter(Phase::ConnectingCloud { source: HomeSource::Stored, step, failure_count });
    }

    pub(super) fn cloud_pause_ended(&mut self, now: Instant) {
        let Phase::ConnectingCloud { failure_count, .. } = self.phase else { return };
        let failure_limit = self.settings.timings.cloud_failures_per_network;
        let is_elsewhere_better = failure_count >= failure_limit;
        // A visitor delays the change of channel by as many failures again, so not for ever.
        let may_move = !self.is_hotspot_open()
            || self.visitors.present_until(now).is_none()
            || failure_count >= failure_limit.saturating_mul(2);
        match self.home.filter(|home| home.count() > 1) {
            Some(home) if may_move && is_elsewhere_better && self.recovery() == RecoveryPolicy::Rehome => {
                self.push(Output::Leave);
                self.reach.note_network_change(now, &self.settings.timings);
                self.join_stored(now, home.round_elsewhere());
            }
            _ => self.connect_cloud(now, HomeSource::Stored, failure_count),
        }
    }

    /// Begins an attempt window of `stock` or `reset`; `rehome` has one only at boot.
    pub(super) fn start_window(&mut self, now: Instant) {
        let length = match self.recovery() {
            RecoveryPolicy::Rehome => return,
            RecoveryPolicy::Stock => self.settings.timings.stock_window,
            RecoveryPolicy::Reset => self.settings.timings.reset_window,
        };
        self.windows.ends_at = Some(now.after(length));
    }

    pub(super) fn window_ended(&mut self, now: Instant) {
        self.windows.ends_at = None;
        match (self.recovery(), &self.phase) {
            (
                RecoveryPolicy::Rehome,
                Phase::ConnectingNet(NetStep::Attempt { .. } | NetStep::Pause { .. }),
            ) if !self.is_hotspot_open() => {
                self.note_link_error(ErrorCode::NetworkTimeout);
                self.enter_error(now);
            }
            (RecoveryPolicy::Rehome, _) => {}
            (_, Phase::ConnectingNet(NetStep::Attempt { .. } | NetStep::Pause { .. })) => {
                self.windows.network_windows_left = self.windows.network_windows_left.saturating_sub(1);
                if self.windows.network_windows_left == 0 {
                    self.windows.network_windows_left = self.window_count();
                    self.note_link_error(ErrorCode::NetworkTimeout);
                    self.enter_error(now);
                } else {
                    self.release_links();
                    self.start_stored_round(now);
                }
            }
            (_, Phase::ConnectingCloud { source: HomeSource::Stored, step, .. }) => {
                let uses_cloud = step.uses_cloud();
                self.windows.cloud_windows_left = self.windows.cloud_windows_left.saturating_sub(1);
                if self.windows.cloud_windows_left == 0 {
                    self.note_link_error(ErrorCode::CloudTimeout);
                    self.enter_error(now);
                } else {
                    if uses_cloud {
                        self.push(Output::DisconnectCloud);
                    }
                    self.start_window(now);
                    self.connect_cloud(now, HomeSource::Stored, 0);
                }
            }
            _ => {}
        }
    }
}

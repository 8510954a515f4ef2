//! What people do to a device: the portal, a new home on trial, the wipe.

use super::phase::{CloudStep, LinkWhileSaving, NetStep, OtaWait, Phase};
use super::{Candidate, LastError, Machine, Receipt};
use crate::networks::StoredNetworks;
use crate::recovery::{Hotspot, Reach};
use crate::{ErrorCode, HomeSource, Instant, Output, RecoveryPolicy, StoreFault};

impl Machine {
    /// Whether a submitted home would be tried now. While it is `false` the shell keeps its candidate slot unchanged and
    /// the portal answers that the device is busy.
    #[must_use]
    pub fn accepts_candidate(&self) -> bool {
        if !self.is_hotspot_open() {
            return false;
        }
        match self.phase {
            Phase::WaitConfig | Phase::Configuring => true,
            Phase::Starting
            | Phase::ConnectingCloud { step: CloudStep::Saving { .. }, .. }
            | Phase::OtaUpgrade { .. }
            | Phase::ResetConfig { .. }
            | Phase::Restarting { .. } => false,
            Phase::SwitchToSta { .. }
            | Phase::ConnectingNet(_)
            | Phase::ConnectingCloud { .. }
            | Phase::Running { .. }
            | Phase::Error { .. } => self.recovery() == RecoveryPolicy::Rehome,
        }
    }

    /// Whether `/reset` of the portal would erase: under `rehome` only where no home is stored, because the portal is
    /// open to anybody nearby while a home waits for its network.
    #[must_use]
    pub const fn accepts_portal_reset(&self) -> bool {
        matches!(self.phase, Phase::WaitConfig | Phase::Configuring)
            && (!self.has_home() || !matches!(self.settings.recovery, RecoveryPolicy::Rehome))
    }

    pub(super) fn station_detached(&mut self) {
        self.visitors.note_detached();
        if !self.visitors.has_stations() && matches!(self.phase, Phase::Configuring) {
            self.enter(Phase::WaitConfig);
        }
    }

    pub(super) fn board_info_read(&mut self, now: Instant) {
        self.visitors.note_request(now, &self.settings.timings);
        if matches!(self.phase, Phase::WaitConfig) {
            self.enter(Phase::Configuring);
        }
    }

    pub(super) fn portal_reboot(&mut self) {
        let is_storing = matches!(
            self.phase,
            Phase::ResetConfig { .. } | Phase::ConnectingCloud { step: CloudStep::Saving { .. }, .. }
        );
        if self.is_hotspot_open() && !is_storing {
            self.restart();
        }
    }

    pub(super) fn candidate_submitted(&mut self, now: Instant, network_count: u8) {
        if !self.accepts_candidate() {
            return;
        }
        self.visitors.note_request(now, &self.settings.timings);
        let Some(networks) = StoredNetworks::new(network_count) else {
            if self.candidate.is_some() {
                // The unusable home has taken the place of the one on trial.
                self.trial_failed(now, ErrorCode::BadConfig);
            } else {
                self.push(Output::DropCandidate);
                self.note_trial_error(ErrorCode::BadConfig);
            }
            return;
        };
        let return_by = now.after(self.settings.timings.trial_return);
        self.candidate = Some(Candidate { networks, return_by });
        self.last_error = LastError::None;
        self.is_success_unread = false;
        self.windows.ends_at = None;
        self.release_links();
        self.enter(Phase::SwitchToSta { until: now.after(self.settings.timings.switch_to_sta) });
    }

    pub(super) fn start_trial(&mut self, now: Instant) {
        let ends_at = now.after(self.settings.timings.trial_join);
        self.enter(Phase::ConnectingNet(NetStep::Trial { ends_at }));
        self.push(Output::Join { source: HomeSource::Candidate, network_index: 0 });
    }

    /// The candidate is given up at whatever step it was; the stored home, if there is one, is tried again.
    pub(super) fn trial_failed(&mut self, now: Instant, code: ErrorCode) {
        self.release_links();
        self.note_trial_error(code);
        let return_by = self.candidate.map_or(now, |candidate| candidate.return_by);
        self.drop_candidate();
        match self.recovery() {
            RecoveryPolicy::Stock | RecoveryPolicy::Reset => self.enter_error(now),
            RecoveryPolicy::Rehome if self.home.is_some() => self.return_to_stored_home(now, return_by),
            RecoveryPolicy::Rehome => self.enter(Phase::WaitConfig),
        }
    }

    /// Lets the person read the answer first; a visitor may delay the attempt up to `return_by`, no longer.
    fn return_to_stored_home(&mut self, now: Instant, return_by: Instant) {
        // The trial took the device off its network; until it is back, the hotspot is judged as if it had been lost.
        self.reach.note_network_fault(now, &self.settings.timings);
        let retry_at = now.after(self.settings.timings.trial_result).min(return_by);
        let round = StoredNetworks::first_round();
        let pause = NetStep::Pause { round, retry_at, latest_at: Some(return_by), hold_ends_at: None };
        self.enter(Phase::ConnectingNet(pause));
    }

    pub(super) fn trial_refused(&mut self, now: Instant) {
        match self.recovery() {
            RecoveryPolicy::Rehome => self.trial_failed(now, ErrorCode::TokenRefused),
            RecoveryPolicy::Stock => {
                self.release_links();
                self.note_trial_error(ErrorCode::TokenRefused);
                self.drop_candidate();
                self.enter(Phase::WaitConfig);
            }
            RecoveryPolicy::Reset => {
                self.note_trial_error(ErrorCode::TokenRefused);
                self.start_wipe();
            }
        }
    }

    fn note_trial_error(&mut self, code: ErrorCode) {
        self.last_error = LastError::Trial(code);
        self.push(Output::ReportError(code));
    }

    pub(super) fn candidate_saved(&mut self, now: Instant, result: Result<(), StoreFault>) {
        let Phase::ConnectingCloud { step: CloudStep::Saving { link, is_erase_ordered }, .. } = self.phase
        else {
            return;
        };
        if result.is_err() {
            self.trial_failed(now, ErrorCode::BadConfig);
            return;
        }
        if let Some(candidate) = self.candidate.take() {
            self.home = Some(candidate.networks);
        }
        // What the hotspot was asked for is done.
        self.held_open_until = None;
        self.home_read_due = None;
        self.is_success_unread = self.is_hotspot_open();
        self.note_accepted();
        match link {
            // The order came from the session of the home that is stored now.
            _ if is_erase_ordered => self.start_wipe(),
            LinkWhileSaving::Session => self.enter(Phase::Running { ota: OtaWait::None }),
            LinkWhileSaving::NetworkOnly => self.stored_session_lost(now),
            LinkWhileSaving::Nothing => {
                self.push(Output::DisconnectCloud);
                self.reach.note_network_fault(now, &self.settings.timings);
                self.start_window(now);
                // Whoever submitted this home a moment ago wants the radio to move.
                self.join_stored(now, StoredNetworks::first_round());
            }
        }
    }

    /// Whoever waited for the result has it; the hotspot stays for the moment in which the page is looked at.
    pub(super) fn result_read(&mut self, now: Instant) {
        let was_unread = core::mem::take(&mut self.is_success_unread);
        if let (true, Phase::Running { .. }, Hotspot::OpenUntil(at)) = (was_unread, &self.phase, self.hotspot)
        {
            let lingers_until = now.after(self.settings.timings.hotspot_linger_online);
            let until = self.held_open_until.map_or(lingers_until, |held| held.max(lingers_until));
            self.hotspot = Hotspot::OpenUntil(at.min(until));
        }
    }

    pub(super) fn config_start_ordered(&mut self, now: Instant) {
        match self.phase {
            Phase::WaitConfig
            | Phase::Configuring
            | Phase::OtaUpgrade { .. }
            | Phase::ResetConfig { .. }
            | Phase::ConnectingCloud { step: CloudStep::Saving { .. }, .. } => return,
            _ => {}
        }
        if self.recovery() == RecoveryPolicy::Rehome {
            self.open_hotspot_for_a_while(now);
        } else {
            self.release_links();
            self.drop_candidate();
            self.windows.ends_at = None;
            self.enter(Phase::WaitConfig);
        }
    }

    /// Takes `config start` or the power-up gesture back. A hotspot that the device needs stays open.
    pub(super) fn config_stop_ordered(&mut self) {
        self.held_open_until = None;
        if self.recovery() == RecoveryPolicy::Rehome && matches!(self.hotspot, Hotspot::OpenUntil(_)) {
            self.close_hotspot();
        }
    }

    /// Opens the hotspot because somebody on the spot asked for it; the device goes on trying its home meanwhile.
    pub(super) fn open_hotspot_for_a_while(&mut self, now: Instant) {
        if self.is_door_locked {
            return;
        }
        let until = now.after(self.settings.timings.config_start);
        self.held_open_until = Some(self.held_open_until.map_or(until, |held| held.max(until)));
        match self.hotspot {
            Hotspot::Open => {}
            Hotspot::OpenUntil(at) => self.hotspot = Hotspot::OpenUntil(at.max(until)),
            Hotspot::Closed => {
                self.hotspot = Hotspot::OpenUntil(until);
                self.push(Output::OpenHotspot);
            }
        }
    }

    /// Erases the stored home. The callers are the only authorities for it.
    pub(super) fn start_wipe(&mut self) {
        if matches!(self.phase, Phase::ResetConfig { .. }) {
            return;
        }
        self.release_links();
        self.wipe();
    }

    /// Erases the stored home on a proven order. A session stays up for the receipt; the order came in it.
    pub(super) fn release_proven(&mut self) {
        if matches!(self.phase, Phase::Running { .. }) {
            self.receipt = Receipt::Owed;
            self.wipe();
        } else {
            self.start_wipe();
        }
    }

    fn wipe(&mut self) {
        self.drop_candidate();
        self.windows.ends_at = None;
        let attempts_left = self.settings.timings.wipe_attempts;
        self.enter(Phase::ResetConfig { repeat_at: None, attempts_left });
        self.push(Output::WipeHome);
    }

    pub(super) fn home_wiped(&mut self, now: Instant, result: Result<(), StoreFault>) {
        let Phase::ResetConfig { repeat_at: None, attempts_left } = self.phase else { return };
        match result {
            Ok(()) => {
                self.home = None;
                self.home_read_due = None;
                self.held_open_until = None;
                self.reach = Reach::default();
                self.last_error = LastError::None;
                self.is_success_unread = false;
                if self.receipt == Receipt::Owed {
                    self.receipt = Receipt::Sent;
                    let repeat_at = Some(now.after(self.settings.timings.receipt_wait));
                    self.phase = Phase::ResetConfig { repeat_at, attempts_left };
                    self.push(Output::SendReceipt);
                } else {
                    self.enter(Phase::WaitConfig);
                }
            }
            // The store finishes an interrupted wipe at boot, before anything else.
            Err(StoreFault) if attempts_left <= 1 => self.restart(),
            Err(StoreFault) => {
                let repeat_at = Some(now.after(self.settings.timings.wipe_retry));
                self.phase = Phase::ResetConfig { repeat_at, attempts_left: attempts_left - 1 };
            }
        }
    }

    /// The cloud has the receipt, or has had its time: nothing is left to be said to it.
    pub(super) fn receipt_acknowledged(&mut self) {
        if self.receipt == Receipt::Sent {
            self.push(Output::DisconnectCloud);
            self.push(Output::Leave);
            self.end_release();
        }
    }

    /// The session kept for the receipt has ended; the wipe goes on without it.
    pub(super) fn receipt_link_lost(&mut self, left_over: Output) {
        match self.receipt {
            Receipt::None => {}
            Receipt::Owed => {
                self.receipt = Receipt::None;
                self.push(left_over);
            }
            Receipt::Sent => {
                self.push(left_over);
                self.end_release();
            }
        }
    }

    fn end_release(&mut self) {
        self.receipt = Receipt::None;
        self.enter(Phase::WaitConfig);
    }

    pub(super) fn repeat_wipe(&mut self) {
        if let Phase::ResetConfig { repeat_at, .. } = &mut self.phase {
            *repeat_at = None;
            self.push(Output::WipeHome);
        }
    }
}

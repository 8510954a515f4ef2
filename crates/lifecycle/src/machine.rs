//! The state machine: dispatch of inputs, timers, outputs.

mod connecting;
mod phase;
mod provisioning;
mod running;
mod update;

#[cfg(test)]
mod tests;

use crate::button::{Button, Release};
use crate::firmware_trial::FirmwareTrial;
use crate::networks::StoredNetworks;
use crate::recovery::{Hotspot, Reach, Visitors};
use crate::retry::{Backoff, Jitter};
use crate::{
    Boot, EraseOrder, ErrorCode, GESTURE_POWER_UP_COUNT, Indication, Input, Instant, Output, RecoveryPolicy,
    Settings, State,
};
use phase::{CloudStep, NetStep, Phase};

/// Most outputs one input can cause. The exploration proves that the queue never fills.
const OUTPUT_QUEUE_LEN_MAX: usize = 16;

/// The life of one device from power-on to restart.
///
/// Every moment it stores lies in the future ("when this is due"), never in the past, so
/// [`Machine::relative_to`] can move it in time without changing what it does next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine {
    settings: Settings,
    jitter: Jitter,
    phase: Phase,
    home: Option<StoredNetworks>,
    /// A home is stored that could not be read; then it is read again.
    home_read_due: Option<Instant>,
    candidate: Option<Candidate>,
    hotspot: Hotspot,
    /// Somebody on the spot asked for the hotspot: it is not closed before this.
    held_open_until: Option<Instant>,
    /// Somebody guessed at the proof of possession too often; only a power-on opens the hotspot again.
    is_door_locked: bool,
    reach: Reach,
    visitors: Visitors,
    windows: Windows,
    network_backoff: Backoff,
    cloud_backoff: Backoff,
    token_backoff: Backoff,
    button: Button,
    last_error: LastError,
    /// A submitted home was stored, and nobody at the hotspot has read so yet.
    is_success_unread: bool,
    receipt: Receipt,
    firmware_trial: FirmwareTrial,
    indication: Option<Indication>,
    outputs: heapless::Vec<Output, OUTPUT_QUEUE_LEN_MAX>,
}

/// A submitted home that the cloud has not accepted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Candidate {
    networks: StoredNetworks,
    /// When the old home must be tried again at the latest.
    return_by: Instant,
}

/// Longer stretches of trying: the boot window of `rehome`, the attempt windows of `stock` and `reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Windows {
    ends_at: Option<Instant>,
    network_windows_left: u16,
    cloud_windows_left: u16,
}

/// Where the receipt of a proven release stands while the home is wiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Receipt {
    /// None is owed: nobody in a cloud session asked, or that session has ended.
    #[default]
    None,
    /// The session that brought the order is kept for it.
    Owed,
    /// It is out; the acknowledgement is waited for.
    Sent,
}

/// The error a person should see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum LastError {
    #[default]
    None,
    /// From the stored home's attempts; replaced by the next one, cleared when online.
    Link(ErrorCode),
    /// From a failed trial; stays readable while the old home is tried.
    Trial(ErrorCode),
}

impl Machine {
    /// Makes a machine that waits for [`Input::Booted`]. `jitter_seed` decides the random part of waits and should differ
    /// between devices and boots.
    #[must_use]
    pub fn new(settings: Settings, jitter_seed: u32) -> Self {
        Self {
            settings,
            jitter: Jitter::new(jitter_seed),
            phase: Phase::Starting,
            home: None,
            home_read_due: None,
            candidate: None,
            hotspot: Hotspot::Closed,
            held_open_until: None,
            is_door_locked: false,
            reach: Reach::default(),
            visitors: Visitors::default(),
            windows: Windows::default(),
            network_backoff: Backoff::default(),
            cloud_backoff: Backoff::default(),
            token_backoff: Backoff::default(),
            button: Button::Up,
            last_error: LastError::None,
            is_success_unread: false,
            receipt: Receipt::None,
            firmware_trial: FirmwareTrial::Over,
            indication: None,
            outputs: heapless::Vec::new(),
        }
    }

    /// Says whether unsigned erase orders count from now on. The shell calls it whenever the stored home gains or loses
    /// a release key: after boot, save, claim and wipe.
    pub const fn set_erase_order(&mut self, erase_order: EraseOrder) {
        self.settings.erase_order = erase_order;
    }

    /// Applies one event that happened at `now`. Drain [`Machine::poll_output`] before the next call.
    ///
    /// An event that does not fit the present state changes nothing; nothing here can fail or panic.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match (&self.phase, input) {
            (Phase::Starting, Input::Booted(boot)) => self.boot(now, boot),
            (Phase::Starting | Phase::Restarting { .. }, _) | (_, Input::Booted(_)) => return,
            (_, Input::TimerFired) => self.run_timers(now),
            (_, input) => self.apply(now, input),
        }
        self.settle(now);
    }

    /// Returns the next thing the shell must do; `None` when everything is done.
    pub fn poll_output(&mut self, _now: Instant) -> Option<Output> {
        (!self.outputs.is_empty()).then(|| self.outputs.remove(0))
    }

    /// When [`Input::TimerFired`] is due; `None` when only an event can change anything.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Starting | Phase::Restarting { .. }) {
            return None;
        }
        let is_hotspot_timed = self.recovery() == RecoveryPolicy::Rehome
            && !self.is_door_locked
            && self.hotspot != Hotspot::Open
            && !matches!(self.phase, Phase::ResetConfig { .. });
        let opens_at = self.reach.next_timeout().filter(|_| is_hotspot_timed);
        let closes_at = match self.hotspot {
            Hotspot::OpenUntil(at) if is_hotspot_timed => Some(at),
            Hotspot::OpenUntil(_) | Hotspot::Open | Hotspot::Closed => None,
        };
        [
            opens_at,
            closes_at,
            self.phase_timeout(),
            self.windows.ends_at,
            self.button.next_timeout(),
            self.firmware_trial_ends_at(),
            self.home_read_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The state a person sees; `WAIT_CONFIG` before [`Input::Booted`].
    #[must_use]
    pub fn state(&self) -> State {
        self.phase.state().unwrap_or(State::WaitConfig)
    }

    /// Whether the hotspot is (to be) open.
    #[must_use]
    pub const fn is_hotspot_open(&self) -> bool {
        self.hotspot.is_open()
    }

    /// Whether the hotspot is open although a home is stored.
    #[must_use]
    pub const fn is_in_recovery(&self) -> bool {
        self.hotspot.is_open() && self.has_home()
    }

    /// Whether a home is stored, be it one that could not be read yet.
    #[must_use]
    pub const fn has_home(&self) -> bool {
        self.home.is_some() || self.home_read_due.is_some()
    }

    /// Whether a submitted home is on trial, and therefore not stored yet.
    #[must_use]
    pub const fn is_trying_candidate(&self) -> bool {
        self.candidate.is_some()
    }

    /// Why the device is not online, or why the last submitted home failed.
    #[must_use]
    pub const fn last_error(&self) -> Option<ErrorCode> {
        match self.last_error {
            LastError::None => None,
            LastError::Link(code) | LastError::Trial(code) => Some(code),
        }
    }

    /// Whether the last error belongs to a submitted home that failed its trial.
    #[must_use]
    pub const fn is_last_error_from_trial(&self) -> bool {
        matches!(self.last_error, LastError::Trial(_))
    }

    /// The same machine on a clock that reads zero at `origin`: it does the same things after the same waits.
    #[must_use]
    pub fn relative_to(&self, origin: Instant) -> Self {
        let mut moved = self.clone();
        moved.phase = self.phase.relative_to(origin);
        moved.home_read_due = self.home_read_due.map(|due_at| due_at.relative_to(origin));
        moved.candidate = self
            .candidate
            .map(|candidate| Candidate { return_by: candidate.return_by.relative_to(origin), ..candidate });
        if let Hotspot::OpenUntil(at) = self.hotspot {
            moved.hotspot = Hotspot::OpenUntil(at.relative_to(origin));
        }
        // A moment that is over is forgotten, so that equal situations compare equal.
        moved.held_open_until =
            self.held_open_until.filter(|until| *until > origin).map(|until| until.relative_to(origin));
        moved.reach = self.reach.relative_to(origin);
        moved.visitors = self.visitors.relative_to(origin);
        moved.windows.ends_at = self.windows.ends_at.map(|ends_at| ends_at.relative_to(origin));
        moved.button = self.button.relative_to(origin);
        moved.firmware_trial = self.firmware_trial.relative_to(origin);
        moved
    }

    fn boot(&mut self, now: Instant, boot: Boot) {
        self.is_door_locked = boot.is_door_locked;
        self.last_error = boot.last_error.map_or(LastError::None, LastError::Link);
        self.home = StoredNetworks::new(boot.stored_network_count);
        self.windows.network_windows_left = self.window_count();
        self.windows.cloud_windows_left = self.window_count();
        if self.home.is_none() {
            self.enter(Phase::WaitConfig);
            return;
        }
        let timings = &self.settings.timings;
        self.reach = Reach::at_boot(now, timings.boot_window.saturating_add(timings.error));
        if self.recovery() == RecoveryPolicy::Rehome {
            self.windows.ends_at = Some(now.after(self.settings.timings.boot_window));
        }
        self.start_stored_round(now);
        if self.recovery() == RecoveryPolicy::Rehome && boot.short_power_up_count >= GESTURE_POWER_UP_COUNT {
            self.open_hotspot_for_a_while(now);
        }
    }

    fn apply(&mut self, now: Instant, input: Input) {
        match input {
            Input::NetworkJoined => self.network_joined(now),
            Input::NetworkFailed(error) => self.network_failed(now, error.code()),
            Input::NetworkLost => self.network_lost(now),
            Input::LoginAccepted => self.login_accepted(),
            Input::LoginRefused { verified_tls } => self.login_refused(now, verified_tls),
            Input::CloudFailed(error) => self.cloud_failed(now, error),
            Input::CloudLost => self.cloud_lost(now),
            Input::StationAttached | Input::PortalRequested | Input::BoardInfoRead
                if !self.is_hotspot_open() => {}
            Input::StationAttached => self.visitors.note_attached(now, &self.settings.timings),
            Input::StationDetached => self.station_detached(),
            Input::PortalRequested => self.visitors.note_request(now, &self.settings.timings),
            Input::BoardInfoRead => self.board_info_read(now),
            Input::CandidateSubmitted { network_count } => self.candidate_submitted(now, network_count),
            Input::ResultRead => self.result_read(now),
            Input::ProofsUsedUp => self.is_door_locked = true,
            Input::PortalReset if self.accepts_portal_reset() => self.start_wipe(),
            // Not for this state, or handled before.
            Input::PortalReset | Input::Booted(_) | Input::TimerFired => {}
            Input::PortalReboot => self.portal_reboot(),
            Input::ButtonPressed => self.button.press(now, &self.settings.timings),
            Input::ButtonReleased => {
                if self.button.release(now) == Release::Wipe {
                    self.start_wipe();
                }
            }
            Input::ConfigEraseOrdered => self.config_erase_ordered(),
            Input::ConfigStartOrdered => self.config_start_ordered(now),
            Input::ConfigStopOrdered => self.config_stop_ordered(),
            Input::ReleaseProven => self.release_proven(),
            Input::ReceiptAcknowledged => self.receipt_acknowledged(),
            Input::HomeRead(result) => self.home_read(now, result),
            Input::Saved(result) => self.candidate_saved(now, result),
            Input::Wiped(result) => self.home_wiped(now, result),
            Input::OtaOrdered => self.ota_ordered(now),
            Input::OtaFinished(result) => self.ota_finished(now, result),
            Input::FirmwareOnTrial => self.start_firmware_trial(now),
            Input::FirmwareConfirmed(result) => self.firmware_confirmed(result),
        }
    }

    fn run_timers(&mut self, now: Instant) {
        self.button.advance(now);
        if self.windows.ends_at.is_some_and(|ends_at| ends_at <= now) {
            self.window_ended(now);
        }
        if self.phase_timeout().is_some_and(|due_at| due_at <= now) {
            self.phase_timer_fired(now);
        }
        if self.home_read_due().is_some_and(|due_at| due_at <= now) {
            self.read_home_again(now);
        }
        if self.firmware_trial_ends_at().is_some_and(|ends_at| ends_at <= now) {
            self.firmware_trial_failed();
        }
    }

    fn phase_timer_fired(&mut self, now: Instant) {
        match self.phase {
            Phase::Configuring => self.enter(Phase::WaitConfig),
            Phase::SwitchToSta { .. } => self.start_trial(now),
            Phase::ConnectingNet(NetStep::Attempt { .. }) => self.join_timed_out(now),
            Phase::ConnectingNet(NetStep::Trial { .. }) => self.trial_failed(now, ErrorCode::NetworkTimeout),
            Phase::ConnectingNet(NetStep::Pause { .. }) => self.network_pause_ended(now),
            Phase::ConnectingCloud { step: CloudStep::Attempt { .. }, .. } => self.cloud_timed_out(now),
            Phase::ConnectingCloud { step: CloudStep::Pause { .. }, .. } => self.cloud_pause_ended(now),
            Phase::Running { .. } => self.ota_due(now),
            Phase::OtaUpgrade { .. } => self.ota_timed_out(now),
            Phase::ResetConfig { .. } if self.receipt == Receipt::Sent => self.receipt_acknowledged(),
            Phase::ResetConfig { .. } => self.repeat_wipe(),
            Phase::Error { .. } => self.error_shown(now),
            Phase::Starting
            | Phase::WaitConfig
            | Phase::ConnectingCloud { step: CloudStep::Saving { .. }, .. }
            | Phase::Restarting { .. } => {}
        }
    }

    /// When the present phase changes by itself.
    fn phase_timeout(&self) -> Option<Instant> {
        match &self.phase {
            // The last request of a visitor who never was a station ends the set-up; stations end it by leaving.
            Phase::Configuring if self.visitors.has_stations() => None,
            Phase::Configuring => Some(self.visitors.present_until(Instant::BOOT).unwrap_or(Instant::BOOT)),
            Phase::ConnectingNet(NetStep::Pause {
                retry_at,
                latest_at,
                hold_ends_at: Some(hold_ends_at),
                ..
            }) => {
                let visit_ends_at = self.visitors.present_until(Instant::BOOT).unwrap_or(*retry_at);
                let held_until = visit_ends_at.min(*hold_ends_at);
                Some(latest_at.map_or(held_until, |latest_at| latest_at.min(held_until)))
            }
            phase => phase.next_timeout(),
        }
    }

    /// Brings hotspot and LED in line with the phase that an input led to.
    fn settle(&mut self, now: Instant) {
        self.settle_hotspot(now);
        self.settle_firmware_trial();
        let indication = if self.button == Button::Armed {
            Indication::ButtonWipes
        } else if matches!(self.button, Button::Held { .. }) {
            Indication::ButtonHeld
        } else if self.is_in_recovery()
            && matches!(self.phase, Phase::ConnectingNet(_) | Phase::ConnectingCloud { .. })
            && self.candidate.is_none()
        {
            Indication::Recovery
        } else {
            Indication::State(self.state())
        };
        if self.indication != Some(indication) {
            self.indication = Some(indication);
            self.push(Output::Indicate(indication));
        }
    }

    fn settle_hotspot(&mut self, now: Instant) {
        if self.is_door_locked && !matches!(self.phase, Phase::Restarting { .. }) {
            self.close_hotspot();
            return;
        }
        if matches!(self.phase, Phase::ResetConfig { .. } | Phase::Restarting { .. }) {
            // A wipe neither opens the door before the old home is gone nor shuts it in somebody's face.
            return;
        }
        let is_setting_up =
            matches!(self.phase, Phase::WaitConfig | Phase::Configuring | Phase::SwitchToSta { .. });
        let is_needed = match self.recovery() {
            RecoveryPolicy::Stock | RecoveryPolicy::Reset => is_setting_up,
            RecoveryPolicy::Rehome => {
                self.home.is_none() || self.candidate.is_some() || self.reach.needs_hotspot(now)
            }
        };
        let linger = match (self.recovery(), &self.phase) {
            (RecoveryPolicy::Stock | RecoveryPolicy::Reset, _) => core::time::Duration::ZERO,
            // Somebody who lost the hotspot when the radio changed its channel comes back to read how the trial ended.
            (RecoveryPolicy::Rehome, Phase::Running { .. })
                if !self.is_last_error_from_trial() && !self.is_success_unread =>
            {
                self.settings.timings.hotspot_linger_online
            }
            (RecoveryPolicy::Rehome, _) => self.settings.timings.hotspot_linger,
        };
        let was_open = self.hotspot.is_open();
        self.hotspot = match (self.hotspot, is_needed) {
            (_, true) => Hotspot::Open,
            (Hotspot::Closed, false) => Hotspot::Closed,
            (Hotspot::Open, false) if linger.is_zero() => Hotspot::Closed,
            (Hotspot::Open, false) => {
                let lingers_until = now.after(linger);
                let until = self.held_open_until.map_or(lingers_until, |held| held.max(lingers_until));
                Hotspot::OpenUntil(until)
            }
            (Hotspot::OpenUntil(at), false) if at <= now => Hotspot::Closed,
            (Hotspot::OpenUntil(at), false) => Hotspot::OpenUntil(at),
        };
        match (was_open, self.hotspot.is_open()) {
            (false, true) => self.push(Output::OpenHotspot),
            (true, false) => self.tell_closed_hotspot(),
            (true, true) | (false, false) => {}
        }
    }

    fn close_hotspot(&mut self) {
        if core::mem::take(&mut self.hotspot).is_open() {
            self.tell_closed_hotspot();
        }
    }

    fn tell_closed_hotspot(&mut self) {
        self.visitors = Visitors::default();
        self.held_open_until = None;
        self.is_success_unread = false;
        if matches!(self.last_error, LastError::Trial(_)) && self.recovery() == RecoveryPolicy::Rehome {
            // Nobody is left to read why the trial failed.
            self.last_error = LastError::None;
        }
        self.push(Output::CloseHotspot);
    }

    /// Changes the phase and tells it when a person would see a different state.
    fn enter(&mut self, phase: Phase) {
        let from = self.phase.state();
        self.phase = phase;
        if let Some(to) = self.phase.state()
            && from != Some(to)
        {
            self.push(Output::StateChanged { from, to });
        }
    }

    /// Gives up whatever uses the radio or the cloud in the present phase.
    fn release_links(&mut self) {
        let (cloud, ota, network) = match &self.phase {
            Phase::ConnectingNet(NetStep::Attempt { .. } | NetStep::Trial { .. }) => (false, false, true),
            Phase::ConnectingCloud { step, .. } => (step.uses_cloud(), false, true),
            Phase::Running { .. } => (true, false, true),
            Phase::OtaUpgrade { .. } => (false, true, true),
            Phase::Starting
            | Phase::WaitConfig
            | Phase::Configuring
            | Phase::SwitchToSta { .. }
            | Phase::ConnectingNet(NetStep::Pause { .. })
            | Phase::ResetConfig { .. }
            | Phase::Error { .. }
            | Phase::Restarting { .. } => (false, false, false),
        };
        if cloud {
            self.push(Output::DisconnectCloud);
        }
        if ota {
            self.push(Output::AbortOta);
        }
        if network {
            self.push(Output::Leave);
        }
    }

    fn drop_candidate(&mut self) {
        if self.candidate.take().is_some() {
            self.push(Output::DropCandidate);
        }
    }

    fn enter_error(&mut self, now: Instant) {
        self.release_links();
        self.show_error(now);
    }

    fn show_error(&mut self, now: Instant) {
        self.windows.ends_at = None;
        self.enter(Phase::Error { until: now.after(self.settings.timings.error) });
    }

    fn error_shown(&mut self, now: Instant) {
        match self.recovery() {
            RecoveryPolicy::Rehome => self.start_stored_round(now),
            // Edgent waits for a held button. Asking again each second is enough for a button held for ten.
            RecoveryPolicy::Stock | RecoveryPolicy::Reset if !self.button.is_up() => {
                self.phase = Phase::Error { until: now.after(core::time::Duration::from_secs(1)) };
            }
            RecoveryPolicy::Stock => self.restart(),
            RecoveryPolicy::Reset => self.start_wipe(),
        }
    }

    fn restart(&mut self) {
        self.phase = Phase::Restarting { shown: self.state() };
        self.push(Output::Restart);
    }

    /// Notes why the stored home cannot be reached. A person told about a failed trial keeps that answer.
    fn note_link_error(&mut self, code: ErrorCode) {
        if !matches!(self.last_error, LastError::Trial(_)) && self.last_error != LastError::Link(code) {
            self.last_error = LastError::Link(code);
            self.push(Output::ReportError(code));
        }
    }

    fn push(&mut self, output: Output) {
        let pushed = self.outputs.push(output);
        debug_assert!(pushed.is_ok(), "the shell did not drain the outputs before the next input");
    }

    const fn recovery(&self) -> RecoveryPolicy {
        self.settings.recovery
    }

    const fn window_count(&self) -> u16 {
        match self.settings.recovery {
            RecoveryPolicy::Stock => self.settings.timings.stock_window_count,
            RecoveryPolicy::Reset | RecoveryPolicy::Rehome => 1,
        }
    }
}

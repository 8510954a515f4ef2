//! A device in an environment that may do anything, one step at a time.

use core::time::Duration;

use lifecycle::{
    Boot, BootReason, CloudError, HomeSource, Input, Instant, Machine, NetworkError, OtaFault, Output,
    PowerUpGesture, Settings, SlotFault, State, StoreFault,
};

use crate::observer::Observer;

/// What the environment may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Time passes without an event; timers that are due fire.
    Pass { milliseconds: u64 },
    /// The power goes and comes back. An operation of the home store is cut before or after it took effect.
    PowerCut { store_operation_took_effect: bool },
    /// An event reaches the machine.
    Event(Input),
}

/// What is explored: which events the environment uses and how finely time is cut.
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a search")]
#[derive(Debug, Clone)]
pub(crate) struct Alphabet {
    pub(crate) network_errors: &'static [NetworkError],
    pub(crate) cloud_errors: &'static [CloudError],
    /// Networks of a submitted home; 0 is a submission that cannot be used.
    pub(crate) submissions: &'static [u8],
    pub(crate) has_visitors: bool,
    pub(crate) has_button: bool,
    pub(crate) has_ota: bool,
    /// Whether somebody at the serial console may order `config start` and `config stop` at any time.
    pub(crate) has_console: bool,
    pub(crate) has_release: bool,
    /// Whether short power-ups are counted; without, the count in flash stays 0.
    pub(crate) has_gesture: bool,
    /// Whether somebody may use up the proofs of possession.
    pub(crate) has_lock: bool,
    /// Whether the stored home cannot be read at any start, and later perhaps.
    pub(crate) has_unreadable_home: bool,
    /// Longest stretch of time without a choice in between; `None` = from timer to timer.
    pub(crate) time_step: Option<Duration>,
    /// What is true of the networks for as long as the search lasts.
    pub(crate) networks: Networks,
    /// Whether the search goes on after the first 45 s of a power-on.
    pub(crate) horizon: Horizon,
    /// Networks of the home stored at the first power-on; 0 = none.
    pub(crate) stored_network_count: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Networks {
    /// They come and go as the environment likes.
    ComeAndGo,
    /// The board was carried away, or the router is off.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Horizon {
    Start,
    Unlimited,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Link {
    Down,
    Joining(HomeSource),
    Joined(HomeSource),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cloud {
    Down,
    Connecting(HomeSource),
    Session,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum StoreOperation {
    Save { network_count: u8 },
    Wipe,
}

/// What the firmware slots hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Slots {
    /// The running image boots for good.
    Confirmed,
    /// A whole new image waits for its first boot.
    Installed,
    /// The new image runs; the next boot brings the old one back.
    OnTrial,
    /// As before, and the slots are being told that it proved itself.
    Confirming,
}

/// The device and everything around it that has a memory. Its clock always reads zero.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, any combination can be true")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) machine: Machine,
    /// Networks in flash; 0 = no home.
    pub(crate) stored_network_count: u8,
    pub(crate) candidate: Option<u8>,
    pub(crate) link: Link,
    pub(crate) cloud: Cloud,
    /// The operation the store works on, and one that waits for it.
    pub(crate) store: [Option<StoreOperation>; 2],
    pub(crate) is_updating: bool,
    pub(crate) slots: Slots,
    pub(crate) has_station: bool,
    pub(crate) is_button_down: bool,
    pub(crate) is_hotspot_open: bool,
    /// The proofs were used up since power-on; kept over restarts.
    pub(crate) is_door_locked: bool,
    /// What the shell does for the power-up gesture, where that is searched.
    pub(crate) power_ups: Option<PowerUps>,
    /// Whether the stored home is being read again, where it cannot be read at boot.
    pub(crate) is_home_asked_for: Option<bool>,
    pub(crate) observer: Observer,
}

/// The count of short power-ups in flash, and the run that keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PowerUps {
    stored_count: u8,
    gesture: PowerUpGesture,
}

/// One step and what it showed.
pub(crate) struct Step {
    pub(crate) world: World,
    pub(crate) outputs: Vec<Output>,
    pub(crate) violation: Option<&'static str>,
}

impl PowerUps {
    fn pass(&mut self, now: Instant) {
        if self.gesture.next_timeout().is_some_and(|due_at| due_at <= now)
            && let Some(count) = self.gesture.take_due(now)
        {
            self.stored_count = count;
        }
        self.gesture = self.gesture.relative_to(now);
    }
}

impl World {
    pub(crate) fn power_on(settings: &Settings, alphabet: &Alphabet) -> Step {
        let stored_network_count = alphabet.stored_network_count;
        let begin = || PowerUpGesture::begin(Instant::BOOT, BootReason::PowerOn, 0, &settings.timings);
        let power_ups = alphabet.has_gesture.then(|| PowerUps { stored_count: 0, gesture: begin() });
        let mut world = Self {
            machine: Machine::new(settings.clone(), 1),
            stored_network_count,
            candidate: None,
            link: Link::Down,
            cloud: Cloud::Down,
            store: [None, None],
            is_updating: false,
            slots: Slots::Confirmed,
            has_station: false,
            is_button_down: false,
            is_hotspot_open: false,
            is_door_locked: false,
            observer: Observer::switched_on(alphabet),
            power_ups,
            is_home_asked_for: alphabet.has_unreadable_home.then_some(false),
        };
        let mut outputs = Vec::new();
        world.boot(settings, BootReason::PowerOn, &mut outputs);
        Step { violation: None, world, outputs }
    }

    /// Everything the environment may do now.
    pub(crate) fn actions(&self, alphabet: &Alphabet) -> Vec<Action> {
        let mut actions = Vec::with_capacity(24);
        if alphabet.horizon == Horizon::Start && self.observer.is_past_the_start() {
            return actions;
        }
        let is_reading = self.is_home_asked_for == Some(true);
        if self.store[0].is_some() || self.slots == Slots::Confirming || is_reading {
            actions.push(Action::PowerCut { store_operation_took_effect: true });
        } else if let Some(milliseconds) = self.next_pass(alphabet) {
            actions.push(Action::Pass { milliseconds });
        }
        actions.push(Action::PowerCut { store_operation_took_effect: false });
        let mut events = Vec::with_capacity(24);
        self.radio_events(alphabet, &mut events);
        self.hotspot_events(alphabet, &mut events);
        self.other_events(alphabet, &mut events);
        actions.extend(events.into_iter().map(Action::Event));
        actions
    }

    /// What a kind environment does: networks and cloud work, the store works, an owner sets up an empty device.
    pub(crate) fn good_action(&self, alphabet: &Alphabet) -> Option<Action> {
        Some(if self.store[0].is_some() {
            Action::Event(match self.store[0] {
                Some(StoreOperation::Save { .. }) => Input::Saved(Ok(())),
                _ => Input::Wiped(Ok(())),
            })
        } else if self.is_home_asked_for == Some(true) {
            Action::Event(Input::HomeRead(Ok(self.stored_network_count)))
        } else if self.slots == Slots::Confirming {
            Action::Event(Input::FirmwareConfirmed(Ok(())))
        } else if self.is_updating {
            Action::Event(Input::OtaFinished(Ok(())))
        } else if matches!(self.link, Link::Joining(_)) {
            Action::Event(Input::NetworkJoined)
        } else if matches!(self.cloud, Cloud::Connecting(_)) {
            Action::Event(Input::LoginAccepted)
        } else if self.machine.accepts_candidate()
            && self.stored_network_count == 0
            && self.candidate.is_none()
        {
            let network_count = alphabet.submissions.iter().copied().find(|count| *count > 0)?;
            Action::Event(Input::CandidateSubmitted { network_count })
        } else if self.is_door_locked && self.stored_network_count == 0 {
            Action::PowerCut { store_operation_took_effect: false }
        } else {
            Action::Pass { milliseconds: self.next_pass(alphabet)? }
        })
    }

    pub(crate) fn apply(&self, settings: &Settings, action: Action) -> Step {
        let mut world = self.clone();
        let mut outputs = Vec::new();
        let mut violation = None;
        match action {
            Action::Pass { milliseconds } => {
                world.observer.time_passes(milliseconds, world.link, &settings.timings);
                if world.machine.state() != State::ResetConfig {
                    world.observer.trial_time_passes(milliseconds);
                }
                violation = world.observer.judge(&world, settings);
                let now = Instant::from_millis(milliseconds);
                if world.machine.next_timeout().is_some_and(|due_at| due_at <= now) {
                    world.send(settings, now, Input::TimerFired, &mut outputs);
                }
                world.machine = world.machine.relative_to(now);
                if let Some(power_ups) = &mut world.power_ups {
                    power_ups.pass(now);
                }
            }
            Action::PowerCut { store_operation_took_effect } => {
                if store_operation_took_effect && let Some(operation) = world.store[0] {
                    world.store_operation_done(operation);
                }
                if store_operation_took_effect && world.slots == Slots::Confirming {
                    world.slots = Slots::Confirmed;
                }
                world.boot(settings, BootReason::PowerOn, &mut outputs);
            }
            Action::Event(input) => {
                world.environment_changes(settings, input);
                world.send(settings, Instant::BOOT, input, &mut outputs);
            }
        }
        violation = violation.or(world.observer.take_violation());
        violation = violation.or_else(|| world.observer.judge(&world, settings));
        let is_wiping = world.machine.state() == State::ResetConfig || world.store[0].is_some();
        world.observer.settle(is_wiping);
        if world.machine.next_timeout().is_some_and(|due_at| due_at == Instant::BOOT) {
            // A timer that is due at once is legal, but firing it must make it go away.
            let mut probe = world.machine.clone();
            for _ in 0..4 {
                probe.handle_input(Instant::BOOT, Input::TimerFired);
                while probe.poll_output(Instant::BOOT).is_some() {}
            }
            if probe.next_timeout().is_some_and(|due_at| due_at == Instant::BOOT) {
                violation = Some("a timer fires again and again without time passing");
            }
        }
        Step { world, outputs, violation }
    }

    fn next_pass(&self, alphabet: &Alphabet) -> Option<u64> {
        let gesture_due = self.power_ups.as_ref().and_then(|power_ups| power_ups.gesture.next_timeout());
        let due = self.machine.next_timeout().into_iter().chain(gesture_due).min().map(Instant::as_millis);
        match (due, alphabet.time_step) {
            (Some(due), Some(step)) => Some(due.min(u64::try_from(step.as_millis()).expect("a short step"))),
            (Some(due), None) => Some(due),
            // Nothing would ever happen by itself: let the observer's clocks run out.
            (None, _) => (!self.observer.is_settled()).then_some(60_000),
        }
    }

    fn radio_events(&self, alphabet: &Alphabet, events: &mut Vec<Input>) {
        match self.link {
            Link::Down => {}
            Link::Joining(_) => {
                if alphabet.networks == Networks::ComeAndGo {
                    events.push(Input::NetworkJoined);
                }
                events.extend(alphabet.network_errors.iter().copied().map(Input::NetworkFailed));
            }
            Link::Joined(_) => events.push(Input::NetworkLost),
        }
        match self.cloud {
            Cloud::Down => {}
            Cloud::Connecting(_) => {
                events.push(Input::LoginAccepted);
                events.push(Input::LoginRefused { verified_tls: true });
                events.push(Input::LoginRefused { verified_tls: false });
                events.extend(alphabet.cloud_errors.iter().copied().map(Input::CloudFailed));
            }
            Cloud::Session => {
                events.extend([Input::CloudLost, Input::ConfigEraseOrdered, Input::ConfigStartOrdered]);
                events.push(Input::ReceiptAcknowledged);
                if alphabet.has_ota {
                    events.push(Input::OtaOrdered);
                }
            }
        }
    }

    fn hotspot_events(&self, alphabet: &Alphabet, events: &mut Vec<Input>) {
        if !self.is_hotspot_open {
            return;
        }
        if self.machine.accepts_candidate() {
            events.extend(
                alphabet.submissions.iter().map(|count| Input::CandidateSubmitted { network_count: *count }),
            );
        }
        events.extend([Input::PortalReset, Input::PortalReboot]);
        if alphabet.has_lock {
            events.push(Input::ProofsUsedUp);
        }
        if alphabet.has_visitors {
            events.push(if self.has_station { Input::StationDetached } else { Input::StationAttached });
            events.extend([Input::PortalRequested, Input::BoardInfoRead, Input::ResultRead]);
        }
    }

    fn other_events(&self, alphabet: &Alphabet, events: &mut Vec<Input>) {
        match self.store[0] {
            Some(StoreOperation::Save { .. }) => {
                events.extend([Input::Saved(Ok(())), Input::Saved(Err(StoreFault))]);
            }
            Some(StoreOperation::Wipe) => {
                events.extend([Input::Wiped(Ok(())), Input::Wiped(Err(StoreFault))]);
            }
            None => {}
        }
        if self.is_home_asked_for == Some(true) {
            let count = self.stored_network_count;
            events.extend([Input::HomeRead(Ok(count)), Input::HomeRead(Err(StoreFault))]);
        }
        if self.is_updating {
            events.extend([Input::OtaFinished(Ok(())), Input::OtaFinished(Err(OtaFault))]);
        }
        if self.slots == Slots::Confirming {
            events.extend([Input::FirmwareConfirmed(Ok(())), Input::FirmwareConfirmed(Err(SlotFault))]);
        }
        if alphabet.has_button {
            events.push(if self.is_button_down { Input::ButtonReleased } else { Input::ButtonPressed });
        }
        if alphabet.has_console {
            events.push(Input::ConfigStopOrdered);
            if self.cloud != Cloud::Session {
                events.push(Input::ConfigStartOrdered);
            }
        }
        if alphabet.has_release && self.stored_network_count > 0 {
            events.push(Input::ReleaseProven);
        }
        if self.cloud != Cloud::Session {
            // An order without an accepted session must change nothing.
            events.push(Input::ConfigEraseOrdered);
        }
    }

    /// Brings the environment's own memory in line with an event, before the machine hears of it.
    fn environment_changes(&mut self, settings: &Settings, input: Input) {
        self.observer.note_input(input, settings, self.link, self.cloud, self.stored_network_count > 0);
        match input {
            Input::NetworkJoined => {
                if let Link::Joining(source) = self.link {
                    self.link = Link::Joined(source);
                }
            }
            Input::NetworkFailed(_) => self.link = Link::Down,
            Input::NetworkLost => (self.link, self.cloud) = (Link::Down, Cloud::Down),
            Input::LoginAccepted => self.cloud = Cloud::Session,
            Input::LoginRefused { .. } | Input::CloudFailed(_) | Input::CloudLost => self.cloud = Cloud::Down,
            Input::HomeRead(_) => self.is_home_asked_for = Some(false),
            Input::ProofsUsedUp => self.is_door_locked = true,
            Input::StationAttached => self.has_station = true,
            Input::StationDetached => self.has_station = false,
            Input::ButtonPressed => self.is_button_down = true,
            Input::ButtonReleased => self.is_button_down = false,
            Input::CandidateSubmitted { network_count } => self.candidate = Some(network_count),
            Input::OtaFinished(result) => {
                self.is_updating = false;
                if result.is_ok() {
                    self.slots = Slots::Installed;
                }
            }
            Input::FirmwareConfirmed(result) => {
                // A fault leaves the image as unproven as it was.
                self.slots = if result.is_ok() { Slots::Confirmed } else { Slots::OnTrial };
                self.observer.note_firmware_proven(result.is_ok());
            }
            Input::Saved(result) | Input::Wiped(result) => {
                let operation = self.store[0].take();
                self.store.swap(0, 1);
                if result.is_ok()
                    && let Some(operation) = operation
                {
                    self.store_operation_done(operation);
                }
            }
            _ => {}
        }
    }

    fn store_operation_done(&mut self, operation: StoreOperation) {
        self.stored_network_count = match operation {
            StoreOperation::Save { network_count } => {
                // What was the candidate's network is the stored home's from here on.
                if self.link == Link::Joined(HomeSource::Candidate) {
                    self.link = Link::Joined(HomeSource::Stored);
                }
                self.candidate = None;
                network_count
            }
            StoreOperation::Wipe => {
                if let Some(power_ups) = &mut self.power_ups {
                    power_ups.stored_count = 0;
                    power_ups.gesture.note_wiped();
                }
                0
            }
        };
        self.observer.note_home_replaced(self.link, operation, self.is_hotspot_open);
    }

    fn send(&mut self, settings: &Settings, now: Instant, input: Input, outputs: &mut Vec<Output>) {
        self.machine.handle_input(now, input);
        while let Some(output) = self.machine.poll_output(now) {
            outputs.push(output);
            if output == Output::Restart {
                self.boot(settings, BootReason::Restart, outputs);
                return;
            }
            self.perform(output, settings);
        }
    }

    fn perform(&mut self, output: Output, settings: &Settings) {
        self.observer.note_output(output, self.link, self.candidate.is_some(), &settings.timings);
        match output {
            Output::OpenHotspot => self.is_hotspot_open = true,
            Output::CloseHotspot => (self.is_hotspot_open, self.has_station) = (false, false),
            Output::Join { source, .. } => self.link = Link::Joining(source),
            Output::Leave => (self.link, self.cloud) = (Link::Down, Cloud::Down),
            Output::ConnectCloud { source } => self.cloud = Cloud::Connecting(source),
            Output::DisconnectCloud => self.cloud = Cloud::Down,
            Output::SaveCandidate => {
                let network_count = self.candidate.expect("a candidate is in RAM when it is saved");
                self.queue_store_operation(StoreOperation::Save { network_count });
            }
            Output::DropCandidate => self.candidate = None,
            Output::LoadHome => {
                assert!(self.is_home_asked_for == Some(false), "a home is read again that could be read");
                self.is_home_asked_for = Some(true);
            }
            Output::WipeHome => self.queue_store_operation(StoreOperation::Wipe),
            Output::StartOta => {
                assert!(self.slots == Slots::Confirmed, "an update overwrites the only proven firmware");
                self.is_updating = true;
            }
            Output::AnnounceOta => {
                assert!(self.cloud == Cloud::Session, "an update is announced without a session");
            }
            Output::ConfirmFirmware => {
                assert!(self.slots == Slots::OnTrial, "a firmware is confirmed that is not on trial");
                assert!(self.cloud == Cloud::Session, "a firmware is confirmed that has no session");
                self.slots = Slots::Confirming;
            }
            Output::RollBackFirmware => {
                assert!(self.slots == Slots::OnTrial, "a proven firmware is taken back");
                self.slots = Slots::Confirmed;
            }
            Output::AbortOta => self.is_updating = false,
            Output::SendReceipt => {
                assert!(self.stored_network_count == 0, "a receipt is sent before the home is gone");
                assert!(self.cloud == Cloud::Session, "a receipt is sent without a session");
            }
            Output::StateChanged { .. } | Output::Restart | Output::Indicate(_) | Output::ReportError(_) => {}
        }
    }

    fn queue_store_operation(&mut self, operation: StoreOperation) {
        let free = self.store.iter_mut().find(|slot| slot.is_none());
        *free.expect("at most two store operations are under way") = Some(operation);
    }

    fn boot(&mut self, settings: &Settings, reason: BootReason, outputs: &mut Vec<Output>) {
        self.is_door_locked &= reason != BootReason::PowerOn;
        self.machine = Machine::new(settings.clone(), 1);
        self.candidate = None;
        (self.link, self.cloud, self.store) = (Link::Down, Cloud::Down, [None, None]);
        (self.is_updating, self.has_station, self.is_hotspot_open) = (false, false, false);
        self.is_button_down = false;
        self.observer = self.observer.started_again(reason, &settings.timings);
        // What a boot loader does: a new image gets one boot, and without a proof the former one is back.
        self.slots = match self.slots {
            Slots::Installed => Slots::OnTrial,
            Slots::Confirmed | Slots::OnTrial | Slots::Confirming => Slots::Confirmed,
        };
        let short_power_up_count = self.power_ups.as_ref().map_or(0, |power_ups| power_ups.stored_count);
        if let Some(power_ups) = &mut self.power_ups {
            power_ups.gesture =
                PowerUpGesture::begin(Instant::BOOT, reason, short_power_up_count, &settings.timings);
        }
        let is_unreadable = self.is_home_asked_for.is_some() && self.stored_network_count > 0;
        self.is_home_asked_for = self.is_home_asked_for.map(|_| false);
        let boot = Boot {
            reason,
            stored_network_count: if is_unreadable { 0 } else { self.stored_network_count },
            last_error: None,
            short_power_up_count,
            is_door_locked: self.is_door_locked,
        };
        self.send(settings, Instant::BOOT, Input::Booted(boot), outputs);
        if is_unreadable {
            self.send(settings, Instant::BOOT, Input::HomeRead(Err(StoreFault)), outputs);
        }
        if self.slots == Slots::OnTrial {
            self.observer.note_firmware_on_trial();
            self.send(settings, Instant::BOOT, Input::FirmwareOnTrial, outputs);
        }
        assert!(self.machine.state() != State::ResetConfig, "a device never boots into a wipe");
    }
}

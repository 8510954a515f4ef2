//! Judges the guarantees from outside: it sees what goes in and out of a device, never what the device thinks.

use core::time::Duration;

use lifecycle::{
    BootReason, CloudError, HomeSource, Input, Output, RecoveryPolicy, Settings, State, Timings,
};

use crate::world::{Alphabet, Cloud, Link, StoreOperation, World};

/// Guarantee 1: "within 45 s of power-on". Also how long a deliberate change of network may take.
const DOOR_LIMIT_MS: u64 = 45_000;
/// Where the clock of a held button stops; longer than any press that is searched (20 s).
const BUTTON_HELD_MS_MAX: u64 = 20_000;

/// Guarantee 3: "the old home is tried again within 90 s".
const RETURN_LIMIT_MS: u64 = 90_000;

/// How long an unproven firmware may run: the waits of the searches give it 60 s.
const FIRMWARE_TRIAL_LIMIT_MS: u64 = 70_000;

/// What an onlooker remembers since power-on. Clocks stop where they no longer matter.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, any combination can be true")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Observer {
    since_power_on_ms: u64,
    /// How long the networks have been failing since the last accepted login, flickers not counted as an end.
    failing_ms: Option<u64>,
    /// How long ago the device left a network by itself, while it has joined none since.
    left_ms: Option<u64>,
    button_held_ms: Option<u64>,
    /// How long ago a new home was submitted while the old one has not been tried again.
    submitted_ms: Option<u64>,
    was_accepted: bool,
    was_refused: bool,
    is_captive: bool,
    /// How long an unproven firmware has been running.
    unproven_ms: Option<u64>,
    /// Who is at the hotspot, where visitors are searched.
    visits: Option<Visits>,
    /// Somebody with the right to do so asked for the wipe.
    may_wipe: bool,
    /// The cloud accepted the submitted home.
    may_save: bool,
    /// The power-ups until now, where the gesture is searched.
    power_ups: Option<PowerUps>,
    violation: Option<&'static str>,
}

/// What somebody at the hotspot knows of the radio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Visits {
    /// How long ago somebody last asked for something, while that person counts as present.
    request_ms: Option<u64>,
    /// How long the radio has been left alone for the sake of that person.
    rest_ms: u64,
    /// It was left alone for as long as may be, and now the rest of the networks is tried.
    has_rested: bool,
    /// How long ago a submitted home was stored at an open hotspot, while nobody has read so and somebody may still
    /// come back to do it.
    unread_ms: Option<u64>,
}

impl Visits {
    fn time_passes(&mut self, milliseconds: u64, link: Link, timings: &Timings) {
        let request_ms = self.request_ms.map(|elapsed| elapsed + milliseconds);
        self.request_ms =
            request_ms.filter(|elapsed| u128::from(*elapsed) < timings.visitor_idle.as_millis());
        let unread_ms = self.unread_ms.map(|elapsed| elapsed + milliseconds);
        self.unread_ms =
            unread_ms.filter(|elapsed| u128::from(*elapsed) < timings.hotspot_linger.as_millis());
        if self.request_ms.is_some() && link == Link::Down {
            let limit_ms = u64::try_from(timings.visitor_pause_max.as_millis()).expect("a short pause");
            self.rest_ms = (self.rest_ms + milliseconds).min(limit_ms);
        } else {
            self.rest_ms = 0;
        }
        self.has_rested &= link != Link::Down;
    }

    fn note_input(&mut self, input: Input) {
        if matches!(input, Input::ResultRead | Input::CandidateSubmitted { network_count: 1.. }) {
            self.unread_ms = None;
        }
        match input {
            Input::StationAttached
            | Input::PortalRequested
            | Input::BoardInfoRead
            | Input::CandidateSubmitted { network_count: 1.. } => self.request_ms = Some(0),
            Input::StationDetached => self.request_ms = None,
            Input::NetworkJoined => self.has_rested = false,
            _ => {}
        }
    }

    /// Whether a stored network may be joined: not under a visitor, unless the radio was left alone for as long as may be.
    fn may_join(&mut self, timings: &Timings) -> bool {
        self.has_rested |= u128::from(self.rest_ms) >= timings.visitor_pause_max.as_millis();
        self.request_ms.is_none() || self.has_rested
    }
}

/// What a person with a watch knows of the power-up gesture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PowerUps {
    /// Short ones in a row before this start.
    row: u8,
    is_genuine: bool,
    /// How long the device has been on since this start; stops where it counts as staying on.
    on_ms: u64,
    /// Nothing has happened since the device started.
    is_first_moment: bool,
    /// How long ago the device started after five short power-ups, while that still matters.
    gesture_ms: Option<u64>,
}

/// Guarantee 8: "five power-ups in a row".
const GESTURE_ROW: u8 = 5;
/// How long the gesture holds the door open: the 15 min of guarantee 8, in the searches' shorter time.
pub(crate) const GESTURE_OPEN_MS: u64 = 80_000;
/// Where the clock of the gesture stops; longer than the door is held open in any search.
const GESTURE_MS_MAX: u64 = 100_000;
/// Where the clock of a power-up stops; in every search a device that was on for so long stays on.
const POWER_UP_MS_MAX: u64 = 20_000;

impl PowerUps {
    const fn first() -> Self {
        Self { row: 0, is_genuine: true, on_ms: 0, is_first_moment: true, gesture_ms: None }
    }

    fn started_again(self, reason: BootReason, timings: &Timings) -> Self {
        let on_ms = u128::from(self.on_ms);
        let row = if on_ms >= timings.short_power_up_max.as_millis() {
            0
        } else if self.is_genuine && on_ms >= timings.short_power_up_min.as_millis() {
            (self.row + 1).min(GESTURE_ROW)
        } else {
            self.row
        };
        let is_genuine = reason == BootReason::PowerOn;
        Self { row, is_genuine, gesture_ms: (row == GESTURE_ROW).then_some(0), ..Self::first() }
    }

    fn time_passes(&mut self, milliseconds: u64) {
        self.on_ms = (self.on_ms + milliseconds).min(POWER_UP_MS_MAX);
        self.gesture_ms = self.gesture_ms.map(|elapsed| (elapsed + milliseconds).min(GESTURE_MS_MAX));
        self.is_first_moment = false;
    }

    fn judge(self, is_hotspot_open: bool) -> Option<&'static str> {
        let is_held = self.gesture_ms.is_some_and(|elapsed| elapsed < GESTURE_OPEN_MS);
        if is_held && !is_hotspot_open {
            return Some("five short power-ups were made and the hotspot is closed");
        }
        (self.is_first_moment && self.row < GESTURE_ROW && is_hotspot_open)
            .then_some("the hotspot opened at power-on although nobody made the gesture")
    }
}

impl Observer {
    /// Who watches a device that is switched on for the first time.
    pub(crate) fn switched_on(alphabet: &Alphabet) -> Self {
        let visits = alphabet.has_visitors.then(Visits::default);
        let power_ups = alphabet.has_gesture.then(PowerUps::first);
        Self { visits, power_ups, ..Self::default() }
    }

    /// Who watches a device that starts again.
    pub(crate) fn started_again(&self, reason: BootReason, timings: &Timings) -> Self {
        let power_ups = self.power_ups.map(|power_ups| power_ups.started_again(reason, timings));
        let visits = self.visits.map(|_| Visits::default());
        Self { visits, power_ups, ..Self::default() }
    }

    /// Whether somebody made the gesture, and the time it opens the door for is over.
    pub(crate) fn has_seen_gesture_end(&self) -> bool {
        self.power_ups.is_some_and(|power_ups| power_ups.gesture_ms == Some(GESTURE_MS_MAX))
    }

    pub(crate) fn time_passes(&mut self, milliseconds: u64, link: Link, timings: &Timings) {
        self.since_power_on_ms = (self.since_power_on_ms + milliseconds).min(DOOR_LIMIT_MS);
        let grow = |clock: &mut Option<u64>, limit: u64| {
            *clock = clock.map(|elapsed| (elapsed + milliseconds).min(limit));
        };
        grow(&mut self.failing_ms, 2 * DOOR_LIMIT_MS + 20_000);
        grow(&mut self.left_ms, DOOR_LIMIT_MS);
        grow(&mut self.button_held_ms, BUTTON_HELD_MS_MAX);
        grow(&mut self.submitted_ms, 2 * RETURN_LIMIT_MS);
        if let Some(visits) = &mut self.visits {
            visits.time_passes(milliseconds, link, timings);
        }
        if let Some(power_ups) = &mut self.power_ups {
            power_ups.time_passes(milliseconds);
        }
    }

    /// Time that a firmware on trial could have used; a wipe, which must not be interrupted, is not counted.
    pub(crate) fn trial_time_passes(&mut self, milliseconds: u64) {
        self.unproven_ms =
            self.unproven_ms.map(|elapsed| (elapsed + milliseconds).min(FIRMWARE_TRIAL_LIMIT_MS));
    }

    /// Forgets what no longer matters, so that equal situations compare equal.
    pub(crate) fn settle(&mut self, is_authority_in_use: bool) {
        self.may_wipe &= is_authority_in_use;
        self.may_save = false;
        if self.was_accepted {
            (self.since_power_on_ms, self.left_ms) = (DOOR_LIMIT_MS, None);
        } else {
            self.failing_ms = None;
        }
    }

    /// Whether the first 45 s are over or the cloud was reached.
    pub(crate) fn is_past_the_start(&self) -> bool {
        self.since_power_on_ms == DOOR_LIMIT_MS
    }

    /// Whether more time would change nothing here.
    pub(crate) fn is_settled(&self) -> bool {
        self.since_power_on_ms == DOOR_LIMIT_MS
            && self.failing_ms.is_none_or(|elapsed| elapsed == 2 * DOOR_LIMIT_MS + 20_000)
            && self.left_ms.is_none_or(|elapsed| elapsed == DOOR_LIMIT_MS)
            && self.button_held_ms.is_none_or(|elapsed| elapsed == BUTTON_HELD_MS_MAX)
            && self.power_ups.is_none_or(|power_ups| {
                power_ups.on_ms == POWER_UP_MS_MAX
                    && power_ups.gesture_ms.is_none_or(|elapsed| elapsed == GESTURE_MS_MAX)
            })
    }

    pub(crate) fn note_firmware_on_trial(&mut self) {
        self.unproven_ms = Some(0);
    }

    pub(crate) fn note_firmware_proven(&mut self, is_proven: bool) {
        if is_proven {
            self.unproven_ms = None;
        }
    }

    pub(crate) fn note_input(
        &mut self,
        input: Input,
        settings: &Settings,
        link: Link,
        cloud: Cloud,
        has_home: bool,
    ) {
        let is_stored = cloud == Cloud::Connecting(HomeSource::Stored);
        if let Some(power_ups) = &mut self.power_ups {
            power_ups.is_first_moment = false;
        }
        if let Some(visits) = &mut self.visits {
            visits.note_input(input);
        }
        match input {
            Input::NetworkJoined if link == Link::Joining(HomeSource::Stored) => {
                (self.left_ms, self.is_captive, self.failing_ms) = (None, false, None);
            }
            Input::NetworkLost if link == Link::Joined(HomeSource::Stored) => {
                self.is_captive = false;
                self.failing_ms.get_or_insert(0);
            }
            Input::LoginAccepted if is_stored => self.note_online(),
            Input::LoginAccepted => self.may_save = true,
            Input::LoginRefused { .. } if is_stored => self.was_refused = true,
            Input::CloudFailed(CloudError::CaptivePortal) if is_stored => {
                self.is_captive = true;
                self.failing_ms.get_or_insert(0);
            }
            Input::ButtonPressed => self.button_held_ms = Some(0),
            Input::ButtonReleased => {
                self.may_wipe |= self
                    .button_held_ms
                    .take()
                    .is_some_and(|held| u128::from(held) >= settings.timings.button_wipe.as_millis());
            }
            Input::CandidateSubmitted { network_count } if has_home && network_count > 0 => {
                self.submitted_ms = Some(0);
            }
            Input::ReleaseProven => self.may_wipe = true,
            Input::ConfigEraseOrdered => self.may_wipe |= cloud == Cloud::Session,
            Input::PortalReset => self.may_wipe |= !has_home,
            _ => {}
        }
    }

    pub(crate) fn note_output(&mut self, output: Output, link: Link, has_candidate: bool, timings: &Timings) {
        if output == Output::CloseHotspot
            && let Some(visits) = &mut self.visits
        {
            visits.request_ms = None;
        }
        match output {
            Output::Leave if link == Link::Joined(HomeSource::Stored) && has_candidate => {
                // A person wants another home; the hotspot stays open while it is tried.
                (self.left_ms, self.is_captive) = (Some(0), false);
            }
            Output::DropCandidate if has_candidate && link != Link::Joined(HomeSource::Stored) => {
                self.failing_ms.get_or_insert(0);
            }
            Output::Leave if link == Link::Joined(HomeSource::Stored) => {
                self.left_ms = Some(0);
                self.is_captive = false;
                self.failing_ms.get_or_insert(0);
            }
            Output::WipeHome if !self.may_wipe => {
                self.violation = Some("a home is erased without anybody's authority");
            }
            Output::SaveCandidate if !self.may_save => {
                self.violation = Some("a home is replaced before the cloud accepted the new one");
            }
            Output::Join { source: HomeSource::Stored, .. } => {
                self.judge_join(timings);
                self.submitted_ms = None;
            }
            // A home that cannot be read is tried by reading it.
            Output::WipeHome | Output::LoadHome => self.submitted_ms = None,
            _ => {}
        }
    }

    /// With somebody at the hotspot the radio is left alone: not for ever, not past the moment at which the old home is
    /// due after a failed trial, and not on a network from which no cloud is reached.
    fn judge_join(&mut self, timings: &Timings) {
        let is_return_due =
            self.submitted_ms.is_some_and(|elapsed| u128::from(elapsed) >= timings.trial_return.as_millis());
        let is_own_change = self.left_ms == Some(0);
        if let Some(visits) = &mut self.visits
            && !visits.may_join(timings)
            && !is_return_due
            && !is_own_change
        {
            self.violation = Some("the radio leaves its channel under a visitor");
        }
    }

    /// The stored home is another one now, or none.
    pub(crate) fn note_home_replaced(
        &mut self,
        link: Link,
        operation: StoreOperation,
        is_hotspot_open: bool,
    ) {
        let button_held_ms = self.button_held_ms;
        // With a new home the gesture has served its purpose; a wipe ends its row.
        let power_ups = self.power_ups.map(|power_ups| match operation {
            StoreOperation::Save { .. } => PowerUps { gesture_ms: None, ..power_ups },
            StoreOperation::Wipe => PowerUps { gesture_ms: None, row: 0, is_genuine: false, ..power_ups },
        });
        let since_power_on_ms = self.since_power_on_ms;
        let may_wipe = self.may_wipe;
        let unproven_ms = self.unproven_ms;
        // After a wipe nothing is owed; after an accepted submission the device has just reached its cloud.
        *self = Self {
            since_power_on_ms,
            button_held_ms,
            may_wipe,
            unproven_ms,
            visits: self.visits.map(|visits| Visits {
                // Whoever submitted the home that is stored now wants it to be tried.
                has_rested: link == Link::Down,
                unread_ms: (is_hotspot_open && matches!(operation, StoreOperation::Save { .. })).then_some(0),
                ..visits
            }),
            was_accepted: true,
            power_ups,
            ..Self::default()
        };
        if link != Link::Joined(HomeSource::Stored) {
            // The network went while the home was written.
            self.failing_ms = Some(0);
        }
    }

    fn note_online(&mut self) {
        (self.was_accepted, self.was_refused, self.is_captive) = (true, false, false);
        (self.failing_ms, self.left_ms) = (None, None);
    }

    pub(crate) fn take_violation(&mut self) -> Option<&'static str> {
        self.violation.take()
    }

    /// Guarantee 1, and that an empty device can always be set up.
    pub(crate) fn judge(&self, world: &World, settings: &Settings) -> Option<&'static str> {
        if settings.recovery == RecoveryPolicy::Rehome
            && self.submitted_ms.is_some_and(|elapsed| elapsed >= RETURN_LIMIT_MS)
        {
            return Some("90 s after a new home was submitted the old one has not been tried again");
        }
        if self.unproven_ms.is_some_and(|elapsed| elapsed >= FIRMWARE_TRIAL_LIMIT_MS) {
            return Some("a firmware that never reached its cloud still runs");
        }
        if world.is_door_locked {
            return world.is_hotspot_open.then_some("the hotspot is open although its lock is closed");
        }
        if world.stored_network_count > 0
            && world.machine.state() != State::ResetConfig
            && let Some(power_ups) = self.power_ups
            && let Some(violation) = power_ups.judge(world.is_hotspot_open)
        {
            return Some(violation);
        }
        if world.is_hotspot_open || world.machine.state() == State::ResetConfig {
            return None;
        }
        if self.visits.is_some_and(|visits| visits.unread_ms.is_some())
            && settings.recovery == RecoveryPolicy::Rehome
        {
            return Some("the hotspot closed before anybody could read that the new home works");
        }
        if world.stored_network_count == 0 {
            return (settings.recovery == RecoveryPolicy::Rehome)
                .then_some("the hotspot of an empty device is closed");
        }
        let is_joined = world.link == Link::Joined(HomeSource::Stored);
        if self.was_refused && settings.recovery == RecoveryPolicy::Rehome {
            return Some("the token was refused and the hotspot is closed");
        }
        if !self.was_accepted {
            let is_changing = self.left_ms.is_some_and(|elapsed| elapsed < DOOR_LIMIT_MS);
            let is_failing = self.is_captive || (!is_joined && !is_changing);
            return (is_failing && self.since_power_on_ms >= DOOR_LIMIT_MS)
                .then_some("45 s after power-on no network leads to the cloud and the hotspot is closed");
        }
        let patience = settings.timings.run_time_grace? + Duration::from_millis(DOOR_LIMIT_MS);
        let is_overdue = self.failing_ms.is_some_and(|elapsed| u128::from(elapsed) >= patience.as_millis());
        (is_overdue && (!is_joined || self.is_captive))
            .then_some("the network has been lost for longer than the grace and the hotspot is closed")
    }
}

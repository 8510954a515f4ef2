//! Judges the guarantees from outside: it sees what goes in and out of a device, never what the device thinks.

use core::time::Duration;

use lifecycle::{CloudError, HomeSource, Input, Output, RecoveryPolicy, Settings, State};

use crate::world::{Cloud, Link, World};

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
    /// Somebody with the right to do so asked for the wipe.
    may_wipe: bool,
    /// The cloud accepted the submitted home.
    may_save: bool,
    violation: Option<&'static str>,
}

impl Observer {
    pub(crate) fn time_passes(&mut self, milliseconds: u64) {
        self.since_power_on_ms = (self.since_power_on_ms + milliseconds).min(DOOR_LIMIT_MS);
        let grow = |clock: &mut Option<u64>, limit: u64| {
            *clock = clock.map(|elapsed| (elapsed + milliseconds).min(limit));
        };
        grow(&mut self.failing_ms, 2 * DOOR_LIMIT_MS + 20_000);
        grow(&mut self.left_ms, DOOR_LIMIT_MS);
        grow(&mut self.button_held_ms, BUTTON_HELD_MS_MAX);
        grow(&mut self.submitted_ms, 2 * RETURN_LIMIT_MS);
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

    pub(crate) fn note_output(&mut self, output: Output, link: Link, has_candidate: bool) {
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
            Output::Join { source: HomeSource::Stored, .. } | Output::SaveCandidate | Output::WipeHome => {
                self.submitted_ms = None;
            }
            _ => {}
        }
    }

    /// The stored home is another one now, or none.
    pub(crate) fn note_home_replaced(&mut self, link: Link) {
        let button_held_ms = self.button_held_ms;
        let since_power_on_ms = self.since_power_on_ms;
        let may_wipe = self.may_wipe;
        let unproven_ms = self.unproven_ms;
        // After a wipe nothing is owed; after an accepted submission the device has just reached its cloud.
        *self = Self {
            since_power_on_ms,
            button_held_ms,
            may_wipe,
            unproven_ms,
            was_accepted: true,
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
        if world.is_hotspot_open || world.machine.state() == State::ResetConfig {
            return None;
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

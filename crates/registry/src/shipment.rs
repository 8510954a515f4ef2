//! Firmware shipments: one image, many devices, and what became of it on each.
//!
//! A device is told where the image lies (INTERNAL `ota`), fetches it, restarts, and says in its next info message what it
//! runs now. Nothing else proves an update: a finished download does not, and a device that comes back with the old version
//! after a finished download has rolled back (reference/console-features.md 11, mqtt-api.md 6).
//!
//! [`Delivery`] is one device of a shipment; [`review`] looks at all of them and decides whether the shipment goes on, is
//! widened from its canaries to everyone, or stops by itself.

use crate::{ApplyRule, Eligibility, FirmwareTag, RunningFirmware, UtcTime};

/// 3 downloads for one device in [`ATTEMPTS_WINDOW_MS`]. Source: reference/console-features.md 11.
pub const ATTEMPTS_MAX_DEFAULT: u32 = 3;

/// 24 h, after which a device gets its attempts anew. Source: reference/console-features.md 11.
pub const ATTEMPTS_WINDOW_MS: i64 = 24 * 3_600 * 1_000;

/// 60 s between two orders to one device: Edgent waits 2 s before it leaves and must not be told again by a login in between.
pub const ORDER_INTERVAL_MS: i64 = 60_000;

/// 5 devices must have ended well or badly before a failure rate says anything; in the canary stage the first failure
/// counts.
const RATE_DEVICES_MIN: u64 = 5;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the name used in the API and in the store.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads the name used in the API and in the store.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == name)
            }
        }
    };
}

named! {
    /// Where a shipment stands.
    ShipmentState {
        /// Devices are told.
        Running = "running",
        /// Its owner holds it back; what is under way ends.
        Paused = "paused",
        /// It stopped by itself because too many devices failed.
        Stopped = "stopped",
        /// Its owner ended it.
        Cancelled = "cancelled",
        /// Every device has ended, well or badly.
        Finished = "finished",
    }
}

named! {
    /// Who is told at the moment.
    ShipmentStage {
        /// The canaries alone.
        Canary = "canary",
        /// Everyone.
        Everyone = "everyone",
    }
}

named! {
    /// How far a shipment has come on one device. Names and meanings: reference/console-features.md 11.
    DeliveryState {
        /// Not told yet: it is offline, or not its turn.
        Waiting = "waiting",
        /// Told where the image lies.
        RequestSent = "request_sent",
        /// It asked for the file.
        Requested = "requested",
        /// The file was delivered.
        Downloaded = "downloaded",
        /// It runs the new firmware.
        Success = "success",
        /// The transfer broke; it is told again.
        UploadFailure = "upload_failure",
        /// Too many attempts; it gets new ones a day after its first.
        DownloadLimit = "download_limit",
        /// It came back with another version than the one it fetched.
        Rollback = "rollback",
        /// The image is for another type of firmware.
        TypeMismatch = "type_mismatch",
        /// It does not run what the shipment replaces.
        VersionMismatch = "version_mismatch",
    }
}

impl ShipmentState {
    /// Says whether `next` may follow by an owner's wish.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Running, Self::Paused)
                | (Self::Paused | Self::Stopped, Self::Running)
                | (Self::Running | Self::Paused | Self::Stopped, Self::Cancelled)
        )
    }
}

impl DeliveryState {
    /// Says whether nothing more happens by itself.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Success | Self::DownloadLimit | Self::Rollback | Self::TypeMismatch | Self::VersionMismatch
        )
    }
}

/// One device of a shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How far it has come.
    pub state: DeliveryState,
    /// Downloads begun since `window_from`.
    pub attempts: u32,
    /// When the first of them began.
    pub window_from: Option<UtcTime>,
    /// When it was last told.
    pub ordered_at: Option<UtcTime>,
    /// When the state last changed.
    pub updated_at: UtcTime,
}

/// What an info message means for a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The delivery as it stands now.
    pub delivery: Delivery,
    /// Whether the device is to be told where the image lies. [`Delivery::ordered`] follows once it was.
    pub is_to_be_told: bool,
}

impl Delivery {
    /// A device that has not been told.
    #[must_use]
    pub const fn waiting(now: UtcTime) -> Self {
        Self {
            state: DeliveryState::Waiting,
            attempts: 0,
            window_from: None,
            ordered_at: None,
            updated_at: now,
        }
    }

    /// The device said what it runs.
    #[must_use]
    pub fn described(
        self,
        image: &FirmwareTag,
        rule: ApplyRule,
        attempts_max: u32,
        running: &RunningFirmware,
        now: UtcTime,
    ) -> Described {
        let over = |state| Described { delivery: self.with(state, now), is_to_be_told: false };
        let refreshed = self.with_fresh_window(now);
        match self.state {
            DeliveryState::Success | DeliveryState::Rollback => return over(self.state),
            DeliveryState::DownloadLimit if refreshed == self => return over(self.state),
            _ => {}
        }
        let has_tried = self.window_from.is_some();
        if image.is_running(running) {
            return over(if has_tried { DeliveryState::Success } else { DeliveryState::VersionMismatch });
        }
        if self.state == DeliveryState::Downloaded {
            return over(DeliveryState::Rollback);
        }
        match rule.judge(image, running) {
            Eligibility::TypeMismatch => return over(DeliveryState::TypeMismatch),
            Eligibility::VersionMismatch => return over(DeliveryState::VersionMismatch),
            Eligibility::Eligible => {}
        }
        if refreshed.attempts >= attempts_max {
            return over(DeliveryState::DownloadLimit);
        }
        let state = match self.state {
            // It came back without having fetched the whole file.
            DeliveryState::Requested | DeliveryState::UploadFailure => DeliveryState::UploadFailure,
            DeliveryState::RequestSent => DeliveryState::RequestSent,
            _ => DeliveryState::Waiting,
        };
        let was_told_just_now =
            self.ordered_at.is_some_and(|at| (0..ORDER_INTERVAL_MS).contains(&now.ms_since(at)));
        Described { delivery: refreshed.with(state, now), is_to_be_told: !was_told_just_now }
    }

    /// The device was told where the image lies.
    #[must_use]
    pub fn ordered(self, now: UtcTime) -> Self {
        Self { ordered_at: Some(now), ..self.with(DeliveryState::RequestSent, now) }
    }

    /// The order did not reach the device after all.
    #[must_use]
    pub fn order_failed(self, now: UtcTime) -> Self {
        match self.state {
            DeliveryState::RequestSent => Self { ordered_at: None, ..self.with(DeliveryState::Waiting, now) },
            _ => self,
        }
    }

    /// Says whether a request for the file is in order: the device was told and has attempts left.
    ///
    /// A download that goes on where an earlier one broke is part of that attempt.
    #[must_use]
    pub fn may_fetch(&self, attempts_max: u32, is_continuation: bool) -> bool {
        let was_told = matches!(
            self.state,
            DeliveryState::RequestSent
                | DeliveryState::Requested
                | DeliveryState::Downloaded
                | DeliveryState::UploadFailure
        );
        was_told && (self.attempts < attempts_max || (is_continuation && self.attempts > 0))
    }

    /// The device asked for the file.
    #[must_use]
    pub fn requested(self, is_continuation: bool, now: UtcTime) -> Self {
        let refreshed = self.with_fresh_window(now);
        let attempts = if is_continuation && refreshed.attempts > 0 {
            refreshed.attempts
        } else {
            refreshed.attempts.saturating_add(1)
        };
        Self {
            attempts,
            window_from: refreshed.window_from.or(Some(now)),
            ..refreshed.with(DeliveryState::Requested, now)
        }
    }

    /// The whole file was delivered.
    #[must_use]
    pub fn downloaded(self, now: UtcTime) -> Self {
        match self.state {
            DeliveryState::Requested => self.with(DeliveryState::Downloaded, now),
            _ => self,
        }
    }

    /// The transfer broke.
    #[must_use]
    pub fn broke(self, now: UtcTime) -> Self {
        match self.state {
            DeliveryState::Requested => self.with(DeliveryState::UploadFailure, now),
            _ => self,
        }
    }

    fn with(self, state: DeliveryState, now: UtcTime) -> Self {
        let updated_at = if state == self.state { self.updated_at } else { now };
        Self { state, updated_at, ..self }
    }

    /// Gives the attempts back once the day is over; that it once tried stays known.
    fn with_fresh_window(self, now: UtcTime) -> Self {
        match self.window_from {
            Some(from) if self.attempts > 0 && now.ms_since(from) >= ATTEMPTS_WINDOW_MS => {
                Self { attempts: 0, window_from: Some(now), ..self }
            }
            _ => self,
        }
    }
}

/// How many devices stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Run the new firmware.
    pub succeeded: u64,
    /// Rolled back, or out of attempts.
    pub failed: u64,
    /// Do not need it: another type or version.
    pub passed_over: u64,
    /// Everything else.
    pub open: u64,
}

impl DeliveryCounts {
    /// Adds devices that stand at `state`.
    pub const fn add(&mut self, state: DeliveryState, count: u64) {
        let sum = match state {
            DeliveryState::Success => &mut self.succeeded,
            DeliveryState::DownloadLimit | DeliveryState::Rollback => &mut self.failed,
            DeliveryState::TypeMismatch | DeliveryState::VersionMismatch => &mut self.passed_over,
            DeliveryState::Waiting
            | DeliveryState::RequestSent
            | DeliveryState::Requested
            | DeliveryState::Downloaded
            | DeliveryState::UploadFailure => &mut self.open,
        };
        *sum = sum.saturating_add(count);
    }

    /// Returns how many devices there are.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.succeeded + self.failed + self.passed_over + self.open
    }

    const fn exceeds(&self, failure_percent_max: u8) -> bool {
        let ended = self.succeeded + self.failed;
        self.failed.saturating_mul(100) > ended.saturating_mul(failure_percent_max as u64)
    }
}

/// What a look at a running shipment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// Nothing changes.
    GoOn,
    /// At least half of the canaries run the new firmware and few enough failed: everyone gets it.
    Widen,
    /// Too many failed.
    Stop,
    /// Every device has ended.
    Finish,
}

/// Looks at a running shipment after one of its devices has moved.
///
/// `canaries` counts the canaries alone, `all` every device. A shipment to all devices of a template (`is_open_ended`) does
/// not finish by itself, because devices may join later. Canaries that do not need the image prove nothing: without one success
/// a shipment is not widened.
#[must_use]
pub fn review(
    stage: ShipmentStage,
    failure_percent_max: u8,
    is_open_ended: bool,
    canaries: &DeliveryCounts,
    all: &DeliveryCounts,
) -> Review {
    match stage {
        ShipmentStage::Canary => {
            let expected = canaries.total() - canaries.passed_over;
            if canaries.failed > 0 && canaries.exceeds(failure_percent_max) {
                Review::Stop
            } else if canaries.succeeded > 0 && canaries.succeeded.saturating_mul(2) >= expected {
                Review::Widen
            } else {
                Review::GoOn
            }
        }
        ShipmentStage::Everyone => {
            let ended = all.succeeded + all.failed;
            let says_something = ended >= RATE_DEVICES_MIN.min(all.total() - all.passed_over);
            if all.failed > 0 && says_something && all.exceeds(failure_percent_max) {
                Review::Stop
            } else if !is_open_ended && all.open == 0 {
                Review::Finish
            } else {
                Review::GoOn
            }
        }
    }
}

#[cfg(test)]
mod tests;

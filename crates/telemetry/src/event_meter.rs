//! How often events count and notify.
//!
//! Source of the quotas: reference/console-features.md 3: 100 events a day for a device, 1 a second of a kind, 5 s between
//! notifications. Times are Unix milliseconds, because a day is one of the calendar (UTC) and what is kept outlives a
//! restart. A clock that was put back counts as enough time passed.

use crate::template_event::Notifying;

/// 100 events of a device in a day.
pub const EVENTS_PER_DAY_MAX: u32 = 100;

/// 1,000 ms between two events of one kind.
pub const EVENT_SPACING_MS: i64 = 1_000;

/// 5,000 ms between two notifications about one device.
pub const NOTIFICATION_SPACING_MS: i64 = 5_000;

/// 86,400,000 ms.
const DAY_MS: i64 = 86_400_000;

/// What is remembered of one kind of event of one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventMeter {
    /// The day of `logged_count`, counted from 1970-01-01 UTC.
    pub day: i64,
    /// Events on that day.
    pub logged_count: u32,
    /// When the last one was.
    pub logged_at_ms: Option<i64>,
    /// Events since the last notification.
    pub counted: u32,
    /// When the last notification was.
    pub notified_at_ms: Option<i64>,
}

/// What all events of the device come to, the one in question included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceMeter {
    /// Events today.
    pub logged_count: u32,
    /// When the last notification was.
    pub notified_at_ms: Option<i64>,
}

/// An event that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeteredEvent {
    /// What is remembered from now on.
    pub meter: EventMeter,
    /// Whether people are told.
    pub notifies: bool,
}

/// Why an event does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefuseEventError {
    /// The last one of its kind was less than a second ago.
    #[error("an event of this kind was logged less than a second ago")]
    TooSoon,
    /// The device has logged enough for today.
    #[error("the device has logged {EVENTS_PER_DAY_MAX} events today")]
    DayIsFull,
}

impl RefuseEventError {
    /// Returns a short name for counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooSoon => "too_soon",
            Self::DayIsFull => "day_is_full",
        }
    }
}

/// Returns the day of a time, counted from 1970-01-01 UTC.
#[must_use]
pub const fn day_of(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(DAY_MS)
}

impl EventMeter {
    /// Counts one more event.
    ///
    /// # Errors
    /// When a quota is used up; the meter stays as it was then.
    pub fn count(
        self,
        device: DeviceMeter,
        notifying: &Notifying,
        now_ms: i64,
    ) -> Result<MeteredEvent, RefuseEventError> {
        if device.logged_count >= EVENTS_PER_DAY_MAX {
            return Err(RefuseEventError::DayIsFull);
        }
        if !has_passed(self.logged_at_ms, EVENT_SPACING_MS, now_ms) {
            return Err(RefuseEventError::TooSoon);
        }
        let today = day_of(now_ms);
        let logged_count = if self.day == today { self.logged_count.saturating_add(1) } else { 1 };
        let counted = self.counted.saturating_add(1);
        let period_ms = i64::from(notifying.limit_period_s.unwrap_or(0)) * 1_000;
        let notifies = !notifying.channels.is_none()
            && counted >= notifying.after_count
            && has_passed(self.notified_at_ms, period_ms, now_ms)
            && has_passed(device.notified_at_ms, NOTIFICATION_SPACING_MS, now_ms);
        let meter = Self {
            day: today,
            logged_count,
            logged_at_ms: Some(now_ms),
            counted: if notifies { 0 } else { counted },
            notified_at_ms: if notifies { Some(now_ms) } else { self.notified_at_ms },
        };
        Ok(MeteredEvent { meter, notifies })
    }
}

fn has_passed(since_ms: Option<i64>, wait_ms: i64, now_ms: i64) -> bool {
    since_ms.is_none_or(|since_ms| now_ms < since_ms || now_ms.saturating_sub(since_ms) >= wait_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Channels;

    const NOW: i64 = 1_795_000_000_000;

    /// One device with one kind of event.
    #[derive(Default)]
    struct Device {
        meter: EventMeter,
        notified_at: Vec<i64>,
        logged_at: Vec<i64>,
    }

    impl Device {
        fn log(&mut self, notifying: &Notifying, at: i64) -> Result<bool, RefuseEventError> {
            let is_today = self.meter.day == day_of(at);
            let device = DeviceMeter {
                logged_count: if is_today { self.meter.logged_count } else { 0 },
                notified_at_ms: self.meter.notified_at_ms,
            };
            let counted = self.meter.count(device, notifying, at)?;
            self.meter = counted.meter;
            self.logged_at.push(at);
            if counted.notifies {
                self.notified_at.push(at);
            }
            Ok(counted.notifies)
        }
    }

    fn mailing(limit_period_s: Option<u32>, after_count: u32) -> Notifying {
        Notifying { channels: Channels { email: true, webhooks: false }, limit_period_s, after_count }
    }

    #[test]
    fn a_second_event_of_a_kind_waits_a_second() {
        let mut device = Device::default();
        let notifying = Notifying::default();
        assert_eq!(device.log(&notifying, NOW), Ok(false));
        assert_eq!(device.log(&notifying, NOW + 999), Err(RefuseEventError::TooSoon));
        assert_eq!(device.log(&notifying, NOW + 1_000), Ok(false));
        assert_eq!(device.log(&notifying, NOW - 3_600_000), Ok(false), "the clock was put back");
    }

    #[test]
    fn a_day_holds_a_hundred_events_and_the_next_day_begins_anew() {
        let mut device = Device::default();
        let start = day_of(NOW) * DAY_MS;
        for number in 0..100 {
            device.log(&Notifying::default(), start + number * 1_000).unwrap();
        }
        let last = start + DAY_MS - 1;
        assert_eq!(device.log(&Notifying::default(), last), Err(RefuseEventError::DayIsFull));
        assert_eq!(device.log(&Notifying::default(), last + 1), Ok(false));
    }

    #[test]
    fn notifications_wait_for_the_count_the_period_and_each_other() {
        let mut device = Device::default();
        let notifying = mailing(Some(60), 3);
        let told: Vec<bool> = (0..9).map(|n| device.log(&notifying, NOW + n * 10_000).unwrap()).collect();
        // The third; then the period has to pass, and the events of it count.
        assert_eq!(told, [false, false, true, false, false, false, false, false, true]);
        let mut device = Device::default();
        let told: Vec<bool> =
            (0..7).map(|n| device.log(&mailing(None, 1), NOW + n * 1_000).unwrap()).collect();
        assert_eq!(told, [true, false, false, false, false, true, false]);
    }

    #[test]
    fn without_a_channel_nobody_is_told() {
        assert_eq!(Device::default().log(&Notifying::default(), NOW), Ok(false));
    }

    proptest! {
        #[test]
        fn quotas_hold_for_every_sequence(
            steps in proptest::collection::vec(0_i64..20_000_000, 1..400),
            limit_period_s in proptest::option::of(1_u32..100),
            after_count in 1_u32..5,
        ) {
            let notifying = mailing(limit_period_s, after_count);
            let mut device = Device::default();
            let mut now = NOW;
            for step in steps {
                now += step % if step % 3 == 0 { 2_000 } else { 20_000_000 };
                let _outcome = device.log(&notifying, now);
            }
            for pair in device.logged_at.windows(2) {
                prop_assert!(pair[1] - pair[0] >= EVENT_SPACING_MS);
            }
            for pair in device.notified_at.windows(2) {
                let period_ms = i64::from(limit_period_s.unwrap_or(0)) * 1_000;
                prop_assert!(pair[1] - pair[0] >= period_ms.max(NOTIFICATION_SPACING_MS));
                let between = device.logged_at.iter().filter(|at| **at > pair[0] && **at <= pair[1]).count();
                prop_assert!(between >= after_count as usize);
            }
            for day in device.logged_at.iter().map(|at| day_of(*at)) {
                prop_assert!(device.logged_at.iter().filter(|at| day_of(**at) == day).count() <= 100);
            }
        }
    }
}

//! The power-up gesture: counts short power-ups in a row, for a device without a button.
//!
//! The count has to outlive the power, so the shell keeps it in flash; this says when to write which number. An ordinary
//! power-up costs two small records, one that is counted and not taken back costs one. Decision 0023 tells why a power-up
//! is counted while it lasts.

use crate::{BootReason, Instant, Timings};

/// So many short power-ups in a row open the hotspot at the next start. Source: `lifecycle.md`, guarantee 8.
pub const GESTURE_POWER_UP_COUNT: u8 = 5;

/// The short power-ups in a row, as one run of the device sees them.
///
/// Make one at boot, and store what [`PowerUpGesture::take_due`] returns at [`PowerUpGesture::next_timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PowerUpGesture {
    // Invariant: the number in flash as far as this run wrote it, at most GESTURE_POWER_UP_COUNT.
    stored_count: u8,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    /// Too short so far to be a part of the gesture.
    Flicker { counts_at: Instant, clears_at: Instant },
    /// If the power goes now, this power-up was a short one; or it does not count and the time to clear has not come.
    Short { clears_at: Instant },
    /// The device stays on.
    Over,
}

impl PowerUpGesture {
    /// Begins a run at `now`; `stored_count` is the number in flash.
    ///
    /// Only a genuine power-on is counted. Every other start leaves the number as it is until the device has stayed on,
    /// because a supply that breaks down slowly resets some chips once more before it is gone.
    #[must_use]
    pub fn begin(now: Instant, reason: BootReason, stored_count: u8, timings: &Timings) -> Self {
        let clears_at = now.after(timings.short_power_up_max);
        let step = match reason {
            BootReason::PowerOn => {
                Step::Flicker { counts_at: now.after(timings.short_power_up_min), clears_at }
            }
            BootReason::Restart | BootReason::Fault => Step::Short { clears_at },
        };
        Self { stored_count: stored_count.min(GESTURE_POWER_UP_COUNT), step }
    }

    /// When [`PowerUpGesture::take_due`] has something to do.
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Instant> {
        match self.step {
            Step::Flicker { counts_at, .. } => Some(counts_at),
            Step::Short { clears_at } => Some(clears_at),
            Step::Over => None,
        }
    }

    /// Returns the number to store now; `None` when nothing is due or the flash already holds it.
    pub fn take_due(&mut self, now: Instant) -> Option<u8> {
        let before = self.stored_count;
        match self.step {
            Step::Flicker { clears_at, .. } | Step::Short { clears_at } if clears_at <= now => {
                self.step = Step::Over;
                self.stored_count = 0;
            }
            Step::Flicker { counts_at, clears_at } if counts_at <= now => {
                self.step = Step::Short { clears_at };
                self.stored_count = before.saturating_add(1).min(GESTURE_POWER_UP_COUNT);
            }
            Step::Flicker { .. } | Step::Short { .. } | Step::Over => {}
        }
        (self.stored_count != before).then_some(self.stored_count)
    }

    /// A wipe has cleared the number in flash; this power-up is no part of a gesture any more.
    pub const fn note_wiped(&mut self) {
        *self = Self { stored_count: 0, step: Step::Over };
    }

    /// The same on a clock that reads zero at `origin`.
    #[must_use]
    pub fn relative_to(&self, origin: Instant) -> Self {
        let step = match self.step {
            Step::Flicker { counts_at, clears_at } => Step::Flicker {
                counts_at: counts_at.relative_to(origin),
                clears_at: clears_at.relative_to(origin),
            },
            Step::Short { clears_at } => Step::Short { clears_at: clears_at.relative_to(origin) },
            Step::Over => Step::Over,
        };
        Self { step, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays one power-up of `on_ms` milliseconds with timers that are never late; returns the count it leaves.
    fn power_up(stored_count: u8, reason: BootReason, on_ms: u64) -> (u8, usize) {
        let mut gesture = PowerUpGesture::begin(Instant::BOOT, reason, stored_count, &Timings::default());
        let (mut count, mut write_count) = (stored_count, 0);
        while let Some(due_at) = gesture.next_timeout().filter(|due_at| due_at.as_millis() <= on_ms) {
            if let Some(stored) = gesture.take_due(due_at) {
                (count, write_count) = (stored, write_count + 1);
            }
        }
        (count, write_count)
    }

    #[test]
    fn power_ups_of_one_to_eight_seconds_count_and_longer_ones_start_over() {
        for (on_ms, after_none, after_three) in [
            (0, 0, 3),
            (999, 0, 3),
            (1_000, 1, 4),
            (4_000, 1, 4),
            (7_999, 1, 4),
            (8_000, 0, 0),
            (3_600_000, 0, 0),
        ] {
            assert_eq!(power_up(0, BootReason::PowerOn, on_ms).0, after_none, "{on_ms} ms");
            assert_eq!(power_up(3, BootReason::PowerOn, on_ms).0, after_three, "{on_ms} ms");
        }
    }

    #[test]
    fn restarts_and_faults_are_not_counted_and_keep_the_row_until_the_device_stays_on() {
        for reason in [BootReason::Restart, BootReason::Fault] {
            for on_ms in [0, 1_000, 7_999] {
                assert_eq!(power_up(0, reason, on_ms), (0, 0), "{reason:?} {on_ms} ms");
                assert_eq!(power_up(4, reason, on_ms), (4, 0), "{reason:?} {on_ms} ms");
            }
            assert_eq!(power_up(4, reason, 8_000), (0, 1), "{reason:?}");
        }
    }

    #[test]
    fn the_count_stops_at_five_and_a_number_that_no_device_writes_is_read_as_five() {
        assert_eq!(power_up(5, BootReason::PowerOn, 5_000), (5, 0));
        assert_eq!(power_up(u8::MAX, BootReason::PowerOn, 9_000).0, 0);
    }

    #[test]
    fn an_ordinary_power_up_writes_twice_and_one_without_anything_to_clear_not_at_all() {
        assert_eq!(power_up(0, BootReason::PowerOn, 3_600_000), (0, 2));
        assert_eq!(power_up(0, BootReason::Restart, 3_600_000), (0, 0));
    }

    #[test]
    fn a_wipe_ends_the_row_for_good() {
        let mut gesture = PowerUpGesture::begin(Instant::BOOT, BootReason::PowerOn, 4, &Timings::default());
        gesture.note_wiped();
        assert_eq!((gesture.next_timeout(), gesture.take_due(Instant::from_millis(5_000))), (None, None));
    }

    #[test]
    fn a_late_timer_clears_instead_of_counting() {
        let mut gesture = PowerUpGesture::begin(Instant::BOOT, BootReason::PowerOn, 4, &Timings::default());
        assert_eq!(gesture.take_due(Instant::from_millis(9_000)), Some(0));
        assert_eq!(gesture.next_timeout(), None);
    }
}

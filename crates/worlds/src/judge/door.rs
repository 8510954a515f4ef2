//! The lock of the hotspot and the power-up gesture, as somebody sees them who only watches the power and the visitors.

use lifecycle::BootReason;

use super::{AT_ONCE_MS, Broken};

/// So many wrong proofs lock the hotspot. Source: guarantee 7.
const WRONG_PROOF_COUNT_MAX: u8 = 5;
/// So many short power-ups in a row open it. Source: guarantee 8, and so is what follows.
const GESTURE_COUNT: u8 = 5;
const SHORT_MS: std::ops::Range<u64> = 1_000..8_000;
const GESTURE_OPEN_MS: u64 = 15 * 60_000;
/// So close to the limits of a short power-up it may be counted either way.
const EITHER_WAY_MS: u64 = 20;

/// What one board's door owes its owner and strangers.
#[derive(Debug, Default)]
pub(super) struct Door {
    wrong_count: u8,
    locked_at: Option<u64>,
    gesture: Gesture,
    /// The gesture opened the hotspot at the latest at, and keeps it open until.
    held: Option<(u64, u64)>,
}

/// The short power-ups in a row.
#[derive(Debug)]
struct Gesture {
    count: u8,
    /// Whether the count is known: a power cut in the middle of its own record leaves it open.
    is_certain: bool,
    run_began_at: u64,
    reason: BootReason,
    /// This run's wipe cleared the count; the run itself is not counted.
    is_cleared: bool,
}

impl Default for Gesture {
    fn default() -> Self {
        Self { count: 0, is_certain: true, run_began_at: 0, reason: BootReason::PowerOn, is_cleared: false }
    }
}

impl Door {
    /// Returns whether the gesture was made.
    pub(super) fn begin_run(&mut self, reason: BootReason, has_home: bool, now_ms: u64) -> bool {
        if reason == BootReason::PowerOn {
            (self.wrong_count, self.locked_at) = (0, None);
        }
        let gesture = &mut self.gesture;
        (gesture.run_began_at, gesture.reason, gesture.is_cleared) = (now_ms, reason, false);
        let is_made =
            gesture.is_certain && gesture.count >= GESTURE_COUNT && has_home && reason == BootReason::PowerOn;
        self.held = is_made.then_some((now_ms + AT_ONCE_MS, now_ms + GESTURE_OPEN_MS));
        is_made
    }

    pub(super) fn end_run(&mut self, now_ms: u64) {
        self.held = None;
        let gesture = &mut self.gesture;
        let lasted_ms = now_ms.saturating_sub(gesture.run_began_at);
        let (shortest_ms, longest_ms) = (SHORT_MS.start, SHORT_MS.end);
        if gesture.is_cleared {
        } else if lasted_ms >= longest_ms + EITHER_WAY_MS {
            (gesture.count, gesture.is_certain) = (0, true);
        } else if [shortest_ms, longest_ms].iter().any(|limit| limit.abs_diff(lasted_ms) <= EITHER_WAY_MS) {
            gesture.is_certain = false;
        } else if gesture.reason == BootReason::PowerOn && SHORT_MS.contains(&lasted_ms) {
            gesture.count = gesture.count.saturating_add(1);
        }
    }

    /// The power failed in the middle of a flash operation, which may have been the count's.
    pub(super) const fn note_torn(&mut self) {
        self.gesture.is_certain = false;
    }

    pub(super) const fn note_wiped(&mut self) {
        let gesture = &mut self.gesture;
        (gesture.count, gesture.is_certain, gesture.is_cleared) = (0, true, true);
        self.held = None;
    }

    /// The cloud accepted a submitted home: what the hotspot was asked for is done.
    pub(super) const fn note_saved(&mut self) {
        self.held = None;
    }

    /// Somebody at the open hotspot gave a wrong proof. Returns whether that was one too many.
    pub(super) const fn note_wrong_proof(&mut self, now_ms: u64) -> bool {
        self.wrong_count = self.wrong_count.saturating_add(1);
        let is_last = self.wrong_count == WRONG_PROOF_COUNT_MAX;
        if is_last {
            self.locked_at = Some(now_ms);
            self.held = None;
        }
        is_last
    }

    pub(super) const fn is_locked(&self) -> bool {
        self.locked_at.is_some()
    }

    pub(super) fn next_check(&self, is_open: bool) -> Option<u64> {
        let lock_at = self.locked_at.filter(|_| is_open).map(|locked_at| locked_at + AT_ONCE_MS);
        let open_at = self.held.filter(|_| !is_open).map(|(open_by, _)| open_by);
        lock_at.into_iter().chain(open_at).min()
    }

    pub(super) fn judge(&self, is_open: bool, now_ms: u64) -> Option<Broken> {
        if is_open && self.locked_at.is_some_and(|locked_at| now_ms > locked_at + AT_ONCE_MS) {
            return Some(Broken::LockIgnored);
        }
        let is_shut_too_early =
            self.held.is_some_and(|(open_by, until)| now_ms > open_by && now_ms < until && !is_open);
        is_shut_too_early.then_some(Broken::GestureIgnored)
    }
}

#[cfg(test)]
mod tests {
    use lifecycle::BootReason;

    use super::Door;
    use crate::judge::Broken;

    /// Plays power-ups of these lengths; returns when the last of them began.
    fn power_ups(door: &mut Door, lengths_ms: &[u64]) -> u64 {
        let mut now_ms = 100_000;
        for length_ms in lengths_ms {
            door.begin_run(BootReason::PowerOn, true, now_ms);
            door.end_run(now_ms + length_ms);
            now_ms += length_ms + 500;
        }
        now_ms
    }

    #[test]
    fn five_short_power_ups_must_open_the_door_and_four_or_a_long_one_need_not() {
        let mut door = Door::default();
        let now_ms = power_ups(&mut door, &[60_000, 3_000, 3_000, 300, 3_000, 3_000, 3_000]);
        assert!(door.begin_run(BootReason::PowerOn, true, now_ms));
        assert_eq!(door.judge(true, now_ms + 2_000), None);
        assert_eq!(door.judge(false, now_ms + 2_000), Some(Broken::GestureIgnored));
        assert_eq!(door.judge(false, now_ms + 16 * 60_000), None);
        for lengths_ms in [&[3_000; 4][..], &[3_000, 3_000, 3_000, 9_000, 3_000, 3_000]] {
            let mut door = Door::default();
            let now_ms = power_ups(&mut door, lengths_ms);
            assert!(!door.begin_run(BootReason::PowerOn, true, now_ms));
        }
    }

    #[test]
    fn five_wrong_proofs_lock_the_door_until_power_on_and_a_restart_does_not_help() {
        let mut door = Door::default();
        door.begin_run(BootReason::PowerOn, true, 0);
        let locked: Vec<bool> = (0..6).map(|_| door.note_wrong_proof(10_000)).collect();
        assert_eq!(locked, [false, false, false, false, true, false]);
        assert_eq!(door.judge(true, 12_000), Some(Broken::LockIgnored));
        assert_eq!(door.judge(false, 12_000), None);
        door.begin_run(BootReason::Restart, true, 20_000);
        assert_eq!(door.judge(true, 21_500), Some(Broken::LockIgnored));
        door.begin_run(BootReason::PowerOn, true, 30_000);
        assert!(!door.is_locked());
        assert_eq!(door.judge(true, 32_000), None);
    }
}

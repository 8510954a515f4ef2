//! Waits between attempts: doubling, bounded, with jitter from a seed.

use core::time::Duration;

/// A repeatable source of jitter; the same seed gives the same waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Jitter {
    state: u32,
}

impl Jitter {
    pub(crate) const fn new(seed: u32) -> Self {
        // xorshift stays at zero for ever when it starts there.
        Self { state: if seed == 0 { 0x9E37_79B9 } else { seed } }
    }

    /// Takes a random share of up to `percent` off `wait`, so that devices that failed together do not return together.
    ///
    /// Draws nothing for 0 percent.
    pub(crate) fn shorten(&mut self, wait: Duration, percent: u8) -> Duration {
        if percent == 0 {
            return wait;
        }
        // xorshift32 with the shifts 13, 17, 5.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        let share_permille = self.state % (u32::from(percent.min(100)) * 10 + 1);
        wait.saturating_sub(wait.saturating_mul(share_permille) / 1_000)
    }
}

/// Counts failures in a row and turns them into waits that double up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Backoff {
    failure_count: u8,
}

impl Backoff {
    /// Returns the wait after one more failure: `first`, then twice as long each time, never longer than `max`.
    pub(crate) fn next_wait(&mut self, first: Duration, max: Duration) -> Duration {
        let wait = first.saturating_mul(1 << self.failure_count.min(16));
        if wait >= max {
            // Standing still at the limit keeps the number of distinct machine states finite.
            return max;
        }
        self.failure_count += 1;
        wait
    }

    pub(crate) const fn reset(&mut self) {
        self.failure_count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_the_first_to_the_limit_and_stay_there() {
        let mut backoff = Backoff::default();
        let waits: std::vec::Vec<u64> = (0..9)
            .map(|_| backoff.next_wait(Duration::from_secs(3), Duration::from_mins(5)).as_secs())
            .collect();
        assert_eq!(waits, [3, 6, 12, 24, 48, 96, 192, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.next_wait(Duration::from_secs(3), Duration::from_mins(5)).as_secs(), 3);
    }

    #[test]
    fn jitter_takes_off_at_most_its_share_and_differs_between_seeds() {
        let wait = Duration::from_mins(5);
        let mut shortest = wait;
        let mut longest = Duration::ZERO;
        let mut jitter = Jitter::new(7);
        for _ in 0..2_000 {
            let jittered = jitter.shorten(wait, 25);
            assert!(jittered <= wait && jittered >= wait * 3 / 4, "{jittered:?}");
            shortest = shortest.min(jittered);
            longest = longest.max(jittered);
        }
        assert!(shortest < wait * 4 / 5 && longest > wait * 19 / 20, "{shortest:?} {longest:?}");
        assert_ne!(Jitter::new(1).shorten(wait, 25), Jitter::new(2).shorten(wait, 25));
        assert_eq!(Jitter::new(0).shorten(wait, 25), Jitter::new(0).shorten(wait, 25));
    }

    #[test]
    fn no_jitter_draws_no_randomness() {
        let mut jitter = Jitter::new(5);
        assert_eq!(jitter.shorten(Duration::from_secs(9), 0), Duration::from_secs(9));
        assert_eq!(jitter, Jitter::new(5));
    }
}

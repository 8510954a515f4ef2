//! When the next thing is due.

use std::time::Duration;

/// How load is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Closed loop: the next one starts when one has ended, with so many under way.
    Closed {
        /// At least 1.
        in_flight: usize,
    },
    /// Open loop: at fixed times, whether or not the server keeps up. Times are taken from when something was due, so that
    /// a server that stops for a second is charged for everything that waited in that second.
    Open {
        /// All connections together; more than 0.
        per_second: f64,
    },
}

/// Returns when number `index` is due after the start.
pub(crate) fn due(index: u64, per_second: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^52 units")]
    let seconds = index as f64 / per_second.max(f64::MIN_POSITIVE);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_due_at_even_distances() {
        assert_eq!(due(0, 5_000.0), Duration::ZERO);
        assert_eq!(due(1, 5_000.0), Duration::from_micros(200));
        assert_eq!(due(10_000, 5_000.0), Duration::from_secs(2));
        assert_eq!(due(1, 0.0), Duration::MAX);
    }
}

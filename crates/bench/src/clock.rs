//! Bench time: real time multiplied by a scale, or virtual time when the runtime's clock is paused.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The slowest time scale: a hundredth of real time.
pub const TIME_SCALE_MIN: f64 = 0.01;
/// The fastest time scale. Faster than this, real sockets cannot answer within a device's time-outs.
pub const TIME_SCALE_MAX: f64 = 100.0;

/// The one clock of a bench; cheap to clone, all clones are the same clock.
#[derive(Clone, Debug)]
pub struct BenchClock {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    anchor: Cell<Anchor>,
    rescaled: Notify,
    started_utc_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    real: Instant,
    bench: Duration,
    scale: f64,
}

impl BenchClock {
    /// Starts a clock at bench time zero. `started_utc_ms` is the wall clock at that moment (Unix, milliseconds).
    #[must_use]
    pub fn start(started_utc_ms: u64) -> Self {
        let anchor = Anchor { real: Instant::now(), bench: Duration::ZERO, scale: 1.0 };
        Self {
            shared: Rc::new(Shared { anchor: Cell::new(anchor), rescaled: Notify::new(), started_utc_ms }),
        }
    }

    /// Returns the bench time since the bench started.
    #[must_use]
    pub fn now(&self) -> Duration {
        let anchor = self.shared.anchor.get();
        anchor.bench.saturating_add(anchor.real.elapsed().mul_f64(anchor.scale))
    }

    /// Returns the simulated wall clock (Unix, milliseconds).
    #[must_use]
    pub fn utc_ms(&self) -> u64 {
        let elapsed_ms = u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX);
        self.shared.started_utc_ms.saturating_add(elapsed_ms)
    }

    /// Waits for `bench_time` of bench time.
    pub async fn sleep(&self, bench_time: Duration) {
        self.sleep_until(self.now().saturating_add(bench_time)).await;
    }

    /// Waits until the bench clock shows `at`, whatever happens to the scale meanwhile.
    pub async fn sleep_until(&self, at: Duration) {
        loop {
            let rescaled = self.shared.rescaled.notified();
            let left = at.saturating_sub(self.now());
            if left.is_zero() {
                return;
            }
            let real_left = left.div_f64(self.shared.anchor.get().scale);
            tokio::select! {
                biased;
                () = tokio::time::sleep(real_left) => {}
                () = rescaled => {}
            }
        }
    }

    /// Returns how many bench seconds pass in a real second.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.shared.anchor.get().scale
    }

    /// Changes the scale from now on, within the two bounds; a number that is none means 1.
    pub fn set_scale(&self, scale: f64) {
        let scale = if scale.is_finite() { scale.clamp(TIME_SCALE_MIN, TIME_SCALE_MAX) } else { 1.0 };
        self.shared.anchor.set(Anchor { real: Instant::now(), bench: self.now(), scale });
        self.shared.rescaled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::BenchClock;

    #[tokio::test(start_paused = true)]
    async fn a_sleep_in_progress_follows_a_change_of_scale() {
        let clock = BenchClock::start(0);
        let real_start = tokio::time::Instant::now();
        tokio::join!(clock.sleep(Duration::from_secs(100)), async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            clock.set_scale(9.0);
        });
        assert_eq!(clock.now().as_secs(), 100);
        assert_eq!(real_start.elapsed().as_secs(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn an_absurd_scale_is_brought_within_bounds() {
        let clock = BenchClock::start(0);
        for (asked, set) in [(f64::NAN, 1.0), (1e9, super::TIME_SCALE_MAX), (-3.0, super::TIME_SCALE_MIN)] {
            clock.set_scale(asked);
            assert!((clock.scale() - set).abs() < f64::EPSILON, "{asked}");
        }
    }
}

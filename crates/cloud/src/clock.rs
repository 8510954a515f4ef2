//! The server's clock, which a test can put forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use registry::{Moment, MonoTime, UtcTime};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Reads "now" and waits for points in time. Clones share one clock.
#[derive(Debug, Clone)]
pub struct Clock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: Source,
    /// Milliseconds by which a test has put the clock forward.
    forward_ms: AtomicI64,
    moved: Notify,
}

/// What moves a clock besides [`Clock::advance`].
#[derive(Debug)]
enum Source {
    /// The machine's clocks.
    Machine { started_at: Instant },
    /// Nothing: the wall clock stays where it was.
    Nothing { unix_ms: i64 },
}

impl Clock {
    /// Makes a clock that shows the machine's time.
    #[must_use]
    pub fn system() -> Self {
        Self::from_source(Source::Machine { started_at: Instant::now() })
    }

    /// Makes a clock that stands at the present until it is put forward. For tests of rates, which would otherwise
    /// depend on how fast the machine is.
    #[must_use]
    pub fn standing() -> Self {
        Self::from_source(Source::Nothing { unix_ms: machine_unix_ms() })
    }

    fn from_source(source: Source) -> Self {
        let shared = Shared { source, forward_ms: AtomicI64::new(0), moved: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Returns now, on the wall clock and on the clock for time-outs.
    #[must_use]
    pub fn now(&self) -> Moment {
        let forward_ms = self.shared.forward_ms.load(Ordering::Acquire);
        let (since_start_ms, unix_ms) = match &self.shared.source {
            Source::Machine { started_at } => {
                (u64::try_from(started_at.elapsed().as_millis()).unwrap_or(u64::MAX), machine_unix_ms())
            }
            Source::Nothing { unix_ms } => (0, *unix_ms),
        };
        Moment {
            mono: MonoTime::from_ms(since_start_ms.saturating_add_signed(forward_ms)),
            utc: UtcTime::from_unix_ms(unix_ms).plus_ms(forward_ms),
        }
    }

    /// Waits until `at`; returns early when the clock is put forward past it.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn wait_until(&self, at: MonoTime) {
        loop {
            let moved = self.shared.moved.notified();
            let remaining_ms = at.since_ms(self.now().mono);
            if remaining_ms == 0 {
                return;
            }
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep(Duration::from_millis(remaining_ms)) => {}
            }
        }
    }

    /// Puts the clock forward for everybody who holds it. For tests: hours pass without waiting.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.shared.forward_ms.fetch_add(by_ms, Ordering::AcqRel);
        self.shared.moved.notify_waiters();
    }
}

fn machine_unix_ms() -> i64 {
    // A clock before 1970 has never been set.
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiter_returns_when_the_clock_is_put_forward() {
        let clock = Clock::system();
        let at = clock.now().mono.plus_ms(3_600_000);
        let waiter = tokio::spawn({
            let clock = clock.clone();
            async move { clock.wait_until(at).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_hours(1));
        waiter.await.unwrap();
        assert!(clock.now().mono >= at);
    }

    #[test]
    fn a_standing_clock_moves_only_when_it_is_put_forward() {
        let clock = Clock::standing();
        let before = clock.now();
        while machine_unix_ms() < before.utc.unix_ms() + 2 {
            std::hint::spin_loop();
        }
        assert_eq!(clock.now(), before);
        clock.advance(Duration::from_millis(5));
        assert_eq!(clock.now().mono, before.mono.plus_ms(5));
        assert_eq!(clock.now().utc, before.utc.plus_ms(5));
    }
}

//! The time by which certificates are checked, and the wait for it.
//!
//! A board without a battery starts with the time it went off, or with none. Once it has a network, systemd's time
//! service sets the clock within seconds; a certificate that is younger than the clock is refused until then.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::time::Instant;

/// A clock before this was never set: 2026-11-01. A board without a battery must still be able to check a certificate.
pub(super) const CLOCK_FLOOR_S: u64 = 1_793_491_200;
/// How long one connection waits for the time. A trial has 25 s for the cloud, and a dial 20 s.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How often the clock is looked at meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Connections that wait for a clock which was never set. After that nobody is expected to set it.
const WAIT_COUNT_MAX: u8 = 3;
/// Connections that wait for a clock which was set before this boot, and is likely to be right.
const WAIT_COUNT_MAX_IF_PLAUSIBLE: u8 = 1;
/// There while systemd's time service runs. Source: systemd-timesyncd.service(8).
const TIME_SERVICE_DIR: &str = "/run/systemd/timesync";
/// The file in it that the service touches whenever it has set the clock. Source: as above.
const SYNCHRONIZED_FILE: &str = "synchronized";

/// The system's clock, but never before this program was made.
#[derive(Debug)]
pub(super) struct FlooredClock;

impl TimeProvider for FlooredClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(
            since_epoch(SystemTime::now()).max(Duration::from_secs(CLOCK_FLOOR_S)),
        ))
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Counts who waited for the clock, because a machine that nobody tells the time must not wait at every connection.
#[derive(Debug)]
pub(super) struct ClockWaits {
    clock: WatchedClock,
    wait_count: u8,
}

impl ClockWaits {
    pub(super) fn of_system() -> Self {
        Self::new(WatchedClock { now: SystemTime::now, time_service_dir: PathBuf::from(TIME_SERVICE_DIR) })
    }

    pub(super) const fn new(clock: WatchedClock) -> Self {
        Self { clock, wait_count: 0 }
    }

    /// Returns the wait that is due before the next connection with TLS.
    pub(super) fn next_wait(&mut self) -> Option<ClockWait> {
        let count_max = if self.clock.is_plausible() { WAIT_COUNT_MAX_IF_PLAUSIBLE } else { WAIT_COUNT_MAX };
        if self.clock.is_right() || self.wait_count >= count_max {
            return None;
        }
        self.wait_count = self.wait_count.saturating_add(1);
        Some(ClockWait { clock: self.clock.clone(), ends_at: Instant::now() + WAIT_MAX })
    }
}

/// One wait, which has begun: resolving and connecting go on meanwhile.
#[derive(Debug)]
pub(super) struct ClockWait {
    clock: WatchedClock,
    ends_at: Instant,
}

impl ClockWait {
    /// Waits until the clock is right, or the time for that is up.
    pub(super) async fn wait(self) {
        while !self.clock.is_right() {
            if Instant::now() >= self.ends_at {
                tracing::info!("nobody has set the clock yet; the connection goes on with what it says");
                return;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// The system's clock and the traces of who sets it.
#[derive(Clone, Debug)]
pub(super) struct WatchedClock {
    pub(super) now: fn() -> SystemTime,
    pub(super) time_service_dir: PathBuf,
}

impl WatchedClock {
    /// Says whether the clock was ever set.
    fn is_plausible(&self) -> bool {
        since_epoch((self.now)()) >= Duration::from_secs(CLOCK_FLOOR_S)
    }

    /// Says whether there is nothing to wait for: the clock was set, and no service is about to set it again.
    fn is_right(&self) -> bool {
        self.is_plausible() && !is_about_to_be_set(&self.time_service_dir)
    }
}

/// Without the service nobody tells when the clock is right: then the hardware's has to do.
fn is_about_to_be_set(time_service_dir: &Path) -> bool {
    time_service_dir.is_dir() && !time_service_dir.join(SYNCHRONIZED_FILE).exists()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn long_ago() -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(1)
    }

    fn plausible() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(CLOCK_FLOOR_S) + Duration::from_hours(1)
    }

    fn waits(now: fn() -> SystemTime, time_service_dir: &Path) -> ClockWaits {
        ClockWaits::new(WatchedClock { now, time_service_dir: time_service_dir.to_owned() })
    }

    /// The folder of a service that runs, with the clock set or not yet.
    fn service(is_synchronized: bool) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        if is_synchronized {
            std::fs::write(dir.path().join(SYNCHRONIZED_FILE), "").unwrap();
        }
        dir
    }

    async fn seconds_of(wait: Option<ClockWait>) -> u64 {
        let began = Instant::now();
        if let Some(wait) = wait {
            wait.wait().await;
        }
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_the_service_is_about_to_set_is_waited_for_once() {
        let dir = service(false);
        let mut waits = waits(plausible, dir.path());
        assert_eq!(seconds_of(waits.next_wait()).await, 5);
        assert!(waits.next_wait().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_ends_as_soon_as_the_clock_is_set() {
        let dir = service(false);
        let mut waits = waits(plausible, dir.path());
        let wait = waits.next_wait();
        let set = async {
            tokio::time::sleep(Duration::from_millis(1950)).await;
            std::fs::write(dir.path().join(SYNCHRONIZED_FILE), "").unwrap();
        };
        let (waited_s, ()) = tokio::join!(seconds_of(wait), set);
        assert!(waited_s <= 2, "{waited_s} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_never_set_is_waited_for_a_few_times_even_without_the_service() {
        let mut waits = waits(long_ago, Path::new("/nonexistent"));
        for _connection in 0..WAIT_COUNT_MAX {
            assert_eq!(seconds_of(waits.next_wait()).await, 5);
        }
        assert!(waits.next_wait().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_runs_while_the_connection_is_made() {
        let dir = service(false);
        let wait = waits(plausible, dir.path()).next_wait();
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(seconds_of(wait).await, 1);
    }

    #[test]
    fn a_synchronized_clock_and_one_that_nobody_sets_are_not_waited_for() {
        let dir = service(true);
        assert!(waits(plausible, dir.path()).next_wait().is_none());
        assert!(waits(plausible, Path::new("/nonexistent")).next_wait().is_none());
    }
}

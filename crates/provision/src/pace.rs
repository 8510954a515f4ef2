//! Time, as the flow needs it.

use std::time::{Duration, Instant};

/// Waits between looks at the device.
pub trait Pace {
    /// Returns after `wait`.
    fn wait(&mut self, wait: Duration);

    /// Time since this was made.
    fn elapsed(&self) -> Duration;
}

/// The clock on the wall.
#[derive(Debug)]
pub struct WallPace(Instant);

impl WallPace {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Pace for WallPace {
    fn wait(&mut self, wait: Duration) {
        std::thread::sleep(wait);
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

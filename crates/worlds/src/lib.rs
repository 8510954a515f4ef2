//! Seeded worlds of boards in virtual time: a month of bad luck for fifty boards, judged at every step.
//!
//! Read [`run_world`] first. Each board runs the real shell (`device::run`) with the real lifecycle, portal, wire and
//! home store, on a simulated flash that tears. What is simulated is the rest: radio, routers, the cloud's end of the
//! protocol, people with phones, power. One thread runs one world as a queue of events; nothing ever waits, so a month
//! passes in seconds, and the same seed always gives the same world.
//!
//! It does not show what a radio, a TLS library or a real server does; see decision 0032.

mod board;
mod cloud;
mod dice;
mod files;
mod io;
mod judge;
mod place;
mod plan;
mod raw_flash;
mod slots;
mod tally;
mod visit;
mod world;

use std::fmt;
use std::time::Duration;

use lifecycle::{RecoveryPolicy, Settings};

pub use judge::Broken;
pub use tally::{DOOR_WAITS, Tally};

/// Boards of an ordinary world.
pub const BOARD_COUNT: usize = 50;
/// Days of an ordinary world.
pub const DAY_COUNT: u64 = 30;
/// Attempts of `stock` and `reset` are this far apart instead of 5 s, about one in each of their windows. They fail the same way, and a stranded board
/// would otherwise cost more time than the rest of its world.
const WINDOW_RETRY: Duration = Duration::from_secs(40);

/// Which world to run.
#[derive(Clone, Debug)]
pub struct WorldSpec {
    /// Everything is drawn from it.
    pub seed: u64,
    /// How the boards behave.
    pub policy: RecoveryPolicy,
    /// How many boards.
    pub board_count: usize,
    /// How many days.
    pub day_count: u64,
    /// The first broken guarantee ends the world; otherwise they are counted only.
    pub is_judged: bool,
    /// The board whose last events are kept for [`Finding::trace`].
    pub traced_board: Option<usize>,
    /// A fault put in on purpose, to show that the judge sees it.
    pub sabotage: Option<Sabotage>,
}

/// A fault put in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The hotspot opens after a minute instead of 40 s.
    SlowDoor,
    /// The hotspot never opens for a network that goes while the board runs.
    NoGrace,
    /// The old home is tried again after five minutes.
    SlowReturn,
    /// After a refused token the cloud is tried again after a day instead of an hour.
    SlowRetries,
    /// A password stays in flash outside the store.
    Remnant,
    /// A firmware on trial may take an hour.
    EndlessTrial,
    /// What is read back of an image is not what was written.
    FalseReadBack,
    /// A restart forgets how many wrong proofs were given.
    ForgetfulLock,
    /// Power-ups of less than 7 s are no part of the gesture.
    DeafToPower,
    /// Nobody asks whether a log-in page is behind a TLS connection that failed.
    NoQuestion,
}

/// What came of a world.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its sums.
    pub tally: Tally,
    /// The first broken guarantee, where the world was judged.
    pub finding: Option<Finding>,
}

/// A broken guarantee.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which board, from 0.
    pub board: usize,
    /// When, in milliseconds since the world began.
    pub at_ms: u64,
    /// Which guarantee.
    pub broken: Broken,
    /// The last events of the board, where it was [`WorldSpec::traced_board`].
    pub trace: Vec<String>,
}

impl WorldSpec {
    /// An ordinary world: 50 boards, 30 days. It is judged under `rehome`, which promises something.
    #[must_use]
    pub fn ordinary(seed: u64, policy: RecoveryPolicy) -> Self {
        Self {
            seed,
            policy,
            board_count: BOARD_COUNT,
            day_count: DAY_COUNT,
            is_judged: policy == RecoveryPolicy::Rehome,
            traced_board: None,
            sabotage: None,
        }
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings { recovery: self.policy, ..Settings::default() };
        let timings = &mut settings.timings;
        timings.window_retry = WINDOW_RETRY;
        match self.sabotage {
            Some(Sabotage::SlowDoor) => timings.boot_window = Duration::from_secs(50),
            Some(Sabotage::NoGrace) => timings.run_time_grace = None,
            Some(Sabotage::SlowReturn) => timings.trial_return = Duration::from_mins(5),
            Some(Sabotage::SlowRetries) => {
                let day = Duration::from_hours(24);
                (timings.token_retry_first, timings.token_retry_max) = (day, day);
            }
            Some(Sabotage::EndlessTrial) => timings.firmware_trial = Duration::from_hours(1),
            Some(Sabotage::DeafToPower) => timings.short_power_up_min = Duration::from_secs(7),
            Some(
                Sabotage::Remnant | Sabotage::FalseReadBack | Sabotage::ForgetfulLock | Sabotage::NoQuestion,
            )
            | None => {}
        }
        settings
    }
}

/// Runs one world. After a finding it runs once more, to have the last events of the board concerned.
#[must_use]
pub fn run_world(spec: &WorldSpec) -> Outcome {
    let outcome = world::World::new(spec).run();
    match &outcome.finding {
        Some(finding) if spec.traced_board.is_none() => {
            let traced = WorldSpec { traced_board: Some(finding.board), ..spec.clone() };
            world::World::new(&traced).run()
        }
        _ => outcome,
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "board {}, {}: {}", self.board, io::Moment(self.at_ms), self.broken)?;
        self.trace.iter().try_for_each(|line| writeln!(formatter, "  {line}"))
    }
}

//! Many worlds: on all cores, with progress, and what came of them.

use std::collections::BTreeMap;
use std::fs;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lifecycle::RecoveryPolicy;
use worlds::{Finding, Tally, WorldSpec, run_world};

/// Worlds of [`measure`].
const MEASURED_WORLDS: u64 = 8;
/// Progress is told this often.
const PROGRESS_EVERY: u64 = 10;

/// A range of seeds, the end not included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeds {
    pub(crate) first: u64,
    pub(crate) end: u64,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |part: &str| part.parse::<u64>().map_err(|error| format!("{part:?}: {error}"));
        let (first, end) = text.split_once("..").ok_or("a range looks like 0..1000")?;
        let seeds = Self { first: parse(first)?, end: parse(end)? };
        if seeds.first < seeds.end { Ok(seeds) } else { Err("the range is empty".to_owned()) }
    }
}

/// What came of a range of worlds.
pub(crate) struct Fleet {
    pub(crate) seeds: Seeds,
    /// In the order in which they were asked for.
    pub(crate) tallies: Vec<(RecoveryPolicy, Tally)>,
    /// By seed.
    pub(crate) findings: BTreeMap<u64, Finding>,
    pub(crate) elapsed: Duration,
}

impl Fleet {
    /// Runs every policy in every world of the range.
    pub(crate) fn run(seeds: Seeds, policies: &[RecoveryPolicy], jobs: Option<usize>) -> Self {
        let jobs = jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1);
        let started_at = Instant::now();
        let next_seed = AtomicU64::new(seeds.first);
        let tallies = policies.iter().map(|policy| (*policy, Tally::default())).collect();
        let fleet = Mutex::new(Self { seeds, tallies, findings: BTreeMap::new(), elapsed: Duration::ZERO });
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    loop {
                        let seed = next_seed.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return;
                        }
                        let outcomes: Vec<_> = policies
                            .iter()
                            .map(|policy| run_world(&WorldSpec::ordinary(seed, *policy)))
                            .collect();
                        let mut fleet = fleet.lock().unwrap_or_else(PoisonError::into_inner);
                        fleet.add(seed, outcomes);
                        let done = seed - seeds.first + 1;
                        if done.is_multiple_of(PROGRESS_EVERY) {
                            fleet.print_progress(done, started_at.elapsed());
                        }
                    }
                });
            }
        });
        let mut fleet = fleet.into_inner().unwrap_or_else(PoisonError::into_inner);
        fleet.elapsed = started_at.elapsed();
        fleet
    }

    fn add(&mut self, seed: u64, outcomes: Vec<worlds::Outcome>) {
        for ((_, tally), outcome) in self.tallies.iter_mut().zip(outcomes) {
            tally.add(&outcome.tally);
            if let Some(finding) = outcome.finding {
                println!("{}", describe(seed, &finding));
                self.findings.insert(seed, finding);
            }
        }
    }

    fn print_progress(&self, done: u64, elapsed: Duration) {
        let count = self.seeds.end - self.seeds.first;
        let broken = self.findings.len();
        println!(
            "{done} of {count} worlds, {:.0} s, {broken} with a broken guarantee",
            elapsed.as_secs_f64()
        );
    }

    /// Prints the sums, one policy a line.
    pub(crate) fn print(&self) {
        for (policy, tally) in &self.tallies {
            println!(
                "{:6}: {} boards, {} board-hours; without a door when it was due: {} boards, {} for a day or more; \
                 homes lost: {}; wipes on release: {} with receipt, {} without; {} searches of raw flash",
                name(*policy),
                tally.boards,
                tally.board_hours(),
                tally.stranded_boards,
                tally.stranded_for_a_day_boards,
                tally.lost_homes,
                tally.receipts,
                tally.wipes_without_receipt(),
                tally.image_searches,
            );
            if *policy == RecoveryPolicy::Rehome {
                println!(
                    "        {} claims by code; {} gestures; {} locks; {} orders of firmware: {} installed, {} confirmed, {} \
                     trials in vain, {} power cuts in a slot",
                    tally.claims,
                    tally.gestures,
                    tally.locks,
                    tally.update_orders,
                    tally.images_installed,
                    tally.images_confirmed,
                    tally.trials_of_firmware_failed,
                    tally.torn_updates,
                );
            }
        }
        let verdict =
            if self.findings.is_empty() { "No guarantee was broken." } else { "Guarantees were broken." };
        println!("{verdict} {:.1} s.", self.elapsed.as_secs_f64());
    }
}

/// The word for a policy in configuration files.
pub(crate) fn name(policy: RecoveryPolicy) -> &'static str {
    match policy {
        RecoveryPolicy::Stock => "stock",
        RecoveryPolicy::Reset => "reset",
        RecoveryPolicy::Rehome => "rehome",
    }
}

fn describe(seed: u64, finding: &Finding) -> String {
    format!(
        "\nBroken guarantee in world {seed}, {finding}Replay: cargo xtask worlds --seed {seed} --rehome-only\n"
    )
}

/// Says how many board-hours a core simulates in a second, for each policy.
pub(crate) fn measure() {
    for policy in [RecoveryPolicy::Rehome, RecoveryPolicy::Reset, RecoveryPolicy::Stock] {
        let (started_at, cpu_before) = (Instant::now(), processor_time());
        let mut tally = Tally::default();
        for seed in 0..MEASURED_WORLDS {
            tally.add(&run_world(&WorldSpec::ordinary(seed, policy)).tally);
        }
        let elapsed = started_at.elapsed();
        let per_second = |time: Duration| u128::from(tally.board_hours()) * 1000 / time.as_millis().max(1);
        let cpu =
            processor_time().zip(cpu_before).map(|(after, before)| per_second(after.saturating_sub(before)));
        let cpu = cpu.map_or_else(|| "unknown".to_owned(), |figure| figure.to_string());
        println!(
            "{:6}: {} board-hours in {:.1} s: {} a second of wall time, {cpu} a second of processor time",
            name(policy),
            tally.board_hours(),
            elapsed.as_secs_f64(),
            per_second(elapsed),
        );
    }
}

/// Time this thread has had a processor, which other programs on the machine do not change. Linux only.
fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

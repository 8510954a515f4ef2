//! Counts of one run, shared by its tasks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::latency::Latencies;
use crate::report::Report;

/// Clones share the counts.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug)]
struct Counts {
    done: u64,
    failed: u64,
    not_taken: u64,
    latencies: Latencies,
    first_failure: Option<String>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let counts =
            Counts { done: 0, failed: 0, not_taken: 0, latencies: Latencies::new(), first_failure: None };
        Self { counts: Arc::new(Mutex::new(counts)) }
    }

    pub(super) fn done(&self, count: u64) {
        self.with(|counts| counts.done += count);
    }

    pub(super) fn took(&self, time: Duration) {
        self.with(|counts| counts.latencies.record(time));
    }

    pub(super) fn not_taken(&self, status: u16) {
        self.with(|counts| {
            counts.not_taken += 1;
            counts.first_failure.get_or_insert_with(|| format!("a message was refused with status {status}"));
        });
    }

    pub(super) fn failed(&self, count: u64, error: &dyn std::error::Error) {
        self.with(|counts| {
            counts.failed += count;
            counts.first_failure.get_or_insert_with(|| {
                let sources = std::iter::successors(Some(error), |error| error.source());
                sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
            });
        });
    }

    pub(super) fn done_count(&self) -> u64 {
        self.with(|counts| counts.done)
    }

    /// Puts the counts into a report.
    pub(super) fn fill(&self, report: &mut Report, elapsed: Duration) {
        self.with(|counts| {
            report.unit_count = counts.done;
            report.failed_count = counts.failed;
            report.not_taken_count = counts.not_taken;
            report.latency = counts.latencies.summary();
            report.first_failure.clone_from(&counts.first_failure);
        });
        report.elapsed_s = elapsed.as_secs_f64();
    }

    fn with<T>(&self, work: impl FnOnce(&mut Counts) -> T) -> T {
        work(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

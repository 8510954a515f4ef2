//! Values on their way from devices to somebody who watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::idle::connect_all;
use super::tally::Tally;
use super::{Plan, RunLoadError, cost_since, usage};
use crate::api::ApiKey;
use crate::connection::Connection;
use crate::pace::due;
use crate::report::Report;
use crate::target::Target;
use crate::tokens::Token;
use crate::watcher::Watcher;

/// Values that have not been seen 5 s after the last one was due are lost.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// How the values are watched.
pub(super) struct WatchVia {
    pub(super) api: Option<(Target, ApiKey)>,
    pub(super) token: Token,
}

/// When each value was written, in nanoseconds after the start; 0 = not yet.
type WrittenAt = Arc<[AtomicU64]>;

pub(super) async fn run(
    plan: &Plan,
    connection_count: usize,
    count: u64,
    per_second: f64,
    via: WatchVia,
) -> Result<Report, RunLoadError> {
    let mut watcher = match via.api {
        Some((target, key)) => Watcher::events(target, key).await?,
        None => Watcher::subscription(&plan.connector(), &via.token).await.map_err(RunLoadError::Watch)?,
    };
    let connections = connect_all(plan, connection_count).await?;
    tokio::time::sleep(super::SETTLE).await;
    let before = usage(plan)?;
    let written_at: WrittenAt = (0..count).map(|_| AtomicU64::new(0)).collect();
    let tally = Tally::new();
    let started_at = Instant::now();
    let mut senders = JoinSet::new();
    for (first, connection) in (0..).zip(connections) {
        let sender = Sender {
            connection,
            plan: plan.clone(),
            written_at: Arc::clone(&written_at),
            tally: tally.clone(),
            sequences: (first..count).step_by(connection_count),
            per_second,
        };
        senders.spawn(sender.write_all(started_at));
    }
    let deadline = started_at + due(count, per_second) + LOST_AFTER;
    let watching = watch(&mut watcher, &written_at, &tally, started_at);
    drop(tokio::time::timeout_at(deadline.into(), watching).await);
    let elapsed = started_at.elapsed();
    let held = senders.join_all().await;
    let lost_count = count.saturating_sub(tally.done_count());
    if lost_count > 0 {
        tally.failed(lost_count, &Lost);
    }
    let mut report = plan.report("write to watcher", "message", "from write to watcher");
    tally.fill(&mut report, elapsed);
    report.server = cost_since(plan, before, report.unit_count).await?;
    drop(held);
    Ok(report)
}

#[derive(Debug, thiserror::Error)]
#[error("values did not reach the watcher")]
struct Lost;

/// Takes note of every value once, until all have been seen.
async fn watch(watcher: &mut Watcher, written_at: &WrittenAt, tally: &Tally, started_at: Instant) {
    let mut seen = Vec::new();
    while tally.done_count() < written_at.len() as u64 {
        if !watcher.next(&mut seen).await {
            return;
        }
        for seen in seen.drain(..) {
            let slot = usize::try_from(seen.sequence).ok().and_then(|index| written_at.get(index));
            // Taking the time makes a second sight of the same value count for nothing.
            let Some(nanos) = slot.map(|slot| slot.swap(0, Ordering::Relaxed)).filter(|nanos| *nanos > 0)
            else {
                continue;
            };
            let written_at = started_at + Duration::from_nanos(nanos);
            tally.took(seen.at.saturating_duration_since(written_at));
            tally.done(1);
        }
    }
}

struct Sender {
    connection: Connection,
    plan: Plan,
    written_at: WrittenAt,
    tally: Tally,
    sequences: std::iter::StepBy<std::ops::Range<u64>>,
    per_second: f64,
}

impl Sender {
    /// Writes its share at the times when it is due; each time is taken right before the write, because the timers of the
    /// generator are good to a millisecond only.
    async fn write_all(mut self, started_at: Instant) -> Connection {
        let mut bytes = Vec::new();
        for sequence in self.sequences.by_ref() {
            tokio::time::sleep_until((started_at + due(sequence, self.per_second)).into()).await;
            bytes.clear();
            self.plan.protocol.value(sequence, &mut bytes);
            let nanos = u64::try_from(started_at.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
            let slot = usize::try_from(sequence).ok().and_then(|index| self.written_at.get(index));
            if let Some(slot) = slot {
                slot.store(nanos, Ordering::Relaxed);
            }
            if let Err(error) = self.connection.write(&bytes).await {
                // What is missing is counted when the watcher gives up.
                self.tally.failed(0, &error);
                break;
            }
        }
        self.connection
    }
}

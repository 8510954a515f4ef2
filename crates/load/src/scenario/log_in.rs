//! Logins, one after the other or at fixed times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use super::tally::Tally;
use super::{Plan, RunLoadError, cost_since, usage};
use crate::connection::Connector;
use crate::pace::{Pace, due};
use crate::report::Report;
use crate::tokens::Tokens;

pub(super) async fn run(plan: &Plan, count: u64, pace: Pace) -> Result<Report, RunLoadError> {
    let before = usage(plan)?;
    let tally = Tally::new();
    let client =
        Arc::new(Client { connector: plan.connector(), tokens: plan.tokens.clone(), tally: tally.clone() });
    let started_at = Instant::now();
    match pace {
        Pace::Closed { in_flight } => closed(&client, count, in_flight).await,
        Pace::Open { per_second } => open(&client, count, per_second, started_at).await,
    }
    let mut report = plan.report("log in", "login", "from connecting to the answer");
    tally.fill(&mut report, started_at.elapsed());
    report.server = cost_since(plan, before, report.unit_count).await?;
    Ok(report)
}

struct Client {
    connector: Connector,
    tokens: Tokens,
    tally: Tally,
}

impl Client {
    async fn log_in(&self, index: u64, counted_from: Instant) {
        let index = usize::try_from(index).unwrap_or(0);
        match self.connector.log_in(index, self.tokens.of(index)).await {
            Ok(connection) => {
                self.tally.took(counted_from.elapsed());
                self.tally.done(1);
                drop(connection);
            }
            Err(error) => self.tally.failed(1, &error),
        }
    }
}

async fn closed(client: &Arc<Client>, count: u64, in_flight: usize) {
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let client = Arc::clone(client);
        let next = Arc::clone(&next);
        workers.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                client.log_in(index, Instant::now()).await;
            }
        });
    }
    workers.join_all().await;
}

async fn open(client: &Arc<Client>, count: u64, per_second: f64, started_at: Instant) {
    let mut workers = JoinSet::new();
    for index in 0..count {
        let due_at = started_at + due(index, per_second);
        tokio::time::sleep_until(due_at.into()).await;
        let client = Arc::clone(client);
        workers.spawn(async move { client.log_in(index, due_at).await });
        while workers.try_join_next().is_some() {}
    }
    workers.join_all().await;
}

//! Connections that are held, and their cost in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{BUILD_UP_IN_FLIGHT, Plan, RunLoadError, cost_since, usage};
use crate::connection::Connection;
use crate::report::Report;

pub(super) async fn run(
    plan: &Plan,
    connection_count: usize,
    hold: Duration,
) -> Result<Report, RunLoadError> {
    let before = usage(plan)?;
    let started_at = Instant::now();
    let connections = connect_all(plan, connection_count).await?;
    let elapsed = started_at.elapsed();
    tokio::time::sleep(hold).await;
    let mut report = plan.report("idle", "connection", "");
    report.elapsed_s = elapsed.as_secs_f64();
    report.unit_count = connections.len() as u64;
    // Read while all of them are still there.
    report.server = cost_since(plan, before, report.unit_count).await?;
    drop(connections);
    Ok(report)
}

/// Makes connections that a measurement rests on, some at a time, in the order of the devices.
pub(super) async fn connect_all(plan: &Plan, count: usize) -> Result<Vec<Connection>, RunLoadError> {
    let places = Arc::new(Semaphore::new(BUILD_UP_IN_FLIGHT));
    let mut tasks = JoinSet::new();
    for index in 0..count {
        let connector = plan.connector();
        let token = plan.tokens.of(index).clone();
        let places = Arc::clone(&places);
        tasks.spawn(async move {
            // Never closed; without a place it would only go ahead at once.
            let _place = places.acquire().await;
            (index, connector.log_in(index, &token).await)
        });
    }
    let mut connections = Vec::with_capacity(count);
    for (index, connected) in tasks.join_all().await {
        let connection = connected.map_err(|source| RunLoadError::BuildUp { index, count, source })?;
        connections.push((index, connection));
    }
    connections.sort_unstable_by_key(|(index, _)| *index);
    Ok(connections.into_iter().map(|(_, connection)| connection).collect())
}

//! Everybody is thrown out at once and wants back in at once.

use std::time::Instant;

use tokio::task::JoinSet;

use super::idle::connect_all;
use super::tally::Tally;
use super::{Plan, RunLoadError, cost_since, usage};
use crate::report::Report;

pub(super) async fn run(plan: &Plan, connection_count: usize) -> Result<Report, RunLoadError> {
    let connections = connect_all(plan, connection_count).await?;
    let before = usage(plan)?;
    let tally = Tally::new();
    let dropped_at = Instant::now();
    drop(connections);
    let mut devices = JoinSet::new();
    for index in 0..connection_count {
        let connector = plan.connector();
        let token = plan.tokens.of(index).clone();
        let tally = tally.clone();
        devices.spawn(async move {
            match connector.log_in(index, &token).await {
                Ok(connection) => {
                    tally.took(dropped_at.elapsed());
                    tally.done(1);
                    Some(connection)
                }
                Err(error) => {
                    tally.failed(1, &error);
                    None
                }
            }
        });
    }
    // Held until everybody is back, so that nobody's place is freed for the next one.
    let back = devices.join_all().await;
    let elapsed = dropped_at.elapsed();
    let mut report = plan.report("storm", "login", "from the drop to being back");
    tally.fill(&mut report, elapsed);
    report.server = cost_since(plan, before, report.unit_count).await?;
    drop(back);
    Ok(report)
}

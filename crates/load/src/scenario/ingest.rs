//! Values that are written, and pings that say when they are safe.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::idle::connect_all;
use super::tally::Tally;
use super::{Plan, RunLoadError, cost_since, usage};
use crate::connection::{Connection, LogInError};
use crate::pace::due;
use crate::protocol::{Answer, Protocol};
use crate::report::Report;

/// A server that has not answered a ping after a minute never will.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(1);

/// How each connection writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) messages_each: u64,
    pub(super) per_write: u64,
    pub(super) writes_per_ping: u64,
    pub(super) per_second: Option<f64>,
}

impl Shape {
    /// Returns when write `write_index` of device `device_index` is due after the start; `None` when there is no rate.
    fn due(self, write_index: u64, device_index: u64, device_count: u64) -> Option<Duration> {
        // Write n of device i is number n * devices + i of all writes.
        let nth = write_index.saturating_mul(device_count).saturating_add(device_index);
        self.per_second.map(|per_second| due(nth.saturating_mul(self.per_write), per_second))
    }
}

pub(super) async fn run(plan: &Plan, connection_count: usize, shape: Shape) -> Result<Report, RunLoadError> {
    let connections = connect_all(plan, connection_count).await?;
    // What follows a login is not part of the price of a message.
    tokio::time::sleep(super::SETTLE).await;
    let before = usage(plan)?;
    let tally = Tally::new();
    let started_at = Instant::now();
    let mut devices = JoinSet::new();
    for (index, connection) in (0..).zip(connections) {
        let device = Device {
            connection,
            protocol: plan.protocol,
            shape,
            index,
            of_devices: connection_count as u64,
            tally: tally.clone(),
        };
        devices.spawn(device.write_all(started_at));
    }
    let held = devices.join_all().await;
    let mut report = plan.report("ingest", "message", "from ping to answer");
    tally.fill(&mut report, started_at.elapsed());
    report.server = cost_since(plan, before, report.unit_count).await?;
    drop(held);
    Ok(report)
}

struct Device {
    connection: Connection,
    protocol: Protocol,
    shape: Shape,
    index: u64,
    of_devices: u64,
    tally: Tally,
}

impl Device {
    /// Writes everything; counts a message as done when a ping after it was answered.
    async fn write_all(mut self, started_at: Instant) -> Connection {
        let mut unanswered = 0;
        let mut written = 0;
        let mut write_index = 0;
        while written < self.shape.messages_each {
            if let Some(due) = self.shape.due(write_index, self.index, self.of_devices) {
                tokio::time::sleep_until((started_at + due).into()).await;
            }
            let count = self.shape.per_write.min(self.shape.messages_each - written);
            let mut bytes = Vec::new();
            for sequence in written..written + count {
                self.protocol.value(sequence, &mut bytes);
            }
            written += count;
            unanswered += count;
            write_index += 1;
            let wants_ping =
                write_index % self.shape.writes_per_ping == 0 || written == self.shape.messages_each;
            let outcome = match self.connection.write(&bytes).await {
                Ok(()) if wants_ping => {
                    let ping = tokio::time::timeout(ANSWER_TIME_MAX, self.ping());
                    ping.await.unwrap_or(Err(LogInError::TimedOut))
                }
                Ok(()) => Ok(()),
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok(()) if wants_ping => {
                    self.tally.done(unanswered);
                    unanswered = 0;
                }
                Ok(()) => {}
                Err(error) => {
                    self.tally.failed(unanswered + self.shape.messages_each - written, &error);
                    break;
                }
            }
        }
        self.connection
    }

    async fn ping(&mut self) -> Result<(), LogInError> {
        let mut ping = Vec::new();
        self.protocol.ping(&mut ping);
        let sent_at = Instant::now();
        self.connection.write(&ping).await?;
        loop {
            match self.connection.next_answer().await? {
                Some(Answer::Pong) => break,
                Some(Answer::NotTaken(status)) => self.tally.not_taken(status),
                Some(_) => {}
                None => return Err(LogInError::Closed),
            }
        }
        self.tally.took(sent_at.elapsed());
        Ok(())
    }
}

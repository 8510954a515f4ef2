//! What is done to a server, and the one entry point.

mod idle;
mod ingest;
mod log_in;
mod storm;
mod tally;
mod write_to_watcher;

use std::time::Duration;

use crate::api::{ApiError, ApiKey};
use crate::connection::{Connector, LogInError, Trust};
use crate::limits::{RaiseLimitError, raise_open_files};
use crate::pace::Pace;
use crate::process::{ReadProcessError, ServerProcess};
use crate::protocol::Protocol;
use crate::report::{Report, ServerCost};
use crate::target::Target;
use crate::tokens::{Token, Tokens};

/// After a run the server still closes connections and writes what it has put off; its cost is read half a second later.
const SETTLE: Duration = Duration::from_millis(500);

/// Logins under way while connections are built up before a measurement.
const BUILD_UP_IN_FLIGHT: usize = 256;

/// Where load goes, as whom, and who pays.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub target: Target,
    /// What devices speak.
    pub protocol: Protocol,
    /// TLS, believing these authorities; plain without.
    pub trust: Option<Trust>,
    /// How many loopback addresses connections come from, 1 to 254.
    pub source_count: u8,
    /// The devices. With fewer tokens than connections a server may end the older connection of a device.
    pub tokens: Tokens,
    /// Process whose processor time and memory are reported.
    pub server: Option<ServerProcess>,
}

/// What is done.
#[derive(Debug, Clone)]
pub enum Scenario {
    /// Connect, log in, close, again and again. Times from the beginning of the connection to the answer.
    LogIn {
        /// How many.
        count: u64,
        /// How fast.
        pace: Pace,
    },
    /// Connections that are logged in and silent.
    Idle {
        /// How many.
        connection_count: usize,
        /// How long they are held before the memory is read.
        hold: Duration,
    },
    /// Values, and pings that are answered when the values before them are safe. Times from ping to answer.
    Ingest {
        /// How many connections.
        connection_count: usize,
        /// Messages of each.
        messages_each: u64,
        /// Messages in one write, at least 1.
        per_write: u64,
        /// Writes from ping to ping, at least 1.
        writes_per_ping: u64,
        /// All messages of all connections in a second; as fast as pings are answered when left out.
        per_second: Option<f64>,
    },
    /// Values that somebody watches. Times from the write of the device to the watcher's read.
    WriteToWatcher {
        /// How many connections write.
        connection_count: usize,
        /// Messages in all.
        count: u64,
        /// All messages in a second.
        per_second: f64,
        /// Watch over this API; over the devices' protocol, as `watcher`, when left out.
        api: Option<(Target, ApiKey)>,
        /// The watcher's token where the API is not used.
        watcher: Token,
    },
    /// Connections that are all dropped at once and all come back at once. Times from the drop to being logged in again.
    Storm {
        /// How many.
        connection_count: usize,
    },
}

/// Why a run ended without a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunLoadError {
    /// A number makes no sense.
    #[error("{what} must be {allowed}")]
    Number {
        /// Which.
        what: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// Two connections with one token would push each other out.
    #[error("{connection_count} connections need as many tokens, and there are {token_count}")]
    Tokens {
        /// Connections that are open at the same time.
        connection_count: usize,
        /// Tokens.
        token_count: usize,
    },
    /// The system allows too few connections.
    #[error("the system allows too few connections")]
    Limit(#[from] RaiseLimitError),
    /// The server's process cannot be read.
    #[error("the cost of the server is not known")]
    Process(#[from] ReadProcessError),
    /// A connection that the measurement rests on could not be made.
    #[error("connection {index} of {count} could not be made")]
    BuildUp {
        /// Which, from 0.
        index: usize,
        /// How many there should be.
        count: usize,
        /// Why.
        #[source]
        source: LogInError,
    },
    /// The watcher could not subscribe.
    #[error("the watcher could not log in")]
    Watch(#[source] LogInError),
    /// The API refused the watcher.
    #[error("the watcher could not use the API")]
    Api(#[from] ApiError),
}

impl Plan {
    fn connector(&self) -> Connector {
        Connector {
            target: self.target,
            source_count: self.source_count,
            protocol: self.protocol,
            trust: self.trust.clone(),
        }
    }

    fn report(&self, scenario: &'static str, unit: &'static str, latency_of: &'static str) -> Report {
        Report {
            scenario,
            protocol: self.protocol.as_str(),
            uses_tls: self.trust.is_some(),
            unit,
            unit_count: 0,
            failed_count: 0,
            not_taken_count: 0,
            elapsed_s: 0.0,
            server: None,
            latency: None,
            latency_of,
            first_failure: None,
        }
    }
}

/// Runs one scenario.
///
/// # Errors
/// When it could not even begin; what fails on the way is counted in the report.
pub async fn run(plan: &Plan, scenario: &Scenario) -> Result<Report, RunLoadError> {
    if plan.source_count == 0 || plan.source_count == u8::MAX {
        return Err(RunLoadError::Number { what: "the number of source addresses", allowed: "1 to 254" });
    }
    scenario.validate()?;
    scenario.check_tokens(&plan.tokens)?;
    raise_open_files(scenario.open_connections_max())?;
    match *scenario {
        Scenario::LogIn { count, pace } => log_in::run(plan, count, pace).await,
        Scenario::Idle { connection_count, hold } => idle::run(plan, connection_count, hold).await,
        Scenario::Ingest { connection_count, messages_each, per_write, writes_per_ping, per_second } => {
            let shape = ingest::Shape { messages_each, per_write, writes_per_ping, per_second };
            ingest::run(plan, connection_count, shape).await
        }
        Scenario::WriteToWatcher { connection_count, count, per_second, ref api, ref watcher } => {
            let watcher = write_to_watcher::WatchVia { api: api.clone(), token: watcher.clone() };
            write_to_watcher::run(plan, connection_count, count, per_second, watcher).await
        }
        Scenario::Storm { connection_count } => storm::run(plan, connection_count).await,
    }
}

impl Scenario {
    fn validate(&self) -> Result<(), RunLoadError> {
        let at_least_1 = |what, number: u64| match number {
            0 => Err(RunLoadError::Number { what, allowed: "at least 1" }),
            _ => Ok(()),
        };
        let rate = |per_second: f64| match per_second {
            fast if fast > 0.0 && fast.is_finite() => Ok(()),
            _ => Err(RunLoadError::Number { what: "the rate", allowed: "more than 0" }),
        };
        at_least_1("the number of connections", self.open_connections_max() as u64)?;
        match *self {
            Self::LogIn { count, pace } => {
                at_least_1("the number of logins", count)?;
                if let Pace::Open { per_second } = pace { rate(per_second) } else { Ok(()) }
            }
            Self::Idle { .. } | Self::Storm { .. } => Ok(()),
            Self::Ingest { messages_each, per_write, writes_per_ping, per_second, .. } => {
                at_least_1("the number of messages", messages_each)?;
                at_least_1("the number of messages in a write", per_write)?;
                at_least_1("the number of writes between pings", writes_per_ping)?;
                per_second.map_or(Ok(()), rate)
            }
            Self::WriteToWatcher { count, per_second, .. } => {
                at_least_1("the number of messages", count)?;
                rate(per_second)
            }
        }
    }

    fn check_tokens(&self, tokens: &Tokens) -> Result<(), RunLoadError> {
        let (connection_count, token_count) = (self.open_connections_max(), tokens.count());
        match self {
            // Its connections are closed right after the login, so that a token may come round again.
            Self::LogIn { .. } => Ok(()),
            _ if connection_count <= token_count => Ok(()),
            _ => Err(RunLoadError::Tokens { connection_count, token_count }),
        }
    }

    /// An open loop of logins has no bound of its own; a server that falls so far behind has failed already.
    fn open_connections_max(&self) -> usize {
        const OPEN_LOOP: usize = 4_096;
        match *self {
            Self::LogIn { pace: Pace::Closed { in_flight }, .. } => in_flight,
            Self::LogIn { pace: Pace::Open { .. }, .. } => OPEN_LOOP,
            Self::Idle { connection_count, .. }
            | Self::Ingest { connection_count, .. }
            | Self::WriteToWatcher { connection_count, .. }
            | Self::Storm { connection_count } => connection_count,
        }
    }
}

/// Reads the server's usage; `None` without a process.
fn usage(plan: &Plan) -> Result<Option<crate::process::Usage>, RunLoadError> {
    Ok(plan.server.map(ServerProcess::usage).transpose()?)
}

/// Waits until the server has done what it put off, then says what the units cost.
async fn cost_since(
    plan: &Plan,
    before: Option<crate::process::Usage>,
    unit_count: u64,
) -> Result<Option<ServerCost>, RunLoadError> {
    let Some(before) = before else { return Ok(None) };
    tokio::time::sleep(SETTLE).await;
    Ok(usage(plan)?.map(|after| ServerCost::between(before, after, unit_count)))
}

#[cfg(test)]
mod tests;

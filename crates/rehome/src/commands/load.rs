//! `rehome load`: load from many devices, on this machine only.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use load::{ApiKey, Pace, Plan, Protocol, Scenario, ServerProcess, Target, Token, Tokens, Trust};

use crate::output::say;

/// Token with which the watcher of the floor server logs in.
const WATCHER_TOKEN: &str = "watcher-0000000000000000000000--";

/// Arguments of `rehome load`.
#[derive(Debug, Args)]
pub(crate) struct LoadArguments {
    #[command(subcommand)]
    command: LoadCommand,
}

#[derive(Debug, Subcommand)]
enum LoadCommand {
    /// Creates devices at a server and keeps their tokens in a file that only you can read.
    Devices(DevicesArguments),
    /// Logs in and closes, again and again.
    Login {
        #[command(flatten)]
        common: CommonArguments,
        /// Logins in all.
        #[arg(long, default_value_t = 10_000)]
        count: u64,
        /// Closed loop: logins under way at the same time.
        #[arg(long, default_value_t = 32, conflicts_with = "rate")]
        in_flight: usize,
        /// Open loop: logins in a second, whether or not the server keeps up.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Holds silent connections and reads the server's memory.
    Idle {
        #[command(flatten)]
        common: CommonArguments,
        /// Connections.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// Seconds to hold them.
        #[arg(long, default_value_t = 3)]
        hold_s: u64,
    },
    /// Writes values and pings; a ping that is answered says that the values before it are safe.
    Ingest {
        #[command(flatten)]
        common: CommonArguments,
        /// Connections.
        #[arg(long, default_value_t = 1_000)]
        connections: usize,
        /// Messages of each connection.
        #[arg(long, default_value_t = 100)]
        messages_each: u64,
        /// Messages in one write.
        #[arg(long, default_value_t = 1)]
        per_write: u64,
        /// Writes from ping to ping.
        #[arg(long, default_value_t = 10)]
        writes_per_ping: u64,
        /// Open loop: messages in a second, all connections together; closed loop without it.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Writes values and takes the time until a watcher has them.
    Latency {
        #[command(flatten)]
        common: CommonArguments,
        /// Connections that write.
        #[arg(long, default_value_t = 200)]
        connections: usize,
        /// Messages in all.
        #[arg(long, default_value_t = 50_000)]
        count: u64,
        /// Messages in a second, all connections together.
        #[arg(long, default_value_t = 5_000.0)]
        rate: f64,
        /// Watch the live updates of this API (plain HTTP); over the devices' protocol without it.
        #[arg(long, value_name = "ADDRESS", requires = "admin_key_file")]
        api: Option<Target>,
        /// Key for the API.
        #[arg(long, value_name = "FILE")]
        admin_key_file: Option<PathBuf>,
    },
    /// Drops every connection at once and takes the time until all are back.
    Storm {
        #[command(flatten)]
        common: CommonArguments,
        /// Connections.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
    },
}

#[derive(Debug, Args)]
struct DevicesArguments {
    /// The server's plain address.
    #[arg(long, value_name = "ADDRESS")]
    api: Target,

    /// The server's admin key, `admin-api-key` in its data folder.
    #[arg(long, value_name = "FILE")]
    admin_key_file: PathBuf,

    /// How many devices.
    #[arg(long, default_value_t = 10_000)]
    count: usize,

    /// New file for the tokens, one a line.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Args)]
struct CommonArguments {
    /// Where to; only loopback addresses are accepted.
    #[arg(long, value_name = "ADDRESS")]
    target: Target,

    /// What the devices speak.
    #[arg(long, value_enum, default_value_t = ProtocolName::Blynk)]
    protocol: ProtocolName,

    /// Use TLS and believe the authority in this file (PEM), for example `rehome-data/tls/ca.pem`.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// Tokens of the devices, as `rehome load devices` writes them; made-up ones without it.
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,

    /// Loopback addresses that connections come from, 127.0.0.1 upwards.
    #[arg(long, default_value_t = 8)]
    sources: u8,

    /// Process of the server, to report its processor time and memory.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,

    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProtocolName {
    /// Blynk's binary protocol.
    Blynk,
    /// MQTT 3.1.1.
    Mqtt,
}

/// Runs one scenario; exit code 1 when something of it failed.
pub(crate) async fn run(arguments: LoadArguments) -> Result<ExitCode> {
    match arguments.command {
        LoadCommand::Devices(arguments) => create_devices(&arguments).await,
        LoadCommand::Login { common, count, in_flight, rate } => {
            let pace = rate.map_or(Pace::Closed { in_flight }, |per_second| Pace::Open { per_second });
            measure(&common, Scenario::LogIn { count, pace }).await
        }
        LoadCommand::Idle { common, connections: connection_count, hold_s } => {
            measure(&common, Scenario::Idle { connection_count, hold: Duration::from_secs(hold_s) }).await
        }
        LoadCommand::Ingest {
            common,
            connections: connection_count,
            messages_each,
            per_write,
            writes_per_ping,
            rate: per_second,
        } => {
            let scenario =
                Scenario::Ingest { connection_count, messages_each, per_write, writes_per_ping, per_second };
            measure(&common, scenario).await
        }
        LoadCommand::Latency {
            common,
            connections: connection_count,
            count,
            rate: per_second,
            api,
            admin_key_file,
        } => {
            let api = match (api, admin_key_file) {
                (Some(api), Some(file)) => Some((api, read_key(&file)?)),
                _ => None,
            };
            let watcher = Token::parse(WATCHER_TOKEN)?;
            measure(&common, Scenario::WriteToWatcher { connection_count, count, per_second, api, watcher })
                .await
        }
        LoadCommand::Storm { common, connections: connection_count } => {
            measure(&common, Scenario::Storm { connection_count }).await
        }
    }
}

async fn measure(common: &CommonArguments, scenario: Scenario) -> Result<ExitCode> {
    let report = load::run(&common.plan()?, &scenario).await?;
    if common.json {
        say!("{}", serde_json::to_string(&report).context("writing the report")?)?;
    } else {
        say!("{}", report.to_string().trim_end())?;
    }
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl CommonArguments {
    fn plan(&self) -> Result<Plan> {
        let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
        let trust = match &self.trust {
            None => None,
            Some(path) => {
                Some(Trust::from_pem(&read(path)?).with_context(|| format!("using {}", path.display()))?)
            }
        };
        let tokens = match &self.tokens {
            // As many as the largest scenario has connections.
            None => Tokens::made_up(10_000),
            Some(path) => {
                let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                Tokens::read(&text).with_context(|| format!("using {}", path.display()))?
            }
        };
        Ok(Plan {
            target: self.target,
            protocol: match self.protocol {
                ProtocolName::Blynk => Protocol::Blynk,
                ProtocolName::Mqtt => Protocol::Mqtt,
            },
            trust,
            source_count: self.sources,
            tokens,
            server: self.server_pid.map(ServerProcess::new),
        })
    }
}

async fn create_devices(arguments: &DevicesArguments) -> Result<ExitCode> {
    let key = read_key(&arguments.admin_key_file)?;
    let path = &arguments.output;
    // Before anything is created: tokens are shown once.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("making the new file {}", path.display()))?;
    let tokens = match load::create_devices(arguments.api, &key, arguments.count).await {
        Ok(tokens) => tokens,
        Err(error) => {
            // Nothing is in it, and the next try wants to make it.
            fs::remove_file(path).with_context(|| format!("removing the empty {}", path.display()))?;
            return Err(error.into());
        }
    };
    let mut lines = String::new();
    for token in &tokens {
        lines.push_str(token.expose());
        lines.push('\n');
    }
    file.write_all(lines.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
    say!("{} devices; their tokens are in {}", tokens.len(), path.display())?;
    Ok(ExitCode::SUCCESS)
}

fn read_key(path: &Path) -> Result<ApiKey> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    ApiKey::parse(&text).with_context(|| format!("using {}", path.display()))
}

//! Load generator for servers of devices: many connections from one process, and a report of what they cost the server.
//!
//! It logs in, holds, writes, watches and drops connections as devices and dashboards do, in Blynk's binary protocol or in
//! MQTT 3.1.1, and reads the server's processor time and memory from `/proc`. It refuses every address that is not
//! loopback: it is a yardstick for one's own machine and no tool against anybody's server. It judges nothing; targets and
//! comparisons are `cargo xtask bench` and `docs/performance.md`.
//!
//! Read [`Plan`] first, then [`run`].

mod api;
mod connection;
mod devices;
mod latency;
mod limits;
mod mqtt;
mod pace;
mod process;
mod protocol;
mod report;
mod scenario;
mod target;
mod tokens;
mod watcher;

pub use api::{ApiError, ApiKey};
pub use connection::{LogInError, OpenTrustError, Trust};
pub use devices::create_devices;
pub use latency::LatencySummary;
pub use limits::{RaiseLimitError, raise_open_files};
pub use pace::Pace;
pub use process::{ReadProcessError, ServerProcess};
pub use protocol::{MalformedAnswer, Protocol};
pub use report::{Report, ServerCost};
pub use scenario::{Plan, RunLoadError, Scenario, run};
pub use target::{ParseTargetError, Target};
pub use tokens::{ReadTokensError, Token, Tokens};

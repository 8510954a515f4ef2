//! The server: one listener for all protocols, gateway, routes, jobs.
//!
//! This crate is a shell. It moves bytes, keeps time and files, and carries out what the cores decide: `registry` says
//! what a device is told at login and when a board is safe to ship, `telemetry` what a value is and when a device counts as
//! online, `store` keeps it. Read [`Server::start`] first, then `listener` (how protocols are told apart) and `gateway`
//! (what becomes of a device's frames).

mod acme;
mod admin_key;
mod app;
mod backup;
mod catalogue;
mod check;
mod clock;
mod config;
mod console;
mod contacts;
mod control;
mod errors;
mod export;
mod firmware_folder;
mod firmware_signer;
mod gateway;
mod hot_counters;
mod import;
mod jobs;
mod large_bodies;
mod limits;
mod listener;
mod live;
mod metadata;
mod mqtt;
mod notices;
mod notifier;
mod rate_limits;
mod release_signer;
mod routes;
mod secret_file;
mod server;
mod shipments;
mod time_zone;
mod timeline;
mod tls;
mod views;

/// Log targets of libraries that print what they carry, tokens included, below `info`.
///
/// Whoever sets up the log keeps these at `info` or quieter, whatever a person asks for.
pub const LOG_TARGETS_WITH_PAYLOADS: [&str; 1] = ["tungstenite"];

pub use admin_key::{ADMIN_KEY_FILE, OpenAdminKeyError};
pub use backup::{BackUpError, BackupSummary, RestoreError, RestoreSummary, back_up, restore};
pub use check::{CheckError, Problem, check_data_folder};
pub use clock::Clock;
pub use config::{
    AcmeChallenge, AcmeSettings, Config, RedirectTarget, SmtpPassword, SmtpTls, Timings, ValidateConfigError,
};
pub use notifier::OpenNotifierError;
pub use release_signer::{OpenReleaseKeyError, RELEASE_KEY_FILE};
pub use server::{NamedTemplateError, RunningServer, Server, ServerOptions, StartServerError};
pub use store::CommitHook;
pub use tls::OpenTlsError;

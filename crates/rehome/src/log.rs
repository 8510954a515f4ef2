//! Where the log goes: standard error, filtered by `REHOME_LOG`.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt};

/// Filter used when `REHOME_LOG` is not set or cannot be read.
const DEFAULT_FILTER: &str = "info";

/// Starts logging to standard error.
pub(crate) fn start() {
    let filter =
        EnvFilter::try_from_env("REHOME_LOG").unwrap_or_else(|_unset| EnvFilter::new(DEFAULT_FILTER));
    // Whatever a person asks for: these libraries print tokens below `info`.
    let quiet = cloud::LOG_TARGETS_WITH_PAYLOADS.map(|target| (target, LevelFilter::INFO));
    let secrets_stay_out = Targets::new().with_default(LevelFilter::TRACE).with_targets(quiet);
    // Colours are for a terminal; in a file they are noise. `NO_COLOR`: no-color.org.
    let has_colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines =
        fmt::layer().with_writer(std::io::stderr).with_ansi(has_colours).with_filter(secrets_stay_out);
    tracing_subscriber::registry().with(filter).with(lines).init();
}

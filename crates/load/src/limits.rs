//! How many connections the system lets one process have.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors beside the connections: standard streams, the runtime, the watcher, `/proc`.
const OTHER_FILES: u64 = 64;

/// Why the limit stays too low.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RaiseLimitError {
    /// The hard limit is lower than what is needed; only an administrator can change it.
    #[error(
        "{needed} open files are needed and {allowed} are the most; raise it, for example with `ulimit -Hn`"
    )]
    HardLimit {
        /// What the scenario needs.
        needed: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// The system refused.
    #[error("the system did not raise the limit of open files")]
    System(#[source] io::Error),
}

/// Raises this process's limit of open files (`RLIMIT_NOFILE`) so that `connection_count` fit.
///
/// # Errors
/// When the hard limit is too low.
pub fn raise_open_files(connection_count: usize) -> Result<(), RaiseLimitError> {
    let needed = (connection_count as u64).saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(allowed) = limit.maximum.filter(|maximum| *maximum < needed) {
        return Err(RaiseLimitError::HardLimit { needed, allowed });
    }
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(|errno| RaiseLimitError::System(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_connections_than_the_system_can_ever_have_are_refused_with_the_number() {
        let refused = raise_open_files(usize::MAX - 1_000);
        let has_no_hard_limit = getrlimit(Resource::Nofile).maximum.is_none();
        assert!(
            matches!(refused, Err(RaiseLimitError::HardLimit { .. })) || has_no_hard_limit,
            "{refused:?}"
        );
    }
}

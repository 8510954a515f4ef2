//! What the server's process has used, from `/proc`.

use std::io;
use std::time::Duration;

/// The process of the server under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerProcess {
    pid: u32,
}

/// What a process has used until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Resident memory.
    pub(crate) resident_bytes: u64,
}

/// Why a process could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadProcessError {
    /// It is gone, or belongs to somebody else.
    #[error("process {pid} cannot be read; does the server still run?")]
    Unreadable {
        /// Its number.
        pid: u32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `/proc` has another form than proc(5) says.
    #[error("the figures of process {pid} make no sense")]
    Malformed {
        /// Its number.
        pid: u32,
    },
}

impl ServerProcess {
    /// Watches the process with this number.
    #[must_use]
    pub const fn new(pid: u32) -> Self {
        Self { pid }
    }

    pub(crate) fn usage(self) -> Result<Usage, ReadProcessError> {
        let read = |name: &str| {
            std::fs::read_to_string(format!("/proc/{}/{name}", self.pid))
                .map_err(|source| ReadProcessError::Unreadable { pid: self.pid, source })
        };
        let ticks = cpu_ticks(&read("stat")?);
        let resident_kib = resident_kib(&read("status")?);
        let (Some(ticks), Some(resident_kib)) = (ticks, resident_kib) else {
            return Err(ReadProcessError::Malformed { pid: self.pid });
        };
        let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
        let millis = ticks.saturating_mul(1_000).checked_div(ticks_per_second).unwrap_or(0);
        Ok(Usage { cpu: Duration::from_millis(millis), resident_bytes: resident_kib.saturating_mul(1_024) })
    }
}

/// Returns user and system time in clock ticks. Source: proc(5), `/proc/pid/stat`, fields 14 and 15.
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name of the program is in parentheses and may hold anything, blanks and parentheses too.
    let (_name, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// Returns the resident memory in KiB. Source: proc(5), `/proc/pid/status`, `VmRSS`.
fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_a_name_with_blanks_and_parentheses() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 75 9 9 20 0 3 0 1000 0 0";
        assert_eq!(cpu_ticks(stat), Some(325));
        assert_eq!(cpu_ticks("42 (short) S 1"), None);
    }

    #[test]
    fn resident_memory_is_read_in_kib() {
        assert_eq!(resident_kib("Name:\tx\nVmPeak:\t 9 kB\nVmRSS:\t   1234 kB\n"), Some(1_234));
        assert_eq!(resident_kib("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_has_memory_and_a_missing_one_is_named() {
        assert!(ServerProcess::new(std::process::id()).usage().unwrap().resident_bytes > 100_000);
        let error = ServerProcess::new(u32::MAX).usage().unwrap_err();
        assert!(error.to_string().contains(&u32::MAX.to_string()));
    }
}

//! What a run has found, as text and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::latency::LatencySummary;
use crate::process::Usage;

/// The outcome of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which scenario.
    pub scenario: &'static str,
    /// Protocol of the devices.
    pub protocol: &'static str,
    /// Whether the devices used TLS.
    pub uses_tls: bool,
    /// What a unit is: `login`, `connection` or `message`.
    pub unit: &'static str,
    /// Units that were done.
    pub unit_count: u64,
    /// Units that failed.
    pub failed_count: u64,
    /// Messages that the server refused, for example over its quota.
    pub not_taken_count: u64,
    /// From the first unit to the last, in seconds.
    pub elapsed_s: f64,
    /// What it cost the server; `None` when its process was not given.
    pub server: Option<ServerCost>,
    /// Times of what was waited for; see `latency_of`.
    pub latency: Option<LatencySummary>,
    /// What the times are times of.
    pub latency_of: &'static str,
    /// The first failure, in words.
    pub first_failure: Option<String>,
}

/// What a run cost the server's process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ServerCost {
    /// Processor time, user and system, in seconds.
    pub cpu_s: f64,
    /// The same for each unit, in microseconds; equal to processor seconds per million units.
    pub cpu_us_per_unit: f64,
    /// Resident memory before, in bytes.
    pub resident_before_bytes: u64,
    /// Resident memory while everything was held, or after, in bytes.
    pub resident_after_bytes: u64,
    /// Growth for each unit, in bytes; of use where a unit is a connection.
    pub resident_bytes_per_unit: f64,
}

impl ServerCost {
    #[expect(clippy::cast_precision_loss, reason = "counts and bytes are far fewer than 2^52")]
    pub(crate) fn between(before: Usage, after: Usage, unit_count: u64) -> Self {
        let units = unit_count.max(1) as f64;
        let cpu: Duration = after.cpu.saturating_sub(before.cpu);
        let grown = after.resident_bytes as f64 - before.resident_bytes as f64;
        Self {
            cpu_s: cpu.as_secs_f64(),
            cpu_us_per_unit: cpu.as_secs_f64() * 1e6 / units,
            resident_before_bytes: before.resident_bytes,
            resident_after_bytes: after.resident_bytes,
            resident_bytes_per_unit: grown / units,
        }
    }
}

impl Report {
    /// Says whether everything was done.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.failed_count == 0 && self.not_taken_count == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = if self.uses_tls { "TLS" } else { "plain" };
        writeln!(f, "{} ({}, {transport})", self.scenario, self.protocol)?;
        #[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^52 units")]
        let per_second = self.unit_count as f64 / self.elapsed_s.max(f64::MIN_POSITIVE);
        writeln!(f, "  {} {}s in {:.3} s ({per_second:.0}/s)", self.unit_count, self.unit, self.elapsed_s)?;
        writeln!(f, "  failed {}, not taken {}", self.failed_count, self.not_taken_count)?;
        if let Some(failure) = &self.first_failure {
            writeln!(f, "  first failure: {failure}")?;
        }
        if let Some(latency) = &self.latency {
            writeln!(
                f,
                "  {}: p50 {} µs, p90 {} µs, p99 {} µs, p99.9 {} µs, longest {} µs",
                self.latency_of,
                latency.p50_us,
                latency.p90_us,
                latency.p99_us,
                latency.p999_us,
                latency.max_us
            )?;
        }
        if let Some(server) = &self.server {
            writeln!(
                f,
                "  server: {:.2} CPU s, {:.1} µs a {}",
                server.cpu_s, server.cpu_us_per_unit, self.unit
            )?;
            writeln!(
                f,
                "  server: {} kB resident before, {} kB after, {:.0} bytes a {}",
                server.resident_before_bytes / 1_000,
                server.resident_after_bytes / 1_000,
                server.resident_bytes_per_unit,
                self.unit
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_shared_out_over_the_units() {
        let before = Usage { cpu: Duration::from_secs(1), resident_bytes: 1_000_000 };
        let after = Usage { cpu: Duration::from_secs(3), resident_bytes: 5_000_000 };
        let cost = ServerCost::between(before, after, 1_000);
        assert!((cost.cpu_us_per_unit - 2_000.0).abs() < 1e-6);
        assert!((cost.resident_bytes_per_unit - 4_000.0).abs() < 1e-6);
    }
}

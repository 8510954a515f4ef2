//! The rows of the speed table: what is run, what is read off, and the target.

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// Short name for `--row`.
    pub(super) name: &'static str,
    /// The figure, in words.
    pub(super) title: &'static str,
    /// What it should be.
    pub(super) target: &'static str,
    /// Whether devices use TLS.
    pub(super) uses_tls: bool,
    /// Arguments of `rehome load`.
    pub(super) arguments: &'static [&'static str],
    /// What is read off the report.
    pub(super) figures: &'static [Figure],
}

/// A number in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    /// Microseconds of processor time a unit, which is the same as seconds a million units.
    CpuMicros,
    /// Bytes of resident memory a connection, in kB.
    MemoryKilobytes,
    /// Seconds from the first unit to the last.
    ElapsedSeconds,
    /// Half of the times were at most this, µs.
    P50Micros,
    /// 99 % of the times were at most this, µs.
    P99Micros,
    /// Units that failed or were refused.
    Failed,
}

use Figure::{CpuMicros, ElapsedSeconds, Failed, MemoryKilobytes, P50Micros, P99Micros};

/// The table. Quotas decide the numbers of connections: a device may send 100 messages at once and 50 a second.
pub(super) const ROWS: [Row; 9] = [
    Row {
        name: "login",
        title: "CPU for a plain login",
        target: "≤ 45 µs and ≤ 2 × floor",
        uses_tls: false,
        arguments: &["login", "--count", "20000", "--in-flight", "32"],
        figures: &[CpuMicros, Failed],
    },
    Row {
        name: "login-tls",
        title: "CPU for a full TLS login (P-256)",
        target: "≤ 260 µs and ≤ 1.2 × floor",
        uses_tls: true,
        arguments: &["login", "--count", "10000", "--in-flight", "32"],
        figures: &[CpuMicros, Failed],
    },
    Row {
        name: "idle",
        title: "memory of an idle plain connection, at 10,000",
        target: "≤ 4 kB",
        uses_tls: false,
        arguments: &["idle", "--connections", "10000"],
        figures: &[MemoryKilobytes, Failed],
    },
    Row {
        name: "idle-tls",
        title: "memory of an idle TLS connection, at 10,000",
        target: "≤ 14 kB",
        uses_tls: true,
        arguments: &["idle", "--connections", "10000"],
        figures: &[MemoryKilobytes, Failed],
    },
    Row {
        name: "ingest-1",
        title: "ingest, 1 message a write, 10,000/s, CPU-s per million",
        target: "≤ 6 and ≤ 1.5 × floor, durable",
        uses_tls: false,
        arguments: &[
            "ingest",
            "--connections",
            "1000",
            "--messages-each",
            "100",
            "--per-write",
            "1",
            "--writes-per-ping",
            "10",
            "--rate",
            "10000",
        ],
        figures: &[CpuMicros, P50Micros, P99Micros, ElapsedSeconds, Failed],
    },
    Row {
        name: "ingest-16",
        title: "ingest, 16 messages a write, 64,000/s, CPU-s per million",
        target: "≤ 2.5, durable",
        uses_tls: false,
        arguments: &[
            "ingest",
            "--connections",
            "2000",
            "--messages-each",
            "320",
            "--per-write",
            "16",
            "--writes-per-ping",
            "4",
            "--rate",
            "64000",
        ],
        figures: &[CpuMicros, P50Micros, P99Micros, ElapsedSeconds, Failed],
    },
    Row {
        name: "latency",
        title: "device write to watcher, 5,000/s, CPU-s per million",
        target: "≤ 25; p50 ≤ 1.5 ×, p99 ≤ 2 × mosquitto",
        uses_tls: false,
        arguments: &["latency", "--connections", "200", "--count", "50000", "--rate", "5000"],
        figures: &[CpuMicros, P50Micros, P99Micros, Failed],
    },
    Row {
        name: "storm",
        title: "10,000 plain connections dropped, all back",
        target: "≤ 1.5 s, no failed login",
        uses_tls: false,
        arguments: &["storm", "--connections", "10000"],
        figures: &[ElapsedSeconds, Failed],
    },
    Row {
        name: "storm-tls",
        title: "10,000 TLS connections dropped, all back",
        target: "≤ 3.5 s, no failed login",
        uses_tls: true,
        arguments: &["storm", "--connections", "10000"],
        figures: &[ElapsedSeconds, Failed],
    },
];

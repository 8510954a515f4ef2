//! Times, kept in a histogram.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// 2 minutes in microseconds: nothing here waits longer; more counts as this.
const LATENCY_US_MAX: u64 = 120_000_000;

/// Three significant digits: 0.1 % is finer than any of the figures needs.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Counts of times, in microseconds from 1.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// `None` cannot happen: the bounds above are valid. It would report nothing.
    histogram: Option<Histogram<u64>>,
}

/// A histogram in figures, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LatencySummary {
    /// How many times were taken.
    pub count: u64,
    /// Half were at most this.
    pub p50_us: u64,
    /// 90 % were at most this.
    pub p90_us: u64,
    /// 99 % were at most this.
    pub p99_us: u64,
    /// 99.9 % were at most this.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { histogram: Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS).ok() }
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(micros);
        }
    }

    pub(crate) fn summary(&self) -> Option<LatencySummary> {
        let histogram = self.histogram.as_ref().filter(|histogram| !histogram.is_empty())?;
        Some(LatencySummary {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.summary(), None);
        for micros in 1..=1_000 {
            latencies.record(Duration::from_micros(micros));
        }
        let summary = latencies.summary().unwrap();
        assert_eq!((summary.count, summary.p50_us, summary.p99_us, summary.max_us), (1_000, 500, 990, 1_000));
    }

    #[test]
    fn a_time_out_of_bounds_counts_as_the_bound() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::ZERO);
        latencies.record(Duration::from_hours(1));
        let summary = latencies.summary().unwrap();
        assert_eq!(summary.count, 2);
        assert!((LATENCY_US_MAX..LATENCY_US_MAX + LATENCY_US_MAX / 500).contains(&summary.max_us));
    }
}

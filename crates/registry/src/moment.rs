//! Wall-clock stamps and monotonic time, which never mix.

use std::fmt;

use time::OffsetDateTime;
use time::macros::format_description;

/// A point of wall-clock time, in milliseconds since 1970-01-01 UTC. For people and records, never for time-outs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtcTime(i64);

impl UtcTime {
    /// Makes a time from Unix milliseconds.
    #[must_use]
    pub const fn from_unix_ms(unix_ms: i64) -> Self {
        Self(unix_ms)
    }

    /// Returns Unix milliseconds.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Returns the time `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Returns the milliseconds since `earlier`; negative when the clock was put back in between.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns RFC 3339 text with milliseconds, as in `2026-11-22T10:45:03.000Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        self.format(format)
    }

    /// Returns text for a sentence, as in `2026-11-22 10:45 UTC`.
    #[must_use]
    pub fn to_sentence_text(self) -> String {
        self.format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC"))
    }

    fn format(self, format: &[time::format_description::BorrowedFormatItem<'_>]) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|date_time| date_time.format(format).ok())
            // Outside the years -9999 to 9999; such a stamp can only come from a broken clock.
            .unwrap_or_else(|| format!("{} ms since 1970", self.0))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Milliseconds of a clock that never jumps, since any fixed start. For time-outs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonoTime(u64);

impl MonoTime {
    /// Makes a time from milliseconds since the caller's fixed start.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Returns milliseconds since the caller's fixed start.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// Returns the time `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Returns how many milliseconds passed since `earlier`; 0 when `earlier` is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// "Now" on both clocks: the wall clock stamps records, the monotonic one measures silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now on the clock that never jumps.
    pub mono: MonoTime,
    /// Now on the wall clock.
    pub utc: UtcTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_written_with_milliseconds_in_utc() {
        let stamp = UtcTime::from_unix_ms(1_601_968_586_694);
        assert_eq!(stamp.to_rfc3339(), "2020-10-06T07:16:26.694Z");
        assert_eq!(stamp.to_sentence_text(), "2020-10-06 07:16 UTC");
    }

    #[test]
    fn absurd_stamps_do_not_panic() {
        for ms in [i64::MIN, -1, 0, i64::MAX] {
            assert!(!UtcTime::from_unix_ms(ms).to_rfc3339().is_empty());
        }
    }
}

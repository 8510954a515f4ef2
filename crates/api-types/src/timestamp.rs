//! Points in time as the API writes them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use utoipa::ToSchema;

/// A UTC time in milliseconds since 1970, written as RFC 3339 with three decimals (`2026-11-22T10:15:30.250Z`).
///
/// Reading accepts any RFC 3339 time and drops what is finer than a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-22T10:15:30.250Z")]
pub struct Timestamp(i64);

impl Timestamp {
    /// Wraps a UTC time in milliseconds since 1970.
    #[must_use]
    pub fn from_unix_ms(unix_ms: i64) -> Self {
        Self(unix_ms)
    }

    /// Returns milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 time.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(time.unix_timestamp_nanos().div_euclid(NANOSECONDS_PER_MS)).ok().map(Self)
    }
}

/// Nanoseconds in a millisecond.
const NANOSECONDS_PER_MS: i128 = 1_000_000;

impl std::fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * NANOSECONDS_PER_MS)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let shape =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        let text = time.to_offset(UtcOffset::UTC).format(shape).map_err(|_ignored| std::fmt::Error)?;
        formatter.write_str(&text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)?;
        let unix_ms = time.unix_timestamp_nanos().div_euclid(NANOSECONDS_PER_MS);
        i64::try_from(unix_ms).map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn a_time_is_written_with_three_decimals_and_read_back() {
        let written = serde_json::to_string(&Timestamp::from_unix_ms(1_601_968_586_694)).unwrap();
        assert_eq!(written, "\"2020-10-06T07:16:26.694Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&written).unwrap().unix_ms(), 1_601_968_586_694);
    }

    #[test]
    fn a_time_before_1970_keeps_its_milliseconds() {
        let read: Timestamp = serde_json::from_str("\"1969-12-31T23:59:59.999Z\"").unwrap();
        assert_eq!(read.unix_ms(), -1);
        assert_eq!(read.to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn text_that_is_no_time_is_refused() {
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    }
}

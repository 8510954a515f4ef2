//! The history of pins: what is asked, what is answered, what is imported and erased.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{DatastreamValue, Timestamp};

/// The years 0 to 9999, in Unix milliseconds: what an RFC 3339 time can say.
const UNIX_MS: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// How fine history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HistoryPeriod {
    /// Every value as it was written; kept for 31 days.
    Raw,
    /// The numbers of each minute; kept for 31 days.
    Minute,
    /// The numbers of each hour; kept for three years.
    Hour,
    /// The numbers of each day of UTC; kept for three years.
    Day,
}

/// Which page of the history of a pin is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// The first moment that counts, RFC 3339 or Unix milliseconds; the beginning when left out.
    #[serde(default, deserialize_with = "query_time")]
    #[param(value_type = Option<String>)]
    pub from: Option<Timestamp>,
    /// The first moment that counts no more, RFC 3339 or Unix milliseconds; now when left out.
    #[serde(default, deserialize_with = "query_time")]
    #[param(value_type = Option<String>)]
    pub to: Option<Timestamp>,
    /// How fine; `raw` when left out. Minutes, hours and days are whole: `from` and `to` are moved to their bounds.
    #[param(inline)]
    pub period: Option<HistoryPeriod>,
    /// Largest number of points, 1 to 10,000; 1,000 when left out. A page may have fewer and still not be the last one.
    #[param(minimum = 1, maximum = 10_000)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A stretch of history; all of it when nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StretchQuery {
    /// The first moment that counts, RFC 3339 or Unix milliseconds.
    #[serde(default, deserialize_with = "query_time")]
    #[param(value_type = Option<String>)]
    pub from: Option<Timestamp>,
    /// The first moment that counts no more, RFC 3339 or Unix milliseconds.
    #[serde(default, deserialize_with = "query_time")]
    #[param(value_type = Option<String>)]
    pub to: Option<Timestamp>,
}

/// One point of history: a value as it was written, or the numbers of a stretch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryPoint {
    /// When it was written, or where the stretch begins.
    pub at: Timestamp,
    /// The value; `null` for a stretch.
    #[schema(required)]
    pub value: Option<DatastreamValue>,
    /// The numbers of the stretch; `null` for a value as it was written.
    #[schema(required)]
    pub numbers: Option<HistoryNumbers>,
}

/// The numbers of a minute, an hour or a day. Values that are no numbers are left out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryNumbers {
    /// How many there were; at least 1.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    /// The latest.
    pub last: f64,
}

/// What an import led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedPoints {
    /// Points that were stored: every line of the file.
    pub points: u32,
}

/// Reads a time of a query.
pub(crate) fn query_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_query_time(&text).map(Some).ok_or_else(|| {
        D::Error::custom("a time is RFC 3339, as in 2026-11-22T10:15:30Z, or a number of Unix milliseconds")
    })
}

/// Reads an RFC 3339 time, or Unix milliseconds within the years 0 to 9999.
#[must_use]
pub fn parse_query_time(text: &str) -> Option<Timestamp> {
    match text.parse::<i64>() {
        Ok(unix_ms) => UNIX_MS.contains(&unix_ms).then(|| Timestamp::from_unix_ms(unix_ms)),
        Err(_) => Timestamp::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_a_query_is_written_in_either_way_and_nothing_else_is_one() {
        let unix_ms = |text: &str| parse_query_time(text).map(Timestamp::unix_ms);
        assert_eq!(unix_ms("1601968586694"), Some(1_601_968_586_694));
        assert_eq!(unix_ms("-1"), Some(-1));
        assert_eq!(unix_ms("2020-10-06T07:16:26.694Z"), Some(1_601_968_586_694));
        assert_eq!(unix_ms("2020-10-06T09:16:26.694+02:00"), Some(1_601_968_586_694));
        for text in ["", "now", "2020-10-06", "1e3", "253402300800000", "-62167219200001"] {
            assert_eq!(unix_ms(text), None, "{text}");
        }
    }
}

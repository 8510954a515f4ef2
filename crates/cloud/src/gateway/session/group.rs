//! Groups: values that share one time. Source: reference/wire-protocol.md, group.

use registry::{Moment, MonoTime, UtcTime};
use store::DATED_PAST_MAX_MS;
use wire::Group;

/// 10 s after its begin a group ends by itself: a device that never ends one must not stamp its values for ever.
const GROUP_OPEN_MAX_MS: u64 = 10_000;

/// A group that was begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenGroup {
    /// The time of its values.
    pub(super) at: UtcTime,
    began_at: MonoTime,
}

impl OpenGroup {
    /// Returns the group that is open after a message.
    pub(super) fn after(message: Group, now: Moment) -> Option<Self> {
        let at = match message {
            Group::Begin => now.utc,
            Group::BeginAt { unix_ms } => {
                let at = i64::try_from(unix_ms).ok().map(UtcTime::from_unix_ms)?;
                // A future time would hide what comes after it. One too long ago is a clock that was never set: such
                // values get the time of their arrival.
                let oldest = now.utc.plus_ms(-DATED_PAST_MAX_MS);
                if at < oldest {
                    return None;
                }
                at.min(now.utc)
            }
            Group::End => return None,
        };
        Some(Self { at, began_at: now.mono })
    }

    pub(super) fn is_open(&self, now: MonoTime) -> bool {
        now.since_ms(self.began_at) < GROUP_OPEN_MAX_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment =
        Moment { mono: MonoTime::from_ms(5_000), utc: UtcTime::from_unix_ms(1_795_000_000_000) };

    fn begun_at(unix_ms: i64) -> Option<OpenGroup> {
        OpenGroup::after(Group::BeginAt { unix_ms: u64::try_from(unix_ms).unwrap() }, NOW)
    }

    #[test]
    fn a_group_takes_its_own_time_unless_that_is_no_time_it_can_know() {
        assert_eq!(begun_at(1_794_000_000_000).unwrap().at, UtcTime::from_unix_ms(1_794_000_000_000));
        assert_eq!(begun_at(1_796_000_000_000).unwrap().at, NOW.utc);
        assert_eq!(begun_at(0), None);
        assert_eq!(OpenGroup::after(Group::Begin, NOW).unwrap().at, NOW.utc);
        assert_eq!(OpenGroup::after(Group::End, NOW), None);
    }

    #[test]
    fn a_group_that_is_never_ended_ends_by_itself() {
        let group = OpenGroup::after(Group::Begin, NOW).unwrap();
        assert!(group.is_open(NOW.mono.plus_ms(9_999)));
        assert!(!group.is_open(NOW.mono.plus_ms(10_000)));
    }
}

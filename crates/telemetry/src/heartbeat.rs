//! How long a device may be silent before its connection counts as dead.

/// 10 s. Source: reference/wire-protocol.md 8 (the library allows 10..3600).
pub const HEARTBEAT_MIN_S: u32 = 10;

/// 3,600 s. Source: as above.
pub const HEARTBEAT_MAX_S: u32 = 3_600;

/// 50 s: assumed before the info message arrives and when it names no heartbeat.
///
/// The longest default of the known libraries (Python); the JavaScript library never names one
/// (reference/observed-clients.md). A shorter guess would cut quiet clients that did nothing wrong.
pub const HEARTBEAT_ASSUMED_S: u32 = 50;

/// 20 s: least time granted on top of the heartbeat.
///
/// The library itself gives up after heartbeat + 18 s without input (reference/wire-protocol.md 8). A server that cuts
/// earlier would end links which the device still counts as good.
pub const SILENCE_MARGIN_MS: u64 = 20_000;

/// The heartbeat a device declared, within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    seconds: u32,
}

impl Heartbeat {
    /// What counts until the device says otherwise.
    pub const ASSUMED: Self = Self { seconds: HEARTBEAT_ASSUMED_S };

    /// Reads `h-beat` of an info message, with `buff-in` of the same message.
    ///
    /// blynklib 0.2.6 swaps the two (reference/observed-clients.md): a buffer below 64 bytes could not even hold a login
    /// frame of 37 bytes with room for a message, so such a pair is swapped back. Nonsense counts as not said.
    #[must_use]
    pub fn from_info(h_beat: Option<&str>, buff_in: Option<&str>) -> Self {
        let number = |text: Option<&str>| text.and_then(|t| t.trim().parse::<u32>().ok());
        let seconds = match (number(h_beat), number(buff_in)) {
            (Some(h_beat), Some(buff_in)) if (1..64).contains(&buff_in) && h_beat >= 256 => buff_in,
            (Some(0) | None, _) => HEARTBEAT_ASSUMED_S,
            (Some(h_beat), _) => h_beat,
        };
        Self { seconds: seconds.clamp(HEARTBEAT_MIN_S, HEARTBEAT_MAX_S) }
    }

    /// Returns the heartbeat in seconds, 10..=3600.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// Returns after how many milliseconds of silence the connection counts as dead.
    ///
    /// 1.5 heartbeats, as the current documentation of the hosted service says, but at least the heartbeat and
    /// [`SILENCE_MARGIN_MS`]. The older factor of 2.3 was not taken: with the default of 40 s the device reconnects by
    /// itself after 58 s, so a server that waits 92 s shows a dead link as online and learns nothing from the rest.
    #[must_use]
    pub const fn silence_ms_max(self) -> u64 {
        let heartbeat_ms = self.seconds as u64 * 1_000;
        let one_and_a_half = heartbeat_ms / 2 * 3;
        let with_margin = heartbeat_ms + SILENCE_MARGIN_MS;
        if one_and_a_half > with_margin { one_and_a_half } else { with_margin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library's own patience: heartbeat + 18 s.
    fn device_patience_ms(heartbeat: Heartbeat) -> u64 {
        u64::from(heartbeat.seconds()) * 1_000 + 18_000
    }

    #[test]
    fn the_server_is_never_less_patient_than_the_library() {
        for seconds in HEARTBEAT_MIN_S..=HEARTBEAT_MAX_S {
            let heartbeat = Heartbeat::from_info(Some(&seconds.to_string()), None);
            assert_eq!(heartbeat.seconds(), seconds);
            assert!(heartbeat.silence_ms_max() > device_patience_ms(heartbeat), "{seconds}");
        }
    }

    #[test]
    fn common_heartbeats_give_the_documented_limits() {
        let limit = |seconds: &str| Heartbeat::from_info(Some(seconds), Some("256")).silence_ms_max();
        assert_eq!(limit("10"), 30_000);
        assert_eq!(limit("40"), 60_000);
        assert_eq!(limit("45"), 67_500);
        assert_eq!(limit("3600"), 5_400_000);
    }

    #[test]
    fn absurd_heartbeats_are_bounded_and_missing_ones_assumed() {
        let seconds = |h_beat| Heartbeat::from_info(h_beat, None).seconds();
        assert_eq!(seconds(Some("1")), HEARTBEAT_MIN_S);
        assert_eq!(seconds(Some("4294967295")), HEARTBEAT_MAX_S);
        for text in [None, Some(""), Some("0"), Some("-5"), Some("4294967296"), Some("soon")] {
            assert_eq!(seconds(text), HEARTBEAT_ASSUMED_S, "{text:?}");
        }
    }

    #[test]
    fn the_pair_swapped_by_blynklib_is_swapped_back() {
        assert_eq!(Heartbeat::from_info(Some("1024"), Some("10")).seconds(), 10);
        assert_eq!(
            Heartbeat::from_info(Some("45"), Some("50")).seconds(),
            45,
            "a small buffer alone is no swap"
        );
    }
}

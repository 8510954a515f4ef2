//! How long a notification that could not be delivered waits for its next attempt.

/// 12 attempts; with the waits between them about 12 hours, so that a mail server which is down for a night costs nothing.
pub const DELIVERY_ATTEMPTS_MAX: u32 = 12;

/// 30 s after the first failure.
pub const RETRY_WAIT_MIN_MS: u64 = 30_000;

/// 4 h at most, jitter not included.
pub const RETRY_WAIT_MAX_MS: u64 = 4 * 3_600_000;

/// Returns how long to wait after `failed_count` failures, in milliseconds; none when it is time to give up.
///
/// Doubles from [`RETRY_WAIT_MIN_MS`] to [`RETRY_WAIT_MAX_MS`], and adds up to a quarter by `random`, so that what failed
/// together does not come back together.
#[must_use]
pub fn retry_wait_ms(failed_count: u32, random: u16) -> Option<u64> {
    if failed_count >= DELIVERY_ATTEMPTS_MAX {
        return None;
    }
    let doublings = failed_count.saturating_sub(1).min(16);
    let wait_ms = (RETRY_WAIT_MIN_MS << doublings).min(RETRY_WAIT_MAX_MS);
    Some(wait_ms + wait_ms / 4 * u64::from(random) / u64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_four_hours_and_end() {
        let waits: Vec<_> = (1..=12).map(|count| retry_wait_ms(count, 0).map(|ms| ms / 1_000)).collect();
        let expected = [30, 60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 14_400, 14_400];
        assert_eq!(waits, expected.map(Some).into_iter().chain([None]).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn jitter_adds_at_most_a_quarter(count in 0_u32..40, random in any::<u16>()) {
            match (retry_wait_ms(count, random), retry_wait_ms(count, 0)) {
                (Some(wait), Some(least)) => prop_assert!((least..=least + least / 4).contains(&wait)),
                (wait, least) => prop_assert_eq!(wait, least),
            }
        }
    }
}

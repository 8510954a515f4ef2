//! Rate limits as plain arithmetic: a bucket that refills with time.

use crate::MonoTime;

/// How often something may happen: `burst` at once, then `per_minute` in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many may happen at once after a quiet time. At least 1.
    pub burst: u32,
    /// How many may happen per minute in the long run. At least 1.
    pub per_minute: u32,
}

impl RateLimit {
    /// Logins with a token that nobody knows or that is malformed, per address.
    ///
    /// A library retries every 5 s, so 12 a minute is one client with a wrong token; a household behind one address may
    /// have several.
    pub const REFUSED_LOGINS: Self = Self { burst: 20, per_minute: 30 };

    /// Sign-in attempts at the console, per address. Slow enough that guessing a password is hopeless.
    pub const SIGN_INS: Self = Self { burst: 5, per_minute: 5 };

    /// Messages per device: 50 a second. Source: reference/wire-protocol.md 1, "requests per device".
    pub const DEVICE_MESSAGES: Self = Self { burst: 100, per_minute: 3_000 };

    /// Points that a device may import: 100,000 a day. Source: reference/http-api.md 5, changelog.
    pub const IMPORTED_POINTS: Self = Self { burst: 100_000, per_minute: 70 };

    /// One permit is 60,000 parts, so that a refill of `per_minute` parts per millisecond needs no fractions.
    const PARTS_PER_PERMIT: u64 = 60_000;

    const fn full_parts(self) -> u64 {
        self.burst as u64 * Self::PARTS_PER_PERMIT
    }
}

/// What one client has left of a [`RateLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    parts: u64,
    refilled_at: MonoTime,
}

impl Allowance {
    /// Makes a full allowance.
    #[must_use]
    pub const fn full(limit: RateLimit, now: MonoTime) -> Self {
        Self { parts: limit.full_parts(), refilled_at: now }
    }

    /// Takes one permit.
    ///
    /// # Errors
    /// With the wait in milliseconds until one permit is there, when there is none.
    pub fn take(&mut self, limit: RateLimit, now: MonoTime) -> Result<(), u64> {
        self.take_many(1, limit, now)
    }

    /// Takes several permits, all or none.
    ///
    /// # Errors
    /// As [`Allowance::take`]; more permits than `limit.burst` are never there at once.
    pub fn take_many(&mut self, count: u32, limit: RateLimit, now: MonoTime) -> Result<(), u64> {
        self.refill(limit, now);
        let parts = RateLimit::PARTS_PER_PERMIT.saturating_mul(count.into());
        if let Some(left) = self.parts.checked_sub(parts) {
            self.parts = left;
            return Ok(());
        }
        let missing = parts.saturating_sub(self.parts);
        Err(missing.div_ceil(u64::from(limit.per_minute.max(1))))
    }

    /// Says whether nothing is missing, so that the entry may be forgotten.
    #[must_use]
    pub fn is_full(mut self, limit: RateLimit, now: MonoTime) -> bool {
        self.refill(limit, now);
        self.parts >= limit.full_parts()
    }

    fn refill(&mut self, limit: RateLimit, now: MonoTime) {
        let refill = now.since_ms(self.refilled_at).saturating_mul(u64::from(limit.per_minute));
        self.parts = self.parts.saturating_add(refill).min(limit.full_parts());
        self.refilled_at = self.refilled_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { burst: 3, per_minute: 6 };

    #[test]
    fn a_burst_passes_then_one_every_ten_seconds() {
        let mut allowance = Allowance::full(LIMIT, MonoTime::from_ms(0));
        for _ in 0..3 {
            assert_eq!(allowance.take(LIMIT, MonoTime::from_ms(0)), Ok(()));
        }
        assert_eq!(allowance.take(LIMIT, MonoTime::from_ms(0)), Err(10_000));
        assert_eq!(allowance.take(LIMIT, MonoTime::from_ms(9_999)), Err(1));
        assert_eq!(allowance.take(LIMIT, MonoTime::from_ms(10_000)), Ok(()));
        assert_eq!(allowance.take(LIMIT, MonoTime::from_ms(10_000)), Err(10_000));
    }

    #[test]
    fn a_long_rest_gives_one_burst_and_no_more() {
        let mut allowance = Allowance::full(LIMIT, MonoTime::from_ms(0));
        assert_eq!(allowance.take(LIMIT, MonoTime::from_ms(0)), Ok(()));
        assert!(!allowance.is_full(LIMIT, MonoTime::from_ms(9_999)));
        assert!(allowance.is_full(LIMIT, MonoTime::from_ms(u64::MAX)));
        for _ in 0..3 {
            assert_eq!(allowance.take(LIMIT, MonoTime::from_ms(u64::MAX)), Ok(()));
        }
        assert!(allowance.take(LIMIT, MonoTime::from_ms(u64::MAX)).is_err());
    }
}

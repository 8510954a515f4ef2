//! Claim codes: short names for a session's token, and who may have it.

use wire::ClaimCode;

use crate::{Ownership, RateLimit, SecretPurpose, TokenKey};

impl RateLimit {
    /// Claim codes that one address tries. A person mistypes a few; a workshop sets up several boards a minute.
    pub const CLAIM_CODES: Self = Self { burst: 10, per_minute: 10 };

    /// Claim codes that are tried in all. A code has 35 random bits and lives 15 minutes: at this rate somebody with any
    /// number of addresses hits one of 100 open sessions with a chance of 1 in 340,000 per session's life.
    pub const CLAIM_CODES_IN_ALL: Self = Self { burst: 100, per_minute: 60 };
}

impl TokenKey {
    /// Returns the claim code that belongs to `nonce`: the same for the same nonce, unguessable without this key.
    #[must_use]
    pub fn derive_claim_code(&self, nonce: &[u8; 16]) -> ClaimCode {
        let hash = self.hash(SecretPurpose::DerivedClaimCode, nonce);
        ClaimCode::from_random(hash.first_chunk().copied().unwrap_or_default())
    }

    /// Returns the keyed hash of a claim code.
    #[must_use]
    pub fn hash_claim_code(&self, code: &ClaimCode) -> [u8; 32] {
        self.hash(SecretPurpose::ClaimCode, code.expose())
    }
}

/// What becomes of a device that is known by its UID, still has an owner, and is claimed again. Set per template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReclaimPolicy {
    /// It is re-homed: whoever holds the board may set it up anew. The earlier ownership ends, and that is noted.
    #[default]
    Open,
    /// It is refused until its owner released it: a stolen board is of no use.
    Locked,
}

impl ReclaimPolicy {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Open, Self::Locked];

    /// Returns the name used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Locked => "locked",
        }
    }

    /// Reads the name used in the API and in the store.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == name)
    }
}

/// Whether a known device may be claimed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reclaim {
    /// Its owner let it go before.
    Free,
    /// Its owner did not let it go; the claim ends that ownership.
    TakesOver,
    /// Its owner did not let it go, and that counts.
    Refused,
}

/// Decides whether a device whose record stands at `ownership` may be claimed again.
///
/// The UID proves nothing: any board can say any. That is why taking over never hands out anything of the earlier
/// ownership, and why the earlier token is told to try later and not refused.
#[must_use]
pub const fn decide_reclaim(policy: ReclaimPolicy, ownership: Ownership) -> Reclaim {
    match (ownership, policy) {
        (Ownership::Releasing | Ownership::Released, _) => Reclaim::Free,
        (Ownership::Reserved | Ownership::Owned, ReclaimPolicy::Open) => Reclaim::TakesOver,
        (Ownership::Reserved | Ownership::Owned, ReclaimPolicy::Locked) => Reclaim::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Allowance, MonoTime, SESSION_TOKEN_LIFETIME_MS};

    #[test]
    fn only_an_owner_who_did_not_let_go_is_protected_and_only_by_a_lock() {
        for policy in ReclaimPolicy::ALL {
            assert_eq!(ReclaimPolicy::from_name(policy.as_str()), Some(policy));
            for ownership in Ownership::ALL {
                let is_let_go = matches!(ownership, Ownership::Releasing | Ownership::Released);
                let expected = match (is_let_go, policy) {
                    (true, _) => Reclaim::Free,
                    (false, ReclaimPolicy::Open) => Reclaim::TakesOver,
                    (false, ReclaimPolicy::Locked) => Reclaim::Refused,
                };
                assert_eq!(decide_reclaim(policy, ownership), expected, "{policy:?} {ownership:?}");
            }
        }
    }

    #[test]
    fn codes_of_one_key_and_nonce_are_equal_and_others_differ() {
        let (key, other) = (TokenKey::from_bytes([1; 32]), TokenKey::from_bytes([2; 32]));
        let code = key.derive_claim_code(&[3; 16]);
        assert_eq!(code, key.derive_claim_code(&[3; 16]));
        assert_ne!(code, key.derive_claim_code(&[4; 16]));
        assert_ne!(code, other.derive_claim_code(&[3; 16]));
        assert_ne!(key.hash_claim_code(&code), other.hash_claim_code(&code));
    }

    #[test]
    fn within_a_session_everybody_together_tries_a_thousand_codes_at_most() {
        let limit = RateLimit::CLAIM_CODES_IN_ALL;
        let mut allowance = Allowance::full(limit, MonoTime::from_ms(0));
        let mut tries = 0_u64;
        for ms in (0..u64::try_from(SESSION_TOKEN_LIFETIME_MS).unwrap()).step_by(100) {
            tries += u64::from(allowance.take(limit, MonoTime::from_ms(ms)).is_ok());
        }
        assert!((900..=1_000).contains(&tries), "{tries}");
        // 35 random bits and 100 open sessions: less than one in 300,000.
        assert!(tries * 100 * 300_000 < 1 << 35);
    }
}

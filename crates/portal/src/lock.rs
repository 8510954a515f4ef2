//! The lock of the door: wrong proofs of possession are counted, and the fifth closes the portal.

use subtle::ConstantTimeEq;

/// So many wrong proofs close the portal. Source: `lifecycle.md`, guarantee 7.
pub const WRONG_PROOF_COUNT_MAX: u8 = 5;

/// Longest proof of possession in bytes: it is also a WPA2 passphrase. Source: IEEE 802.11, annex J.4.
pub const PROOF_BYTES_MAX: usize = 63;

/// Counts wrong proofs since power-on.
///
/// The shell makes one at power-on and keeps [`ProofLock::wrong_count`] over every other kind of restart, or a restart
/// would be worth five more tries. A right proof does not set the count back: five are five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ProofLock {
    wrong_count: u8,
}

/// What became of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofVerdict {
    /// It was right.
    Accepted,
    /// It was wrong.
    Wrong {
        /// How many more wrong ones the lock takes, at least 1; the last of them closes it.
        tries_left: u8,
    },
    /// It was the last wrong one, or the lock was closed before and nothing was compared.
    Closed,
}

impl ProofLock {
    /// Returns the lock of a device that was just switched on.
    #[must_use]
    pub const fn new() -> Self {
        Self { wrong_count: 0 }
    }

    /// Returns the lock of a device that restarted without having been switched off.
    #[must_use]
    pub const fn with_wrong_count(wrong_count: u8) -> Self {
        Self { wrong_count }
    }

    /// Returns how many wrong proofs were given since power-on, at most [`WRONG_PROOF_COUNT_MAX`].
    #[must_use]
    pub fn wrong_count(&self) -> u8 {
        self.wrong_count.min(WRONG_PROOF_COUNT_MAX)
    }

    /// Whether the portal stays shut until the next power-on.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.tries_left() == 0
    }

    /// Returns how many wrong proofs are left before the lock closes.
    #[must_use]
    pub fn tries_left(&self) -> u8 {
        WRONG_PROOF_COUNT_MAX.saturating_sub(self.wrong_count)
    }

    /// Compares a proof with the device's own, in a time that does not depend on either, and counts it if it is wrong.
    ///
    /// A closed lock compares nothing. A proof that is empty or longer than [`PROOF_BYTES_MAX`], on either side, is wrong.
    pub fn check(&mut self, own: &[u8], given: &[u8]) -> ProofVerdict {
        if self.is_closed() {
            return ProofVerdict::Closed;
        }
        if is_equal(own, given) { ProofVerdict::Accepted } else { self.count_wrong() }
    }

    /// Counts a wrong proof that somebody else compared, such as a passphrase refused by the radio.
    pub fn count_wrong(&mut self) -> ProofVerdict {
        self.wrong_count = self.wrong_count.saturating_add(1);
        match self.tries_left() {
            0 => ProofVerdict::Closed,
            tries_left => ProofVerdict::Wrong { tries_left },
        }
    }
}

fn is_equal(own: &[u8], given: &[u8]) -> bool {
    let (Some(padded_own), Some(padded_given)) = (padded(own), padded(given)) else { return false };
    // Slices of unequal length are told apart at once, which would give away the length.
    let same = padded_own.ct_eq(&padded_given) & own.len().ct_eq(&given.len());
    bool::from(same) && !own.is_empty()
}

fn padded(proof: &[u8]) -> Option<[u8; PROOF_BYTES_MAX]> {
    let mut padded = [0; PROOF_BYTES_MAX];
    padded.get_mut(..proof.len())?.copy_from_slice(proof);
    Some(padded)
}

#[cfg(test)]
mod tests;

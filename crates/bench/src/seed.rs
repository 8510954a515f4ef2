//! Seeded randomness: the same seed gives the same numbers on every machine and with every compiler.

use std::cell::Cell;

/// A small generator (splitmix64) whose whole state is its seed.
///
/// Source of the constants: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug)]
pub struct SeededRng {
    state: Cell<u64>,
}

impl SeededRng {
    /// Creates a generator that replays the same numbers for the same `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Cell::new(seed) }
    }

    /// Creates a generator for one named part of a run, so that parts do not disturb each other's numbers.
    #[must_use]
    pub fn for_part(seed: u64, part: &str) -> Self {
        // FNV-1a, 64 bits: enough to keep parts apart, and stable.
        let mixed = part.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self::new(mixed)
    }

    /// Returns the next number.
    pub fn next_u64(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from `low` to `high`, both included; `low` when the range is empty.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.next_u64() % span.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::SeededRng;

    #[test]
    fn the_same_seed_replays_the_same_numbers_and_parts_differ() {
        let first: Vec<u64> =
            (0..4).map(|_| 0).scan(SeededRng::new(7), |rng, _: u64| Some(rng.next_u64())).collect();
        let again: Vec<u64> =
            (0..4).map(|_| 0).scan(SeededRng::new(7), |rng, _: u64| Some(rng.next_u64())).collect();
        assert_eq!(first, again);
        assert_ne!(SeededRng::for_part(7, "radio").next_u64(), SeededRng::for_part(7, "jitter").next_u64());
    }

    #[test]
    fn ranges_include_both_ends_and_nothing_else() {
        let rng = SeededRng::new(1);
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| rng.between(3, 5)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
    }
}

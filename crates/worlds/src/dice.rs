//! Seeded chance: the same seed draws the same world on every machine, with every compiler and every library version.

/// A small generator (splitmix64) whose whole state is one number.
///
/// Source of the constants: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// Makes dice for one named part of a world, so that parts do not disturb each other's numbers.
    pub(crate) fn for_part(seed: u64, part: &str, index: usize) -> Self {
        // FNV-1a, 64 bits: enough to keep parts apart.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        let hash = part.bytes().fold(0xCBF2_9CE4_8422_2325, mix);
        let mut dice = Self { state: index.to_le_bytes().into_iter().fold(hash, mix) ^ seed.rotate_left(17) };
        dice.state ^= dice.next_u64() ^ seed;
        dice
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included; `low` when the range is empty.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.next_u64() % span.max(1))
    }

    /// An index below `count`; 0 when there is nothing to choose from.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        let last = u64::try_from(count.saturating_sub(1)).unwrap_or(u64::MAX);
        usize::try_from(self.between(0, last)).unwrap_or_default()
    }

    /// A number from `low` to `high` whose order of magnitude is equally likely everywhere: many short outages, few
    /// long ones.
    pub(crate) fn spread(&mut self, low: u64, high: u64) -> u64 {
        let doublings = u64::from((high / low.max(1)).max(1).ilog2());
        let start = low << self.between(0, doublings).min(40);
        self.between(start, start.saturating_mul(2)).min(high)
    }

    /// Whether something happens that happens `permille` times in a thousand.
    pub(crate) fn chance(&mut self, permille: u64) -> bool {
        self.between(1, 1000) <= permille
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let index = self.index(choices.len());
        choices.get(index).copied()
    }

    /// Letters and digits, as many as asked for.
    pub(crate) fn text(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(self.pick(ALPHABET).unwrap_or(b'A'))).collect()
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.next_u64().to_le_bytes().first().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_part_of_the_same_seed_draws_the_same_and_others_differ() {
        let draw = |seed, part, index| {
            let mut dice = Dice::for_part(seed, part, index);
            [dice.next_u64(), dice.next_u64()]
        };
        assert_eq!(draw(7, "place", 1), draw(7, "place", 1));
        assert_ne!(draw(7, "place", 1), draw(8, "place", 1));
        assert_ne!(draw(7, "place", 1), draw(7, "place", 2));
        assert_ne!(draw(7, "place", 1), draw(7, "board", 1));
    }

    #[test]
    fn spread_numbers_stay_in_their_range_and_reach_every_magnitude() {
        let mut dice = Dice::for_part(1, "spread", 0);
        let drawn: Vec<u64> = (0..2_000).map(|_| dice.spread(10, 10_000)).collect();
        assert!(drawn.iter().all(|number| (10..=10_000).contains(number)));
        assert!(drawn.iter().any(|number| *number < 20) && drawn.iter().any(|number| *number > 5_000));
    }
}

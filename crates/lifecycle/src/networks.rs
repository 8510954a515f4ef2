//! Which stored network is tried next.

/// Most networks a home can hold. Source: specification, "up to 16 stored".
pub const NETWORK_COUNT_MAX: u8 = 16;

/// The networks of the stored home: how many, and which one was joined last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StoredNetworks {
    // Invariant: 1..=NETWORK_COUNT_MAX.
    count: u8,
    // Invariant: below `count`. A place in the shell's present ranking.
    joined_index: u8,
}

/// One pass over all stored networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Round {
    pub(crate) network_index: u8,
    tried_count: u8,
    /// A visitor has held this round up for as long as one may: the rest of it does not wait again.
    pub(crate) has_waited: bool,
}

impl StoredNetworks {
    /// `None` when there is no network, which means no home.
    pub(crate) fn new(count: u8) -> Option<Self> {
        (count > 0).then_some(Self { count: count.min(NETWORK_COUNT_MAX), joined_index: 0 })
    }

    pub(crate) const fn count(self) -> u8 {
        self.count
    }

    /// Starts with what the shell ranks first, by signal and last success.
    pub(crate) const fn first_round() -> Round {
        Round { network_index: 0, tried_count: 1, has_waited: false }
    }

    /// Starts with the network after the joined one and comes back to it at the end.
    pub(crate) const fn round_elsewhere(self) -> Round {
        Round { network_index: self.after(self.joined_index), tried_count: 1, has_waited: false }
    }

    /// The next network of the round; `None` when all were tried.
    pub(crate) fn next_in_round(self, round: Round) -> Option<Round> {
        (round.tried_count < self.count).then(|| Round {
            network_index: self.after(round.network_index),
            tried_count: round.tried_count + 1,
            ..round
        })
    }

    pub(crate) fn note_joined(&mut self, round: Round) {
        self.joined_index = round.network_index;
    }

    const fn after(self, index: u8) -> u8 {
        if index + 1 < self.count { index + 1 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexes(networks: StoredNetworks, first: Round) -> std::vec::Vec<u8> {
        core::iter::successors(Some(first), |round| networks.next_in_round(*round))
            .map(|round| round.network_index)
            .collect()
    }

    #[test]
    fn a_round_tries_every_network_once_in_the_shells_order() {
        let mut networks = StoredNetworks::new(3).expect("three networks");
        assert_eq!(indexes(networks, StoredNetworks::first_round()), [0, 1, 2]);
        networks.note_joined(Round { network_index: 1, tried_count: 2, has_waited: false });
        assert_eq!(indexes(networks, StoredNetworks::first_round()), [0, 1, 2]);
        assert_eq!(indexes(networks, networks.round_elsewhere()), [2, 0, 1]);
    }

    #[test]
    fn no_network_is_no_home_and_the_seventeenth_is_never_asked_for() {
        assert_eq!(StoredNetworks::new(0), None);
        assert_eq!(StoredNetworks::new(200).map(StoredNetworks::count), Some(NETWORK_COUNT_MAX));
    }
}

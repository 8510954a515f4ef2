//! What is counted while worlds run.

/// Upper ends of the waits for a hotspot that are counted apart, in milliseconds, with their names.
pub const DOOR_WAITS: [(u64, &str); 8] = [
    (15_000, "15 s"),
    (45_000, "45 s"),
    (120_000, "2 min"),
    (660_000, "11 min"),
    (3_600_000, "1 h"),
    (21_600_000, "6 h"),
    (86_400_000, "1 day"),
    (u64::MAX, "longer"),
];

/// Sums over boards and worlds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Boards that lived.
    pub boards: u64,
    /// Their lives, switched off or on, in milliseconds.
    pub lived_ms: u64,
    /// Milliseconds in an accepted session with the true cloud.
    pub online_ms: u64,
    /// Boards that were, at least once, cut off without an open hotspot although it was due.
    pub stranded_boards: u64,
    /// Boards that were so for a whole day at a stretch.
    pub stranded_for_a_day_boards: u64,
    /// All such time.
    pub stranded_ms: u64,
    /// The longest such stretch.
    pub stranded_ms_max: u64,
    /// Stored homes that went or changed without anybody's authority.
    pub lost_homes: u64,
    /// Boards to which that happened.
    pub lost_home_boards: u64,
    /// Troubles that called for the hotspot, by how long it took to open: see [`DOOR_WAITS`].
    pub door_waits: [u64; DOOR_WAITS.len()],
    /// Troubles that ended by themselves, after the hotspot was due and without its opening.
    pub doors_never_opened: u64,
    /// Wipes on a release of the cloud.
    pub wipes_released: u64,
    /// Receipts that reached the cloud.
    pub receipts: u64,
    /// Wipes by the button.
    pub wipes_by_hand: u64,
    /// Homes replaced by an accepted new one, first set-ups included.
    pub homes_accepted: u64,
    /// New homes that failed their trial while another home was stored.
    pub trials_failed: u64,
    /// Power cuts in the middle of a flash operation.
    pub torn_operations: u64,
    /// Boots.
    pub boots: u64,
    /// Accepted logins.
    pub logins: u64,
    /// Logins refused with "invalid token".
    pub refusals: u64,
    /// Visits of owners who found no hotspot, a power cycle included.
    pub visits_in_vain: u64,
    /// Searches of a raw flash image for the traces of earlier homes.
    pub image_searches: u64,
    /// Set-ups with a claim code that ended with a stored home.
    pub claims: u64,
    /// Power-up gestures by people, or by a flickering supply, that had to open the hotspot.
    pub gestures: u64,
    /// Hotspots locked by five wrong proofs.
    pub locks: u64,
    /// Firmware images installed for a trial.
    pub images_installed: u64,
    /// Those that proved themselves.
    pub images_confirmed: u64,
    /// Runs of a firmware on trial that ended without its being confirmed.
    pub trials_of_firmware_failed: u64,
    /// Orders to install a firmware.
    pub update_orders: u64,
    /// Power cuts in the middle of an operation on a firmware slot.
    pub torn_updates: u64,
    /// Most erases of one flash sector.
    pub sector_erases_max: u64,
}

impl Tally {
    /// Adds the sums of other boards.
    pub fn add(&mut self, other: &Self) {
        self.boards += other.boards;
        self.lived_ms += other.lived_ms;
        self.online_ms += other.online_ms;
        self.stranded_boards += other.stranded_boards;
        self.stranded_for_a_day_boards += other.stranded_for_a_day_boards;
        self.stranded_ms += other.stranded_ms;
        self.stranded_ms_max = self.stranded_ms_max.max(other.stranded_ms_max);
        self.lost_homes += other.lost_homes;
        self.lost_home_boards += other.lost_home_boards;
        for (sum, more) in self.door_waits.iter_mut().zip(other.door_waits) {
            *sum += more;
        }
        self.doors_never_opened += other.doors_never_opened;
        self.wipes_released += other.wipes_released;
        self.receipts += other.receipts;
        self.wipes_by_hand += other.wipes_by_hand;
        self.homes_accepted += other.homes_accepted;
        self.trials_failed += other.trials_failed;
        self.torn_operations += other.torn_operations;
        self.boots += other.boots;
        self.logins += other.logins;
        self.refusals += other.refusals;
        self.visits_in_vain += other.visits_in_vain;
        self.image_searches += other.image_searches;
        self.claims += other.claims;
        self.gestures += other.gestures;
        self.locks += other.locks;
        self.images_installed += other.images_installed;
        self.images_confirmed += other.images_confirmed;
        self.trials_of_firmware_failed += other.trials_of_firmware_failed;
        self.update_orders += other.update_orders;
        self.torn_updates += other.torn_updates;
        self.sector_erases_max = self.sector_erases_max.max(other.sector_erases_max);
    }

    /// Lived time in hours.
    #[must_use]
    pub fn board_hours(&self) -> u64 {
        self.lived_ms / 3_600_000
    }

    /// Wipes on a release whose receipt did not reach the cloud.
    #[must_use]
    pub fn wipes_without_receipt(&self) -> u64 {
        self.wipes_released.saturating_sub(self.receipts)
    }

    pub(crate) fn count_door(&mut self, wait_ms: u64) {
        let bucket = DOOR_WAITS.iter().position(|(limit_ms, _)| wait_ms <= *limit_ms);
        if let Some(count) = bucket.and_then(|bucket| self.door_waits.get_mut(bucket)) {
            *count += 1;
        }
    }
}

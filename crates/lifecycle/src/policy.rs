//! What a device does when it cannot reach its owner: the three recovery policies and the settings around them.

use core::hash::{Hash, Hasher};

use crate::Timings;

/// What happens when a device with a stored home cannot reach its cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RecoveryPolicy {
    /// As Edgent ships: retries and restarts; the hotspot never opens while the network is gone. For comparison.
    Stock,
    /// The workaround of the forum: every failure erases the home, because only that opens the hotspot again.
    Reset,
    /// Opens the hotspot and keeps the home; erases only on a proven release or by the owner's hand.
    #[default]
    Rehome,
}

/// Whether the unsigned order `config erase` from an accepted cloud session wipes the home.
///
/// For a home that holds a release key the shell sets [`EraseOrder::Ignored`]: only [`crate::Input::ReleaseProven`]
/// wipes it from afar then. See [`crate::Machine::set_erase_order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EraseOrder {
    /// The order counts when it arrives in a session that the cloud accepted.
    #[default]
    FromAcceptedSession,
    /// The order changes nothing.
    Ignored,
}

/// How one device behaves; all but `erase_order` is fixed from boot to restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The recovery policy; `rehome` unless told otherwise.
    pub recovery: RecoveryPolicy,
    /// Whether unsigned erase orders count.
    pub erase_order: EraseOrder,
    /// Every time and count.
    pub timings: Timings,
}

impl Hash for Settings {
    // Settings never change while a machine lives, so hashing forty durations for every explored state buys nothing;
    // equality still compares them.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.recovery.hash(state);
        self.erase_order.hash(state);
    }
}

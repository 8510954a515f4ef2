//! The stages of one ownership.

/// Where an ownership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ownership {
    /// The record and its token exist, no device has logged in with it yet.
    Reserved,
    /// A device logged in; data and control are allowed.
    Owned,
    /// The owner released it; data and control have ended, the wipe is not known to have happened.
    Releasing,
    /// The wipe was inferred or confirmed.
    Released,
}

impl Ownership {
    /// Every value, in the order of a life.
    pub const ALL: [Self; 4] = [Self::Reserved, Self::Owned, Self::Releasing, Self::Released];

    /// Returns the name used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Owned => "owned",
            Self::Releasing => "releasing",
            Self::Released => "released",
        }
    }

    /// Reads the name used in the API and in the store.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ownership| ownership.as_str() == name)
    }

    /// Says whether values may be read and written and commands sent.
    #[must_use]
    pub const fn allows_data(self) -> bool {
        matches!(self, Self::Reserved | Self::Owned)
    }
}

//! The virtual air: places, their networks, and what a radio at a place can hear and join.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Networks that one place may have.
pub const NETWORKS_PER_PLACE_MAX: usize = 32;
/// Places that one bench may have.
pub const PLACES_MAX: usize = 64;

/// A password that never shows up in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps the bytes of a secret.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the secret itself; for comparing and sending, never for logs.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// Names a place of the bench.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub String);

/// How a network protects its air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// No password.
    Open,
    /// WPA2 with a password.
    Wpa2,
    /// WPA3 with a password.
    Wpa3,
}

/// One network of a place.
#[derive(Clone, Debug)]
pub struct AirNetwork {
    /// 1 to 32 bytes, not necessarily UTF-8.
    pub ssid: Vec<u8>,
    /// `None` on an open network.
    pub password: Option<Secret>,
    /// What a note on the wall says about the password, for people who play on the bench.
    pub password_hint: Option<String>,
    /// How the air is protected.
    pub security: Security,
    /// Whether the router reaches the internet.
    pub has_internet: bool,
    /// Whether the router is switched on.
    pub is_up: bool,
}

impl AirNetwork {
    /// Returns the channel that the router has chosen, 1 to 13.
    #[must_use]
    pub fn channel(&self) -> u8 {
        let [_, low] = self.checksum().to_be_bytes();
        1 + low % 13
    }

    fn checksum(&self) -> u16 {
        self.ssid.iter().fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(*byte)))
    }
}

/// One place with its networks.
#[derive(Clone, Debug)]
pub struct Place {
    /// Shown to people.
    pub name: String,
    /// In the order in which they were given; the first is the strongest.
    pub networks: Vec<AirNetwork>,
}

/// What a scan hears of one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanEntry {
    /// 1 to 32 bytes.
    pub ssid: Vec<u8>,
    /// Address of the access point.
    pub bssid: [u8; 6],
    /// Signal strength in dBm.
    pub rssi_dbm: i8,
    /// 2.4 GHz channel, 1 to 13.
    pub channel: u8,
    /// How the air is protected.
    pub security: Security,
}

/// Why a network was not joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Nothing in reach has this name and the expected protection.
    #[error("the network is not in reach")]
    NotFound,
    /// The network refused the password.
    #[error("the network refused the password")]
    PasswordRefused,
    /// The network disappeared while joining.
    #[error("the network went away while joining")]
    Lost,
}

/// All places; cheap to clone, all clones are the same air.
#[derive(Clone, Debug, Default)]
pub struct Air {
    places: Rc<RefCell<BTreeMap<PlaceId, Place>>>,
}

impl Air {
    /// Adds or replaces a place.
    pub fn insert(&self, id: PlaceId, place: Place) {
        self.places.borrow_mut().insert(id, place);
    }

    /// Returns a copy of one place.
    #[must_use]
    pub fn place(&self, id: &PlaceId) -> Option<Place> {
        self.places.borrow().get(id).cloned()
    }

    /// Returns copies of all places, ordered by id.
    #[must_use]
    pub fn places(&self) -> Vec<(PlaceId, Place)> {
        self.places.borrow().iter().map(|(id, place)| (id.clone(), place.clone())).collect()
    }

    /// Changes one network of a place; returns whether it exists.
    pub fn change_network(&self, id: &PlaceId, ssid: &[u8], change: impl FnOnce(&mut AirNetwork)) -> bool {
        let mut places = self.places.borrow_mut();
        let network = places
            .get_mut(id)
            .and_then(|place| place.networks.iter_mut().find(|network| network.ssid == ssid));
        network.map(change).is_some()
    }

    /// Returns what a radio at `place` hears; nothing in the van.
    #[must_use]
    pub fn scan(&self, place: Option<&PlaceId>) -> Vec<ScanEntry> {
        let Some(place) = place.and_then(|id| self.place(id)) else {
            return Vec::new();
        };
        let audible = place.networks.iter().filter(|network| network.is_up);
        audible.enumerate().map(|(index, network)| scan_entry(index, network)).collect()
    }

    /// Returns the network with this name that a radio at `place` can reach now.
    #[must_use]
    pub fn reachable(&self, place: Option<&PlaceId>, ssid: &[u8]) -> Option<AirNetwork> {
        let place = self.place(place?)?;
        place.networks.into_iter().find(|network| network.is_up && network.ssid == ssid)
    }
}

fn scan_entry(index: usize, network: &AirNetwork) -> ScanEntry {
    let step = u8::try_from(index.min(12)).unwrap_or(12);
    let [high, low] = network.checksum().to_be_bytes();
    ScanEntry {
        ssid: network.ssid.clone(),
        // 02 marks a locally administered address, so that it can belong to no real access point.
        bssid: [0x02, 0x52, 0x48, high, low, step],
        rssi_dbm: -45 - i8::try_from(step).unwrap_or(12) * 4,
        channel: network.channel(),
        security: network.security,
    }
}

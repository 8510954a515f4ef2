//! The networks in reach of a place.

/// One router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AirNetwork {
    pub(crate) ssid: &'static str,
    pub(crate) password: &'static str,
    pub(crate) is_up: bool,
}

/// What a board hears where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Workshop,
    Van,
    Customer,
}

pub(crate) const WORKSHOP: AirNetwork =
    AirNetwork { ssid: "Workshop 2.4", password: "soldering-iron-42", is_up: true };
pub(crate) const CUSTOMER: AirNetwork =
    AirNetwork { ssid: "Familie Berger \u{1F3E1}", password: "gartenzwerg!2026 & co", is_up: true };

/// How an attempt to join ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinOutcome {
    Joined,
    NotFound,
    PasswordRefused,
}

/// Every router there is.
#[derive(Clone, Debug)]
pub(crate) struct Air {
    pub(crate) workshop: AirNetwork,
    pub(crate) customer: AirNetwork,
    pub(crate) place: Place,
}

impl Air {
    pub(crate) fn at(place: Place) -> Self {
        Self { workshop: WORKSHOP, customer: CUSTOMER, place }
    }

    /// The router in reach, if there is one and it is on.
    pub(crate) fn network(&self) -> Option<&AirNetwork> {
        let network = match self.place {
            Place::Workshop => &self.workshop,
            Place::Customer => &self.customer,
            Place::Van => return None,
        };
        network.is_up.then_some(network)
    }

    pub(crate) fn join(&self, ssid: &[u8], password: &[u8]) -> JoinOutcome {
        match self.network() {
            Some(network) if network.ssid.as_bytes() != ssid => JoinOutcome::NotFound,
            Some(network) if network.password.as_bytes() != password => JoinOutcome::PasswordRefused,
            Some(_) => JoinOutcome::Joined,
            None => JoinOutcome::NotFound,
        }
    }
}

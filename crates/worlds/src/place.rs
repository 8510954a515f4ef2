//! Places: what the radio hears there, and where it leads.

use home_store::{Network, NetworkSecret};
use portal::{MacAddress, Security};

use crate::dice::Dice;

/// Names an access point for ever; a changed password or name makes another one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApId(pub(crate) u32);

/// What is behind an access point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// The place's own line to the internet.
    Line,
    /// A login page that answers everything.
    Captive,
    /// Somebody who plays the cloud and means harm.
    Impostor,
}

/// One access point.
#[derive(Clone, Debug)]
pub(crate) struct AccessPoint {
    pub(crate) id: ApId,
    pub(crate) ssid: Vec<u8>,
    /// Empty for an open one.
    pub(crate) password: Vec<u8>,
    pub(crate) security: Security,
    pub(crate) rssi_dbm: i16,
    pub(crate) beyond: Beyond,
    /// It belongs to who lives here; the others are twins.
    pub(crate) is_own: bool,
}

/// A trouble that begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No power at the router.
    RouterDown,
    /// The router gives no addresses.
    NoAddress,
    /// The router answers no join at all.
    Mute,
    /// The line is cut.
    LineDown,
    /// Names are not resolved.
    NoDns,
    /// The provider shows a login page.
    Captive,
    /// Certificates are refused: a wrong clock, or somebody who breaks TLS open.
    BadCertificate,
}

impl Trouble {
    const ALL: [Self; 7] = [
        Self::RouterDown,
        Self::NoAddress,
        Self::Mute,
        Self::LineDown,
        Self::NoDns,
        Self::Captive,
        Self::BadCertificate,
    ];
}

/// Where people live, with their routers.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) access_points: Vec<AccessPoint>,
    troubles: [u8; Trouble::ALL.len()],
}

/// How joining a network ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinOutcome {
    Joined(ApId),
    NotFound,
    Refused,
    NoAddress,
    Silence,
}

impl Place {
    pub(crate) fn new(access_points: Vec<AccessPoint>) -> Self {
        Self { access_points, troubles: [0; Trouble::ALL.len()] }
    }

    pub(crate) fn begin(&mut self, trouble: Trouble) {
        self.count(trouble, 1);
    }

    pub(crate) fn end(&mut self, trouble: Trouble) {
        self.count(trouble, -1);
    }

    pub(crate) fn has(&self, trouble: Trouble) -> bool {
        let position = Trouble::ALL.iter().position(|known| *known == trouble);
        position.and_then(|position| self.troubles.get(position)).is_some_and(|count| *count > 0)
    }

    fn count(&mut self, trouble: Trouble, step: i8) {
        let position = Trouble::ALL.iter().position(|known| *known == trouble);
        if let Some(count) = position.and_then(|position| self.troubles.get_mut(position)) {
            *count = count.saturating_add_signed(step);
        }
    }

    pub(crate) fn audible(&self) -> impl Iterator<Item = &AccessPoint> {
        let is_down = self.has(Trouble::RouterDown);
        self.access_points.iter().filter(move |ap| !(is_down && ap.is_own))
    }

    pub(crate) fn find(&self, id: ApId) -> Option<&AccessPoint> {
        self.audible().find(|ap| ap.id == id)
    }

    /// What becomes of an attempt to join: the strongest access point of that name and kind is taken. A secured network
    /// is never joined where it is open, which is what radio drivers are told.
    pub(crate) fn join(&self, network: &Network) -> JoinOutcome {
        let is_open = matches!(network.secret, NetworkSecret::Open);
        let matching = self
            .audible()
            .filter(|ap| ap.ssid == network.ssid.as_bytes() && (ap.security == Security::Open) == is_open);
        let Some(ap) = matching.max_by_key(|ap| (ap.rssi_dbm, ap.id.0)) else {
            return JoinOutcome::NotFound;
        };
        if ap.is_own && self.has(Trouble::Mute) {
            JoinOutcome::Silence
        } else if ap.password != network.secret.expose() {
            JoinOutcome::Refused
        } else if ap.is_own && self.has(Trouble::NoAddress) {
            JoinOutcome::NoAddress
        } else {
            JoinOutcome::Joined(ap.id)
        }
    }

    /// The router that the owner means when setting a board up.
    pub(crate) fn own(&self, index: usize) -> Option<&AccessPoint> {
        let count = self.access_points.iter().filter(|ap| ap.is_own).count();
        self.access_points.iter().filter(|ap| ap.is_own).nth(index.checked_rem(count)?)
    }

    /// The owner's own telephone works here: there is no point in setting a board up where it does not.
    pub(crate) fn is_in_order(&self) -> bool {
        Trouble::ALL.iter().all(|trouble| !self.has(*trouble))
    }

    pub(crate) fn own_mut(&mut self, index: usize) -> Option<&mut AccessPoint> {
        let count = self.access_points.iter().filter(|ap| ap.is_own).count();
        let index = index.checked_rem(count)?;
        self.access_points.iter_mut().filter(|ap| ap.is_own).nth(index)
    }
}

impl AccessPoint {
    pub(crate) fn bssid(&self) -> MacAddress {
        let [.., b, c, d, e] = self.id.0.to_be_bytes();
        MacAddress([0x02, 0xA0, b, c, d, e])
    }
}

/// Draws a router: mostly WPA2, some WPA3, a few open.
pub(crate) fn draw_router(dice: &mut Dice, id: ApId) -> AccessPoint {
    let security = match dice.between(0, 9) {
        0 => Security::Open,
        1..=3 => Security::Wpa3,
        _ => Security::Wpa2,
    };
    let password = if security == Security::Open { Vec::new() } else { draw_password(dice) };
    let rssi_dbm = -i16::try_from(dice.between(35, 75)).unwrap_or(60);
    AccessPoint {
        id,
        ssid: draw_name(dice),
        password,
        security,
        rssi_dbm,
        beyond: Beyond::Line,
        is_own: true,
    }
}

/// Names as people give them; some are hard on forms and parsers.
pub(crate) fn draw_name(dice: &mut Dice) -> Vec<u8> {
    let stem = dice.text(8);
    match dice.between(0, 7) {
        0 => format!("Caf\u{e9} \u{1F600} {stem}").into_bytes(),
        1 => format!("\"{stem}\" + & = # %").into_bytes(),
        2 => format!("FRITZ!Box 7590 {stem}xyzabcdefg").into_bytes().into_iter().take(32).collect(),
        _ => format!("Home {stem}").into_bytes(),
    }
}

/// 8 to 63 characters, or 64 hexadecimal digits.
pub(crate) fn draw_password(dice: &mut Dice) -> Vec<u8> {
    match dice.between(0, 9) {
        0 => dice.bytes::<32>().iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
        1 => format!("p&ss=w%rd+{} \u{fc}", dice.text(10)).into_bytes(),
        2 => dice.text(63).into_bytes(),
        _ => {
            let length = usize::try_from(dice.between(8, 20)).unwrap_or(8);
            dice.text(length).into_bytes()
        }
    }
}

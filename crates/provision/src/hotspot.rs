//! Which of the networks around is the device's hotspot.

use portal::may_be_hotspot_name;
use thiserror::Error;

/// A network that the computer's radio heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardHotspot {
    /// Its name in raw bytes.
    pub ssid: Vec<u8>,
    /// It asks for no password.
    pub is_open: bool,
}

/// Chooses the hotspot to join: the one named, else the only one whose name a device may have.
///
/// With a proof of possession a protected hotspot is preferred to an open one of the same name, so that an open twin does
/// not get to hear it. Without one, a protected hotspot cannot be joined.
///
/// # Errors
/// [`ChooseHotspotError`] says what to do next.
pub fn choose_hotspot(
    heard: &[HeardHotspot],
    wanted: Option<&[u8]>,
    has_proof: bool,
) -> Result<HeardHotspot, ChooseHotspotError> {
    let is_candidate = |network: &&HeardHotspot| match wanted {
        Some(name) => network.ssid == name,
        None => may_be_hotspot_name(&network.ssid),
    };
    let mut candidates: Vec<&HeardHotspot> = Vec::new();
    for network in heard.iter().filter(is_candidate) {
        match candidates.iter_mut().find(|known| known.ssid == network.ssid) {
            Some(known) if known.is_open == has_proof && network.is_open != known.is_open => *known = network,
            Some(_) => {}
            None => candidates.push(network),
        }
    }
    match candidates.as_slice() {
        [] => Err(wanted.map_or(ChooseHotspotError::NoneFound, |name| ChooseHotspotError::NotInReach {
            name: readable(name),
        })),
        [only] if !only.is_open && !has_proof => {
            Err(ChooseHotspotError::ProofMissing { name: readable(&only.ssid) })
        }
        [only] => Ok((*only).clone()),
        several => Err(ChooseHotspotError::SeveralFound {
            names: several.iter().map(|network| readable(&network.ssid)).collect(),
        }),
    }
}

/// What a stranger chose as a name must not move the cursor.
fn readable(ssid: &[u8]) -> String {
    String::from_utf8_lossy(ssid).chars().filter(|character| !character.is_control()).collect()
}

/// No hotspot can be joined.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChooseHotspotError {
    /// Nothing around has a device's name.
    #[error(
        "no hotspot of a device is in reach: bring the device near, see that its hotspot is open, or name the hotspot with \
         --hotspot"
    )]
    NoneFound,
    /// The named one is not around.
    #[error("the hotspot {name:?} is not in reach: bring the device near and see that its hotspot is open")]
    NotInReach {
        /// Its name.
        name: String,
    },
    /// More than one.
    #[error("several hotspots are in reach; choose one with --hotspot NAME: {}", .names.join(", "))]
    SeveralFound {
        /// Their names, strongest first.
        names: Vec<String>,
    },
    /// It asks for a password.
    #[error(
        "the hotspot {name:?} asks for the proof of possession on the device's label: give it with --pop-file"
    )]
    ProofMissing {
        /// Its name.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(networks: &[(&str, bool)]) -> Vec<HeardHotspot> {
        let network =
            |(ssid, is_open): &(&str, bool)| HeardHotspot { ssid: (*ssid).into(), is_open: *is_open };
        networks.iter().map(network).collect()
    }

    #[test]
    fn the_only_hotspot_among_other_networks_is_chosen() {
        let heard = heard(&[("Home", false), ("Blynk Air-1W7R", true), ("Blynk Air-1W7R", true)]);
        let chosen = choose_hotspot(&heard, None, false).unwrap();
        assert_eq!(chosen.ssid, b"Blynk Air-1W7R");
    }

    #[test]
    fn several_hotspots_are_listed_and_one_can_be_named() {
        let heard = heard(&[("Blynk Air-1W7R", true), ("Acme-C6DR", true), ("Home", false)]);
        let names = vec!["Blynk Air-1W7R".to_owned(), "Acme-C6DR".to_owned()];
        assert_eq!(choose_hotspot(&heard, None, false), Err(ChooseHotspotError::SeveralFound { names }));
        let chosen = choose_hotspot(&heard, Some(b"Acme-C6DR"), false).unwrap();
        assert_eq!(chosen.ssid, b"Acme-C6DR");
    }

    #[test]
    fn a_hotspot_with_a_name_of_its_own_must_be_named() {
        let heard = heard(&[("My lamp", true)]);
        assert_eq!(choose_hotspot(&heard, None, false), Err(ChooseHotspotError::NoneFound));
        assert!(choose_hotspot(&heard, Some(b"My lamp"), false).is_ok());
        let error = choose_hotspot(&heard, Some(b"\x1b[2JLamp"), false).unwrap_err();
        assert_eq!(error, ChooseHotspotError::NotInReach { name: "[2JLamp".to_owned() });
    }

    #[test]
    fn a_protected_hotspot_asks_for_the_proof_and_an_open_twin_does_not_get_it() {
        let networks = heard(&[("Blynk Air-1W7R", true), ("Blynk Air-1W7R", false)]);
        assert!(!choose_hotspot(&networks, None, true).unwrap().is_open);
        assert!(choose_hotspot(&networks, None, false).unwrap().is_open);
        let protected = heard(&[("Blynk Air-1W7R", false)]);
        let name = "Blynk Air-1W7R".to_owned();
        let expected = Err(ChooseHotspotError::ProofMissing { name });
        assert_eq!(choose_hotspot(&protected, None, false), expected);
    }
}

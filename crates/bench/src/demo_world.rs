//! Two places and three boards to play the founding story with.

use crate::air::{AirNetwork, Place, PlaceId, Secret, Security};
use crate::firmware::{FirmwareSpec, RecoveryChoice};
use crate::handle::LiveBench;
use crate::world::{ChangeBenchError, NewBoard, NewIdentity};

/// Template name of the demo boards.
pub const DEMO_TEMPLATE_NAME: &str = "Air Monitor";

/// Name, network and password of the demo places; nothing in here is secret.
pub const DEMO_PLACES: [(&str, &str, &str); 2] =
    [("Workshop", "Workshop", "solder-and-coffee"), ("Customer's home", "Home sweet home", "apple-pie-2026")];

const DEMO_BOARDS: [(&str, FirmwareSpec, [u8; 6]); 3] = [
    ("Rehome board", FirmwareSpec::Rehome(RecoveryChoice::Rehome), [0x24, 0x6F, 0x28, 0xAA, 0xBB, 0x01]),
    ("Old Edgent board", FirmwareSpec::EdgentOld { is_patched: false }, [0x24, 0x6F, 0x28, 0xAA, 0xBB, 0x02]),
    ("New Edgent board", FirmwareSpec::EdgentNew, [0x24, 0x6F, 0x28, 0xAA, 0xBB, 0x03]),
];

/// Sets up the places, and the boards in the first of them, without power.
pub(crate) fn add(live: &LiveBench, template_id: &str) -> Result<(), ChangeBenchError> {
    let places: Result<Vec<PlaceId>, ChangeBenchError> =
        DEMO_PLACES.iter().map(|place| live.bench().add_place(demo_place(*place))).collect();
    let workshop = places?.into_iter().next();
    for (name, firmware, mac) in DEMO_BOARDS {
        live.add_board(NewBoard {
            name: name.to_owned(),
            identity: NewIdentity {
                mac: Some(mac),
                template_id: template_id.to_owned(),
                template_name: DEMO_TEMPLATE_NAME.to_owned(),
                vendor: "Blynk".to_owned(),
                has_button: true,
                pop: None,
            },
            firmware: firmware.build(),
            place: workshop.clone(),
        })?;
    }
    Ok(())
}

fn demo_place((name, ssid, password): (&str, &str, &str)) -> Place {
    let network = AirNetwork {
        ssid: ssid.as_bytes().to_vec(),
        password: Some(Secret::new(password)),
        password_hint: Some(password.to_owned()),
        security: Security::Wpa2,
        has_internet: true,
        is_up: true,
    };
    Place { name: name.to_owned(), networks: vec![network] }
}

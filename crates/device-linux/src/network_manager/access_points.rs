//! Reads what NetworkManager heard.

use std::collections::HashMap;

use device::SeenNetwork;
use portal::{MacAddress, Security};
use zbus::{OwnedObjectPath, OwnedVariant};

/// `NM_802_11_AP_FLAGS_PRIVACY`.
const FLAG_PRIVACY: u32 = 0x1;
/// `NM_802_11_AP_SEC_KEY_MGMT_PSK`.
const KEY_PSK: u32 = 0x100;
/// `NM_802_11_AP_SEC_KEY_MGMT_802_1X`.
const KEY_ENTERPRISE: u32 = 0x200;
/// `NM_802_11_AP_SEC_KEY_MGMT_SAE`.
const KEY_SAE: u32 = 0x400;
/// `NM_802_11_AP_SEC_KEY_MGMT_OWE`.
const KEY_OWE: u32 = 0x800;
/// `NM_802_11_AP_SEC_KEY_MGMT_EAP_SUITE_B_192`.
const KEY_ENTERPRISE_192: u32 = 0x2000;

/// One access point that was heard.
#[derive(Clone, Debug)]
pub struct HeardAccessPoint {
    /// Its object.
    pub path: OwnedObjectPath,
    /// What the agent needs to know.
    pub seen: SeenNetwork,
    /// It takes only WPA3.
    pub takes_only_sae: bool,
}

impl HeardAccessPoint {
    /// Reads the properties of an access point; what is missing or of another type counts as unknown. `None` without name,
    /// address and strength.
    #[must_use]
    pub fn read(path: OwnedObjectPath, properties: &HashMap<String, OwnedVariant>) -> Option<Self> {
        let number = |name: &str| properties.get(name).and_then(|value| u32::try_from(value).ok());
        let ssid = properties.get("Ssid")?.try_clone().ok()?;
        let ssid = Vec::<u8>::try_from(ssid).ok()?;
        let strength = properties.get("Strength").and_then(|value| u8::try_from(value).ok())?;
        let address = properties.get("HwAddress").and_then(|value| <&str>::try_from(value).ok())?;
        let (flags, wpa, rsn) = (number("Flags"), number("WpaFlags"), number("RsnFlags"));
        // A network of which that much is not known must not pass for an open one.
        let security = match (flags, wpa, rsn) {
            (Some(flags), Some(wpa), Some(rsn)) => security(flags, wpa, rsn),
            _ => Security::Unknown,
        };
        let (wpa, rsn) = (wpa.unwrap_or_default(), rsn.unwrap_or_default());
        Some(Self {
            path,
            seen: SeenNetwork {
                ssid: heapless::Vec::from_slice(&ssid).ok()?,
                bssid: parse_mac(address)?,
                rssi_dbm: dbm_of_percent(strength),
                security,
                channel: channel_of_mhz(number("Frequency").unwrap_or_default()),
            },
            takes_only_sae: rsn & KEY_SAE != 0 && (rsn | wpa) & KEY_PSK == 0,
        })
    }
}

/// Reads `aa:bb:cc:dd:ee:ff`, two digits each.
pub(crate) fn parse_mac(text: &str) -> Option<MacAddress> {
    let mut bytes = [0; 6];
    let mut parts = text.trim().split(':');
    for byte in &mut bytes {
        // The parser of numbers would take a sign as well.
        let digits =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        *byte = u8::from_str_radix(digits?, 16).ok()?;
    }
    parts.next().is_none().then_some(MacAddress(bytes))
}

fn security(flags: u32, wpa: u32, rsn: u32) -> Security {
    let keys = wpa | rsn;
    if rsn & KEY_ENTERPRISE_192 != 0 {
        Security::Wpa3Enterprise
    } else if rsn & KEY_ENTERPRISE != 0 {
        Security::Wpa2Enterprise
    } else if wpa & KEY_ENTERPRISE != 0 {
        Security::WpaEnterprise
    } else if rsn & KEY_SAE != 0 {
        if keys & KEY_PSK != 0 { Security::Wpa2Wpa3 } else { Security::Wpa3 }
    } else if rsn & KEY_PSK != 0 {
        if wpa & KEY_PSK != 0 { Security::WpaWpa2 } else { Security::Wpa2 }
    } else if wpa & KEY_PSK != 0 {
        Security::Wpa
    } else if rsn & KEY_OWE != 0 {
        Security::Owe
    } else if keys != 0 {
        Security::Unknown
    } else if flags & FLAG_PRIVACY != 0 {
        Security::Wep
    } else {
        Security::Open
    }
}

/// NetworkManager maps -100 to -40 dBm onto 0 to 100 %. Source: `nm_wifi_utils_level_to_quality`.
fn dbm_of_percent(percent: u8) -> i16 {
    -100 + i16::from(percent.min(100)) * 6 / 10
}

/// Source: IEEE 802.11-2020, annex E. 0 stands for a channel that is not known.
fn channel_of_mhz(mhz: u32) -> u8 {
    let channel = match mhz {
        2_412..=2_472 => (mhz - 2_407) / 5,
        2_484 => 14,
        5_000..=5_895 => (mhz - 5_000) / 5,
        _ => 0,
    };
    u8::try_from(channel).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use zbus::Variant;

    use super::*;

    #[test]
    fn flags_become_the_kinds_of_security() {
        assert_eq!(security(0, 0, 0), Security::Open);
        assert_eq!(security(FLAG_PRIVACY, 0, 0), Security::Wep);
        assert_eq!(security(FLAG_PRIVACY, 0, KEY_PSK | 0x88), Security::Wpa2);
        assert_eq!(security(FLAG_PRIVACY, KEY_PSK, KEY_PSK), Security::WpaWpa2);
        assert_eq!(security(FLAG_PRIVACY, 0, KEY_PSK | KEY_SAE), Security::Wpa2Wpa3);
        assert_eq!(security(FLAG_PRIVACY, 0, KEY_SAE), Security::Wpa3);
        assert_eq!(security(0, 0, KEY_OWE), Security::Owe);
        assert_eq!(security(FLAG_PRIVACY, 0, KEY_ENTERPRISE), Security::Wpa2Enterprise);
    }

    #[test]
    fn channels_and_signals_follow_their_standards() {
        assert_eq!([2_412, 2_437, 2_484, 5_180, 60_480].map(channel_of_mhz), [1, 6, 14, 36, 0]);
        assert_eq!([0, 50, 100, 255].map(dbm_of_percent), [-100, -70, -40, -40]);
    }

    #[test]
    fn an_access_point_whose_flags_are_not_known_is_not_an_open_one() {
        let path = OwnedObjectPath::try_from("/ap/1").unwrap();
        let value = |value: Variant<'_>| OwnedVariant::try_from(value).unwrap();
        let mut properties = HashMap::from([
            ("Ssid".to_owned(), value(Variant::from(b"Haus".to_vec()))),
            ("Strength".to_owned(), value(Variant::from(50_u8))),
            ("HwAddress".to_owned(), value(Variant::from("02:00:00:00:01:FF"))),
            ("Flags".to_owned(), value(Variant::from(0_u32))),
            ("WpaFlags".to_owned(), value(Variant::from(0_u32))),
            ("RsnFlags".to_owned(), value(Variant::from(0_u64))),
        ]);
        let read = |properties: &HashMap<String, OwnedVariant>| {
            HeardAccessPoint::read(path.clone(), properties).unwrap().seen.security
        };
        assert_eq!(read(&properties), Security::Unknown, "of another type");
        properties.insert("RsnFlags".to_owned(), value(Variant::from(0_u32)));
        assert_eq!(read(&properties), Security::Open);
        properties.remove("Flags");
        assert_eq!(read(&properties), Security::Unknown, "missing");
    }

    #[test]
    fn malformed_addresses_are_no_addresses() {
        assert_eq!(parse_mac("02:00:00:00:01:FF\n"), Some(MacAddress([2, 0, 0, 0, 1, 255])));
        for text in
            ["", "02:00", "02:00:00:00:01:FF:00", "xx:00:00:00:01:FF", "+2:0:0:0:1:F", "002:00:00:00:01:FF"]
        {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }
}

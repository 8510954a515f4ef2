//! Connection profiles. They live in NetworkManager's memory only and go with the connection.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use home_store::{Network, NetworkSecret, StaticAddress};
use zbus::{OwnedVariant, Variant};

use crate::wifi::{HotspotRequest, WifiError};

/// A connection as NetworkManager takes it: settings by group and key.
pub(crate) type Profile<'a> = BTreeMap<&'static str, BTreeMap<&'static str, Variant<'a>>>;

/// A profile for an order that outlives the caller.
pub(crate) type OwnedProfile = BTreeMap<String, BTreeMap<String, OwnedVariant>>;

/// Address of the device in its own hotspot. Source: lifecycle.md, "The hotspot".
const HOTSPOT_ADDRESS: Ipv4Addr = portal::HOTSPOT_ADDRESS;
/// Length of the hotspot's network prefix in bits.
const HOTSPOT_PREFIX_BITS: u32 = 24;
/// How long a network may take to give an address, in seconds. An attempt to join is given 25 s in all, and finding
/// and joining take their part of it.
const ADDRESS_TIMEOUT_S: i32 = 12;
/// `NM_SETTING_WIRELESS_SECURITY_PMF_DISABLE`: old phones do not join a hotspot that offers protected frames.
const PROTECTED_FRAMES_OFF: i32 = 1;
/// `NM_SETTING_WIRELESS_SECURITY_WPS_METHOD_DISABLED`.
const WPS_DISABLED: u32 = 1;
/// Channel of a hotspot that was told none: NetworkManager may choose one that many phones do not listen to.
const CHANNEL_DEFAULT: u8 = 1;
/// Channels of the 2.4 GHz band end here.
const CHANNEL_2_4_GHZ_MAX: u8 = 14;

/// Copies a profile.
pub(crate) fn own(profile: &Profile<'_>) -> Result<OwnedProfile, WifiError> {
    let mut owned = OwnedProfile::new();
    for (group, settings) in profile {
        let mut copy = BTreeMap::new();
        for (key, value) in settings {
            copy.insert((*key).to_owned(), value.try_to_owned()?);
        }
        owned.insert((*group).to_owned(), copy);
    }
    Ok(owned)
}

/// Makes the profile of a network to join.
pub(crate) fn station_profile<'a>(
    network: &'a Network,
    interface: &'a str,
    takes_only_sae: bool,
) -> Result<Profile<'a>, WifiError> {
    let mut wireless = BTreeMap::from([
        ("ssid", Variant::from(network.ssid.as_bytes())),
        ("mode", Variant::from("infrastructure")),
    ]);
    if network.is_hidden {
        wireless.insert("hidden", Variant::from(true));
    }
    let mut profile = BTreeMap::from([
        ("connection", connection("rehome station", interface)),
        ("802-11-wireless", wireless),
        ("ipv4", ipv4(network.static_address)?),
        ("ipv6", BTreeMap::from([("method", Variant::from("auto")), ("may-fail", Variant::from(true))])),
    ]);
    if let Some(key_management) = key_management(&network.secret, takes_only_sae) {
        let secret = secret_text(&network.secret)?;
        profile.insert(
            "802-11-wireless-security",
            BTreeMap::from([("key-mgmt", Variant::from(key_management)), ("psk", Variant::from(secret))]),
        );
    }
    Ok(profile)
}

/// Makes the profile of the hotspot.
pub(crate) fn hotspot_profile<'a>(hotspot: &'a HotspotRequest, interface: &'a str) -> Profile<'a> {
    let channel = hotspot.channel.unwrap_or(CHANNEL_DEFAULT);
    let is_5ghz = channel > CHANNEL_2_4_GHZ_MAX;
    let wireless = BTreeMap::from([
        ("ssid", Variant::from(hotspot.ssid.as_bytes())),
        ("mode", Variant::from("ap")),
        ("band", Variant::from(if is_5ghz { "a" } else { "bg" })),
        ("channel", Variant::from(u32::from(channel))),
    ]);
    let mut profile = BTreeMap::from([
        ("connection", connection("rehome hotspot", interface)),
        ("802-11-wireless", wireless),
        (
            "ipv4",
            BTreeMap::from([
                // Not "shared", which would route a phone into the owner's network.
                ("method", Variant::from("manual")),
                ("address-data", address_data(HOTSPOT_ADDRESS, HOTSPOT_PREFIX_BITS)),
            ]),
        ),
        ("ipv6", BTreeMap::from([("method", Variant::from("disabled"))])),
    ]);
    if let Some(passphrase) = &hotspot.passphrase {
        profile.insert("802-11-wireless-security", access_point_security(passphrase));
    }
    profile
}

/// Makes the profile of a network that is raised for boards that know it: they get addresses and names from
/// NetworkManager, and a way to wherever this computer can go.
pub(crate) fn shared_profile<'a>(
    network: &'a Network,
    channel: u8,
    interface: &'a str,
) -> Result<Profile<'a>, WifiError> {
    let wireless = BTreeMap::from([
        ("ssid", Variant::from(network.ssid.as_bytes())),
        ("mode", Variant::from("ap")),
        // The boards have no other band.
        ("band", Variant::from("bg")),
        ("channel", Variant::from(u32::from(channel))),
    ]);
    let mut profile = BTreeMap::from([
        ("connection", connection("rehome rescue", interface)),
        ("802-11-wireless", wireless),
        ("ipv4", BTreeMap::from([("method", Variant::from("shared"))])),
        ("ipv6", BTreeMap::from([("method", Variant::from("disabled"))])),
    ]);
    if !network.secret.is_open() {
        profile.insert("802-11-wireless-security", access_point_security(secret_text(&network.secret)?));
    }
    Ok(profile)
}

/// Makes the profile with which a person's computer visits a device's hotspot: the computer keeps its other ways to the
/// internet and its name servers.
pub(crate) fn visitor_profile<'a>(
    network: &'a Network,
    interface: &'a str,
) -> Result<Profile<'a>, WifiError> {
    let mut profile = station_profile(network, interface, false)?;
    profile.insert("connection", connection("rehome provision", interface));
    if let Some(ipv4) = profile.get_mut("ipv4") {
        ipv4.insert("never-default", Variant::from(true));
        ipv4.insert("ignore-auto-dns", Variant::from(true));
    }
    profile.insert("ipv6", BTreeMap::from([("method", Variant::from("disabled"))]));
    Ok(profile)
}

fn access_point_security(secret: &str) -> BTreeMap<&'static str, Variant<'_>> {
    let ccmp = || Variant::from(vec!["ccmp"]);
    BTreeMap::from([
        ("key-mgmt", Variant::from("wpa-psk")),
        ("psk", Variant::from(secret)),
        ("proto", Variant::from(vec!["rsn"])),
        ("pairwise", ccmp()),
        ("group", ccmp()),
        ("pmf", Variant::from(PROTECTED_FRAMES_OFF)),
        // Else the hotspot offers to be joined by the push of a button, which the device does not have.
        ("wps-method", Variant::from(WPS_DISABLED)),
    ])
}

fn secret_text(secret: &NetworkSecret) -> Result<&str, WifiError> {
    str::from_utf8(secret.expose())
        .or(Err(WifiError::BadSettings { what: "the password is no UTF-8 text".to_owned() }))
}

fn connection<'a>(name: &'static str, interface: &'a str) -> BTreeMap<&'static str, Variant<'a>> {
    BTreeMap::from([
        ("id", Variant::from(name)),
        ("type", Variant::from("802-11-wireless")),
        ("interface-name", Variant::from(interface)),
        // The lifecycle decides when to connect.
        ("autoconnect", Variant::from(false)),
    ])
}

fn key_management(secret: &NetworkSecret, takes_only_sae: bool) -> Option<&'static str> {
    match secret {
        NetworkSecret::Open => None,
        NetworkSecret::Passphrase(_) if takes_only_sae => Some("sae"),
        // NetworkManager offers WPA3 along with it where the network can.
        NetworkSecret::Passphrase(_) | NetworkSecret::PreSharedKey(_) => Some("wpa-psk"),
    }
}

fn ipv4(
    static_address: Option<StaticAddress>,
) -> Result<BTreeMap<&'static str, Variant<'static>>, WifiError> {
    let Some(chosen) = static_address else {
        return Ok(BTreeMap::from([
            ("method", Variant::from("auto")),
            ("may-fail", Variant::from(false)),
            ("dhcp-timeout", Variant::from(ADDRESS_TIMEOUT_S)),
        ]));
    };
    let prefix_bits = prefix_bits(chosen.mask)?;
    let mut settings = BTreeMap::from([
        ("method", Variant::from("manual")),
        ("may-fail", Variant::from(false)),
        ("address-data", address_data(chosen.address, prefix_bits)),
    ]);
    if !chosen.gateway.is_unspecified() {
        settings.insert("gateway", Variant::from(chosen.gateway.to_string()));
    }
    // The old form of the setting takes the bytes in network order; every version reads it.
    let servers: Vec<u32> =
        chosen.dns.into_iter().flatten().map(|server| u32::from_ne_bytes(server.octets())).collect();
    if !servers.is_empty() {
        settings.insert("dns", Variant::from(servers));
    }
    Ok(settings)
}

fn address_data(address: Ipv4Addr, prefix_bits: u32) -> Variant<'static> {
    Variant::from(vec![BTreeMap::from([
        ("address", Variant::from(address.to_string())),
        ("prefix", Variant::from(prefix_bits)),
    ])])
}

/// 0.0.0.0 stands for a mask that was not given: the usual 24 bits.
fn prefix_bits(mask: Ipv4Addr) -> Result<u32, WifiError> {
    let bits = mask.to_bits();
    match bits.leading_ones() {
        0 if bits == 0 => Ok(HOTSPOT_PREFIX_BITS),
        ones if bits.count_ones() == ones => Ok(ones),
        _ => Err(WifiError::BadSettings { what: format!("{mask} is no network mask") }),
    }
}

#[cfg(test)]
mod tests {
    use home_store::Ssid;

    use super::*;

    fn network(password: &[u8]) -> Network {
        Network {
            ssid: Ssid::parse("Zürich \"5\" 🏠".as_bytes()).unwrap(),
            secret: NetworkSecret::parse(password).unwrap(),
            is_hidden: true,
            static_address: None,
        }
    }

    #[test]
    fn the_name_travels_as_raw_bytes() {
        let network = network(b"secret-password");
        let profile = station_profile(&network, "wlan0", false).unwrap();
        assert_eq!(profile["802-11-wireless"]["ssid"], Variant::from(network.ssid.as_bytes()));
        assert_eq!(profile["802-11-wireless"]["hidden"], Variant::from(true));
        assert_eq!(profile["802-11-wireless-security"]["key-mgmt"], Variant::from("wpa-psk"));
    }

    #[test]
    fn a_network_that_takes_only_wpa3_is_joined_with_it() {
        let network = network(b"secret-password");
        let profile = station_profile(&network, "wlan0", true).unwrap();
        assert_eq!(profile["802-11-wireless-security"]["key-mgmt"], Variant::from("sae"));
    }

    #[test]
    fn an_open_network_has_no_security_settings() {
        let network = network(b"");
        let profile = station_profile(&network, "wlan0", false).unwrap();
        assert!(!profile.contains_key("802-11-wireless-security"));
    }

    #[test]
    fn a_raised_network_gives_addresses_and_a_way_out_in_the_band_that_boards_have() {
        let network = network(b"secret-password");
        let profile = shared_profile(&network, 6, "wlan0").unwrap();
        assert_eq!(profile["ipv4"]["method"], Variant::from("shared"));
        assert_eq!(profile["802-11-wireless"]["mode"], Variant::from("ap"));
        assert_eq!(profile["802-11-wireless"]["band"], Variant::from("bg"));
        assert_eq!(profile["802-11-wireless-security"]["psk"], Variant::from("secret-password"));
    }

    #[test]
    fn a_visit_to_a_hotspot_leaves_the_computer_its_way_to_the_internet() {
        let network = network(b"");
        let profile = visitor_profile(&network, "wlan0").unwrap();
        assert_eq!(profile["ipv4"]["never-default"], Variant::from(true));
        assert_eq!(profile["ipv4"]["ignore-auto-dns"], Variant::from(true));
        assert_eq!(profile["ipv4"]["method"], Variant::from("auto"));
    }

    #[test]
    fn a_mask_with_a_hole_is_refused() {
        assert_eq!(prefix_bits(Ipv4Addr::new(255, 255, 240, 0)).unwrap(), 20);
        assert_eq!(prefix_bits(Ipv4Addr::UNSPECIFIED).unwrap(), 24);
        assert!(prefix_bits(Ipv4Addr::new(255, 0, 255, 0)).is_err());
        assert!(prefix_bits(Ipv4Addr::new(0, 0, 0, 255)).is_err());
    }

    #[test]
    fn a_hotspot_that_was_told_no_channel_takes_one_that_every_phone_listens_to() {
        let hotspot = HotspotRequest { ssid: "Lamp-1234".to_owned(), passphrase: None, channel: None };
        let profile = hotspot_profile(&hotspot, "wlan0");
        assert_eq!(profile["802-11-wireless"]["band"], Variant::from("bg"));
        assert_eq!(profile["802-11-wireless"]["channel"], Variant::from(1_u32));
    }

    #[test]
    fn the_hotspot_follows_the_station_into_its_band() {
        let hotspot = HotspotRequest { ssid: "Lamp-1234".to_owned(), passphrase: None, channel: Some(36) };
        let profile = hotspot_profile(&hotspot, "wlan0");
        assert_eq!(profile["802-11-wireless"]["band"], Variant::from("a"));
        assert_eq!(profile["802-11-wireless"]["channel"], Variant::from(36_u32));
        assert!(!profile.contains_key("802-11-wireless-security"));
    }
}

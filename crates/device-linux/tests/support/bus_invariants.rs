//! What must hold for whatever NetworkManager and the supplicant say. Shared by the replayed corpus and the fuzz target.

use std::collections::HashMap;

use device_linux::parsers::{HeardAccessPoint, Signal, read_signal};
use portal::{MacAddress, Security};
use zbus::wire::Endian;
use zbus::wire::serialized::{Context, Data};
use zbus::{Message, OwnedObjectPath, OwnedVariant, Structure, Variant};

const PATH: &str = "/org/freedesktop/NetworkManager/Devices/3";
const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";
const SUPPLICANT: &str = "fi.w1.wpa_supplicant1.Interface";
/// Interfaces, members and the types of arguments that belong to them; the last is no signal of ours.
const SIGNALS: [(&str, &str, &str); 9] = [
    ("org.freedesktop.NetworkManager.Device", "StateChanged", "(uuu)"),
    ("org.freedesktop.NetworkManager.Connection.Active", "StateChanged", "(uu)"),
    (NETWORK_MANAGER, "DeviceRemoved", "(o)"),
    (NETWORK_MANAGER, "DeviceAdded", "(o)"),
    ("org.freedesktop.DBus.Properties", "PropertiesChanged", "(sa{sv}as)"),
    ("org.freedesktop.DBus", "NameOwnerChanged", "(sss)"),
    (SUPPLICANT, "StaAuthorized", "(s)"),
    (SUPPLICANT, "StaDeauthorized", "(s)"),
    (NETWORK_MANAGER, "StateChanged", "(u)"),
];

/// Byte 0 says what the rest is: 0 the properties of an access point, `a{sv}` as it travels; else a signal of [`SIGNALS`]
/// with arguments of the type that a byte of length and a text name, or of the usual one for length 0.
pub(crate) fn check_bus(input: &[u8]) {
    match input.split_first() {
        Some((0, properties)) => check_properties(properties),
        Some((kind, arguments)) => check_signal(usize::from(*kind - 1) % SIGNALS.len(), arguments),
        None => {}
    }
}

fn data(bytes: &[u8]) -> Data<'_, 'static> {
    Data::new(bytes, Context::new(Endian::Little, 0))
}

fn check_properties(bytes: &[u8]) {
    let data = data(bytes);
    let Ok((properties, _)) = data.deserialize::<HashMap<String, OwnedVariant>>() else { return };
    let path = OwnedObjectPath::try_from(PATH).expect("a path");
    let Some(heard) = HeardAccessPoint::read(path.clone(), &properties) else { return };
    assert_eq!(heard.path, path);
    let seen = &heard.seen;
    let is_ssid =
        |value: &OwnedVariant| value.try_clone().ok().and_then(|value| Vec::<u8>::try_from(value).ok());
    assert_eq!(properties.get("Ssid").and_then(is_ssid).as_deref(), Some(seen.ssid.as_slice()));
    assert!(seen.ssid.len() <= home_store::SSID_BYTES_MAX);
    check_address(properties.get("HwAddress"), seen.bssid);
    assert!((-100..=-40).contains(&seen.rssi_dbm), "{}", seen.rssi_dbm);
    assert!(seen.channel <= 179, "{}", seen.channel);
    let number = |name: &str| properties.get(name).and_then(|value| u32::try_from(value).ok());
    let keys = [number("Flags").map(|flags| flags & 1), number("WpaFlags"), number("RsnFlags")];
    if seen.security == Security::Open {
        assert_eq!(keys, [Some(0); 3], "only a network that says so is open");
    }
    if heard.takes_only_sae {
        assert!(number("RsnFlags").is_some_and(|rsn| rsn & 0x400 != 0));
        assert!(!matches!(
            seen.security,
            Security::Open | Security::Wep | Security::Wpa2 | Security::Wpa2Wpa3
        ));
    }
}

/// The address is the very text that was sent.
fn check_address(sent: Option<&OwnedVariant>, address: MacAddress) {
    let sent = sent.and_then(|value| <&str>::try_from(value).ok()).expect("an address was sent");
    check_address_text(sent, address);
}

fn check_address_text(sent: &str, MacAddress(bytes): MacAddress) {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(sent.trim().to_ascii_lowercase(), digits.join(":"));
}

fn check_signal(index: usize, input: &[u8]) {
    let (interface, member, usual) = SIGNALS[index];
    let Some((length_bytes, rest)) = input.split_first() else { return };
    let (kind, bytes) = rest.split_at(usize::from(*length_bytes).min(rest.len()));
    let kind = if kind.is_empty() { Ok(usual) } else { std::str::from_utf8(kind) };
    let Ok(kind) = kind else { return };
    let data = data(bytes);
    let Ok((arguments, _)) = data.deserialize_for_dynamic_signature::<_, Structure<'_>>(kind) else { return };
    let signal = Message::signal(PATH, interface, member);
    let Ok(message) = signal.build(&arguments) else { return };
    let signal = read_signal(&message);
    let fields = arguments.fields();
    let is_usual = arguments.signature().to_string() == usual;
    match signal {
        // A path that is none, properties that do not matter, and what is no signal of ours.
        None => assert!(!is_usual || matches!(index, 2 | 4 | 8), "a sound {member} was passed over"),
        Some(signal) => check_kind(index, &signal, fields),
    }
}

fn check_kind(index: usize, signal: &Signal, fields: &[Variant<'_>]) {
    let number = |place: usize| fields.get(place).and_then(|field| u32::try_from(field).ok());
    let text = |place: usize| fields.get(place).and_then(|field| <&str>::try_from(field).ok());
    match (index, signal) {
        (0, Signal::DeviceState { device, new, old, reason }) => {
            assert_eq!(device.as_str(), PATH);
            assert_eq!([number(0), number(1), number(2)], [Some(*new), Some(*old), Some(*reason)]);
        }
        (1, Signal::ActiveState { active, state }) => {
            assert_eq!((active.as_str(), number(0)), (PATH, Some(*state)));
        }
        (2, Signal::DeviceRemoved { device }) => {
            assert!(matches!(&fields[0], Variant::ObjectPath(path) if path.as_str() == device.as_str()));
        }
        (3, Signal::DeviceAdded) => {}
        (4, Signal::Scanned { device }) => {
            assert_eq!(
                (device.as_str(), text(0)),
                (PATH, Some("org.freedesktop.NetworkManager.Device.Wireless"))
            );
        }
        (5, Signal::OwnerChanged { is_running }) => assert_eq!(text(2).map(str::is_empty), Some(!is_running)),
        (6, Signal::PhoneAttached { address }) | (7, Signal::PhoneDetached { address }) => {
            if let Some(address) = address {
                check_address_text(text(0).expect("the address as text"), *address);
            }
        }
        (index, other) => panic!("signal {index} became {other:?}"),
    }
}

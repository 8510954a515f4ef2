//! The NetworkManager adapter against the mock of NetworkManager, on a bus of its own.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what tests share stops the test when it fails")]

mod borrowed;
mod private_bus;

use std::collections::HashMap;
use std::time::Duration;

use device_linux::{HotspotRequest, Interfaces, NetworkManager, Wifi as _, WifiChange, WifiError};
use home_store::{Network, NetworkSecret, Ssid};
use lifecycle::ErrorCode;
use portal::Security;
use private_bus::{
    AccessPoint, DEVICE, Device, MANAGER_PATH, PrivateBus, SERVICE, WIRELESS, names_called_until,
    until_called,
};
use zbus::{OwnedVariant, Variant};

const PASSWORD: &str = "known-secret-pw";
/// `NM_802_11_AP_SEC_KEY_MGMT_PSK`.
const PSK: u32 = 0x100;

const HOME: AccessPoint<'_> = AccessPoint {
    object: "Home",
    ssid: "Haus 🏠 #1",
    address: "02:00:00:00:00:01",
    mhz: 2_437,
    strength: 80,
    security: PSK,
};

fn home_network() -> Network {
    Network {
        ssid: Ssid::parse(HOME.ssid.as_bytes()).unwrap(),
        secret: NetworkSecret::parse(PASSWORD.as_bytes()).unwrap(),
        is_hidden: false,
        static_address: None,
    }
}

async fn adapter(bus: &PrivateBus) -> NetworkManager {
    let interfaces = Interfaces { station: Some("wlan0".to_owned()), hotspot: Some("ap0".to_owned()) };
    let adapter = NetworkManager::on_bus(bus.connection().await, interfaces).await.unwrap();
    adapter.with_find_timeout(Duration::from_millis(1_500))
}

fn hotspot() -> HotspotRequest {
    HotspotRequest {
        ssid: "Lamp-1234".to_owned(),
        passphrase: Some("label-secret".to_owned()),
        channel: None,
    }
}

/// Joins while the mock goes through the given device states.
async fn join_with(bus: &PrivateBus, device: &Device, states: &[(u32, u32)]) -> Result<(), WifiError> {
    let mut wifi = adapter(bus).await;
    let mut calls = bus.calls().await;
    let playing = async {
        until_called(&mut calls, "AddAndActivateConnection2").await;
        for (new, reason) in states {
            bus.move_device(device, *new, 0, *reason).await;
        }
    };
    let network = home_network();
    let (joined, ()) = tokio::join!(wifi.join(&network), playing);
    joined.map(|_link| ())
}

#[tokio::test]
async fn a_scan_returns_every_network_strongest_first() {
    let (bus, device) = PrivateBus::with_radio().await;
    let weak = AccessPoint { object: "Weak", ssid: "Café", strength: 20, security: 0, mhz: 5_180, ..HOME };
    bus.add_access_point(&device, &weak).await;
    bus.add_access_point(&device, &HOME).await;
    let heard = adapter(&bus).await.scan(None).await.unwrap();
    let facts: Vec<_> =
        heard.iter().map(|seen| (seen.ssid.as_slice(), seen.security, seen.channel)).collect();
    assert_eq!(
        facts,
        [(HOME.ssid.as_bytes(), Security::WpaWpa2, 6), ("Café".as_bytes(), Security::Open, 36)]
    );
}

#[tokio::test]
async fn a_hidden_network_is_called_by_its_name() {
    let (bus, _device) = PrivateBus::with_radio().await;
    let mut wifi = adapter(&bus).await;
    let mut calls = bus.calls().await;
    let name = Ssid::parse(b"hidden").unwrap();
    let (heard, given) = tokio::join!(wifi.scan(Some(&name)), until_called(&mut calls, "RequestScan"));
    heard.unwrap();
    let options: HashMap<String, OwnedVariant> = given[0].try_clone().unwrap().try_into().unwrap();
    let names: Vec<Vec<u8>> = options["ssids"].try_clone().unwrap().try_into().unwrap();
    assert_eq!(names, [b"hidden".to_vec()]);
}

#[tokio::test]
async fn a_malformed_access_point_is_left_out() {
    let (bus, device) = PrivateBus::with_radio().await;
    for object in ["NoAddress", "LongName", "TextName"] {
        bus.add_access_point(&device, &AccessPoint { object, ..HOME }).await;
    }
    bus.add_access_point(&device, &HOME).await;
    let path = |object| format!("/org/freedesktop/NetworkManager/AccessPoint/{object}");
    let interface = "org.freedesktop.NetworkManager.AccessPoint";
    bus.set(&path("NoAddress"), interface, "HwAddress", Variant::from("nonsense")).await;
    bus.set(&path("LongName"), interface, "Ssid", Variant::from(vec![b'x'; 33])).await;
    bus.set(&path("TextName"), interface, "Ssid", Variant::from("text")).await;
    assert_eq!(adapter(&bus).await.scan(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_network_is_joined_with_a_profile_that_nobody_keeps() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_access_point(&device, &HOME).await;
    let mut wifi = adapter(&bus).await;
    let mut calls = bus.calls().await;
    let playing = async {
        let given = until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.bring_up(&device).await;
        given
    };
    let network = home_network();
    let (joined, given) = tokio::join!(wifi.join(&network), playing);
    assert_eq!(joined.unwrap().channel, Some(6));
    let options: HashMap<String, OwnedVariant> = given[3].try_clone().unwrap().try_into().unwrap();
    assert_eq!(<&str>::try_from(&options["persist"]).unwrap(), "volatile");
    assert_eq!(<&str>::try_from(&options["bind-activation"]).unwrap(), "dbus-client");

    bus.move_device(&device, 120, 100, 8).await;
    assert_eq!(wifi.next_change().await, WifiChange::StationLost);
}

#[tokio::test]
async fn leaving_a_network_is_no_loss() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_access_point(&device, &HOME).await;
    let mut wifi = adapter(&bus).await;
    let mut calls = bus.calls().await;
    let network = home_network();
    let playing = async {
        until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.bring_up(&device).await;
    };
    let (joined, ()) = tokio::join!(wifi.join(&network), playing);
    joined.unwrap();
    let ((), _given) = tokio::join!(wifi.leave(), until_called(&mut calls, "DeactivateConnection"));
    bus.move_device(&device, 30, 100, 39).await;
    // A radio that appears is the next thing that is told.
    bus.add_radio("wlan1").await;
    assert_eq!(wifi.next_change().await, WifiChange::Recheck);
}

#[tokio::test]
async fn a_wrong_password_is_told_from_a_missing_address_and_a_missing_network() {
    for (reason, code) in [
        (7, ErrorCode::NetworkAuthentication),
        (17, ErrorCode::NoAddress),
        (53, ErrorCode::NetworkNotFound),
        (1, ErrorCode::Network),
    ] {
        let (bus, device) = PrivateBus::with_radio().await;
        bus.add_access_point(&device, &HOME).await;
        let error = join_with(&bus, &device, &[(40, 0), (50, 0), (60, 8), (120, reason)]).await.unwrap_err();
        assert_eq!(error.network_error().code(), code, "{error:?}");
        assert!(!format!("{error:?} {error}").contains(PASSWORD));
    }
}

#[tokio::test]
async fn an_evil_twin_is_never_joined() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_access_point(&device, &AccessPoint { security: 0, strength: 100, ..HOME }).await;
    // An order to activate would be answered with a failure of another kind.
    let code = "raise dbus.exceptions.DBusException('activated', name='test.Activated')";
    let signature = ["a{sa{sv}}ooa{sv}", "ooa{sv}"];
    bus.add_method(MANAGER_PATH, SERVICE, "AddAndActivateConnection2", signature, code).await;
    let error = adapter(&bus).await.join(&home_network()).await.unwrap_err();
    assert!(matches!(error, WifiError::NotFound), "{error:?}");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_access_point(&device, &HOME).await;
    let code = "raise dbus.exceptions.DBusException('Not authorized to control networking.', \
                name='org.freedesktop.NetworkManager.PermissionDenied')";
    let signature = ["a{sa{sv}}ooa{sv}", "ooa{sv}"];
    bus.add_method(MANAGER_PATH, SERVICE, "AddAndActivateConnection2", signature, code).await;
    let mut wifi = adapter(&bus).await;
    let error = wifi.join(&home_network()).await.unwrap_err();
    assert!(matches!(error, WifiError::PermissionDenied), "{error:?}");
    let error = wifi.open_hotspot(&hotspot()).await.unwrap_err();
    assert!(matches!(error, WifiError::PermissionDenied), "{error:?}");
}

#[tokio::test]
async fn a_radio_that_is_unplugged_while_joining_is_named() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_access_point(&device, &HOME).await;
    let mut wifi = adapter(&bus).await;
    let mut calls = bus.calls().await;
    let playing = async {
        until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.remove_device(&device).await;
    };
    let network = home_network();
    let (joined, ()) = tokio::join!(wifi.join(&network), playing);
    assert!(matches!(joined, Err(WifiError::NoRadio { interface: Some(name) }) if name == "wlan0"));
}

#[tokio::test]
async fn a_radio_that_never_was_is_named() {
    let mut bus = PrivateBus::start().await;
    bus.start_network_manager().await;
    // What NetworkManager answers; the template knows no such answer.
    let code = "raise dbus.exceptions.DBusException('No device found for the requested iface.', \
                name='org.freedesktop.NetworkManager.UnknownDevice')";
    bus.add_method(MANAGER_PATH, SERVICE, "GetDeviceByIpIface", ["s", "o"], code).await;
    let mut wifi = adapter(&bus).await;
    let error = wifi.scan(None).await.unwrap_err();
    assert!(matches!(error, WifiError::NoRadio { interface: Some(name) } if name == "wlan0"));
    let any = NetworkManager::on_bus(bus.connection().await, Interfaces::default()).await.unwrap();
    let error = any.station_interface().await.unwrap_err();
    assert!(matches!(error, WifiError::NoRadio { interface: None }), "{error:?}");
}

#[tokio::test]
async fn a_radio_that_is_switched_off_is_named() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.set(&device.path, DEVICE, "State", Variant::from(20_u32)).await;
    let error = adapter(&bus).await.join(&home_network()).await.unwrap_err();
    assert!(matches!(error, WifiError::RadioOff { .. }), "{error:?}");
}

#[tokio::test]
async fn a_radio_that_cannot_be_an_access_point_is_named() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.set(&device.path, WIRELESS, "WirelessCapabilities", Variant::from(0xBF_u32)).await;
    let code = "ret = '/org/freedesktop/NetworkManager/Devices/wlan0'";
    bus.add_method(MANAGER_PATH, SERVICE, "GetDeviceByIpIface", ["s", "o"], code).await;
    let error = adapter(&bus).await.open_hotspot(&hotspot()).await.unwrap_err();
    assert!(matches!(error, WifiError::NoAccessPointMode { interface } if interface == "wlan0"));
}

#[tokio::test]
async fn the_hotspot_opens_at_its_fixed_address_and_its_end_is_told() {
    let (bus, _station) = PrivateBus::with_radio().await;
    let device = bus.add_radio("ap0").await;
    let mut wifi = adapter(&bus).await;
    assert!(wifi.has_hotspot_interface().await);
    let mut calls = bus.calls().await;
    let playing = async {
        let given = until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.bring_up(&device).await;
        given
    };
    let request = hotspot();
    let (opened, given) = tokio::join!(wifi.open_hotspot(&request), playing);
    opened.unwrap();
    let profile: HashMap<String, HashMap<String, OwnedVariant>> =
        given[0].try_clone().unwrap().try_into().unwrap();
    assert_eq!(<&str>::try_from(&profile["802-11-wireless"]["mode"]).unwrap(), "ap");
    assert_eq!(<&str>::try_from(&profile["802-11-wireless-security"]["key-mgmt"]).unwrap(), "wpa-psk");
    assert!(format!("{:?}", profile["ipv4"]["address-data"]).contains("192.168.4.1"));
    bus.move_device(&device, 30, 100, 1).await;
    assert_eq!(wifi.next_change().await, WifiChange::HotspotLost);
}

/// Opens the hotspot, which comes up on `device`, and returns the interface it was ordered for.
async fn interface_of_hotspot(bus: &PrivateBus, wifi: &mut NetworkManager, device: &Device) -> String {
    let mut calls = bus.calls().await;
    let playing = async {
        let given = until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.bring_up(device).await;
        given
    };
    let request = hotspot();
    let (opened, given) = tokio::join!(wifi.open_hotspot(&request), playing);
    let opened = opened.unwrap();
    let profile: HashMap<String, HashMap<String, OwnedVariant>> =
        given.first().unwrap().try_clone().unwrap().try_into().unwrap();
    let ordered = profile.get("connection").and_then(|group| group.get("interface-name")).unwrap();
    let ordered = <&str>::try_from(ordered).unwrap();
    assert_eq!(opened.interface.as_deref(), Some(ordered));
    assert_eq!(opened.is_beside, ordered == "ap0");
    ordered.to_owned()
}

#[tokio::test]
async fn a_hotspot_interface_that_is_there_and_cannot_be_used_leaves_the_hotspot_to_the_station_s() {
    let (bus, station) = PrivateBus::with_radio().await;
    let own = bus.add_radio("ap0").await;
    bus.move_device(&own, 20, 10, 2).await;
    let mut wifi = adapter(&bus).await;
    assert!(!wifi.has_hotspot_interface().await);
    assert_eq!(interface_of_hotspot(&bus, &mut wifi, &station).await, "wlan0");
    // Once it can be used, that is told.
    bus.move_device(&own, 30, 20, 42).await;
    assert_eq!(wifi.next_change().await, WifiChange::Recheck);
    assert!(wifi.has_hotspot_interface().await);
    bus.move_device(&own, 20, 30, 2).await;
    assert_eq!(wifi.next_change().await, WifiChange::Recheck);
    assert!(!wifi.has_hotspot_interface().await);
}

#[tokio::test]
async fn a_hotspot_interface_without_access_point_mode_leaves_the_hotspot_to_the_station_s() {
    let (bus, station) = PrivateBus::with_radio().await;
    let own = bus.add_radio("ap0").await;
    bus.set(&own.path, WIRELESS, "WirelessCapabilities", Variant::from(0xBF_u32)).await;
    let mut wifi = adapter(&bus).await;
    assert!(!wifi.has_hotspot_interface().await);
    assert_eq!(interface_of_hotspot(&bus, &mut wifi, &station).await, "wlan0");
}

#[tokio::test]
async fn a_hotspot_that_does_not_come_up_on_its_own_interface_comes_up_on_the_station_s() {
    let (bus, station) = PrivateBus::with_radio().await;
    let own = bus.add_radio("ap0").await;
    let mut wifi = adapter(&bus).await;
    for _attempt in 0..2 {
        assert!(wifi.has_hotspot_interface().await);
        let mut calls = bus.calls().await;
        let playing = async {
            until_called(&mut calls, "AddAndActivateConnection2").await;
            bus.move_device(&own, 40, 30, 0).await;
            bus.move_device(&own, 120, 50, 11).await;
        };
        let request = hotspot();
        let (opened, ()) = tokio::join!(wifi.open_hotspot(&request), playing);
        opened.unwrap_err();
        // The failure took the interface along for a moment, which is no reason to hope.
        bus.move_device(&own, 20, 120, 0).await;
        bus.move_device(&own, 30, 20, 0).await;
    }
    for _told in 0..4 {
        assert_eq!(wifi.next_change().await, WifiChange::Recheck);
    }
    assert!(!wifi.has_hotspot_interface().await);
    assert_eq!(interface_of_hotspot(&bus, &mut wifi, &station).await, "wlan0");
}

#[tokio::test]
async fn a_radio_that_is_unplugged_takes_its_hotspot_along() {
    let (bus, _station) = PrivateBus::with_radio().await;
    let own = bus.add_radio("ap0").await;
    let mut wifi = adapter(&bus).await;
    assert_eq!(interface_of_hotspot(&bus, &mut wifi, &own).await, "ap0");
    bus.remove_device(&own).await;
    assert_eq!(wifi.next_change().await, WifiChange::HotspotLost);
}

#[tokio::test]
async fn a_radio_that_is_unplugged_takes_its_network_along() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_access_point(&device, &HOME).await;
    let mut wifi = adapter(&bus).await;
    let mut calls = bus.calls().await;
    let playing = async {
        until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.bring_up(&device).await;
    };
    let network = home_network();
    let (joined, ()) = tokio::join!(wifi.join(&network), playing);
    joined.unwrap();
    bus.remove_device(&device).await;
    assert_eq!(wifi.next_change().await, WifiChange::StationLost);
}

/// NetworkManager asks a secrets agent when a network refuses the password. None runs on such a machine, and the agent
/// registers none: a stored password that is wrong stays wrong.
#[tokio::test]
async fn nobody_is_asked_for_another_password() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_access_point(&device, &HOME).await;
    let code = "raise dbus.exceptions.DBusException('an agent was registered', name='test.Agent')";
    let path = "/org/freedesktop/NetworkManager/AgentManager";
    let interface = "org.freedesktop.NetworkManager.AgentManager";
    bus.add_object(path, interface).await;
    bus.add_method(path, interface, "Register", ["s", ""], code).await;
    let mut calls = bus.calls().await;
    // Need-auth after the handshake, then the end: NO_SECRETS.
    let error = join_with(&bus, &device, &[(40, 0), (50, 0), (60, 8), (120, 7)]).await.unwrap_err();
    assert!(matches!(error, WifiError::PasswordRefused), "{error:?}");
    let called = names_called_until(&mut calls, "DeactivateConnection").await;
    assert!(called.iter().any(|name| name == "AddAndActivateConnection2"), "{called:?}");
    assert!(!called.iter().any(|name| name.starts_with("Register")), "{called:?}");
}

#[tokio::test]
async fn without_network_manager_everything_says_so_and_its_start_is_told() {
    let mut bus = PrivateBus::start().await;
    let mut wifi = adapter(&bus).await;
    assert!(matches!(wifi.scan(None).await, Err(WifiError::NotRunning)));
    assert!(matches!(wifi.join(&home_network()).await, Err(WifiError::NotRunning)));
    assert!(matches!(wifi.open_hotspot(&hotspot()).await, Err(WifiError::NotRunning)));
    bus.start_network_manager().await;
    assert_eq!(wifi.next_change().await, WifiChange::Recheck);
    let device = bus.add_radio("wlan0").await;
    bus.add_access_point(&device, &HOME).await;
    assert_eq!(wifi.scan(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_end_of_network_manager_ends_the_connection() {
    let (mut bus, device) = PrivateBus::with_radio().await;
    bus.add_access_point(&device, &HOME).await;
    let mut wifi = adapter(&bus).await;
    let mut calls = bus.calls().await;
    let network = home_network();
    let playing = async {
        until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.bring_up(&device).await;
    };
    let (joined, ()) = tokio::join!(wifi.join(&network), playing);
    joined.unwrap();
    bus.stop_network_manager();
    assert_eq!(wifi.next_change().await, WifiChange::StationLost);
}

#[tokio::test]
async fn a_bus_that_is_gone_is_told_and_nothing_waits_for_its_answers() {
    let (mut bus, _device) = PrivateBus::with_radio().await;
    let mut wifi = adapter(&bus).await;
    assert_eq!(wifi.scan(None).await.unwrap(), []);
    bus.stop_bus();
    let limit = Duration::from_secs(20);
    let gone = async {
        // What came before the end, such as the end of NetworkManager, may be told first.
        while wifi.next_change().await != WifiChange::Gone {}
        assert!(wifi.scan(None).await.is_err());
        wifi.leave().await;
        wifi.close_hotspot().await;
    };
    tokio::time::timeout(limit, gone).await.expect("the end is noticed");
}

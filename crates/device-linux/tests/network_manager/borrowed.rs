//! A radio that is taken for a while: a raised network, a visited hotspot, and the way back.

use std::collections::HashMap;
use std::time::Duration;

use device_linux::{BorrowedRadio, Interfaces, NetworkManager, RadioEvent, WifiError, WifiNetwork};
use zbus::{OwnedVariant, Variant};

use crate::private_bus::{
    AccessPoint, DEVICE, Device, FORMER_PROFILE, MANAGER_PATH, PrivateBus, SERVICE, WIRELESS,
    names_called_until, until_called,
};

const PASSWORD: &str = "lost-secret-pw";
type Profile = HashMap<String, HashMap<String, OwnedVariant>>;

fn lost_network() -> WifiNetwork {
    WifiNetwork::parse("Werkstatt".as_bytes(), PASSWORD.as_bytes()).unwrap()
}

async fn borrowed(bus: &PrivateBus) -> BorrowedRadio {
    let wifi = NetworkManager::on_bus(bus.connection().await, Interfaces::default()).await.unwrap();
    BorrowedRadio::take(wifi.with_find_timeout(Duration::from_millis(1_500))).await.unwrap()
}

/// Raises the network while the mock brings it up, and returns the profile and the options of the order.
async fn raised(bus: &PrivateBus, device: &Device, radio: &mut BorrowedRadio) -> (Profile, Profile) {
    let mut calls = bus.calls().await;
    let playing = async {
        let given = until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.bring_up(device).await;
        bus.set_active_connection(device, "/").await;
        given
    };
    let network = lost_network();
    let (raised, given) = tokio::join!(radio.raise(&network), playing);
    raised.unwrap();
    let [profile, _device, _access_point, options] =
        <&[OwnedVariant; 4]>::try_from(given.as_slice()).unwrap();
    let options: HashMap<String, OwnedVariant> = options.try_clone().unwrap().try_into().unwrap();
    (profile.try_clone().unwrap().try_into().unwrap(), HashMap::from([("options".to_owned(), options)]))
}

#[tokio::test]
async fn a_lost_network_is_raised_a_board_joins_it_and_the_former_connection_comes_back() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_active_connection(&device, "Office").await;
    let mut radio = borrowed(&bus).await;
    let (profile, options) = raised(&bus, &device, &mut radio).await;
    assert_eq!(<&str>::try_from(&profile["802-11-wireless"]["mode"]).unwrap(), "ap");
    assert_eq!(<&str>::try_from(&profile["802-11-wireless"]["band"]).unwrap(), "bg");
    assert_eq!(<&str>::try_from(&profile["ipv4"]["method"]).unwrap(), "shared");
    assert_eq!(<&str>::try_from(&profile["802-11-wireless-security"]["psk"]).unwrap(), PASSWORD);
    assert_eq!(<&str>::try_from(&options["options"]["persist"]).unwrap(), "volatile");
    assert_eq!(<&str>::try_from(&options["options"]["bind-activation"]).unwrap(), "dbus-client");

    bus.let_in("24:6f:28:aa:bb:cc").await;
    let RadioEvent::Joined(mac) = radio.next_event().await else { panic!("nobody joined") };
    assert_eq!(mac.to_string(), "24:6F:28:AA:BB:CC");
    // The next event is the next board's: one that joined once is told once.
    bus.let_in("24:6f:28:aa:bb:cd").await;
    let RadioEvent::Joined(mac) = radio.next_event().await else { panic!("nobody joined") };
    assert_eq!(mac.to_string(), "24:6F:28:AA:BB:CD");

    let mut calls = bus.calls().await;
    let playing = async {
        until_called(&mut calls, "DeactivateConnection").await;
        until_called(&mut calls, "ActivateConnection").await
    };
    let (given_back, given) = tokio::join!(radio.give_back(), playing);
    assert_eq!(given_back.unwrap().as_deref(), Some("Office"));
    assert!(format!("{:?}", given[0]).contains(FORMER_PROFILE));
}

#[tokio::test]
async fn a_connection_that_is_there_already_is_not_brought_back_again() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_active_connection(&device, "Office").await;
    let code = "raise dbus.exceptions.DBusException('brought back', name='test.BroughtBack')";
    bus.add_method(MANAGER_PATH, SERVICE, "ActivateConnection", ["ooo", "o"], code).await;
    let radio = borrowed(&bus).await;
    assert_eq!(radio.give_back().await.unwrap().as_deref(), Some("Office"));
}

#[tokio::test]
async fn a_former_connection_that_does_not_come_back_is_named() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_active_connection(&device, "Office").await;
    let code = "raise dbus.exceptions.DBusException('gone', name='test.Gone')";
    bus.add_method(MANAGER_PATH, SERVICE, "ActivateConnection", ["ooo", "o"], code).await;
    let mut radio = borrowed(&bus).await;
    raised(&bus, &device, &mut radio).await;
    let error = radio.give_back().await.unwrap_err();
    assert!(error.to_string().contains("\"Office\""), "{error}");
}

#[tokio::test]
async fn a_radio_without_access_point_mode_is_named_before_anything_changes() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_active_connection(&device, "Office").await;
    bus.set(&device.path, WIRELESS, "WirelessCapabilities", Variant::from(0xBF_u32)).await;
    let mut radio = borrowed(&bus).await;
    let mut calls = bus.calls().await;
    let error = radio.raise(&lost_network()).await.unwrap_err();
    assert!(matches!(error, WifiError::NoAccessPointMode { interface } if interface == "wlan0"));
    assert_eq!(radio.give_back().await.unwrap().as_deref(), Some("Office"));
    // The mock answers in order: what was called before this was called before the end.
    bus.connection()
        .await
        .call_method(Some(SERVICE), MANAGER_PATH, Some(SERVICE), "GetDevices", &())
        .await
        .unwrap();
    let called = names_called_until(&mut calls, "GetDevices").await;
    assert!(!called.iter().any(|name| name.contains("Activate")), "{called:?}");
}

#[tokio::test]
async fn a_missing_permission_to_raise_a_network_is_named_without_the_password() {
    let (bus, _device) = PrivateBus::with_radio().await;
    let code = "raise dbus.exceptions.DBusException('Not authorized to share connections via wifi.', \
                name='org.freedesktop.NetworkManager.PermissionDenied')";
    let signature = ["a{sa{sv}}ooa{sv}", "ooa{sv}"];
    bus.add_method(MANAGER_PATH, SERVICE, "AddAndActivateConnection2", signature, code).await;
    let mut radio = borrowed(&bus).await;
    let error = radio.raise(&lost_network()).await.unwrap_err();
    assert!(matches!(error, WifiError::PermissionDenied), "{error:?}");
    assert!(!format!("{error:?} {error} {:?}", lost_network()).contains(PASSWORD));
    assert_eq!(radio.give_back().await.unwrap(), None);
}

#[tokio::test]
async fn a_network_that_cannot_give_addresses_is_taken_down_at_once() {
    let (bus, device) = PrivateBus::with_radio().await;
    let mut radio = borrowed(&bus).await;
    let mut calls = bus.calls().await;
    let playing = async {
        until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.move_device(&device, 40, 30, 0).await;
        bus.move_device(&device, 120, 70, 5).await;
        until_called(&mut calls, "DeactivateConnection").await;
    };
    let network = lost_network();
    let (raised, ()) = tokio::join!(radio.raise(&network), playing);
    assert!(matches!(raised, Err(WifiError::SharingFailed)), "{raised:?}");
}

#[tokio::test]
async fn an_attempt_that_is_given_up_half_way_is_cleared_away() {
    let (bus, device) = PrivateBus::with_radio().await;
    let mut radio = borrowed(&bus).await;
    let mut calls = bus.calls().await;
    let network = lost_network();
    let coming_up = async {
        until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.move_device(&device, 40, 30, 0).await;
    };
    tokio::select! {
        biased;
        raised = radio.raise(&network) => panic!("it came up: {raised:?}"),
        () = coming_up => {}
    }
    let (given_back, _given) =
        tokio::join!(radio.give_back(), until_called(&mut calls, "DeactivateConnection"));
    assert_eq!(given_back.unwrap(), None);
}

#[tokio::test]
async fn a_hotspot_is_visited_without_giving_up_other_ways_to_the_internet() {
    let (bus, device) = PrivateBus::with_radio().await;
    let hotspot = AccessPoint {
        object: "Hotspot",
        ssid: "Blynk Air-1W7R",
        address: "24:6F:28:AA:BB:CD",
        mhz: 2_412,
        strength: 70,
        security: 0,
    };
    bus.add_access_point(&device, &hotspot).await;
    let mut radio = borrowed(&bus).await;
    let heard = radio.scan().await.unwrap();
    assert_eq!((heard[0].ssid.as_slice(), heard[0].is_open), (hotspot.ssid.as_bytes(), true));
    let mut calls = bus.calls().await;
    let playing = async {
        let given = until_called(&mut calls, "AddAndActivateConnection2").await;
        bus.bring_up(&device).await;
        given
    };
    let network = WifiNetwork::parse(hotspot.ssid.as_bytes(), b"").unwrap();
    let (joined, given) = tokio::join!(radio.join(&network), playing);
    joined.unwrap();
    let profile: Profile = given[0].try_clone().unwrap().try_into().unwrap();
    assert!(bool::try_from(&profile["ipv4"]["never-default"]).unwrap());
    bus.move_device(&device, 120, 100, 8).await;
    assert_eq!(radio.next_event().await, RadioEvent::Lost);
}

#[tokio::test]
async fn a_radio_that_is_switched_off_is_not_taken() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.set(&device.path, DEVICE, "State", Variant::from(20_u32)).await;
    let wifi = NetworkManager::on_bus(bus.connection().await, Interfaces::default()).await.unwrap();
    assert!(matches!(BorrowedRadio::take(wifi).await, Err(WifiError::RadioOff { .. })));
}

#[test]
fn a_name_or_password_of_the_wrong_length_is_refused() {
    assert!(WifiNetwork::parse(b"", b"long enough").is_err());
    assert!(WifiNetwork::parse(&[b'x'; 33], b"long enough").is_err());
    assert!(WifiNetwork::parse(b"Home", b"short").is_err());
    assert!(WifiNetwork::parse(b"Home", b"").unwrap().is_open());
}

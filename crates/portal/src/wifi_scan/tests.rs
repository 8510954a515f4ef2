use std::string::String;
use std::vec::Vec;

use super::*;
use crate::view::MacAddress;

fn entry(ssid: &[u8], rssi_dbm: i16) -> ScanEntry<'_> {
    ScanEntry { ssid, bssid: MacAddress([1, 2, 3, 4, 5, 6]), rssi_dbm, security: Security::Wpa2, channel: 6 }
}

fn listed_strengths(dialect: Dialect, entries: &[ScanEntry<'_>]) -> Vec<i16> {
    listed_networks(dialect, &ScanView::Found(entries)).iter().map(|entry| entry.rssi_dbm).collect()
}

fn rendered(dialect: Dialect, entries: &[ScanEntry<'_>]) -> String {
    let mut out = String::new();
    write_wifi_scan(dialect, &ScanView::Found(entries), &mut out).unwrap();
    out
}

#[test]
fn the_strongest_fifteen_are_listed_strongest_first() {
    let names: Vec<String> = (0..40).map(|index| std::format!("net {index}")).collect();
    // 37 and 40 have no common factor: every strength once, in a scattered order.
    let strengths = (0_i16..).map(|index| -90 + (index * 37) % 40);
    let entries: Vec<_> =
        names.iter().zip(strengths).map(|(name, rssi_dbm)| entry(name.as_bytes(), rssi_dbm)).collect();
    let strongest: Vec<i16> = (-65..=-51).rev().collect();
    assert_eq!(listed_strengths(Dialect::Rehome, &entries), strongest);
    assert_eq!(listed_strengths(Dialect::EdgentOld, &entries), strongest);
    let as_heard: Vec<i16> = entries.iter().take(15).map(|entry| entry.rssi_dbm).collect();
    assert_eq!(listed_strengths(Dialect::EdgentNew, &entries), as_heard);
}

#[test]
fn hidden_weak_and_repeated_networks_are_treated_as_each_dialect_does() {
    let entries = [entry(b"", -40), entry(b"mesh", -70), entry(b"weak", -91), entry(b"mesh", -50)];
    assert_eq!(listed_strengths(Dialect::EdgentOld, &entries), [-40, -50, -70, -91]);
    assert_eq!(listed_strengths(Dialect::EdgentNew, &entries), [-70, -50]);
    assert_eq!(listed_strengths(Dialect::Rehome, &entries), [-50, -91]);
}

#[test]
fn of_equally_strong_networks_the_one_heard_first_stays_first() {
    let entries = [entry(b"first", -50), entry(b"second", -50)];
    for dialect in [Dialect::Rehome, Dialect::EdgentOld, Dialect::EdgentNew] {
        let listed = listed_networks(dialect, &ScanView::Found(&entries));
        assert_eq!(listed.first().map(|entry| entry.ssid), Some(&b"first"[..]));
    }
}

#[test]
fn an_open_network_and_its_secured_namesake_stay_two() {
    let open = ScanEntry { security: Security::Open, ..entry(b"Home", -40) };
    assert_eq!(listed_strengths(Dialect::Rehome, &[entry(b"Home", -50), open]), [-40, -50]);
}

#[test]
fn answers_look_as_each_dialect_writes_them() {
    let entries = [ScanEntry { security: Security::Wpa2Enterprise, ..entry(b"a\"b\xff", -50) }];
    let common = r#""bssid":"01:02:03:04:05:06","rssi":-50"#;
    assert_eq!(
        rendered(Dialect::EdgentOld, &entries),
        std::format!("[{{\"ssid\":\"a\"b\u{fffd}\",{common},\"sec\":\"WPA2-EAP\",\"ch\":6}}]")
    );
    assert_eq!(
        rendered(Dialect::EdgentNew, &entries),
        std::format!("[{{\"ssid\":\"a\\\"b\u{fffd}\",{common},\"sec\":\"WPA2 ENT\",\"ch\":6}}]")
    );
    assert_eq!(
        rendered(Dialect::Rehome, &entries),
        std::format!(
            "[{{\"ssid\":\"a\\\"b\u{fffd}\",{common},\"sec\":\"WPA2 ENT\",\"ch\":6,\"ssid_hex\":\"612262ff\"}}]"
        )
    );
    assert_eq!(rendered(Dialect::EdgentOld, &[]), "[]");
    // A name is never markup, whatever a browser takes the answer for.
    assert!(!rendered(Dialect::Rehome, &[entry(b"<script>", -50)]).contains('<'));
}

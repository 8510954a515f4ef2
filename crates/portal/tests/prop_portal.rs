//! Properties of the portal: any bytes, any split, any name.

#![expect(clippy::expect_used, clippy::panic, reason = "what tests share stops the test when it fails")]

#[path = "support/invariants.rs"]
mod invariants;

use invariants::{DIALECTS, check_request, sample_view, text_of};
use portal::{
    Access, Dialect, HOTSPOT_NAME_BYTES_MAX, Identity, MacAddress, ParsedRequest, PortalMode, PortalView,
    Progress, Route, ScanEntry, Security, hotspot_name, parse_request, route,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz_-0123";

/// Pieces of requests, so that random input gets past the first byte.
const PIECES: [&str; 32] = [
    "GET ",
    "POST ",
    "HEAD ",
    "/config",
    "/status",
    "/reset",
    "/generate_204",
    "/update",
    "/release",
    "/captive.json",
    "bench=1&",
    "pop=K7QX+31%2BPZ&",
    "ssid=ssid-as-hexadecimal-digits-follow:ff&",
    "order=rehome-release-1.",
    "Accept: application/captive+json\r\n",
    "Accept-Encoding: deflate\r\n",
    "http://a.example/",
    "?",
    "ssid=a&",
    "blynk=abcdefghijklmnopqrstuvwxyz_-0123&",
    "pass=%F0%9F",
    "%2",
    "ip=1.2.3.4&mask=255.0.0.0&gw=1.2.3.5&",
    " HTTP/1.1\r\n",
    " HTTP/1.0\n",
    "Host: 192.168.4.1\r\n",
    "Host: evil.example\r\n",
    "Content-Length: 7\r\n",
    "Content-Length: 4000\r\n",
    "Accept: text/html;q=0.5, */*\r\n",
    "Transfer-Encoding: chunked\r\n",
    "\r\n",
];

fn request_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => select(PIECES.as_slice()).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..12),
    ];
    vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

fn percent_encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, &byte| match byte {
        b' ' => text + "+",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text + char::from(byte).encode_utf8(&mut [0; 4]),
        other => text + &format!("%{other:02x}"),
    })
}

/// Submits a form to our own dialect and returns the network name and password that came out.
fn submit(form: &str, as_query: bool) -> (Vec<u8>, Vec<u8>) {
    let input = if as_query {
        format!("GET /config?{form} HTTP/1.1\r\n\r\n")
    } else {
        let head = "Content-Type: application/x-www-form-urlencoded";
        format!("POST /config HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{form}", form.len())
    };
    let ParsedRequest::Complete { request, .. } = parse_request(input.as_bytes()) else { panic!("{input}") };
    match route(&request, &PortalMode::new(Dialect::Rehome, Access::Provisioning)).route {
        Route::Config(form) => (form.ssid.to_vec(), form.password.expose().to_vec()),
        other => panic!("{other:?}"),
    }
}

/// Fields of a set-up form in any order and number, right and wrong.
fn any_form() -> impl Strategy<Value = String> {
    const FIELDS: [&str; 16] = [
        "ssid=a",
        "ssidManual=b",
        "pass=password",
        "blynk=abcdefghijklmnopqrstuvwxyz_-0123",
        "blynk=",
        "blynk=9EF5-4D64",
        "host=cloud.example",
        "host=",
        "port_ssl=9443",
        "bench=1",
        "bench=true",
        "bench=0",
        "save=1",
        "if=wifi",
        "ip=10.0.0.9&mask=255.0.0.0&gw=10.0.0.1",
        "pop=guess",
    ];
    vec(select(FIELDS.as_slice()), 1..10).prop_map(|fields| format!("ssid=a&{}", fields.join("&")))
}

fn route_form(form: &str, as_query: bool, mode: &PortalMode<'_>) -> Route<'static> {
    let input = if as_query {
        format!("GET /config?{form} HTTP/1.1\r\n\r\n")
    } else {
        format!("POST /config HTTP/1.1\r\nContent-Length: {}\r\n\r\n{form}", form.len())
    };
    let ParsedRequest::Complete { request, .. } = parse_request(input.as_bytes()) else { panic!("{input}") };
    match route(&request, mode).route {
        Route::Config(form) => Route::Config(form),
        Route::ConfigRefused(error) => Route::ConfigRefused(error),
        other => panic!("{other:?}"),
    }
}

fn ask(dialect: Dialect, path: &str, view: &PortalView<'_>) -> String {
    let input = format!("GET {path} HTTP/1.1\r\n\r\n");
    let ParsedRequest::Complete { request, .. } = parse_request(input.as_bytes()) else { panic!("{input}") };
    let answer = text_of(&route(&request, &PortalMode::new(dialect, Access::Recovery)), view);
    answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
}

fn scan_entry(ssid: &[u8]) -> ScanEntry<'_> {
    ScanEntry { ssid, bssid: MacAddress::default(), rssi_dbm: -50, security: Security::Wpa2, channel: 1 }
}

fn unescape_html(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// Any bytes, or text full of the characters that forms and pages treat specially.
fn any_ssid() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 1..=32),
        vec(select(b"+=&#% \"'<>;\\ab\xf0\x9f\x8f\xa1".as_slice()), 1..=32),
        "[ -~äß🏡]{1,8}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn any_bytes_get_one_well_formed_answer(input in vec(any::<u8>(), 0..300)) {
        check_request(&input);
    }

    #[test]
    fn anything_like_a_request_gets_one_well_formed_answer(input in request_like()) {
        check_request(&input);
    }

    #[test]
    fn names_and_passwords_survive_the_form(
        ssid in any_ssid(),
        password in vec(32_u8..=255, 8..=63).prop_filter("control", |bytes| !bytes.contains(&0x7F)),
        as_query in any::<bool>(),
    ) {
        let form = format!("blynk={TOKEN}&ssid={}&pass={}", percent_encode(&ssid), percent_encode(&password));
        prop_assert_eq!(submit(&form, as_query), (ssid, password));
    }

    #[test]
    fn an_unguarded_hotspot_takes_no_more_than_stock_firmware_takes(
        form in any_form(),
        as_query in any::<bool>(),
        access in select([Access::Provisioning, Access::Recovery].as_slice()),
    ) {
        let mode = PortalMode::new(Dialect::Rehome, access);
        let (unguarded, guarded) =
            (route_form(&form, as_query, &mode), route_form(&form, as_query, &mode.guarded()));
        if let Route::Config(taken) = &unguarded {
            prop_assert!(!taken.is_bench && (taken.token.is_some() || taken.claim_code.is_some()), "{}", form);
            prop_assert_eq!(&unguarded, &guarded, "what is taken is read alike");
        } else if let Route::Config(taken) = &guarded {
            let is_kept = taken.token.is_none() && taken.claim_code.is_none();
            prop_assert!(taken.is_bench || (is_kept && access == Access::Recovery), "refused for nothing: {}", form);
        }
    }

    #[test]
    fn names_survive_the_page_without_scripts(ssid in any_ssid()) {
        let scan = [scan_entry(&ssid)];
        let page = ask(Dialect::Rehome, "/", &sample_view(&scan));
        let options: Vec<_> = page.split("<option value=\"").skip(2).collect();
        prop_assert_eq!(options.len(), 1);
        let value = unescape_html(options[0].split_once('"').expect("a closing quote").0);
        let form = format!("blynk={TOKEN}&ssid={}&ssidManual=", percent_encode(value.as_bytes()));
        prop_assert_eq!(submit(&form, false).0, ssid);
    }

    #[test]
    fn json_answers_are_valid_whatever_the_names_are(ssid in any_ssid(), name in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
        let scan = [scan_entry(&ssid)];
        let view = sample_view(&scan);
        let identity = Identity {
            vendor: &name, template_name: &name, template_id: &name, firmware_type: &name, firmware_version: &name,
            uid: &name, hotspot_name: &name, ..view.identity
        };
        let view = PortalView { identity, progress: Progress { ssid: Some(&ssid), ..view.progress }, ..view };
        for dialect in DIALECTS {
            let info: serde_json::Value = serde_json::from_str(&ask(dialect, "/board_info.json", &view))?;
            prop_assert_eq!(info["fw_ver"].as_str(), Some(name.as_str()));
        }
        let lossy = String::from_utf8_lossy(&ssid);
        let status: serde_json::Value = serde_json::from_str(&ask(Dialect::Rehome, "/status.json", &view))?;
        prop_assert_eq!(status["ssid"].as_str(), Some(&*lossy));
        for dialect in [Dialect::Rehome, Dialect::EdgentNew] {
            let list: serde_json::Value = serde_json::from_str(&ask(dialect, "/wifi_scan.json", &view))?;
            prop_assert_eq!(list[0]["ssid"].as_str(), Some(&*lossy));
        }
    }

    #[test]
    fn hotspot_names_fit_and_end_with_their_suffix(prefix in "\\PC{0,20}", name in "\\PC{0,40}", mac in any::<[u8; 6]>()) {
        for dialect in DIALECTS {
            let full = hotspot_name(dialect, &prefix, &name, mac);
            let suffix = portal::name_suffix(dialect, &portal::name_id_of_esp32(mac));
            prop_assert!(full.len() <= HOTSPOT_NAME_BYTES_MAX, "{}", full);
            prop_assert!(full.ends_with(&format!("-{suffix}")), "{}", full);
        }
    }
}

use std::string::String;

use serde_json::Value;
use wire::{DeviceId, ReleaseOrder, ReleaseTerms};

use super::*;
use crate::dialect::{Dialect, PortalMode};
use crate::lock::ProofLock;
use crate::request::{ParsedRequest, parse_request};
use crate::response::tests::text_of;
use crate::route_with_lock;
use crate::view::{Identity, MacAddress, PortalView, Progress, ScanView, Trial};

fn order_text() -> String {
    let device_id = DeviceId::parse("DEVA9A9HJKLMN").unwrap();
    let terms = ReleaseTerms { device_id, epoch: 7, nonce: [3; 16] };
    String::from(ReleaseText::from_order(&ReleaseOrder { terms, signature: [9; 64] }).as_str())
}

fn view(release: ReleaseOutcome<'_>) -> PortalView<'_> {
    PortalView {
        identity: Identity {
            vendor: "Blynk",
            template_name: "Air Monitor",
            template_id: "TMPL12345",
            firmware_type: "TMPL12345",
            firmware_version: "1.2.3",
            uid: "uid",
            hotspot_name: "Blynk Air Monitor-1W7R",
            hotspot_mac: MacAddress::default(),
            station_mac: MacAddress::default(),
            has_5ghz: false,
        },
        last_error: 0,
        scan: ScanView::Unknown,
        progress: Progress { state: "WAIT_CONFIG", trial: Trial::None, attempt: 0, ssid: None },
        epoch: 1,
        claim_refusal: None,
        release,
    }
}

/// Asks and returns the route (as text) and the answer.
fn ask(input: &str, access: Access, outcome: ReleaseOutcome<'_>) -> (String, String) {
    let ParsedRequest::Complete { request, .. } = parse_request(input.as_bytes()) else { panic!("{input}") };
    // A proof of possession is set and not given: an order needs none.
    let mode = PortalMode::new(Dialect::Rehome, access);
    let routed = route_with_lock(&request, &mode, &mut ProofLock::new(), Some(b"proof"));
    let answer = text_of(&routed, &view(outcome));
    (std::format!("{:?}", routed.route), answer)
}

fn post(body: &str, headers: &str) -> String {
    let length = body.len();
    std::format!("POST /release HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

fn json(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn an_order_is_taken_in_recovery_and_in_set_up_without_another_proof() {
    for access in [Access::Recovery, Access::Provisioning] {
        let body = std::format!("order={}%0D%0A", order_text());
        let (route, answer) =
            ask(&post(&body, ""), access, ReleaseOutcome::Erased { receipt: "rehome-receipt-1.D" });
        assert!(route.starts_with("Release("), "{route}");
        assert_eq!(json(&answer)["receipt"], "rehome-receipt-1.D");
    }
}

#[test]
fn an_order_in_the_address_or_of_another_site_is_not_taken() {
    let get = std::format!("GET /release?order={} HTTP/1.1\r\n\r\n", order_text());
    assert_eq!(ask(&get, Access::Recovery, ReleaseOutcome::None).0, "ReleasePage");
    let body = std::format!("order={}", order_text());
    for headers in ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        let (route, answer) = ask(&post(&body, headers), Access::Recovery, ReleaseOutcome::None);
        assert_eq!(route, "ForeignOrigin", "{headers}");
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
    let put = std::format!("PUT /release HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert!(ask(&put, Access::Recovery, ReleaseOutcome::None).1.starts_with("HTTP/1.1 405"));
}

#[test]
fn what_is_no_order_gets_words_and_never_reaches_the_device() {
    for (body, words) in [
        ("", "enter the release code"),
        ("order=", "enter the release code"),
        ("order=9EF5-4D64", "not a release code"),
        ("order=rehome-release-1.DEVA9A9HJKLMN.7.00", "not complete"),
        (&std::format!("order={}", "a".repeat(300)), "longer than any"),
    ] {
        let (route, answer) = ask(&post(body, ""), Access::Recovery, ReleaseOutcome::None);
        assert!(route.starts_with("ReleaseUnreadable"), "{body}: {route}");
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(json(&answer)["detail"].as_str().unwrap().contains(words), "{answer}");
    }
}

#[test]
fn a_refused_order_is_told_in_words_on_both_kinds_of_answer() {
    let body = std::format!("order={}", order_text());
    for refused in [
        RefusedRelease::NoHome,
        RefusedRelease::NoKey,
        RefusedRelease::OtherDevice,
        RefusedRelease::OtherEpoch,
        RefusedRelease::Signature,
    ] {
        let outcome = ReleaseOutcome::Refused(refused);
        let (_, answer) = ask(&post(&body, ""), Access::Recovery, outcome);
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert_eq!(json(&answer)["detail"], std::format!("{refused}"));
        assert_eq!(json(&answer)["reason"], refused.reason());
        let (_, page) = ask(&post(&body, "Accept: text/html\r\n"), Access::Recovery, outcome);
        let words = std::format!("{refused}").split_off(1);
        assert!(page.contains("<h1>Not erased") && page.contains(&words), "{page}");
    }
}

#[test]
fn the_receipt_can_be_read_again_until_the_device_restarts() {
    let get = "GET /release HTTP/1.1\r\n\r\n";
    let erased = ReleaseOutcome::Erased { receipt: "rehome-receipt-1.D.<a>" };
    let (_, page) = ask(get, Access::Provisioning, erased);
    assert!(page.contains("rehome-receipt-1.D.&lt;a&gt;"), "{page}");
    assert!(ask(get, Access::Recovery, ReleaseOutcome::None).1.contains("<textarea"));
    assert!(ask(get, Access::Provisioning, ReleaseOutcome::None).1.contains("holds no settings"));
}

#[test]
fn the_page_takes_a_code_from_the_fragment_and_removes_it_from_the_address() {
    assert!(RELEASE_PAGE.contains("location.hash") && RELEASE_PAGE.contains("replaceState"));
    assert!(!RELEASE_PAGE.contains("http://") && !RELEASE_PAGE.contains("https://"));
}

use std::string::String;

use super::*;
use crate::dialect::Access;
use crate::lock::WRONG_PROOF_COUNT_MAX;
use crate::request::{ParsedRequest, parse_request};
use crate::response::tests::text_of;
use crate::view::{Identity, MacAddress, PortalView, Progress, ScanView, Trial};

const PROOF: &[u8] = b"K7QX 31+PZ";
const FORM: &str = "ssid=a&blynk=abcdefghijklmnopqrstuvwxyz_-0123";

fn view() -> PortalView<'static> {
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
        release: crate::ReleaseOutcome::None,
    }
}

/// Asks with a POST form, or with a GET where there is none, and returns the answer.
fn ask(
    lock: &mut ProofLock,
    own_proof: Option<&[u8]>,
    path: &str,
    form: Option<&str>,
    accept: &str,
) -> String {
    let head = std::format!("{path} HTTP/1.1\r\nAccept: {accept}\r\n");
    let input = match form {
        Some(form) => std::format!("POST {head}Content-Length: {}\r\n\r\n{form}", form.len()),
        None => std::format!("GET {head}\r\n"),
    };
    let ParsedRequest::Complete { request, .. } = parse_request(input.as_bytes()) else { panic!("{input}") };
    let mode = PortalMode::new(Dialect::Rehome, Access::Provisioning);
    text_of(&route_with_lock(&request, &mode, lock, own_proof), &view())
}

fn post(lock: &mut ProofLock, path: &str, form: &str) -> String {
    ask(lock, Some(PROOF), path, Some(form), "*/*")
}

#[test]
fn a_change_needs_the_proof_and_a_look_does_not() {
    let mut lock = ProofLock::new();
    for path in ["/config", "/reset", "/reboot"] {
        for form in [FORM, "", "pop=", "pop"] {
            let answer = post(&mut lock, path, form);
            assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("proof_missing"), "{path} {form}");
        }
    }
    assert_eq!(lock.wrong_count(), 0, "saying nothing is not a wrong proof");
    for path in ["/", "/board_info.json", "/wifi_scan.json", "/status.json"] {
        assert!(ask(&mut lock, Some(PROOF), path, None, "*/*").starts_with("HTTP/1.1 200 "), "{path}");
    }
    let with_proof = std::format!("{FORM}&pop=K7QX+31%2BPZ");
    assert!(post(&mut lock, "/config", &with_proof).contains("Trying to connect"));
    assert!(post(&mut lock, "/reset", "pop=K7QX+31%2BPZ").contains("Configuration reset"));
    let in_query = std::format!("/config?{with_proof}");
    assert!(ask(&mut lock, Some(PROOF), &in_query, None, "*/*").contains("Trying to connect"));
}

#[test]
fn five_wrong_proofs_on_any_path_close_the_portal_and_say_what_to_do() {
    let mut lock = ProofLock::new();
    let long = std::format!("{FORM}&pop={}", "a".repeat(500));
    for (path, form) in
        [("/config", "pop=a"), ("/config", long.as_str()), ("/reset", "pop=b"), ("/reboot", "pop=K7QX")]
    {
        let answer = post(&mut lock, path, form);
        assert!(answer.contains("proof_wrong"), "{answer}");
    }
    assert!(post(&mut lock, "/config", "pop=a").contains("door_closed"));
    // Now the right one is too late, and everything is shut.
    let right = std::format!("{FORM}&pop=K7QX+31%2BPZ");
    assert!(post(&mut lock, "/config", &right).contains("door_closed"));
    for path in ["/", "/board_info.json", "/wifi_scan.json", "/status.json", "/config", "/nothing"] {
        let answer = ask(&mut lock, Some(PROOF), path, None, "*/*");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{path}: {answer}");
    }
    // Without a demanded proof, too: the radio may have counted.
    let page = ask(&mut lock, None, "/", None, "text/html");
    assert!(page.contains("then try again.</p>") && page.contains("text/html"), "{page}");
}

#[test]
fn a_refusal_says_in_plain_words_how_many_tries_are_left_and_repeats_nothing() {
    let mut lock = ProofLock::with_wrong_count(WRONG_PROOF_COUNT_MAX - 3);
    let form = std::format!("{FORM}&pop=my-secret-guess");
    let page = ask(&mut lock, Some(PROOF), "/config", Some(&form), "text/html");
    assert!(page.contains("2 more tries are left"), "{page}");
    let last = ask(&mut lock, Some(PROOF), "/config", Some(&form), "text/html");
    assert!(last.contains("One more try is left"), "{last}");
    for answer in [page, last] {
        assert!(!answer.contains("my-secret-guess") && !answer.contains("K7QX"), "{answer}");
    }
}

#[test]
fn a_stranger_learns_nothing_from_the_form_before_the_proof() {
    let mut lock = ProofLock::new();
    let answer = post(&mut lock, "/config", "ssid=a&blynk=short&pop=wrong");
    assert!(answer.contains("proof_wrong") && !answer.contains("token"), "{answer}");
    let answer = post(&mut lock, "/config", "ssid=a&blynk=short&pop=K7QX+31%2BPZ");
    assert!(answer.contains("token_malformed"), "{answer}");
}

#[test]
fn the_page_asks_for_the_proof_only_where_it_is_needed() {
    let mut lock = ProofLock::new();
    assert!(ask(&mut lock, Some(PROOF), "/", None, "text/html").contains("name=\"pop\""));
    assert!(!ask(&mut lock, None, "/", None, "text/html").contains("name=\"pop\""));
    assert!(ask(&mut lock, None, "/config", Some(FORM), "*/*").contains("Trying to connect"));
}

#[test]
fn stock_firmware_knows_no_lock() {
    let input = std::format!("GET /config?{FORM} HTTP/1.1\r\n\r\n");
    let ParsedRequest::Complete { request, .. } = parse_request(input.as_bytes()) else { panic!("{input}") };
    let mode = PortalMode::new(Dialect::EdgentOld, Access::Provisioning);
    let mut lock = ProofLock::with_wrong_count(WRONG_PROOF_COUNT_MAX);
    let routed = route_with_lock(&request, &mode, &mut lock, Some(PROOF));
    assert!(matches!(routed.route, Route::Config(_)));
}

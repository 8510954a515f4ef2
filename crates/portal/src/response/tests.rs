use std::string::String;
use std::vec;
use std::vec::Vec;

use serde_json::{Value, json};

use super::*;
use crate::dialect::{Access, PortalMode};
use crate::request::{ParseRequestError, ParsedRequest, parse_request};
use crate::view::{Identity, MacAddress, Progress, ScanEntry, ScanView, Security, Trial};
use crate::{explain_error, route, route_parse_error};

const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz_-0123";

const SCAN: [ScanEntry<'_>; 3] = [
    scan_entry(b"Home <b>&\"'", -60, Security::Wpa2),
    scan_entry(b"line\nbreak", -70, Security::Open),
    scan_entry(b"\xff\xfe", -80, Security::Wpa3),
];

const fn scan_entry(ssid: &[u8], rssi_dbm: i16, security: Security) -> ScanEntry<'_> {
    ScanEntry { ssid, bssid: MacAddress([1, 2, 3, 4, 5, 6]), rssi_dbm, security, channel: 1 }
}

const fn view() -> PortalView<'static> {
    PortalView {
        identity: Identity {
            vendor: "Blynk",
            template_name: "Air \"Monitor\"",
            template_id: "TMPL12345",
            firmware_type: "TMPL12345",
            firmware_version: "1.2.3",
            uid: "uid-1",
            hotspot_name: "Blynk Air <Monitor>-1W7R",
            hotspot_mac: MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCD]),
            station_mac: MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC]),
            has_5ghz: false,
        },
        last_error: 0,
        scan: ScanView::Found(&SCAN),
        progress: Progress { state: "WAIT_CONFIG", trial: Trial::None, attempt: 0, ssid: None },
        epoch: 3,
        claim_refusal: None,
        release: ReleaseOutcome::None,
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).expect("a status line");
        let status = status.parse().expect("a number");
        Self { status, head: String::from(head), body: String::from(body) }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("Content-Type"), Some("application/json"));
        serde_json::from_str(&self.body).expect("valid JSON")
    }
}

/// Renders the whole answer.
pub(crate) fn bytes_of(routed: &Routed<'_>, view: &PortalView<'_>) -> Vec<u8> {
    let mut answer = vec![0; 65_536];
    let chunk = respond_chunk(routed, view, 0, &mut answer);
    assert_eq!(chunk.written_bytes, chunk.total_bytes);
    answer.truncate(chunk.written_bytes);
    answer
}

pub(crate) fn text_of(routed: &Routed<'_>, view: &PortalView<'_>) -> String {
    String::from_utf8(bytes_of(routed, view)).expect("an answer that is not compressed is text")
}

fn ask_raw(dialect: Dialect, access: Access, head: &str, view: &PortalView<'_>) -> String {
    let input = std::format!("{head}\r\n\r\n");
    let ParsedRequest::Complete { request, .. } = parse_request(input.as_bytes()) else { panic!("{head}") };
    text_of(&route(&request, &PortalMode::new(dialect, access)), view)
}

fn ask(dialect: Dialect, head: &str) -> Answer {
    Answer::read(&ask_raw(dialect, Access::Provisioning, head, &view()))
}

fn ask_own(access: Access, head: &str, view: &PortalView<'_>) -> Answer {
    Answer::read(&ask_raw(Dialect::Rehome, access, head, view))
}

#[test]
fn board_info_is_what_each_generation_of_clients_reads() {
    let head = "GET /board_info.json HTTP/1.1";
    let old = json!({
        "board": "Air \"Monitor\"", "tmpl_id": "TMPL12345", "fw_type": "TMPL12345", "fw_ver": "1.2.3",
        "ssid": "Blynk Air <Monitor>-1W7R", "bssid": "24:6F:28:AA:BB:CD", "mac": "24:6F:28:AA:BB:CC",
        "last_error": 0, "wifi_scan": true, "static_ip": true
    });
    let new = json!({
        "vendor": "Blynk", "name": "Blynk Air <Monitor>-1W7R", "uid": "uid-1",
        "tmpl_id": "TMPL12345", "fw_type": "TMPL12345", "fw_ver": "1.2.3",
        "bssid": "24:6F:28:AA:BB:CD", "last_error": 0,
        "ifs": [{"name": "wifi", "mac": "24:6F:28:AA:BB:CC", "scan": 1, "5ghz": 0, "static_ip": 1}]
    });
    assert_eq!(ask(Dialect::EdgentOld, head).json(), old);
    assert_eq!(ask(Dialect::EdgentNew, head).json(), new);
    let own = ask(Dialect::Rehome, head).json();
    for (name, value) in old.as_object().unwrap().iter().chain(new.as_object().unwrap()) {
        assert_eq!(own.get(name), Some(value), "{name}");
    }
    assert_eq!(own["rehome"], json!({"recovery": false, "epoch": 3, "pop": false}));
}

#[test]
fn config_answers_match_the_reference() {
    let config = |fields: &str| std::format!("GET /config?ssid=a&if=wifi&blynk={TOKEN}{fields} HTTP/1.1");
    let trying = r#"{"status":"ok","msg":"Trying to connect..."}"#;
    let saved = r#"{"status":"ok","msg":"Configuration saved"}"#;
    for (dialect, with_save) in
        [(Dialect::Rehome, trying), (Dialect::EdgentOld, saved), (Dialect::EdgentNew, trying)]
    {
        for (head, body) in [(config(""), trying), (config("&save=1"), with_save)] {
            let answer = ask(dialect, &head);
            assert_eq!((answer.status, answer.body.as_str()), (200, body), "{dialect:?} {head}");
        }
        let answer = ask(dialect, "GET /config?ssid=a&if=wifi&blynk=short HTTP/1.1");
        assert_eq!(answer.status, 500);
        let verdict = answer.json();
        assert_eq!((&verdict["status"], &verdict["msg"]), (&json!("error"), &json!("Configuration invalid")));
        assert_eq!(verdict.get("reason").is_some(), dialect == Dialect::Rehome);
    }
    let stock = ask(Dialect::EdgentNew, &std::format!("GET /config?ssid=a&blynk={TOKEN} HTTP/1.1"));
    assert_eq!(stock.body, r#"{"status":"error","msg":"Configuration invalid"}"#);
}

#[test]
fn a_mistyped_claim_code_gets_a_clear_answer_before_anything_is_tried() {
    let answer = ask(Dialect::Rehome, "GET /config?ssid=a&blynk=9EF5-4D65 HTTP/1.1").json();
    assert_eq!(answer["reason"], "claim_code_malformed");
    assert!(answer["detail"].as_str().unwrap().contains("typing mistake"), "{answer}");
    let answer = ask(Dialect::Rehome, "GET /config?ssid=a&blynk=9ef5-4d64 HTTP/1.1").json();
    assert_eq!(answer["status"], "ok");
}

#[test]
fn reset_is_answered_or_refused() {
    let reset = r#"{"status":"ok","msg":"Configuration reset"}"#;
    for dialect in [Dialect::Rehome, Dialect::EdgentOld, Dialect::EdgentNew] {
        assert_eq!(ask(dialect, "GET /reset HTTP/1.1").body, reset);
    }
    let refused = ask_own(Access::Recovery, "POST /reset HTTP/1.1", &view());
    assert_eq!((refused.status, &refused.json()["reason"]), (403, &json!("recovery")));
}

#[test]
fn stock_firmware_restarts_without_a_reply() {
    for dialect in [Dialect::EdgentOld, Dialect::EdgentNew] {
        assert_eq!(ask_raw(dialect, Access::Provisioning, "GET /reboot HTTP/1.1", &view()), "");
    }
    assert_eq!(ask(Dialect::Rehome, "GET /reboot HTTP/1.1").json()["status"], "ok");
}

#[test]
fn unknown_paths_are_answered_as_each_server_does() {
    let old = ask(Dialect::EdgentOld, "GET /<b> HTTP/1.1");
    assert_eq!((old.status, old.header("Content-Type")), (404, Some("text/html")));
    assert_eq!(old.body, "Not found: /&lt;b&gt;");
    let new = ask(Dialect::EdgentNew, "GET /x HTTP/1.1");
    assert_eq!(
        (new.status, new.header("Content-Type"), new.body.as_str()),
        (404, Some("text/plain"), "Not found")
    );
    assert_eq!(ask(Dialect::Rehome, "GET /x HTTP/1.1").status, 404);
}

#[test]
fn stock_forms_have_the_fields_of_their_generation() {
    let old = ask(Dialect::EdgentOld, "GET / HTTP/1.1").body;
    let new = ask(Dialect::EdgentNew, "GET / HTTP/1.1").body;
    for field in ["ssid", "pass", "blynk", "host"] {
        let field = std::format!("name=\"{field}\"");
        assert!(old.contains(&field) && new.contains(&field), "{field}");
    }
    assert!(old.contains("name=\"port_ssl\"") && !old.contains("name=\"if\""));
    assert!(new.contains("name=\"if\" value=\"wifi\"") && !new.contains("port_ssl"));
    assert!(old.contains("Blynk Air &lt;Monitor&gt;-1W7R"));
    let upload = ask(Dialect::EdgentOld, "POST /update HTTP/1.1");
    assert_eq!((upload.status, upload.body.as_str()), (500, "FAIL"));
}

#[test]
fn status_tells_step_and_reason_for_every_code() {
    for code in [0, 700, 701, 702, 703, 704, 705, 710, 711, 712, 720, 721, 722, 723, 730, 731, 732, 799] {
        let progress = Progress {
            state: "WAIT_CONFIG",
            trial: Trial::Failed,
            attempt: 2,
            ssid: Some(b"caf\xc3\xa9 \"x\""),
        };
        let answer = ask_own(
            Access::Recovery,
            "GET /status.json HTTP/1.1",
            &PortalView { last_error: code, progress, ..view() },
        )
        .json();
        let message = answer["message"].as_str().unwrap();
        if let Some(explanation) = explain_error(code) {
            assert_eq!(message, std::format!("{} {}", explanation.what, explanation.advice));
        }
        assert!(message.ends_with('.'), "{message}");
        assert_eq!(
            answer,
            json!({"state": "WAIT_CONFIG", "step": "failed", "last_error": code, "message": message,
                "ssid": "café \"x\"", "attempt": 2, "recovery": true})
        );
    }
}

#[test]
fn every_named_code_has_its_own_explanation() {
    let codes = [700, 701, 702, 703, 704, 705, 710, 711, 712, 720, 721, 722, 723, 730, 731, 732, 799];
    let mut texts: Vec<_> = codes.iter().map(|&code| explain_error(code).unwrap().what).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), codes.len());
}

#[test]
fn steps_follow_the_trial_and_not_the_retries_of_the_old_home() {
    for (trial, state, step) in [
        (Trial::None, "CONNECTING_NET", "waiting"),
        (Trial::Running, "SWITCH_TO_STA", "starting"),
        (Trial::Running, "CONNECTING_NET", "network"),
        (Trial::Running, "CONNECTING_CLOUD", "cloud"),
        (Trial::Succeeded, "RUNNING", "done"),
        (Trial::Failed, "CONNECTING_NET", "failed"),
    ] {
        let progress = Progress { state, trial, attempt: 1, ssid: None };
        let view = PortalView { progress, ..view() };
        let answer = ask_own(Access::Provisioning, "GET /status.json HTTP/1.1", &view).json();
        assert_eq!((&answer["step"], &answer["state"]), (&json!(step), &json!(state)));
    }
}

#[test]
fn browsers_without_scripts_get_pages_that_reload_until_the_end() {
    let browser = "Accept: text/html,*/*;q=0.8";
    let refresh = "http-equiv=\"refresh\"";
    let running =
        Progress { state: "CONNECTING_NET", trial: Trial::Running, attempt: 1, ssid: Some(b"<Home>") };
    let view = PortalView { progress: running, ..view() };
    let head = std::format!("GET /config?ssid=a&blynk={TOKEN} HTTP/1.1\r\n{browser}");
    let answer = ask_own(Access::Provisioning, &head, &view);
    assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(answer.body.contains(refresh) && answer.body.contains("&lt;Home&gt;"), "{}", answer.body);
    let failed =
        PortalView { progress: Progress { trial: Trial::Failed, ..running }, last_error: 722, ..view };
    let answer = ask_own(Access::Provisioning, "GET /status HTTP/1.1", &failed);
    assert!(!answer.body.contains(refresh) && answer.body.contains("722"), "{}", answer.body);
    let head = std::format!("GET /config?ssid=a&blynk=ABCD-2345 HTTP/1.1\r\n{browser}");
    let answer = ask_own(Access::Provisioning, &head, &view);
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("typing mistake"), "{}", answer.body);
}

const NEW_DEVICE: PortalMode<'_> = PortalMode::new(Dialect::Rehome, Access::Provisioning);

/// The setup page as a browser shows it.
fn setup_page(mode: &PortalMode<'_>, view: &PortalView<'_>) -> String {
    let input = b"GET / HTTP/1.1\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n";
    let ParsedRequest::Complete { request, .. } = parse_request(input) else { panic!("complete") };
    let answer = bytes_of(&route(&request, mode), view);
    let head_bytes = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    let head = core::str::from_utf8(&answer[..head_bytes]).unwrap();
    let read = Answer::read(head);
    assert_eq!(read.header("Content-Encoding"), Some("deflate"));
    assert_eq!(read.header("Vary"), Some("Accept-Encoding"));
    let body = &answer[head_bytes..];
    assert_eq!(read.header("Content-Length"), Some(std::format!("{}", body.len()).as_str()));
    assert!(body.len() < 9_000, "{} bytes", body.len());
    let mut page = String::new();
    // Reads to the end and checks the sum.
    std::io::Read::read_to_string(&mut flate2::read::ZlibDecoder::new(body), &mut page).unwrap();
    page
}

#[test]
fn the_setup_page_fills_every_gap_and_escapes_what_it_shows() {
    let view = PortalView { last_error: 720, ..view() };
    let recovery = PortalMode::new(Dialect::Rehome, Access::Recovery);
    let page = setup_page(&recovery.guarded(), &view);
    assert!(!page.contains("<!--{"), "a gap was left");
    assert!(page.contains("data-access=\"recovery\"") && page.ends_with("</html>\n"));
    // The script knows the same prefix.
    let hexadecimal = crate::SSID_HEX_PREFIX;
    assert!(page.contains(&std::format!("HEX='{hexadecimal}'")));
    let plain = ask_own(Access::Recovery, "GET / HTTP/1.1\r\nAccept-Encoding: br, deflate;q=0", &view);
    assert_eq!((plain.header("Content-Encoding"), plain.header("Vary")), (None, Some("Accept-Encoding")));
    for page in [page, plain.body] {
        assert!(page.contains("Its settings are kept"));
        assert!(page.contains("Blynk Air &lt;Monitor&gt;-1W7R") && page.contains("Code 720"));
        assert!(page.contains("<option value=\"Home &lt;b&gt;&amp;&quot;&#39;\">Home &lt;b&gt;"));
        assert!(page.contains(&std::format!("<option value=\"{hexadecimal}6c696e650a627265616b\">")));
        let unreadable = std::format!("<option value=\"{hexadecimal}fffe\">\u{fffd}\u{fffd}</option>");
        assert!(page.contains(&unreadable));
    }
    let fresh = setup_page(&NEW_DEVICE, &PortalView { last_error: 0, ..view });
    assert!(fresh.contains("data-access=\"new\"") && !fresh.contains("Its settings are kept"));
}

#[test]
fn the_page_offers_to_keep_the_account_only_where_that_is_taken() {
    let recovery = PortalMode::new(Dialect::Rehome, Access::Recovery);
    let offer = "Leave empty to keep the stored account.";
    let guarded = setup_page(&recovery.guarded(), &view());
    assert!(guarded.contains(offer) && guarded.contains("data-access=\"recovery\""));
    let unguarded = setup_page(&recovery, &view());
    assert!(unguarded.contains("Its settings are kept"), "it says that the device is set up");
    // The script asks for the account where the page does not say "recovery".
    assert!(!unguarded.contains(offer) && unguarded.contains("data-access=\"new\""));
    let plain = ask_own(Access::Recovery, "GET / HTTP/1.1", &view());
    assert!(
        !plain.body.contains(offer) && plain.body.contains("where you added the device"),
        "{}",
        plain.body
    );
    let head = "POST /config?ssid=a HTTP/1.1\r\nAccept: application/json";
    let refused = ask_own(Access::Recovery, head, &view()).json();
    assert_eq!(refused["reason"], "account_unguarded");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.ends_with("enter the device token or a claim code"), "{detail}");
}

#[test]
fn the_setup_page_is_self_contained() {
    let page = setup_page(&NEW_DEVICE, &view());
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn who_says_nothing_about_compression_can_read_the_page() {
    for headers in ["", "\r\nAccept-Encoding: gzip", "\r\nAccept-Encoding: identity, deflate; q=0.0"] {
        let page = ask(Dialect::Rehome, &std::format!("GET / HTTP/1.1{headers}"));
        assert_eq!(page.header("Content-Encoding"), None);
        assert!(page.body.contains("<form method=\"post\" action=\"/config\""), "{}", page.body);
        for name in ["ssid", "ssidManual", "pass", "blynk"] {
            assert!(page.body.contains(&std::format!(" name=\"{name}\"")), "{name}");
        }
    }
}

#[test]
fn every_answer_declares_its_length_and_closes() {
    for dialect in [Dialect::Rehome, Dialect::EdgentOld, Dialect::EdgentNew] {
        for path in [
            "/",
            "/board_info.json",
            "/wifi_scan.json",
            "/config",
            "/reset",
            "/update",
            "/nothing",
            "/ncsi.txt",
        ] {
            let get = ask(dialect, &std::format!("GET {path} HTTP/1.1"));
            assert_eq!(get.header("Content-Length"), Some(std::format!("{}", get.body.len()).as_str()));
            assert_eq!(get.header("Connection"), Some("close"));
            let is_own = dialect == Dialect::Rehome;
            assert_eq!(get.header("Cache-Control"), is_own.then_some("no-store"));
            let head = ask(dialect, &std::format!("HEAD {path} HTTP/1.1"));
            assert_eq!(head.body, "");
            if head.status == get.status {
                assert_eq!(head.header("Content-Length"), get.header("Content-Length"), "{path}");
            }
        }
    }
}

#[test]
fn redirects_and_refusals_carry_their_headers() {
    let probe = ask(Dialect::Rehome, "GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com");
    assert_eq!((probe.status, probe.header("Location")), (302, Some("http://192.168.4.1/")));
    let landed = ask(Dialect::Rehome, "GET / HTTP/1.1\r\nHost: 192.168.4.1");
    assert_eq!(landed.status, 200);
    let probe = ask(Dialect::Rehome, "HEAD /generate_204 HTTP/1.1\r\nHost: 127.0.0.1:4001");
    assert_eq!((probe.status, probe.header("Location"), probe.body.as_str()), (302, Some("/"), ""));
    assert_eq!(ask(Dialect::Rehome, "PUT / HTTP/1.1").header("Allow"), Some("GET, HEAD"));
    let mode = PortalMode::new(Dialect::Rehome, Access::Provisioning);
    let answer = text_of(&route_parse_error(ParseRequestError::HeadersTooLarge, &mode), &view());
    assert_eq!(Answer::read(&answer).status, 431);
}

#[test]
fn chunks_of_any_size_add_up_to_the_whole_answer() {
    let input = b"GET / HTTP/1.1\r\nAccept-Encoding: gzip, deflate\r\n\r\n";
    let ParsedRequest::Complete { request, .. } = parse_request(input) else { panic!("complete") };
    let routed = route(&request, &PortalMode::new(Dialect::Rehome, Access::Provisioning));
    let whole = bytes_of(&routed, &view());
    for chunk_bytes in [97, 1460, whole.len(), whole.len() + 1] {
        let (mut collected, mut buffer) = (Vec::new(), vec![0; chunk_bytes]);
        loop {
            let chunk = respond_chunk(&routed, &view(), collected.len(), &mut buffer);
            collected.extend_from_slice(&buffer[..chunk.written_bytes]);
            assert_eq!(chunk.total_bytes, whole.len());
            if collected.len() == chunk.total_bytes {
                break;
            }
            assert_eq!(chunk.written_bytes, chunk_bytes);
        }
        assert_eq!(collected, whole);
    }
}

#[test]
fn no_answer_repeats_the_password_or_the_token() {
    for dialect in [Dialect::Rehome, Dialect::EdgentOld, Dialect::EdgentNew] {
        for accept in ["*/*", "text/html"] {
            for fields in ["", "&port_ssl=x", "&ip=1", "&save=1"] {
                let query = std::format!("ssid=a&if=wifi&pass=hunter2hunter2&blynk={TOKEN}{fields}");
                let head = std::format!("GET /config?{query} HTTP/1.1\r\nAccept: {accept}");
                let answer = ask_raw(dialect, Access::Provisioning, &head, &view());
                assert!(!answer.contains("hunter2") && !answer.contains(TOKEN), "{answer}");
            }
        }
    }
}

use super::*;
use crate::request::{ParsedRequest, parse_request};

const OWN: PortalMode<'_> = PortalMode::new(Dialect::Rehome, Access::Provisioning);
const RECOVERY: PortalMode<'_> = PortalMode::new(Dialect::Rehome, Access::Recovery);
const OLD: PortalMode<'_> = PortalMode::new(Dialect::EdgentOld, Access::Provisioning);
const NEW: PortalMode<'_> = PortalMode::new(Dialect::EdgentNew, Access::Recovery);

fn routed<R>(mode: &PortalMode<'_>, head: &str, check: impl FnOnce(Routed<'_>) -> R) -> R {
    let input = std::format!("{head}\r\n\r\n");
    let ParsedRequest::Complete { request, .. } = parse_request(input.as_bytes()) else { panic!("{head}") };
    check(route(&request, mode))
}

fn is_route(mode: &PortalMode<'_>, head: &str, expected: &Route<'_>) -> bool {
    routed(mode, head, |routed| routed.route == *expected)
}

fn format_of(accept: &str) -> AnswerFormat {
    routed(&OWN, &std::format!("GET /config HTTP/1.1\r\nAccept: {accept}"), |routed| routed.format)
}

#[test]
fn every_endpoint_has_its_route_also_when_percent_encoded() {
    for (path, expected) in [
        ("/", Route::SetupPage),
        ("/board_info.json", Route::BoardInfo),
        ("/wifi_scan.json", Route::WifiScan),
        ("/status.json", Route::Status),
        ("/%73tatus", Route::Status),
        ("/reset", Route::Reset),
        ("/reboot?x=1", Route::Reboot),
        ("/config", Route::ConfigRefused(ReadConfigFormError::SsidMissing)),
        ("/update", Route::NotFound { path: "/update" }),
        ("/img/x", Route::NotFound { path: "/img/x" }),
    ] {
        assert!(is_route(&OWN, &std::format!("GET {path} HTTP/1.1"), &expected), "{path}");
    }
}

#[test]
fn recovery_allows_a_trial_but_no_control() {
    for path in ["/reset", "/reboot"] {
        for method in ["GET", "POST"] {
            let head = std::format!("{method} {path} HTTP/1.1");
            assert!(is_route(&RECOVERY, &head, &Route::ControlRefused), "{head}");
        }
    }
    let head = "GET /config?ssid=a HTTP/1.1";
    assert!(routed(&RECOVERY.guarded(), head, |routed| matches!(routed.route, Route::Config(_))));
    let refused = Route::ConfigRefused(ReadConfigFormError::AccountUnguarded);
    assert!(is_route(&RECOVERY, head, &refused), "anybody may stand at an open hotspot");
    // Stock firmware knows no recovery.
    assert!(is_route(&NEW, "GET /reset HTTP/1.1", &Route::Reset));
}

#[test]
fn probes_lead_to_the_setup_page_without_a_loop() {
    for (host, path, expected) in [
        ("connectivitycheck.gstatic.com", "/generate_204", RedirectTarget::Hotspot),
        ("captive.apple.com", "/hotspot-detect.html", RedirectTarget::Hotspot),
        ("www.msftconnecttest.com", "/connecttest.txt", RedirectTarget::Hotspot),
        ("www.msftncsi.com", "/ncsi.txt", RedirectTarget::Hotspot),
        ("detectportal.firefox.com", "/canonical.html", RedirectTarget::Hotspot),
        ("detectportal.firefox.com", "/success.txt?ipv4", RedirectTarget::Hotspot),
        ("nmcheck.gnome.org", "/check_network_status.txt", RedirectTarget::Hotspot),
        ("connectivity-check.ubuntu.com", "/", RedirectTarget::Hotspot),
        ("example.com", "/any/page", RedirectTarget::Hotspot),
        ("192.168.4.1", "/generate_204", RedirectTarget::SameHost),
        ("127.0.0.1:4001", "/ncsi.txt", RedirectTarget::SameHost),
    ] {
        for method in ["GET", "HEAD"] {
            let head = std::format!("{method} {path} HTTP/1.1\r\nHost: {host}");
            assert!(is_route(&OWN, &head, &Route::Redirect(expected)), "{head}");
        }
    }
    for host in [
        "192.168.4.1",
        "192.168.4.1:80",
        "127.0.0.1:4001",
        "[::1]:80",
        "localhost:1",
        "blynk.setup",
        "BLYNK.setup.",
    ] {
        let head = std::format!("GET / HTTP/1.1\r\nHost: {host}");
        assert!(is_route(&OWN, &head, &Route::SetupPage), "{host}");
    }
    let named = PortalMode { host_name: "boiler.setup", ..OWN };
    assert!(is_route(&named, "GET / HTTP/1.1\r\nHost: boiler.setup", &Route::SetupPage));
}

#[test]
fn pages_of_other_sites_change_nothing() {
    for (path, is_refused) in
        [("/config", true), ("/reset", true), ("/reboot", true), ("/board_info.json", false)]
    {
        for header in [
            "Host: 192.168.4.1\r\nOrigin: http://evil.example",
            "Host: 192.168.4.1\r\nOrigin: null",
            "Host: 127.0.0.1:4001\r\nOrigin: http://127.0.0.1:4002",
            "Host: 192.168.4.1\r\nSec-Fetch-Site: cross-site",
            "Host: evil.example\r\nOrigin: http://evil.example",
        ] {
            let head = std::format!("GET {path} HTTP/1.1\r\n{header}");
            assert_eq!(is_route(&OWN, &head, &Route::ForeignOrigin), is_refused, "{head}");
        }
    }
    let own = "GET /reset HTTP/1.1\r\nHost: 127.0.0.1:4001\r\nOrigin: http://127.0.0.1:4001\r\nSec-Fetch-Site: same-origin";
    assert!(is_route(&OWN, own, &Route::Reset));
}

#[test]
fn unsupported_methods_are_refused_only_by_our_dialect() {
    assert!(is_route(&OWN, "HEAD /reset HTTP/1.1", &Route::MethodNotAllowed { allow: "GET, POST" }));
    assert!(is_route(&OWN, "POST / HTTP/1.1", &Route::MethodNotAllowed { allow: "GET, HEAD" }));
    assert!(is_route(&OLD, "DELETE /reset HTTP/1.1", &Route::Reset));
    assert!(routed(&OWN, "HEAD / HTTP/1.1", |routed| routed.is_head && routed.route == Route::SetupPage));
}

#[test]
fn stock_firmware_has_its_upload_form_and_none_of_our_paths() {
    assert!(is_route(&OLD, "GET /update HTTP/1.1", &Route::FirmwareForm));
    assert!(is_route(&OLD, "POST /update HTTP/1.1", &Route::FirmwareUpload));
    for path in ["/status", "/status.json", "/generate_204"] {
        let head = std::format!("GET {path} HTTP/1.1\r\nHost: captive.apple.com");
        assert!(is_route(&OLD, &head, &Route::NotFound { path }), "{path}");
    }
    assert!(!routed(&OLD, "GET /reboot HTTP/1.1", |routed| routed.is_answered()));
    assert!(routed(&OWN, "GET /reboot HTTP/1.1", |routed| routed.is_answered()));
}

#[test]
fn only_browsers_get_pages_in_place_of_json() {
    assert_eq!(
        format_of("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        AnswerFormat::Html
    );
    assert_eq!(format_of("text/html"), AnswerFormat::Html);
    assert_eq!(format_of("text/html, application/json;q=0.5"), AnswerFormat::Html);
    assert_eq!(format_of("*/*"), AnswerFormat::Json);
    assert_eq!(format_of(""), AnswerFormat::Json);
    assert_eq!(format_of("application/json, text/plain, */*"), AnswerFormat::Json);
    assert_eq!(format_of("application/json, text/html;q=0.9"), AnswerFormat::Json);
    assert_eq!(format_of("text/html;q=0"), AnswerFormat::Json);
    let browser = "Accept: text/html";
    assert_eq!(
        routed(&OWN, &std::format!("GET /status.json HTTP/1.1\r\n{browser}"), |routed| routed.format),
        AnswerFormat::Json
    );
    assert_eq!(routed(&OWN, "GET /status HTTP/1.1", |routed| routed.format), AnswerFormat::Html);
    assert_eq!(
        routed(&OLD, &std::format!("GET /config HTTP/1.1\r\n{browser}"), |routed| routed.format),
        AnswerFormat::Json
    );
}

//! What phones and computers see when they look for the internet behind the hotspot.

#![expect(clippy::expect_used, clippy::panic, reason = "what tests share stops the test when it fails")]

#[path = "support/invariants.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod invariants;

use invariants::{sample_view, text_of};
use portal::{
    Access, Dialect, ParsedRequest, PortalMode, ProofLock, WRONG_PROOF_COUNT_MAX, parse_request,
    route_with_lock,
};
use proptest::prelude::*;

/// A browser that goes to a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn ask(lock: ProofLock, method: &str, host: &str, path: &str, headers: &str) -> Answer {
    let input = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    let ParsedRequest::Complete { request, .. } = parse_request(input.as_bytes()) else { panic!("{input}") };
    let mode = PortalMode::new(Dialect::Rehome, Access::Recovery);
    let routed = route_with_lock(&request, &mode, &mut { lock }, None);
    let text = text_of(&routed, &sample_view(&[]));
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Follows redirects as a browser does, and returns the last answer and how many there were.
fn follow(lock: ProofLock, method: &str, host: &str, path: &str, headers: &str) -> (Answer, usize) {
    let (mut host, mut path) = (host.to_owned(), path.to_owned());
    for hops in 0..5 {
        let answer = ask(lock, method, &host, &path, headers);
        if answer.status != 302 {
            return (answer, hops);
        }
        let location = answer.header("Location").expect("a redirect leads somewhere").to_owned();
        match location.strip_prefix("http://") {
            Some(rest) => {
                let (new_host, new_path) = rest.split_once('/').expect("a path");
                (host, path) = (new_host.to_owned(), format!("/{new_path}"));
            }
            None => path = location,
        }
    }
    panic!("a redirect loop from {path}");
}

type IsSuccess = fn(&Answer) -> bool;

fn is_204(answer: &Answer) -> bool {
    // Android also takes an empty answer, and one too short to be a page, for the real server's.
    answer.status == 204 || (answer.status == 200 && answer.body.len() <= 4)
}

fn is_apple(answer: &Answer) -> bool {
    answer.status == 200 && answer.body.contains("Success")
}

fn is_windows(answer: &Answer) -> bool {
    answer.status == 200 && answer.body.starts_with("Microsoft ")
}

fn is_firefox(answer: &Answer) -> bool {
    answer.status == 200
        && (answer.body.starts_with("success") || answer.body.contains("support.mozilla.org"))
}

fn is_network_manager(answer: &Answer) -> bool {
    let is_header = answer.header("X-NetworkManager-Status") == Some("online");
    is_header || answer.status == 204 || answer.status == 200 && !answer.body.contains("<html")
}

fn is_kindle(answer: &Answer) -> bool {
    answer.status == 200 && answer.body.contains("81ce4465-7167-4dcb-835b-dcc9e44c112a")
}

fn is_nintendo(answer: &Answer) -> bool {
    answer.header("X-Organization") == Some("Nintendo") || answer.status == 200 && answer.body.len() <= 4
}

/// Who asks, whom, for what, and what would tell it that this is the internet.
const PROBES: [(&str, &str, &str, IsSuccess); 27] = [
    ("iOS, macOS", "captive.apple.com", "/hotspot-detect.html", is_apple),
    ("iOS, random path", "captive.apple.com", "/kQ3/8hZ/x.html", is_apple),
    ("old iOS", "www.apple.com", "/library/test/success.html", is_apple),
    ("iOS", "www.airport.us", "/", is_apple),
    ("Android", "connectivitycheck.gstatic.com", "/generate_204", is_204),
    ("Android", "connectivitycheck.android.com", "/generate_204", is_204),
    ("Android", "www.google.com", "/gen_204", is_204),
    ("Android", "play.googleapis.com", "/generate_204", is_204),
    ("ChromeOS", "clients3.google.com", "/generate_204", is_204),
    ("Xiaomi", "connect.rom.miui.com", "/generate_204", is_204),
    ("Huawei", "connectivitycheck.platform.hicloud.com", "/generate_204", is_204),
    ("Edge", "edge.microsoft.com", "/captiveportal/generate_204", is_204),
    ("Fire OS", "fireoscaptiveportal.com", "/generate_204", is_204),
    ("Windows 10, 11", "www.msftconnecttest.com", "/connecttest.txt", is_windows),
    ("Windows 10, 11", "www.msftconnecttest.com", "/redirect", is_windows),
    ("Windows 7, 8", "www.msftncsi.com", "/ncsi.txt", is_windows),
    ("Firefox", "detectportal.firefox.com", "/success.txt?ipv4", is_firefox),
    ("Firefox", "detectportal.firefox.com", "/success.txt?ipv6", is_firefox),
    ("Firefox", "detectportal.firefox.com", "/canonical.html", is_firefox),
    ("GNOME", "nmcheck.gnome.org", "/check_network_status.txt", is_network_manager),
    ("Fedora", "fedoraproject.org", "/static/hotspot.txt", is_network_manager),
    ("Debian", "network-test.debian.org", "/nm", is_network_manager),
    ("Ubuntu", "connectivity-check.ubuntu.com", "/", is_network_manager),
    ("Arch", "ping.archlinux.org", "/nm-check.txt", is_network_manager),
    ("Kindle", "spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html", is_kindle),
    ("Kindle", "spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub-eink.html", is_kindle),
    ("Nintendo", "ctest.cdn.nintendo.net", "/", is_nintendo),
];

/// What the one who asks says about itself. The user's wish to stay connected changes none of it.
const CLIENTS: [&str; 4] = [
    "User-Agent: CaptiveNetworkSupport-443.100.1 wispr\r\nAccept: */*\r\n",
    "User-Agent: Dalvik/2.1.0 (Linux; U; Android 15)\r\n",
    "User-Agent: Microsoft NCSI\r\n",
    "Accept: text/html\r\nUpgrade-Insecure-Requests: 1\r\n",
];

#[test]
fn no_probe_ever_hears_that_this_is_the_internet() {
    for lock in [ProofLock::new(), ProofLock::with_wrong_count(WRONG_PROOF_COUNT_MAX)] {
        for (who, host, path, is_success) in PROBES {
            for headers in CLIENTS {
                for method in ["GET", "HEAD", "POST", "OPTIONS"] {
                    // Twice: nothing is remembered about who has seen the page.
                    for _ in 0..2 {
                        let answer = ask(lock, method, host, path, headers);
                        assert!(!is_success(&answer), "{who}: {method} {path}: {}", answer.head);
                        assert!(answer.status >= 300, "{who}: {method} {path}: {}", answer.head);
                    }
                }
                for probe_host in [host, "192.168.4.1"] {
                    let (last, hops) = follow(lock, "GET", probe_host, path, headers);
                    assert!(!is_success(&last) && hops <= 1, "{who}: {path} after {hops} redirects");
                }
            }
        }
    }
}

#[test]
fn every_probe_leads_to_the_page_in_one_hop_with_get_and_head() {
    for (who, host, path, _) in PROBES {
        for headers in CLIENTS {
            let (page, hops) = follow(ProofLock::new(), "GET", host, path, headers);
            assert_eq!((page.status, hops), (200, 1), "{who}: {path}");
            assert!(page.body.contains("<title>") && page.body.contains("action=\"/config\""), "{who}");
            let probe = ask(ProofLock::new(), "GET", host, path, headers);
            assert_eq!(probe.header("Cache-Control"), Some("no-store"));
            assert!(!probe.body.is_empty(), "an empty answer counts as success on some phones");
            let (head, hops) = follow(ProofLock::new(), "HEAD", host, path, headers);
            assert_eq!((head.status, hops, head.body.as_str()), (200, 1, ""), "{who}: HEAD {path}");
            assert_eq!(head.header("Content-Length"), page.header("Content-Length"));
        }
    }
}

#[test]
fn a_phone_that_stays_connected_gets_the_page_wherever_it_goes() {
    let browser = format!("Accept: {BROWSER}\r\n");
    for (host, path) in [
        ("example.com", "/"),
        ("example.com", "/news?page=2"),
        ("blynk.setup", "/"),
        ("blynk.setup", "/setup"),
        ("192.168.4.1", "/index.html"),
        ("www.example.com", "/status"),
        ("www.example.com", "/config"),
        ("www.example.com", "/board_info.json"),
        ("blynk.setup", "/captive.json"),
    ] {
        let (page, hops) = follow(ProofLock::new(), "GET", host, path, &browser);
        assert_eq!(page.status, 200, "{host}{path}");
        assert!(hops <= 1 && page.body.contains("action=\"/config\""), "{host}{path}: {hops} redirects");
    }
}

#[test]
fn the_captive_portal_api_answers_those_who_ask_for_it_and_always_says_captive() {
    let uri = portal::CAPTIVE_API_URI.strip_prefix("http://").expect("the portal has no certificate");
    let (host, path) = uri.split_once('/').expect("a path");
    let path = format!("/{path}");
    for lock in [ProofLock::new(), ProofLock::with_wrong_count(WRONG_PROOF_COUNT_MAX)] {
        let answer = ask(lock, "GET", host, &path, "Accept: application/captive+json\r\n");
        assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/captive+json")));
        assert_eq!(answer.header("Vary"), Some("Accept"));
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        let api: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(api, serde_json::json!({"captive": true, "user-portal-url": "http://192.168.4.1/"}));
    }
    for accept in ["*/*", "application/json", "application/captive+json;q=0, */*", BROWSER] {
        let answer = ask(ProofLock::new(), "GET", host, &path, &format!("Accept: {accept}\r\n"));
        assert_eq!((answer.status, answer.header("Vary")), (302, Some("Accept")), "{accept}");
    }
    let posted = ask(ProofLock::new(), "POST", host, &path, "Accept: application/captive+json\r\n");
    assert_eq!(posted.status, 405);
    let elsewhere =
        ask(ProofLock::new(), "GET", "example.com", &path, "Accept: application/captive+json\r\n");
    assert_eq!(elsewhere.status, 302, "another host's path is not our API");
}

proptest! {
    #[test]
    fn redirects_from_any_path_of_any_host_end_at_the_page_within_two_hops(
        host in "([a-z0-9-]{1,12}\\.){1,3}[a-z]{2,6}(:80)?",
        path in "/[!-\"$-~]{0,40}",
        is_head in any::<bool>(),
        is_browser in any::<bool>(),
    ) {
        let method = if is_head { "HEAD" } else { "GET" };
        let headers = if is_browser { format!("Accept: {BROWSER}\r\n") } else { String::new() };
        let (page, hops) = follow(ProofLock::new(), method, &host, &path, &headers);
        prop_assert_eq!(page.status, 200);
        prop_assert!(hops <= 2, "{} redirects", hops);
    }

    #[test]
    fn a_person_at_the_portal_itself_never_ends_at_nothing(path in "/x[!-\"$-~]{0,40}") {
        let headers = format!("Accept: {BROWSER}\r\n");
        let (page, hops) = follow(ProofLock::new(), "GET", "192.168.4.1", &path, &headers);
        prop_assert_eq!(page.status, 200);
        prop_assert!(hops <= 2);
    }
}

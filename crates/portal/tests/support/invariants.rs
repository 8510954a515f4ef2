//! What must hold for any bytes that reach the portal. Shared by the property tests, the corpus replay and the fuzz target.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a broken invariant must stop the run")]

use portal::{
    Access, Dialect, Identity, MacAddress, ParsedRequest, PortalMode, PortalView, Progress,
    REQUEST_BYTES_MAX, Request, ScanEntry, ScanView, Security, Trial, parse_request, respond, route,
    route_parse_error,
};

pub(crate) const DIALECTS: [Dialect; 3] = [Dialect::Rehome, Dialect::EdgentOld, Dialect::EdgentNew];

/// A device with one network around.
pub(crate) fn sample_view<'a>(scan: &'a [ScanEntry<'a>]) -> PortalView<'a> {
    PortalView {
        identity: Identity {
            vendor: "Blynk",
            template_name: "Air Monitor",
            template_id: "TMPL12345",
            firmware_type: "TMPL12345",
            firmware_version: "1.0.0",
            uid: "uid",
            hotspot_name: "Blynk Air Monitor-1W7R",
            hotspot_mac: MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCD]),
            station_mac: MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC]),
            has_5ghz: false,
        },
        last_error: 720,
        scan: ScanView::Found(scan),
        progress: Progress {
            state: "CONNECTING_NET",
            trial: Trial::Running,
            attempt: 1,
            ssid: Some(b"a\xff<\""),
        },
        epoch: 1,
        claim_refusal: None,
        release: portal::ReleaseOutcome::None,
    }
}

/// Parses, routes and answers `input` in every dialect, and panics where an answer is not well formed.
pub(crate) fn check_request(input: &[u8]) {
    let parsed = parse_request(input);
    check_splits(input, &parsed);
    for dialect in DIALECTS {
        for access in [Access::Provisioning, Access::Recovery] {
            let mode = PortalMode::new(dialect, access);
            match &parsed {
                ParsedRequest::Incomplete => assert!(input.len() < REQUEST_BYTES_MAX, "no request is longer"),
                ParsedRequest::Complete { request, .. } => check_answer(request, &mode),
                ParsedRequest::Error(error) => {
                    let mut answer = String::new();
                    respond(&route_parse_error(*error, &mode), &sample_view(&[]), &mut answer)
                        .expect("a string grows");
                    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", error.status())), "{answer}");
                }
            }
        }
    }
}

/// However the bytes arrive: first "incomplete" for a while, then one verdict that stays.
fn check_splits(input: &[u8], whole: &ParsedRequest<'_>) {
    let mut verdict = None;
    for received in 0..=input.len() {
        let parsed = parse_request(&input[..received]);
        match &verdict {
            None if parsed == ParsedRequest::Incomplete => {}
            None => verdict = Some(parsed),
            Some(earlier) => assert_eq!(*earlier, parsed, "another verdict after {received} bytes"),
        }
    }
    assert_eq!(verdict.unwrap_or(ParsedRequest::Incomplete), *whole);
}

fn check_answer(request: &Request<'_>, mode: &PortalMode<'_>) {
    let scan = [ScanEntry {
        ssid: b"\xf0\x9f\x8f\xa1 <\"\\\xff\0",
        bssid: MacAddress::default(),
        rssi_dbm: -60,
        security: Security::Wpa2,
        channel: 1,
    }];
    let routed = route(request, mode);
    let mut answer = String::new();
    respond(&routed, &sample_view(&scan), &mut answer).expect("a string grows");
    if !routed.is_answered() {
        assert_eq!(answer, "");
        return;
    }
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    // Nothing that came in may add a header line or end the head early.
    assert!(head.lines().skip(1).all(|line| line.split_once(": ").is_some()), "{head}");
    let length = format!("Content-Length: {}", body.len());
    assert!(routed.is_head || head.lines().any(|line| line == length), "{head}");
}

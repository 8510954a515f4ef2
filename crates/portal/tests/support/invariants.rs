//! What must hold for any bytes that reach the portal. Shared by the property tests, the corpus replay and the fuzz target.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a broken invariant must stop the run")]

use portal::{
    Access, Dialect, Identity, MacAddress, ParsedRequest, PortalMode, PortalView, Progress,
    REQUEST_BYTES_MAX, Request, Routed, ScanEntry, ScanView, Security, Trial, parse_request, respond_chunk,
    route, route_parse_error,
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

/// Renders the whole answer, which must be one that is not compressed.
pub(crate) fn text_of(routed: &Routed<'_>, view: &PortalView<'_>) -> String {
    String::from_utf8(bytes_of(routed, view)).expect("an answer that is not compressed is text")
}

fn bytes_of(routed: &Routed<'_>, view: &PortalView<'_>) -> Vec<u8> {
    let mut answer = vec![0; 65_536];
    let chunk = respond_chunk(routed, view, 0, &mut answer);
    assert_eq!(chunk.written_bytes, chunk.total_bytes, "an answer is shorter than that");
    answer.truncate(chunk.written_bytes);
    answer
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
                    let answer = text_of(&route_parse_error(*error, &mode), &sample_view(&[]));
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
    let answer = bytes_of(&routed, &sample_view(&scan));
    if !routed.is_answered() {
        assert!(answer.is_empty(), "{answer:?}");
        return;
    }
    let head_bytes = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("an answer has a head");
    let head = std::str::from_utf8(&answer[..head_bytes]).expect("a head is text");
    let body = &answer[head_bytes + 4..];
    // Nothing that came in may add a header line or end the head early.
    assert!(head.lines().skip(1).all(|line| line.split_once(": ").is_some()), "{head}");
    let length = format!("Content-Length: {}", body.len());
    assert!(routed.is_head || head.lines().any(|line| line == length), "{head}");
}

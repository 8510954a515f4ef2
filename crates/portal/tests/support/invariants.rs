//! What must hold for any bytes that reach the portal. Shared by the property tests, the corpus replay and the fuzz target.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a broken invariant must stop the run")]

use std::collections::BTreeSet;

use portal::{
    Access, Dialect, Identity, MacAddress, ParsedRequest, PortalMode, PortalView, Progress, ProofLock,
    REQUEST_BYTES_MAX, Request, Route, Routed, ScanEntry, ScanView, Security, Trial, WRONG_PROOF_COUNT_MAX,
    parse_request, respond_chunk, route_parse_error, route_with_lock,
};

pub(crate) const DIALECTS: [Dialect; 3] = [Dialect::Rehome, Dialect::EdgentOld, Dialect::EdgentNew];

/// The proof that forms must carry where the hotspot asks for none.
const OWN_PROOF: &[u8] = b"K7QX 31+PZ";

/// How a device of ours may be protected when a request arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// No proof of possession.
    Open,
    /// The hotspot's passphrase was the proof.
    Passphrase,
    /// Forms must carry it; so many wrong ones came before.
    Forms { wrong_count: u8 },
}

const DOORS: [Door; 5] = [
    Door::Open,
    Door::Passphrase,
    Door::Forms { wrong_count: 0 },
    Door::Forms { wrong_count: WRONG_PROOF_COUNT_MAX - 1 },
    Door::Forms { wrong_count: WRONG_PROOF_COUNT_MAX },
];

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

/// Parses, routes and answers `input` in every dialect behind every door, and panics where an answer is not well formed
/// or a door lets through what it must not. Returns the names of the routes that were taken.
pub(crate) fn check_request(input: &[u8]) -> BTreeSet<String> {
    let parsed = parse_request(input);
    check_splits(input, &parsed);
    let mut names = BTreeSet::new();
    for dialect in DIALECTS {
        // Stock firmware knows no lock.
        let doors = if dialect == Dialect::Rehome { DOORS.as_slice() } else { &[Door::Open] };
        for (access, &door) in [Access::Provisioning, Access::Recovery]
            .into_iter()
            .flat_map(|access| doors.iter().map(move |door| (access, door)))
        {
            let mode = PortalMode { is_guarded: door != Door::Open, ..PortalMode::new(dialect, access) };
            let route = match &parsed {
                ParsedRequest::Incomplete => {
                    assert!(input.len() < REQUEST_BYTES_MAX, "no request is longer");
                    continue;
                }
                ParsedRequest::Complete { request, .. } => check_answer(request, &mode, door),
                ParsedRequest::Error(error) => {
                    let answer = text_of(&route_parse_error(*error, &mode), &sample_view(&[]));
                    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", error.status())), "{answer}");
                    Route::Bad(*error)
                }
            };
            let shown = format!("{route:?}");
            names.insert(shown.chars().take_while(char::is_ascii_alphanumeric).collect());
        }
    }
    names
}

/// What no request may reach, whatever it says.
fn check_door(request: &Request<'_>, mode: &PortalMode<'_>, door: Door, lock: ProofLock, route: &Route<'_>) {
    if mode.dialect != Dialect::Rehome {
        return;
    }
    let is_recovery = mode.access == Access::Recovery;
    assert!(!is_recovery || !matches!(route, Route::Reset | Route::Reboot), "no control in recovery");
    let is_change = matches!(route, Route::Config(_) | Route::Reset | Route::Reboot);
    match door {
        Door::Open => {
            if let Route::Config(form) = route {
                assert!(form.token.is_some() || form.claim_code.is_some(), "the account is named");
                assert!(!form.is_bench, "no test without a label");
            }
        }
        Door::Passphrase => {}
        Door::Forms { wrong_count: WRONG_PROOF_COUNT_MAX } => {
            assert!(lock.is_closed() && !is_change, "a closed door stays closed");
            assert!(!matches!(
                route,
                Route::Release(_) | Route::SetupPage | Route::BoardInfo | Route::Status
            ));
        }
        Door::Forms { wrong_count } => {
            assert!(!is_change || lock.wrong_count() == wrong_count, "who may change gave no wrong proof");
            assert!(lock.wrong_count() <= wrong_count + 1, "one request is one try");
            let has_proof = |text: &[u8]| text.windows(4).any(|name| name == b"pop=" || name.contains(&b'%'));
            assert!(!is_change || has_proof(request.body) || has_proof(request.query.as_bytes()));
        }
    }
    if let Route::Config(form) = route {
        let is_kept = form.token.is_none() && form.claim_code.is_none();
        assert!(
            !is_kept || (is_recovery && form.host.is_none() && form.port.is_none()),
            "a token never leaves"
        );
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

fn check_answer<'a>(request: &Request<'a>, mode: &PortalMode<'_>, door: Door) -> Route<'a> {
    let scan = [ScanEntry {
        ssid: b"\xf0\x9f\x8f\xa1 <\"\\\xff\0",
        bssid: MacAddress::default(),
        rssi_dbm: -60,
        security: Security::Wpa2,
        channel: 1,
    }];
    let (mut lock, own_proof) = match door {
        Door::Open | Door::Passphrase => (ProofLock::new(), None),
        Door::Forms { wrong_count } => (ProofLock::with_wrong_count(wrong_count), Some(OWN_PROOF)),
    };
    let routed = route_with_lock(request, mode, &mut lock, own_proof);
    check_door(request, mode, door, lock, &routed.route);
    let answer = bytes_of(&routed, &sample_view(&scan));
    if !routed.is_answered() {
        assert!(answer.is_empty(), "{answer:?}");
        return routed.route;
    }
    let head_bytes = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("an answer has a head");
    let head = std::str::from_utf8(&answer[..head_bytes]).expect("a head is text");
    let body = &answer[head_bytes + 4..];
    // Nothing that came in may add a header line or end the head early.
    assert!(head.lines().skip(1).all(|line| line.split_once(": ").is_some()), "{head}");
    let length = format!("Content-Length: {}", body.len());
    assert!(routed.is_head || head.lines().any(|line| line == length), "{head}");
    routed.route
}

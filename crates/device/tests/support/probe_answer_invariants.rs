//! What must hold for any answer at port 80. Shared by the replayed corpus and the fuzz target.

use device::captive_portal::{PROBE_ANSWER_BYTES_MAX, ProbeAnswer, probe_request, read_probe_answer};

/// Reads any bytes as the answer of a host, whole and byte by byte. Up to the first line end the input is the host.
pub(crate) fn check_probe_answer(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let host = String::from_utf8_lossy(&input[..end]).into_owned();
    let answer = input.get(end + 1..).unwrap_or_default();
    if let Some(request) = probe_request(&host, 7) {
        assert_eq!(request.lines().count(), 5, "a host adds no line: {request}");
    }
    let whole = read_probe_answer(answer, &host);
    let mut told = ProbeAnswer::Incomplete;
    for received_bytes in 0..=answer.len().min(PROBE_ANSWER_BYTES_MAX + 1) {
        let now = read_probe_answer(&answer[..received_bytes], &host);
        assert!(told == ProbeAnswer::Incomplete || told == now, "{told:?} became {now:?}");
        told = now;
    }
    assert_eq!(told, whole, "what follows changes nothing");
    if whole == ProbeAnswer::LoginPage {
        let status = &answer[9..12];
        assert!(answer.starts_with(b"HTTP/1.") && (status == b"511" || matches!(status[0], b'2' | b'3')));
    }
    if answer.len() >= PROBE_ANSWER_BYTES_MAX {
        assert_ne!(whole, ProbeAnswer::Incomplete, "there is nothing to wait for");
    }
    check_against_a_library(answer, &host, whole);
}

/// Where another reader finds a whole head, both must find the same in it.
fn check_against_a_library(answer: &[u8], host: &str, told: ProbeAnswer) {
    let mut lines = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Response::new(&mut lines);
    let is_short = answer.len() < PROBE_ANSWER_BYTES_MAX;
    let Ok(httparse::Status::Complete(_)) = parsed.parse(answer) else { return };
    // Before the status it skips empty lines.
    if !is_short || !answer.starts_with(b"HTTP/") {
        return;
    }
    let status = parsed.code.expect("a whole head has a status");
    let target = parsed.headers.iter().find(|line| line.name.eq_ignore_ascii_case("location"));
    let expected = match (status, target) {
        (200..=299 | 511, _) => ProbeAnswer::LoginPage,
        (300..=399, Some(target)) => {
            let line = [b"HTTP/1.1 302 x\nlocation:", target.value, b"\n"].concat();
            read_probe_answer(&line, host)
        }
        _ => ProbeAnswer::Other,
    };
    assert_eq!(told, expected, "status {status}");
}

use super::*;

fn complete(input: &[u8]) -> Request<'_> {
    match parse_request(input) {
        ParsedRequest::Complete { request, .. } => request,
        other => panic!("not complete: {other:?}"),
    }
}

fn error_status(input: &[u8]) -> u16 {
    match parse_request(input) {
        ParsedRequest::Error(error) => error.status(),
        other => panic!("not an error: {other:?}"),
    }
}

#[test]
fn a_get_is_split_into_path_and_query() {
    let request = complete(b"GET /config?ssid=a%20b&pass= HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n");
    assert_eq!(request.method, Method::Get);
    assert_eq!((request.path, request.query), ("/config", "ssid=a%20b&pass="));
    assert_eq!(request.host, Some("192.168.4.1"));
}

#[test]
fn an_absolute_target_names_the_host() {
    let request =
        complete(b"GET http://captive.apple.com/hotspot-detect.html?a=/b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(request.path, "/hotspot-detect.html");
    assert_eq!(request.query, "a=/b");
    assert_eq!(request.host, Some("captive.apple.com"));
    assert_eq!(complete(b"GET http://neverssl.com HTTP/1.0\r\n\r\n").path, "/");
}

#[test]
fn a_body_is_awaited_and_what_follows_is_left_alone() {
    let input = b"POST /config HTTP/1.1\r\nContent-Length: 6\r\nContent-Type: text/plain\r\n\r\nssid=aGET /";
    let ParsedRequest::Complete { request, consumed_bytes } = parse_request(input) else {
        panic!("complete")
    };
    assert_eq!(request.body, b"ssid=a");
    assert_eq!(&input[consumed_bytes..], b"GET /");
    assert_eq!(parse_request(&input[..consumed_bytes - 1]), ParsedRequest::Incomplete);
}

#[test]
fn header_limits_are_enforced_exactly() {
    let head = |filler: usize| {
        let mut input = b"GET / HTTP/1.1\r\nX: ".to_vec();
        input.resize(input.len() + filler, b'x');
        input.extend_from_slice(b"\r\n\r\n");
        input
    };
    let fits = HEADER_BYTES_MAX - head(0).len();
    assert!(matches!(parse_request(&head(fits)), ParsedRequest::Complete { .. }));
    assert_eq!(error_status(&head(fits + 1)), 431);
    let many = std::format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADER_COUNT_MAX + 1));
    assert_eq!(error_status(many.as_bytes()), 431);
}

#[test]
fn body_limits_are_enforced_exactly() {
    let head = |bytes: usize| std::format!("POST / HTTP/1.1\r\nContent-Length: {bytes}\r\n\r\n");
    assert_eq!(parse_request(head(BODY_BYTES_MAX).as_bytes()), ParsedRequest::Incomplete);
    assert_eq!(error_status(head(BODY_BYTES_MAX + 1).as_bytes()), 413);
    assert_eq!(error_status(b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n"), 413);
}

#[test]
fn contradictions_and_foreign_protocols_are_refused() {
    assert_eq!(error_status(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400);
    assert_eq!(error_status(b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na"), 400);
    assert_eq!(error_status(b"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na"), 400);
    assert_eq!(error_status(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 501);
    assert_eq!(error_status(b"GET / HTTP/2.0\r\n\r\n"), 505);
    assert_eq!(error_status(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(error_status(b"\x16\x03\x01\x02\x00"), 400);
}

#[test]
fn debug_output_shows_no_query_and_no_body() {
    let request =
        complete(b"POST /config?pass=hunter2hunter2 HTTP/1.1\r\nContent-Length: 13\r\n\r\npass=correctx");
    let shown = std::format!("{request:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("correct"), "{shown}");
}

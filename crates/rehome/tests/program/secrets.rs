//! No secret in the log, however loud it is, on any way in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::device_client::{LOGIN, frame};
use crate::process::DEADLINE;
use crate::server::TestServer;

/// Logs a device in over a WebSocket, taken apart by hand; returns what was answered after the upgrade.
fn log_in_over_web_socket(server: &TestServer, token: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.plain_addr).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!(
        "GET /websockets HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        server.plain_addr
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let login = frame(LOGIN, 1, token);
    // A final binary message, masked with zeros. Source: RFC 6455, section 5.2.
    let mut message = vec![0x82, 0x80 | u8::try_from(login.len()).unwrap(), 0, 0, 0, 0];
    message.extend(login);
    stream.write_all(&message).unwrap();
    let mut answer = vec![0; 2 + 5];
    stream.read_exact(&mut answer).unwrap();
    answer.split_off(2)
}

#[test]
fn the_loudest_log_shows_no_token_password_key_or_code_on_any_way_in() {
    let server = TestServer::serve();
    let (id, token) = server.create_device();
    assert_eq!(log_in_over_web_socket(&server, &token), [0, 0, 1, 0, 200]);
    let updated = server.ask("GET", &format!("/external/api/update?token={token}&v4=7"), &[], None).unwrap();
    assert_eq!(updated.status, 200, "{}", updated.text);
    assert_eq!(server.value(&id, 4), "7");

    let password = "a password that nobody may read";
    server.note_secret(password);
    server.send("PUT", "/api/v1/auth/password", Some(json!({"password": password}))).expect(204);
    let body = json!({"password": password});
    let signed_in = server.ask("POST", "/api/v1/auth/password", &[], Some(body)).unwrap();
    signed_in.expect(204);
    let cookie = signed_in.set_cookie.split(['=', ';']).nth(1).unwrap();
    server.note_secret(cookie);
    let header = format!("rehome_session={cookie}");
    server.ask("GET", "/api/v1/auth/session", &[("cookie", &header)], None).unwrap().expect(200);
    let template_id = server.create_template();
    let session = server
        .send("POST", "/api/v1/provisioning-sessions", Some(json!({"template_id": template_id})))
        .expect(201);
    server.note_secret(session["token"].as_str().unwrap());
    assert_eq!(log_in_over_web_socket(&server, session["token"].as_str().unwrap()), [0, 0, 1, 0, 200]);
    assert!(server.process().stderr.text().contains("TRACE"), "the log is as loud as it can be");
    // When the server is dropped, its log is searched for everything that was noted.
}

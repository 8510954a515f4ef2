//! Templates, devices, values, lists and idempotency over HTTP.

use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::http_client::{request, send_raw};

#[tokio::test]
async fn a_template_and_a_device_are_made_renamed_and_listed_in_pages() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    assert!(template.starts_with("TMPL"));
    for index in 0..5 {
        let body = json!({"template_id": template, "name": format!("Lamp {index}")});
        assert_eq!(server.send("POST", "/api/v1/devices", Some(body)).await.status, 201);
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/devices?limit=2".to_owned();
    loop {
        let page = server.get(&path).await;
        names.extend(page["items"].as_array().unwrap().iter().map(|device| device["name"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/devices?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["Lamp 0", "Lamp 1", "Lamp 2", "Lamp 3", "Lamp 4"]);

    let first = server.get("/api/v1/devices").await["items"][0].clone();
    let one = format!("/api/v1/devices/{}", first["id"].as_str().unwrap());
    let renamed = server.send("PATCH", &one, Some(json!({"name": " Desk "}))).await;
    assert_eq!(renamed.json()["name"], "Desk");
    assert_eq!(first["ownership"], "reserved");
    assert_eq!(first["release"], Value::Null);
    let audit = server.get("/api/v1/audit").await;
    assert_eq!(audit["items"][0]["actor"], "admin-key");
}

#[tokio::test]
async fn a_template_is_renamed_and_deleted_once_nothing_uses_it() {
    let server = TestServer::start().await;
    let (device, _) = server.create_device().await;
    let template = server.get(&format!("/api/v1/devices/{device}")).await["template_id"].clone();
    let path = format!("/api/v1/templates/{}", template.as_str().unwrap());
    let renamed = server.send("PATCH", &path, Some(json!({"name": " Desk lamp "}))).await.json();
    assert_eq!((&renamed["name"], &renamed["reclaim"]), (&json!("Desk lamp"), &json!("open")));
    assert_eq!(server.get(&format!("/api/v1/devices/{device}")).await["template_name"], "Desk lamp");
    let nameless = server.send("PATCH", &path, Some(json!({"name": " "}))).await;
    assert_eq!(nameless.problem_code(), "invalid_request");

    let in_use = server.send("DELETE", &path, None).await;
    assert_eq!((in_use.status, in_use.problem_code().as_str()), (409, "template_in_use"));
    let forced = format!("/api/v1/devices/{device}?force=true&confirm=Lamp%201");
    assert_eq!(server.send("DELETE", &forced, None).await.status, 200);
    let session = json!({"template_id": template});
    let session = server.send("POST", "/api/v1/provisioning-sessions", Some(session)).await.json();
    let in_use = server.send("DELETE", &path, None).await;
    assert!(in_use.text().contains("A setup for this template is open"), "{}", in_use.text());
    let session = format!("/api/v1/provisioning-sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(server.send("DELETE", &session, None).await.status, 204);
    assert_eq!(server.send("DELETE", &path, None).await.status, 204);
    assert_eq!(server.send("DELETE", &path, None).await.problem_code(), "template_not_found");
}

#[tokio::test]
async fn a_value_is_stored_under_its_pin_and_read_back() {
    let server = TestServer::start().await;
    let (id, _) = server.create_device().await;
    let pin = format!("/api/v1/devices/{id}/datastreams/V7");
    assert_eq!(server.send("GET", &pin, None).await.problem_code(), "datastream_has_no_value");
    for value in [json!("42"), json!(["a", "b"]), json!("")] {
        let stored = server.send("PUT", &pin, Some(json!({"value": value}))).await;
        assert_eq!(stored.status, 200, "{}", stored.text());
        assert_eq!(server.get(&pin).await, stored.json());
        assert_eq!(stored.json()["value"], value);
    }
    for (path, body) in [
        (pin.clone(), json!({"value": "x".repeat(1_025)})),
        (pin.clone(), json!({"value": []})),
        (pin.clone(), json!({"value": "a\u{0}b"})),
        (pin.clone(), json!({"value": 42})),
        (pin.clone(), json!({"value": "1", "extra": true})),
        (format!("/api/v1/devices/{id}/datastreams/256"), json!({"value": "1"})),
    ] {
        let answer = server.send("PUT", &path, Some(body)).await;
        assert_eq!(
            (answer.status, answer.problem_code().as_str()),
            (422, "invalid_request"),
            "{}",
            answer.text()
        );
    }
}

/// Method, path, headers, body; status and code of the answer.
type Mistake<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);

#[tokio::test]
async fn mistakes_are_answered_with_problem_documents() {
    let server = TestServer::start().await;
    let key = format!("Bearer {}", server.key);
    let json_type: (&str, &str) = ("content-type", "application/json");
    let address = server.running.plain_addr;
    let authorized: (&str, &str) = ("authorization", &key);
    let too_large = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    let cases: [Mistake<'_>; 12] = [
        ("POST", "/api/v1/templates", &[authorized, json_type], "{", 422, "invalid_request"),
        ("POST", "/api/v1/templates", &[authorized, json_type], "{}", 422, "invalid_request"),
        ("POST", "/api/v1/templates", &[authorized, json_type], "{\"name\":\"\"}", 422, "invalid_request"),
        ("POST", "/api/v1/templates", &[authorized], "{\"name\":\"a\"}", 415, "unsupported_media_type"),
        ("POST", "/api/v1/templates", &[authorized, json_type], &too_large, 413, "body_too_large"),
        ("GET", "/api/v1/devices/DEVNONE", &[authorized], "", 404, "device_not_found"),
        ("GET", "/api/v1/devices/%00", &[authorized], "", 404, "device_not_found"),
        ("GET", "/api/v1/devices?limit=0", &[authorized], "", 422, "invalid_request"),
        ("GET", "/api/v1/devices?cursor=nonsense", &[authorized], "", 422, "invalid_request"),
        ("GET", "/api/v1/devices?colour=red", &[authorized], "", 422, "invalid_request"),
        ("GET", "/api/v1/nothing", &[authorized], "", 404, "not_found"),
        ("PUT", "/api/v1/templates", &[authorized], "", 405, "method_not_allowed"),
    ];
    for (method, path, headers, body, status, code) in cases {
        let answer = send_raw(address, method, path, headers, body.to_owned()).await;
        assert_eq!(
            (answer.status, answer.problem_code().as_str()),
            (status, code),
            "{method} {path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_answer_with_the_same_token() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let key = format!("Bearer {}", server.key);
    let address = server.running.plain_addr;
    let create = async |name: &str, idempotency_key: &str| {
        let headers: &[(&str, &str)] = &[("authorization", &key), ("idempotency-key", idempotency_key)];
        let body = json!({"template_id": template, "name": name});
        request(address, "POST", "/api/v1/devices", headers, Some(body)).await
    };
    let first = create("Lamp", "once").await;
    let second = create("Lamp", "once").await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.json(), second.json());
    assert_eq!(second.header("idempotent-replayed"), "true");
    let other = create("Other", "once").await;
    assert_eq!((other.status, other.problem_code().as_str()), (422, "idempotency_key_reused"));
    assert_ne!(create("Lamp", "twice").await.json(), first.json());
    assert_eq!(server.get("/api/v1/devices").await["items"].as_array().unwrap().len(), 2);
    let token = first.json()["token"].as_str().unwrap().to_owned();
    for file in std::fs::read_dir(server.folder()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            let holds_token = content.windows(token.len()).any(|window| window == token.as_bytes());
            assert!(!holds_token, "{} holds the token", path.display());
        }
    }
    crate::device_client::Device::log_in(&server, &token).await;
}

#[tokio::test]
async fn a_request_that_failed_may_be_tried_again_with_its_key() {
    let server = TestServer::start().await;
    let key = format!("Bearer {}", server.key);
    let headers: &[(&str, &str)] = &[("authorization", &key), ("idempotency-key", "k")];
    let address = server.running.plain_addr;
    for _ in 0..2 {
        let answer = request(address, "POST", "/api/v1/templates", headers, Some(json!({"name": ""}))).await;
        assert_eq!(answer.problem_code(), "invalid_request");
    }
}

#[tokio::test]
async fn the_server_describes_itself_and_is_healthy() {
    let server = TestServer::start().await;
    let info = server.get("/api/v1/server").await;
    assert_eq!(info["plain_port"], server.running.plain_addr.port());
    assert_eq!(info["bench"], false);
    assert!(info["ca_certificate_pem"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    let address = server.running.plain_addr;
    assert_eq!(request(address, "GET", "/healthz", &[], None).await.status, 200);
    assert_eq!(request(address, "GET", "/readyz", &[], None).await.status, 200);
    let metrics = request(address, "GET", "/metrics", &[], None).await;
    assert!(metrics.text().contains("connections_total"), "{}", metrics.text());
    // A page of another site whose name leads to 127.0.0.1, and a proxy on this machine.
    let foreign: &[(&str, &str)] = &[("host", "evil.example")];
    assert_eq!(request(address, "GET", "/metrics", foreign, None).await.status, 401);
    let authorization = format!("Bearer {}", server.key);
    let with_key = &[("host", "rehome.example"), ("authorization", authorization.as_str())];
    assert_eq!(request(address, "GET", "/metrics", with_key, None).await.status, 200);
    let described = request(address, "GET", "/api/openapi.json", &[], None).await;
    assert_eq!(described.text(), include_str!("../../../api-types/openapi.json"));
}

#[tokio::test]
async fn pages_for_people_have_headers_that_keep_a_browser_safe() {
    let server = TestServer::start().await;
    for path in ["/", "/devices/DEV1", "/healthz"] {
        let page = request(server.running.plain_addr, "GET", path, &[], None).await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
    let missing = request(server.running.plain_addr, "GET", "/assets/none.js", &[], None).await;
    assert_eq!(missing.status, 404);
}

/// A device whose TLS connection failed asks for such a path over plain HTTP; success would say that a log-in page answered.
#[tokio::test]
async fn a_path_below_well_known_that_nobody_serves_is_not_found() {
    let server = TestServer::start().await;
    for path in ["/.well-known/rehome-00c0ffee", "/.well-known", "/.well-known/"] {
        let answer =
            request(server.running.plain_addr, "GET", path, &[("host", "rehome.example")], None).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

//! Who may call what.

use serde_json::{Value, json};

use crate::harness::{TestServer, captured_logs};
use crate::http_client::{Answer, request, send_raw};

/// Every operation of the committed description, with made-up path parameters.
fn operations() -> Vec<(String, String, bool)> {
    let document: Value = serde_json::from_str(include_str!("../../../api-types/openapi.json")).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "DEVAAAAAAAAAA").replace("{pin}", "1");
        for (method, operation) in item.as_object().unwrap() {
            let is_open = operation["security"].as_array().unwrap().is_empty();
            operations.push((method.to_uppercase(), path.clone(), is_open));
        }
    }
    operations
}

async fn call(server: &TestServer, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let body = (method != "GET").then(|| json!({}));
    request(server.running.plain_addr, method, path, headers, body).await
}

#[tokio::test]
async fn every_route_for_owners_refuses_strangers_wrong_keys_and_made_up_cookies() {
    let server = TestServer::start().await;
    let wrong_key = format!("Bearer {}", "0".repeat(64));
    let strangers: [&[(&str, &str)]; 5] = [
        &[],
        &[("authorization", &wrong_key)],
        &[("authorization", "Basic YTpi")],
        &[("authorization", "Bearer ")],
        &[("cookie", "rehome_session=AbCdEfGhIjKlMnOpQrStUvWxYz012345")],
    ];
    let mut checked_count = 0;
    for (method, path, is_open) in operations() {
        // Metrics are open to this machine, where tests run.
        if is_open || path == "/metrics" {
            continue;
        }
        for headers in strangers {
            let answer = call(&server, &method, &path, headers).await;
            assert_eq!(answer.status, 401, "{method} {path} {headers:?}: {}", answer.text());
            assert_eq!(answer.problem_code(), "unauthenticated", "{method} {path}");
        }
        checked_count += 1;
    }
    assert!(checked_count >= 20, "{checked_count}");
}

#[tokio::test]
async fn every_described_operation_exists() {
    let server = TestServer::start().await;
    let key = format!("Bearer {}", server.key);
    for (method, path, _) in operations() {
        if path == "/api/v1/events" {
            continue;
        }
        let answer = call(&server, &method, &path, &[("authorization", &key)]).await;
        let is_missing = answer.status == 405 || answer.text().contains("\"not_found\"");
        assert!(!is_missing, "{method} {path}: {} {}", answer.status, answer.text());
    }
}

pub(crate) async fn sign_in(server: &TestServer) -> String {
    let code = server.running.create_sign_in_code().await.unwrap();
    let answer =
        request(server.running.plain_addr, "POST", "/api/v1/auth/link", &[], Some(json!({"code": code})))
            .await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let cookie = answer.header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let again =
        request(server.running.plain_addr, "POST", "/api/v1/auth/link", &[], Some(json!({"code": code})))
            .await;
    assert_eq!((again.status, again.problem_code().as_str()), (401, "sign_in_link_over"));
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_sign_in_link_works_once_and_the_session_ends_at_sign_out() {
    let server = TestServer::start().await;
    let cookie = sign_in(&server).await;
    let origin = format!("http://{}", server.running.plain_addr);
    let signed_in: &[(&str, &str)] = &[("cookie", &cookie), ("origin", &origin)];
    let session = call(&server, "GET", "/api/v1/auth/session", signed_in).await;
    assert_eq!(session.json(), json!({"kind": "owner", "has_password": false}));
    assert_eq!(call(&server, "DELETE", "/api/v1/auth/session", signed_in).await.status, 204);
    assert_eq!(call(&server, "GET", "/api/v1/auth/session", signed_in).await.status, 401);
}

#[tokio::test]
async fn a_link_is_too_old_after_fifteen_minutes() {
    let server = TestServer::start().await;
    let code = server.running.create_sign_in_code().await.unwrap();
    server.clock.advance(std::time::Duration::from_mins(15));
    let answer =
        request(server.running.plain_addr, "POST", "/api/v1/auth/link", &[], Some(json!({"code": code})))
            .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn another_site_cannot_write_with_the_owners_cookie() {
    let server = TestServer::start().await;
    let cookie = sign_in(&server).await;
    let body = || Some(json!({"name": "Lamp"}));
    let address = server.running.plain_addr;
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        let headers: &[(&str, &str)] = &[("cookie", &cookie), ("origin", origin)];
        let answer = request(address, "POST", "/api/v1/templates", headers, body()).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (403, "forbidden"), "{origin}");
    }
    let without = request(address, "POST", "/api/v1/templates", &[("cookie", &cookie)], body()).await;
    assert_eq!(without.status, 403);
    let own = format!("http://{address}");
    let headers: &[(&str, &str)] = &[("cookie", &cookie), ("origin", &own)];
    assert_eq!(request(address, "POST", "/api/v1/templates", headers, body()).await.status, 201);
}

#[tokio::test]
async fn a_password_signs_in_survives_a_restart_and_guessing_is_slowed_down() {
    let logs = captured_logs();
    let server = TestServer::start().await;
    let password = "correct horse battery";
    let short = server.send("PUT", "/api/v1/auth/password", Some(json!({"password": "short"}))).await;
    assert_eq!(short.problem_code(), "invalid_request");
    let set = server.send("PUT", "/api/v1/auth/password", Some(json!({"password": password}))).await;
    assert_eq!(set.status, 204, "{}", set.text());
    let server = server.restart().await;
    let try_password = async |password: &str| {
        let body = Some(json!({"password": password}));
        request(server.running.plain_addr, "POST", "/api/v1/auth/password", &[], body).await
    };
    assert_eq!(try_password("wrong password").await.problem_code(), "invalid_credentials");
    assert_eq!(try_password(password).await.status, 204);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(try_password("wrong password").await.status);
    }
    assert_eq!(statuses.last(), Some(&429));
    assert_eq!(try_password(password).await.status, 429, "the limit comes before the password is looked at");
    let logs = logs.text();
    let refusals = logs
        .lines()
        .filter(|line| line.contains("a sign-in from 127.0.0.1 was refused: the password"))
        .count();
    assert_eq!(
        refusals,
        statuses.iter().filter(|status| **status == 401).count() + 1,
        "one line each, none at the limit"
    );
    assert!(!logs.contains("wrong password") && !logs.contains(password));
    server.clock.advance(std::time::Duration::from_mins(1));
    assert_eq!(try_password(password).await.status, 204);
}

#[tokio::test]
async fn what_is_wrong_with_a_body_that_holds_a_secret_is_said_without_the_secret() {
    let server = TestServer::start().await;
    let authorization = format!("Bearer {}", server.key);
    let headers: &[(&str, &str)] = &[("authorization", &authorization), ("content-type", "application/json")];
    for (method, path) in
        [("POST", "/api/v1/auth/link"), ("POST", "/api/v1/auth/password"), ("PUT", "/api/v1/auth/password")]
    {
        for body in
            ["\"s3cret\"", "{\"s3cret\": 1}", "{\"password\": {\"s3cret\": 1}, \"code\": {\"s3cret\": 1}}"]
        {
            let answer = send_raw(server.running.plain_addr, method, path, headers, body.to_owned()).await;
            assert_eq!(
                (answer.status, answer.problem_code().as_str()),
                (422, "invalid_request"),
                "{path} {body}"
            );
            assert!(!answer.text().contains("s3cret"), "{path} {body}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn the_name_of_the_scheme_may_be_written_in_any_case() {
    let server = TestServer::start().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let authorization = format!("{scheme} {}", server.key);
        let answer = call(&server, "GET", "/api/v1/server", &[("authorization", &authorization)]).await;
        assert_eq!(answer.status, 200, "{scheme}");
    }
}

//! Secrets stay out of the log, whatever happens.

use serde_json::json;

use crate::device_client::{Device, INTERNAL, frame};
use crate::harness::{TestServer, captured_logs};
use crate::http_client::request;

#[tokio::test]
async fn no_token_password_key_or_code_appears_in_the_log() {
    let logs = captured_logs();
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let unknown = "UnknownTokenForTheLogTest0123456";
    let password = "a-password-nobody-may-read";
    let address = server.running.plain_addr;

    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(INTERNAL, 2, "meta|get|Auth Token")).await;
    device.next().await.unwrap();
    assert_eq!(Device::connect_tls(&server).await.try_login(&token).await, Some(200));
    assert_eq!(Device::connect_web_socket(&server).await.try_login(&token).await, Some(200));
    assert_eq!(Device::connect(&server).await.try_login(unknown).await, Some(19));
    assert_eq!(Device::connect(&server).await.try_login("malformed-token").await, Some(9));
    request(address, "GET", &format!("/external/api/update?token={token}&v1=1"), &[], None).await;
    request(address, "GET", &format!("/external/api/get?token={unknown}&v1"), &[], None).await;
    server.send("PUT", "/api/v1/auth/password", Some(json!({"password": password}))).await;
    for attempt in [password, "another-password-nobody-may-read"] {
        request(address, "POST", "/api/v1/auth/password", &[], Some(json!({"password": attempt}))).await;
    }
    let code = server.running.create_sign_in_code().await.unwrap();
    let signed_in = request(address, "POST", "/api/v1/auth/link", &[], Some(json!({"code": code}))).await;
    let cookie = signed_in.header("set-cookie").split(['=', ';']).nth(1).unwrap().to_owned();
    let template = server.create_template().await;
    let session =
        server.send("POST", "/api/v1/provisioning-sessions", Some(json!({"template_id": template}))).await;
    let session_token = session.json()["token"].as_str().unwrap().to_owned();
    Device::log_in(&server, &session_token).await;
    server.release(&id).await;
    let key = server.key.clone();
    server.restart().await;

    let text = logs.text();
    assert!(text.contains(&id), "the log was captured");
    for secret in [
        token.as_str(),
        unknown,
        "malformed-token",
        password,
        "another-password-nobody-may-read",
        &code,
        &cookie,
        &session_token,
        &key,
    ] {
        assert!(!secret.is_empty());
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a secret is in the log");
    }
}

//! Provisioning sessions: from the token on the phone to a device that is claimed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::device_client::{Device, INTERNAL};
use crate::harness::TestServer;

async fn open_session(server: &TestServer) -> Value {
    let template_id = server.create_template().await;
    let body = json!({"template_id": template_id, "name": "Kitchen"});
    let answer = server.send("POST", "/api/v1/provisioning-sessions", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[tokio::test]
async fn the_first_login_completes_the_claim_and_every_step_is_visible() {
    let server = TestServer::start().await;
    let session = open_session(&server).await;
    let token = text(&session, "token");
    let tls_port = server.running.tls_addr.port();
    assert_eq!(text(&session, "claim_code").len(), "ABCD-2345".len());
    assert_eq!(session["port"], tls_port);
    let deep_link = format!("http://192.168.4.1/#blynk={token}&host=127.0.0.1&port_ssl={tls_port}");
    assert_eq!(text(&session, "deep_link"), deep_link);

    let mut device = Device::log_in(&server, token).await;
    device.ask(INTERNAL, 2, "ver|1.0|h-beat|50|buff-in|256", 200).await;
    let path = format!("/api/v1/provisioning-sessions/{}", text(&session, "id"));
    let seen = server.get(&path).await;
    assert_eq!(seen["state"], "claimed");
    let steps: Vec<&str> = seen["steps"].as_array().unwrap().iter().map(|step| text(step, "step")).collect();
    assert_eq!(steps, ["opened", "claimed", "info_received"]);
    let claimed = server.get(&format!("/api/v1/devices/{}", text(&seen, "device_id"))).await;
    assert_eq!((text(&claimed, "name"), text(&claimed, "ownership")), ("Kitchen", "owned"));
    assert_eq!(claimed["online"], true);
    // The token is the device's from now on.
    Device::log_in(&server, token).await;
    assert_eq!(server.get("/api/v1/devices").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_first_logins_at_once_both_are_the_same_device() {
    let server = TestServer::start().await;
    let session = open_session(&server).await;
    let token = text(&session, "token");
    let mut first = Device::connect(&server).await;
    let mut second = Device::connect(&server).await;
    let answers = tokio::join!(first.try_login(token), second.try_login(token));
    assert!([answers.0, answers.1].contains(&Some(200)), "{answers:?}");
    assert_eq!(server.get("/api/v1/devices").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_expired_session_is_told_to_try_later_and_shows_the_attempt() {
    let server = TestServer::start().await;
    let session = open_session(&server).await;
    server.clock.advance(Duration::from_mins(15));
    let mut device = Device::connect(&server).await;
    assert_eq!(device.try_login(text(&session, "token")).await, Some(19));
    let path = format!("/api/v1/provisioning-sessions/{}", text(&session, "id"));
    let turned_away = |seen: &Value| {
        let steps = seen["steps"].as_array().unwrap();
        steps.iter().any(|step| step["step"] == "login_turned_away")
    };
    let seen = server.wait_for(&path, turned_away).await;
    assert_eq!(seen["state"], "expired");
}

#[tokio::test]
async fn a_cancelled_session_stays_cancelled() {
    let server = TestServer::start().await;
    let session = open_session(&server).await;
    let path = format!("/api/v1/provisioning-sessions/{}", text(&session, "id"));
    assert_eq!(server.send("DELETE", &path, None).await.status, 204);
    assert_eq!(server.send("DELETE", &path, None).await.problem_code(), "provisioning_session_over");
    assert_eq!(server.get(&path).await["state"], "cancelled");
    let mut device = Device::connect(&server).await;
    assert_eq!(device.try_login(text(&session, "token")).await, Some(19));
}

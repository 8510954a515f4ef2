//! Blynk's Device HTTPS API.

use serde_json::json;

use crate::device_client::{Device, HARDWARE};
use crate::harness::TestServer;
use crate::http_client::{Answer, request};

async fn call(server: &TestServer, path: &str) -> Answer {
    request(server.running.plain_addr, "GET", &format!("/external/api/{path}"), &[], None).await
}

#[tokio::test]
async fn values_are_written_read_and_reach_the_device() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let connected = async || call(&server, &format!("isHardwareConnected?token={token}")).await.text();
    assert_eq!(connected().await, "false");
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    assert_eq!(connected().await, "true");

    for (path, on_the_wire) in [
        ("update?token=T&v1=42", "vw|1|42"),
        ("update?token=T&pin=V2&value=hello%20world", "vw|2|hello world"),
        ("update?pin=v3&value=1&value=2&token=T", "vw|3|1|2"),
        ("batch/update?token=T&v4=a", "vw|4|a"),
    ] {
        let answer = call(&server, &path.replace('T', &token)).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{path}");
        let frame = device.next().await.unwrap();
        assert_eq!((frame.command, frame.text().as_str()), (HARDWARE, on_the_wire));
    }
    assert_eq!(call(&server, &format!("get?token={token}&v1")).await.text(), "42");
    assert_eq!(call(&server, &format!("get?token={token}&pin=V2")).await.text(), "hello world");
    assert_eq!(
        call(&server, &format!("get?token={token}&v1&v2")).await.json(),
        json!({"v1": 42, "v2": "hello world"})
    );
    let all = call(&server, &format!("getAll?token={token}")).await.json();
    assert_eq!(all, json!({"v1": 42, "v2": "hello world", "v3": [1, 2], "v4": "a"}));
}

#[tokio::test]
async fn errors_have_the_shape_and_the_words_of_the_reference() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    for (path, message) in [
        ("get?token=wrong&v1", "Invalid token."),
        ("get?v1", "Invalid token."),
        ("get?token=T&x1", "Wrong pin format."),
        ("get?token=T", "Wrong pin format."),
        ("update?token=T", "Wrong pin format."),
        ("update?token=T&pin=V1", "Value doesn't match the Datastream data type."),
        ("batch/update?token=T", "Wrong pin format."),
    ] {
        let answer = call(&server, &path.replace('T', &token)).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.json(), json!({"error": {"message": message}}), "{path}");
    }
    let missing = call(&server, &format!("get?token={token}&v1")).await;
    assert_eq!(missing.status, 400);
    assert_eq!(call(&server, "nothing").await.status, 404);
}

#[tokio::test]
async fn a_token_that_calls_too_often_is_slowed_down_and_another_one_is_not() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let (_, other) = server.create_device().await;
    let mut refused = None;
    for _ in 0..1_000 {
        let answer = call(&server, &format!("isHardwareConnected?token={token}")).await;
        if answer.status != 200 {
            refused = Some(answer.status);
            break;
        }
    }
    assert_eq!(refused, Some(429));
    assert_eq!(call(&server, &format!("isHardwareConnected?token={other}")).await.status, 200);
    server.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(call(&server, &format!("isHardwareConnected?token={token}")).await.status, 200);
}

//! Release: the way from "the owner lets go" to "safe to ship", and what never happens on it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::device_client::{Device, HARDWARE, INTERNAL, PING, SYNC, frame};
use crate::harness::{DEADLINE, TestServer};

fn release_path(device: &str) -> String {
    format!("/api/v1/devices/{device}/release")
}

/// Reads until the order to wipe; probes on the way are answered when `answers_probes`.
async fn wait_for_order(device: &mut Device) {
    loop {
        let frame = device.next().await.expect("closed before the order came");
        if frame.command == INTERNAL {
            assert_eq!(frame.text(), "dbg|config erase");
            return;
        }
    }
}

/// Puts the clock forward in steps until the release has the state.
pub(crate) async fn advance_until(server: &TestServer, device: &str, state: &str) -> Value {
    let started = tokio::time::Instant::now();
    loop {
        let seen = server.get(&release_path(device)).await;
        if seen["state"] == state {
            return seen;
        }
        assert!(started.elapsed() < DEADLINE, "the release was last {seen:#}");
        server.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn an_online_stock_device_that_falls_silent_after_the_order_is_inferred_to_be_wiped() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    let release = server.release(&id).await;
    assert_eq!(release["safe_to_ship"], false);
    wait_for_order(&mut device).await;
    let _socket_stays_open = device.fall_silent();
    let sent = server.wait_for(&release_path(&id), |seen| seen["state"] == "sent").await;
    assert_eq!(sent["attempts"], 1);
    server.clock.advance(Duration::from_secs(19));
    assert_eq!(server.get(&release_path(&id)).await["state"], "sent");
    let inferred = advance_until(&server, &id, "inferred").await;
    assert_eq!(inferred["safe_to_ship"], true);
    assert!(inferred["explanation"].as_str().unwrap().starts_with("Safe to ship"));
    assert_eq!(server.get(&format!("/api/v1/devices/{id}")).await["ownership"], "released");
}

#[tokio::test]
async fn a_device_that_keeps_talking_gets_the_order_again_and_is_never_called_safe() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    server.release(&id).await;
    wait_for_order(&mut device).await;
    let mut order_count = 1;
    let mut message_ids = 1_000..1_600;
    while order_count < 4 {
        let message_id = message_ids.next().expect("the order was not repeated within ten minutes");
        server.clock.advance(Duration::from_secs(1));
        device.send(&frame(PING, message_id, "")).await;
        loop {
            let frame = device.next().await.expect("the link was cut");
            if frame.text() == "dbg|config erase" {
                order_count += 1;
            }
            if frame.id == message_id {
                break;
            }
        }
        assert_eq!(server.get(&release_path(&id)).await["safe_to_ship"], false);
    }
    let talked_s = message_ids.start - 1_000;
    assert!(talked_s > 60, "three repetitions after {talked_s} s: the device is being flooded");
    let release = server.get(&release_path(&id)).await;
    assert_eq!(release["state"], "sent");
    assert!(release["explanation"].as_str().unwrap().contains("was heard again"), "{release}");
}

#[tokio::test]
async fn release_ends_control_and_data_at_once() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(HARDWARE, 2, "vw|1|private")).await;
    device.ping(3).await;
    server.release(&id).await;
    wait_for_order(&mut device).await;

    let pin = format!("/api/v1/devices/{id}/datastreams/1");
    let refused = server.send("PUT", &pin, Some(json!({"value": "1"}))).await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (409, "device_released"));
    assert_eq!(server.send("GET", &pin, None).await.status, 404, "the former owner's values are purged");
    let by_token = server.send("GET", &format!("/external/api/getAll?token={token}"), None).await;
    assert_eq!(by_token.status, 400);

    device.send(&frame(HARDWARE, 4, "vw|1|after")).await;
    device.send(&frame(SYNC, 5, "")).await;
    device.send(&frame(INTERNAL, 6, "meta|get|Auth Token")).await;
    device.ping(7).await;
    assert_eq!(server.send("GET", &pin, None).await.status, 404, "nothing is stored in quarantine");
}

#[tokio::test]
async fn an_absent_device_is_wiped_at_its_next_login_even_after_a_restart_of_the_server() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(HARDWARE, 2, "vw|1|private")).await;
    device.ping(3).await;
    drop(device);
    let path = format!("/api/v1/devices/{id}");
    let started = tokio::time::Instant::now();
    while server.get(&path).await["online"] == true {
        assert!(started.elapsed() < DEADLINE);
        server.clock.advance(Duration::from_secs(1));
    }
    let pending = server.release(&id).await;
    assert_eq!(pending["state"], "pending");
    assert!(
        pending["explanation"].as_str().unwrap().starts_with("Not safe to ship yet: the board was last seen")
    );

    let server = server.restart().await;
    assert_eq!(server.get(&release_path(&id)).await["state"], "pending");
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(SYNC, 2, "")).await;
    wait_for_order(&mut device).await;
    let _socket_stays_open = device.fall_silent();
    let inferred = advance_until(&server, &id, "inferred").await;
    assert_eq!(inferred["safe_to_ship"], true);
}

#[tokio::test]
async fn a_device_that_comes_back_after_its_wipe_was_inferred_is_ordered_again_and_not_refused() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    server.release(&id).await;
    wait_for_order(&mut device).await;
    let _socket_stays_open = device.fall_silent();
    advance_until(&server, &id, "inferred").await;
    let mut back = Device::log_in(&server, &token).await;
    wait_for_order(&mut back).await;
    let release = server.wait_for(&release_path(&id), |seen| seen["state"] == "sent").await;
    assert_eq!(release["safe_to_ship"], false);
}

#[tokio::test]
async fn an_order_from_before_a_restart_still_counts_when_the_device_stays_away() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    server.release(&id).await;
    wait_for_order(&mut device).await;
    drop(device);
    let server = server.restart().await;
    assert_eq!(server.get(&release_path(&id)).await["state"], "sent");
    server.clock.advance(Duration::from_mins(1));
    assert_eq!(server.get(&release_path(&id)).await["state"], "sent", "it may still come back");
    advance_until(&server, &id, "inferred").await;
}

#[tokio::test]
async fn asking_twice_for_a_release_changes_nothing() {
    let server = TestServer::start().await;
    let (id, _) = server.create_device().await;
    let first = server.release(&id).await;
    assert_eq!(server.release(&id).await, first);
    let deleted = server.send("DELETE", &format!("/api/v1/devices/{id}"), None).await;
    assert_eq!((deleted.status, deleted.json()), (202, first));
}

#[tokio::test]
async fn a_forced_delete_asks_for_the_name_says_what_stays_and_ends_everything() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    let path = format!("/api/v1/devices/{id}?force=true");
    for unconfirmed in [path.clone(), format!("{path}&confirm=lamp")] {
        let answer = server.send("DELETE", &unconfirmed, None).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (409, "confirmation_required"));
        let left_behind = answer.json()["left_behind"].clone();
        let first = left_behind[0].as_str().unwrap();
        assert!(first.contains("keeps its Wi-Fi name") && first.ends_with("wipe it."), "{left_behind:#}");
        assert!(!left_behind.to_string().contains("confirm"), "a page asks in its own words");
    }
    device.ping(3).await;
    let deleted = server.send("DELETE", &format!("{path}&confirm=Lamp%201"), None).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert!(!deleted.json()["left_behind"].as_array().unwrap().is_empty());
    device.expect_closed().await;
    let gone = server.send("GET", &format!("/api/v1/devices/{id}"), None).await;
    assert_eq!(gone.problem_code(), "device_not_found");
    let mut device = Device::connect(&server).await;
    assert_eq!(device.try_login(&token).await, Some(9), "the person was told that it is refused from now on");
}

#[tokio::test]
async fn a_release_whose_caller_leaves_is_either_not_begun_or_carried_out() {
    let server = TestServer::start().await;
    let mut begun_count = 0;
    for attempt in 0..40 {
        let (id, token) = server.create_device().await;
        let mut device = Device::log_in(&server, &token).await;
        device.ping(2).await;
        let mut caller = TcpStream::connect(server.running.plain_addr).await.unwrap();
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
            release_path(&id),
            server.key
        );
        caller.write_all(request.as_bytes()).await.unwrap();
        // The caller leaves at another moment each time; some of them lie between two steps of the release.
        let leaves_at = tokio::time::Instant::now() + Duration::from_micros(200) * attempt;
        while tokio::time::Instant::now() < leaves_at {
            tokio::task::yield_now().await;
        }
        drop(caller);
        // The next release is stored after whatever the first one still stores.
        let (other, _) = server.create_device().await;
        server.release(&other).await;
        let seen = server.get(&format!("/api/v1/devices/{id}")).await;
        if seen["release"].is_null() {
            continue;
        }
        begun_count += 1;
        server.wait_for(&release_path(&id), |seen| seen["state"] != "pending" || seen["attempts"] != 0).await;
    }
    assert!(begun_count > 0, "every caller left too early");
}

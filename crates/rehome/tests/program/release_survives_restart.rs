//! A release outlives the server that began it, and a server that forgot a token does not turn its device away for good.

use std::fs;

use serde_json::{Value, json};

use crate::device_client::{Device, HARDWARE, INTERNAL, INVALID_TOKEN, LOGIN, LOGIN_OLD, PING, SYNC, frame};
use crate::server::TestServer;

/// Reads until the order to wipe.
fn wait_for_order(device: &mut Device) {
    loop {
        let frame = device.try_next().expect("closed before the order came");
        if frame.command == INTERNAL {
            assert_eq!(frame.text(), "dbg|config erase");
            return;
        }
        assert_eq!(frame.command, PING, "no data and no control reach a device in quarantine: {frame:?}");
    }
}

#[test]
fn a_device_released_while_away_is_wiped_at_its_next_login_after_a_restart_and_a_kill() {
    let mut server = TestServer::serve();
    let (id, token) = server.create_device();
    let device_path = format!("/api/v1/devices/{id}");
    let release_path = format!("{device_path}/release");
    let mut device = Device::log_in(server.plain_addr, &token);
    device.try_send_acknowledged(&frame(HARDWARE, 2, "vw|1|of the maker"), 3).unwrap();
    assert_eq!(server.value(&id, 1), "of the maker");
    server.stop();
    drop(device);
    server.start_again();

    let requested = server.send("POST", &release_path, None).expect(202);
    assert_eq!((&requested["state"], &requested["safe_to_ship"]), (&json!("pending"), &json!(false)));
    let is_still_pending = |server: &TestServer| {
        let seen = server.get(&release_path);
        assert_eq!(seen, requested, "a restart changes nothing");
        assert_eq!(server.get(&device_path)["ownership"], "releasing");
    };
    server.stop();
    server.start_again();
    is_still_pending(&server);
    server.kill();
    server.start_again();
    is_still_pending(&server);

    let mut device = Device::log_in(server.plain_addr, &token);
    wait_for_order(&mut device);
    gets_no_data_and_no_control(&server, &id, &mut device);
    // The socket stays open and nothing is answered, as when a board wipes itself and restarts. 20 s of silence follow.
    let inferred = server.wait_for(&release_path, |seen| seen["state"] == "inferred");
    assert_eq!((&inferred["safe_to_ship"], &inferred["attempts"]), (&json!(true), &json!(1)), "{inferred:#}");
    assert!(inferred["explanation"].as_str().unwrap().starts_with("Safe to ship"), "{inferred:#}");
    assert_eq!(server.get(&device_path)["ownership"], "released");
    drop(device);

    server.kill();
    server.start_again();
    assert_eq!(server.get(&release_path), inferred, "the end of a release is durable");
    let mut device = Device::log_in(server.plain_addr, &token);
    wait_for_order(&mut device);
    let contradicted = server.wait_for(&release_path, |seen| seen["state"] != "inferred");
    assert_eq!(contradicted["safe_to_ship"], false, "a board that shows up again was not wiped");
}

fn gets_no_data_and_no_control(server: &TestServer, id: &str, device: &mut Device) {
    let path = format!("/api/v1/devices/{id}/datastreams/2");
    let refused = server.send("PUT", &path, Some(json!({"value": "control"}))).expect(409);
    assert_eq!(refused["code"], "device_released");
    let mut bytes = frame(SYNC, 4, "");
    bytes.extend(frame(SYNC, 5, "vr|1"));
    bytes.extend(frame(HARDWARE, 6, "vw|3|data"));
    bytes.extend(frame(INTERNAL, 7, "meta|get|Device Name"));
    let answers = device.try_send_acknowledged(&bytes, 8).unwrap();
    let told: Vec<_> = answers.iter().filter(|frame| frame.command != PING).collect();
    assert!(told.is_empty(), "{told:?}");
    let stored = server.send("GET", &format!("/api/v1/devices/{id}/datastreams"), None);
    assert!(!stored.text.contains("control") && !stored.text.contains("data\""), "{stored:?}");
}

/// Logs in again and again, more often than the server notes and explains; it never hears 9.
fn is_never_refused_for_good(server: &TestServer, token: &str) {
    for attempt in 0..30 {
        let command = if attempt % 2 == 0 { LOGIN } else { LOGIN_OLD };
        let mut device = Device::try_connect(server.plain_addr).unwrap();
        let status = device.try_login(command, token);
        assert!(
            status.is_some_and(|status| ![200, INVALID_TOKEN].contains(&status)),
            "{attempt}: {status:?}"
        );
    }
}

#[test]
fn a_well_formed_unknown_token_is_never_answered_with_9() {
    let server = TestServer::serve();
    let token = "NobodyKnowsThisToken_0123456789-";
    assert_eq!(token.len(), 32);
    server.note_secret(token);
    is_never_refused_for_good(&server, token);
    // The device is answered first; the list follows.
    let listed = server.wait_for("/api/v1/unknown-tokens", |listed| {
        listed["items"].as_array().is_some_and(|all| all.len() == 1)
    });
    assert!(!listed.to_string().contains(token), "the token itself is not shown");
}

#[test]
fn a_device_of_a_server_that_lost_its_database_is_told_to_come_back() {
    let mut server = TestServer::serve();
    let (_id, token) = server.create_device();
    drop(Device::log_in(server.plain_addr, &token));
    server.stop();
    fs::remove_dir_all(server.data_dir()).unwrap();
    server.start_again();
    assert_eq!(server.get("/api/v1/devices")["items"], Value::Array(Vec::new()));
    is_never_refused_for_good(&server, &token);
}

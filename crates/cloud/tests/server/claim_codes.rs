//! Claim codes over real sockets: the exchange, its refusals, and boards that are known by their UID.

use std::time::Duration;

use serde_json::{Value, json};

use crate::device_client::{DEBUG_PRINT, Device, INTERNAL, LOGIN, PING, frame};
use crate::harness::{TestServer, captured_logs};
use crate::signed_release::claim;

const UID: &str = "4C11AE0D41DE";

async fn open_session(server: &TestServer, template: &str) -> Value {
    let answer =
        server.send("POST", "/api/v1/provisioning-sessions", Some(json!({"template_id": template}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// What a device answers itself when it asked for a token: the kind and the value of the answer.
async fn ask_for_token(device: &mut Device, code: &str, uid: &str) -> Option<(String, String)> {
    device.send(&frame(INTERNAL, 1, &format!("claim-code|{code}|{uid}"))).await;
    loop {
        let answer = device.next().await?;
        if answer.command == DEBUG_PRINT {
            continue;
        }
        assert_eq!((answer.command, answer.id), (INTERNAL, 1), "{answer:?}");
        let (kind, value) = answer.text().split_once('|').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        return Some((kind, value));
    }
}

/// Exchanges a session's code and logs in over the same connection; returns the token too.
async fn claim_by_code(server: &TestServer, session: &Value, uid: &str) -> (Device, String) {
    let mut device = Device::connect_tls(server).await;
    let (kind, token) = ask_for_token(&mut device, text(session, "claim_code"), uid).await.unwrap();
    assert_eq!(kind, "token");
    assert_eq!(device.try_login(&token).await, Some(200));
    (device, token)
}

async fn session_now(server: &TestServer, session: &Value) -> Value {
    server.get(&format!("/api/v1/provisioning-sessions/{}", text(session, "id"))).await
}

fn step_names(session: &Value) -> Vec<&str> {
    session["steps"].as_array().unwrap().iter().map(|step| text(step, "step")).collect()
}

#[tokio::test]
async fn a_code_is_exchanged_over_tls_and_the_login_on_the_same_connection_completes_the_claim() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let session = open_session(&server, &template).await;
    let (mut device, token) = claim_by_code(&server, &session, UID).await;
    assert_eq!(token, text(&session, "token"), "the code is a short name for it");
    device.ping(7).await;
    let seen = session_now(&server, &session).await;
    assert_eq!(step_names(&seen), ["opened", "code_exchanged", "claimed"]);
    let claimed = server.get(&format!("/api/v1/devices/{}", text(&seen, "device_id"))).await;
    assert_eq!((text(&claimed, "uid"), &claimed["epoch"]), (UID, &json!(1)));
    let mut late = Device::connect_tls(&server).await;
    let again = ask_for_token(&mut late, text(&session, "claim_code"), UID).await;
    assert_eq!(again, Some(("no-token".to_owned(), "code".to_owned())), "once");
    late.expect_closed().await;
    let code = text(&session, "claim_code").replace('-', "");
    let logs = captured_logs().text();
    assert!(!logs.contains(&code) && !logs.contains(text(&session, "claim_code")) && !logs.contains(&token));
}

#[tokio::test]
async fn an_exchange_that_was_cut_off_can_be_repeated_by_the_same_board_only() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let session = open_session(&server, &template).await;
    let code = text(&session, "claim_code").to_owned();
    let mut first = Device::connect_tls(&server).await;
    let (_, token) = ask_for_token(&mut first, &code, UID).await.unwrap();
    drop(first);
    let mut other = Device::connect_tls(&server).await;
    assert_eq!(ask_for_token(&mut other, &code, "FFFF").await.unwrap().0, "no-token");
    // After a restart of the server, too: nothing of it was in memory only.
    let server = server.restart().await;
    let mut again = Device::connect_tls(&server).await;
    assert_eq!(
        ask_for_token(&mut again, &code.to_lowercase(), UID).await.unwrap(),
        ("token".to_owned(), token)
    );
}

#[tokio::test]
async fn a_code_that_is_wrong_expired_or_cancelled_is_never_answered_with_a_status() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let [cancelled, expired] =
        [open_session(&server, &template).await, open_session(&server, &template).await];
    let path = format!("/api/v1/provisioning-sessions/{}", text(&cancelled, "id"));
    assert_eq!(server.send("DELETE", &path, None).await.status, 204);
    server.clock.advance(Duration::from_mins(15));
    for code in ["9EF5-4D64", text(&cancelled, "claim_code"), text(&expired, "claim_code")] {
        let mut device = Device::connect_tls(&server).await;
        let answer = ask_for_token(&mut device, code, UID).await;
        assert_eq!(answer, Some(("no-token".to_owned(), "code".to_owned())), "{code}");
        device.expect_closed().await;
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_per_address_and_tells_the_device_to_come_later() {
    let server = TestServer::start().await;
    let mut answers = Vec::new();
    for _ in 0..11 {
        let mut device = Device::connect(&server).await;
        answers.push(ask_for_token(&mut device, "9EF5-4D64", UID).await.unwrap().1);
    }
    assert!(answers[..10].iter().all(|answer| answer == "code"), "{answers:?}");
    assert_eq!(answers[10], "later");
}

#[tokio::test]
async fn anything_else_before_the_login_still_closes_the_connection() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let session = open_session(&server, &template).await;
    let code = text(&session, "claim_code");
    let bodies = [
        "claim-code".to_owned(),
        format!("claim-code|{code}"),
        format!("claim-code|9EF5-4D65|{UID}"),
        format!("claim-code|{code}|{}", "a".repeat(65)),
        "rtc|sync".to_owned(),
    ];
    for body in bodies {
        let mut device = Device::connect(&server).await;
        device.send(&frame(INTERNAL, 1, &body)).await;
        device.expect_closed().await;
    }
    // One exchange per connection, then a login and nothing else.
    for second in [frame(INTERNAL, 2, &format!("claim-code|{code}|{UID}")), frame(PING, 2, "")] {
        let mut device = Device::connect(&server).await;
        assert_eq!(ask_for_token(&mut device, code, UID).await.unwrap().0, "token");
        device.send(&second).await;
        device.expect_closed().await;
    }
}

#[tokio::test]
async fn the_code_of_a_repeated_request_is_the_same_and_is_stored_nowhere() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let body = json!({"template_id": template});
    let send = || server.send_keyed("/api/v1/provisioning-sessions", "once", body.clone());
    let (first, second) = (send().await, send().await);
    assert_eq!((first.status, &first.json()), (201, &second.json()));
    let code = text(&first.json(), "claim_code").to_owned();
    let plain = code.replace('-', "");
    for entry in std::fs::read_dir(server.folder()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has(&code) && !has(&plain));
    }
}

#[tokio::test]
async fn a_released_board_that_is_claimed_again_keeps_its_record_and_the_earlier_token_is_told_to_wait() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let (device, old_token) = claim_by_code(&server, &open_session(&server, &template).await, UID).await;
    let id = text(&server.get("/api/v1/devices").await["items"][0], "id").to_owned();
    drop(device);
    server.release(&id).await;
    let (mut device, _) = claim_by_code(&server, &open_session(&server, &template).await, UID).await;
    device.ping(9).await;
    let now = server.get(&format!("/api/v1/devices/{id}")).await;
    assert_eq!((&now["epoch"], text(&now, "ownership")), (&json!(2), "owned"));
    assert_eq!(now["release"], Value::Null);
    assert_eq!(server.get("/api/v1/devices").await["items"].as_array().unwrap().len(), 1);
    let mut ghost = Device::connect(&server).await;
    assert_eq!(ghost.try_login(&old_token).await, Some(19), "neither refused nor let into quarantine");
    device.ping(10).await;
}

#[tokio::test]
async fn a_board_with_an_owner_is_refused_in_words_where_its_template_is_locked() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let (mut owned, _) = claim_by_code(&server, &open_session(&server, &template).await, UID).await;
    let path = format!("/api/v1/templates/{template}");
    let answer = server.send("PATCH", &path, Some(json!({"reclaim": "locked"}))).await;
    assert_eq!((answer.status, text(&answer.json(), "reclaim")), (200, "locked"));

    let session = open_session(&server, &template).await;
    let mut thief = Device::connect_tls(&server).await;
    let answer = ask_for_token(&mut thief, text(&session, "claim_code"), UID).await;
    assert_eq!(answer, Some(("no-token".to_owned(), "owned".to_owned())));
    let seen = session_now(&server, &session).await;
    assert_eq!((text(&seen, "state"), step_names(&seen)), ("open", vec!["opened", "claim_refused"]));
    assert!(text(&seen["steps"][1], "message").contains("not released by its owner"), "{seen:#}");
    owned.ping(5).await;

    // By the session's token the board is in before it says its UID; it is wiped and serves nobody.
    let mut thief = Device::log_in(&server, text(&session, "token")).await;
    thief.send(&frame(INTERNAL, 2, "meta|set|Device UID|4C11AE0D41DE")).await;
    loop {
        let next = thief.next().await.unwrap();
        if next.command == INTERNAL {
            assert_eq!(next.text(), "dbg|config erase");
            break;
        }
    }
    assert!(step_names(&session_now(&server, &session).await).contains(&"claim_refused"));
    owned.ping(6).await;
}

#[tokio::test]
async fn where_its_template_is_open_the_earlier_owner_finds_it_in_the_audit() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let (mut first, _) = claim_by_code(&server, &open_session(&server, &template).await, UID).await;
    let (mut second, _) = claim_by_code(&server, &open_session(&server, &template).await, UID).await;
    first.expect_closed().await;
    second.ping(4).await;
    let audit = server.get("/api/v1/audit").await;
    let entries = audit["items"].as_array().unwrap();
    let notice = entries.iter().find(|entry| entry["action"] == "device.rehomed").unwrap();
    assert!(text(notice, "detail").contains("was not released"), "{notice:#}");
}

#[tokio::test]
async fn a_stock_board_that_claimed_by_a_token_is_the_known_device_after_its_next_login() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let (device, _) = claim_by_code(&server, &open_session(&server, &template).await, UID).await;
    let id = text(&server.get("/api/v1/devices").await["items"][0], "id").to_owned();
    drop(device);
    server.release(&id).await;
    for say_uid in ["meta|set|Device UID|4C11AE0D41DE", "mcu|1|rehome|1|epoch|0|uid|4C11AE0D41DE"] {
        let session = open_session(&server, &template).await;
        let token = text(&session, "token");
        let mut board = Device::log_in(&server, token).await;
        board.send(&frame(INTERNAL, 2, say_uid)).await;
        while board.next().await.is_some() {}
        let mut board = Device::log_in(&server, token).await;
        board.ping(3).await;
        assert_eq!(session_now(&server, &session).await["device_id"], json!(id));
        assert_eq!(server.get("/api/v1/devices").await["items"].as_array().unwrap().len(), 1);
    }
    assert_eq!(server.get(&format!("/api/v1/devices/{id}")).await["epoch"], json!(3));
}

#[tokio::test]
async fn of_several_records_of_a_board_the_newest_goes_on() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let mut newest = String::new();
    for _ in 0..3 {
        let (id, token) = server.create_device().await;
        let mut board = Device::log_in(&server, &token).await;
        board.send(&frame(INTERNAL, 2, &format!("meta|set|Device UID|{UID}"))).await;
        board.ping(3).await;
        drop(board);
        server.release(&id).await;
        newest = id;
    }
    let session = open_session(&server, &template).await;
    let mut board = Device::log_in(&server, text(&session, "token")).await;
    board.send(&frame(INTERNAL, 2, &format!("meta|set|Device UID|{UID}"))).await;
    while board.next().await.is_some() {}
    assert_eq!(session_now(&server, &session).await["device_id"], json!(newest));
}

#[tokio::test]
async fn an_order_that_a_former_owner_could_obtain_names_no_epoch_of_the_next_one() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let session = open_session(&server, &template).await;
    let (device, _) = claim_by_code(&server, &session, UID).await;
    drop(device);
    // With the token in hand the former owner says that the device is in a later epoch than it is.
    let (ahead, claimed) = claim(&server, text(&session, "token"), 30).await;
    drop(ahead);
    let id = claimed.id;
    server.release(&id).await;
    let next = open_session(&server, &template).await;
    let (device, _) = claim_by_code(&server, &next, UID).await;
    drop(device);
    let (_device, again) = claim(&server, text(&next, "token"), 2).await;
    assert_eq!((again.id, claimed.epoch, again.epoch), (id, 30, 31));
}

#[tokio::test]
async fn a_login_in_one_packet_with_the_code_is_taken_after_it() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let session = open_session(&server, &template).await;
    let mut device = Device::connect(&server).await;
    let mut bytes = frame(INTERNAL, 1, &format!("claim-code|{}|{UID}", text(&session, "claim_code")));
    bytes.extend(frame(LOGIN, 1, text(&session, "token")));
    device.send(&bytes).await;
    assert_eq!(device.next().await.unwrap().text(), format!("token|{}", text(&session, "token")));
    assert_eq!(device.next().await.unwrap().status(), Some(200));
}

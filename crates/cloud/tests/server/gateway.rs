//! What a device may expect of the gateway.

use serde_json::json;

use crate::device_client::{
    BRIDGE, DEBUG_PRINT, Device, EVENT_LOG, GROUP, HARDWARE, INTERNAL, LOGIN, LOGIN_OLD, PING, PROPERTY,
    REDIRECT, SYNC, frame,
};
use crate::harness::TestServer;

async fn speaks(mut device: Device, token: &str) {
    assert_eq!(device.try_login(token).await, Some(200));
    device.ask(INTERNAL, 2, "mcu|0.1.0|fw-type|TMPLabc|h-beat|40|buff-in|256|dev|ESP8266", 200).await;
    device.send(&frame(HARDWARE, 3, "vw|1|42")).await;
    device.send(&frame(HARDWARE, 4, "vw|2|a|b|c")).await;
    device.ping(5).await;
    device.send(&frame(SYNC, 6, "")).await;
    let first = device.next().await.unwrap();
    assert_eq!((first.command, first.id, first.text().as_str()), (HARDWARE, 6, "vw|1|42"));
    let second = device.next().await.unwrap();
    assert_eq!((second.id, second.text().as_str()), (6, "vw|2|a|b|c"));
    device.send(&frame(SYNC, 7, "vr|2|9")).await;
    assert_eq!(device.next().await.unwrap().text(), "vw|2|a|b|c");
    device.ping(8).await;
}

#[tokio::test]
async fn a_device_logs_in_writes_and_syncs_over_plain_tls_and_web_socket() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    speaks(Device::connect(&server).await, &token).await;
    speaks(Device::connect_tls(&server).await, &token).await;
    speaks(Device::connect_web_socket(&server).await, &token).await;
    let stored = server.get(&format!("/api/v1/devices/{id}/datastreams")).await;
    assert_eq!(stored["items"][0]["value"], "42");
    assert_eq!(stored["items"][1]["value"], json!(["a", "b", "c"]));
    let device = server.get(&format!("/api/v1/devices/{id}")).await;
    assert_eq!(device["firmware"]["version"], "0.1.0");
    assert_eq!(device["firmware"]["board"], "ESP8266");
    assert_eq!(device["firmware"]["heartbeat_s"], 40);
    assert_eq!(device["ownership"], "owned");
}

#[tokio::test]
async fn frames_may_arrive_byte_by_byte_or_all_at_once() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut whole = frame(LOGIN, 1, &token);
    whole.extend(frame(HARDWARE, 2, "vw|7|split"));
    whole.extend(frame(PING, 3, ""));

    let mut joined = Device::connect(&server).await;
    joined.send(&whole).await;
    assert_eq!(joined.next().await.unwrap().status(), Some(200));
    assert_eq!(joined.next().await.unwrap().id, 3);

    let mut split = Device::connect(&server).await;
    for byte in &whole {
        split.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(split.next().await.unwrap().status(), Some(200));
    assert_eq!(split.next().await.unwrap().id, 3);
}

#[tokio::test]
async fn the_old_login_command_and_its_message_id_are_honoured() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut device = Device::connect(&server).await;
    device.ask(LOGIN_OLD, 77, &format!(" {token}\n"), 200).await;
    device.ask(LOGIN, 78, &token, 4).await;
    device.ping(79).await;
}

#[tokio::test]
async fn an_unknown_token_is_told_to_try_later_and_why_and_is_listed_without_the_token() {
    let server = TestServer::start().await;
    let unknown = "AbCdEfGhIjKlMnOpQrStUvWxYz012345";
    for _ in 0..3 {
        let mut device = Device::connect(&server).await;
        device.send(&frame(LOGIN, 1, unknown)).await;
        let said = device.next().await.unwrap();
        assert_eq!(said.command, DEBUG_PRINT);
        assert!(said.text().contains("does not know this token"), "{}", said.text());
        assert_eq!(device.next().await.unwrap().status(), Some(19));
        device.expect_closed().await;
    }
    let listed = server.wait_for("/api/v1/unknown-tokens", |seen| seen["items"][0]["attempts"] == 3).await;
    assert!(!listed.to_string().contains(unknown));
    assert_eq!(listed["items"][0]["remote"], "127.0.0.1");
}

#[tokio::test]
async fn no_number_of_unknown_logins_ever_gets_status_9() {
    let server = TestServer::start().await;
    for attempt in 0..60 {
        let mut device = Device::connect(&server).await;
        let status = device.try_login(&format!("unknown-token-{attempt:018}")).await;
        assert_eq!(status, Some(19), "attempt {attempt}");
    }
}

#[tokio::test]
async fn malformed_tokens_are_refused_with_status_9_until_the_address_is_limited() {
    let server = TestServer::start().await;
    let mut answers = Vec::new();
    for token in ["short", "", "has spaces in it has spaces in it", &"x".repeat(200)].iter().cycle().take(40)
    {
        answers.push(Device::connect(&server).await.try_login(token).await);
    }
    assert_eq!(answers.first(), Some(&Some(9)));
    assert_eq!(answers.last(), Some(&None), "the address is limited by now");
    // The limit is about refused logins: a good device of the same house gets in.
    let (_, token) = server.create_device().await;
    Device::log_in(&server, &token).await;
}

#[tokio::test]
async fn of_two_connections_with_one_token_the_newest_wins() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut older = Device::log_in(&server, &token).await;
    let mut newer = Device::log_in(&server, &token).await;
    older.expect_closed().await;
    newer.ping(2).await;
    assert_eq!(server.get(&format!("/api/v1/devices/{id}")).await["online"], true);
    let body = json!({"value": "7"});
    server.send("PUT", &format!("/api/v1/devices/{id}/datastreams/3"), Some(body)).await;
    assert_eq!(newer.next().await.unwrap().text(), "vw|3|7");
}

#[tokio::test]
async fn time_and_metadata_are_answered_with_the_id_of_the_question() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    let mut ask = async |question: &str| {
        device.send(&frame(INTERNAL, 9, question)).await;
        let answer = device.next().await.unwrap();
        assert_eq!((answer.command, answer.id), (INTERNAL, 9));
        answer.text()
    };
    let seconds: i64 = ask("rtc|sync").await.strip_prefix("rtc|").unwrap().parse().unwrap();
    assert!(seconds > 1_357_041_600);
    assert!(ask("utc|time").await.starts_with("utc|time|1"));
    assert!(ask("utc|iso").await.ends_with("+00:00"));
    assert_eq!(ask("utc|tz").await, "utc|tz|0|0");
    assert_eq!(ask("utc|tz_name").await, "utc|tz_name|Etc/UTC");
    assert_eq!(ask("utc|tz_rule").await, "utc|tz_rule|UTC0");
    assert_eq!(ask("utc|dst_next").await, "utc|dst_next");
    assert_eq!(ask("meta|get|Auth Token").await, format!("meta|Auth Token|{token}"));
    device.send(&frame(INTERNAL, 10, "meta|set|Hotspot Name|Blynk Lamp-A1B2")).await;
    device.send(&frame(INTERNAL, 11, "meta|set|Device UID|uid-1")).await;
    device.send(&frame(INTERNAL, 12, "meta|get|Hotspot Name")).await;
    assert_eq!(device.next().await.unwrap().text(), "meta|Hotspot Name|Blynk Lamp-A1B2");
    let seen = server.get(&format!("/api/v1/devices/{id}")).await;
    assert_eq!(seen["hotspot_name"], "Blynk Lamp-A1B2");
    assert_eq!(seen["uid"], "uid-1");
}

#[tokio::test]
async fn properties_events_groups_bridges_and_old_commands_never_drop_the_link() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(PROPERTY, 2, "1|color|#FF0000", 200).await;
    device.ask(PROPERTY, 3, "1|2|3|label|Lamp", 200).await;
    device.ask(PROPERTY, 4, "1|nonsense|x", 11).await;
    device.ask(PROPERTY, 5, "1", 11).await;
    device.ask(BRIDGE, 6, "64|i|UnknownTokenForTheBridge01234567", 6).await;
    device.ask(14, 7, "a notification", 14).await;
    device.send(&frame(EVENT_LOG, 8, "high_temp|T=36")).await;
    // Yesterday, to the millisecond.
    let at = server.clock.now().utc.unix_ms() - 86_400_000;
    device.send(&frame(GROUP, 9, &format!("t|{at}"))).await;
    device.send(&frame(HARDWARE, 10, "vw|1|grouped")).await;
    device.send(&frame(GROUP, 11, "e")).await;
    device.send(&frame(INTERNAL, 12, "something|else")).await;
    device.send(&frame(99, 13, "unknown below 100")).await;
    device.ping(14).await;
    let stored = server.get(&format!("/api/v1/devices/{id}/datastreams/v1")).await;
    assert_eq!(stored["at"], serde_json::to_value(api_types::Timestamp::from_unix_ms(at)).unwrap());
    device.send(&frame(100, 15, "unknown from 100 on")).await;
    device.expect_closed().await;
}

#[tokio::test]
async fn a_value_larger_than_the_device_can_take_is_held_back() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, "ver|1.0|h-beat|50|buff-in|300", 200).await;
    let path = format!("/api/v1/devices/{id}/datastreams/1");
    assert_eq!(server.send("PUT", &path, Some(json!({"value": "x".repeat(1_000)}))).await.status, 200);
    assert_eq!(server.send("PUT", &path, Some(json!({"value": "small"}))).await.status, 200);
    assert_eq!(device.next().await.unwrap().text(), "vw|1|small");
}

#[tokio::test]
async fn a_silent_device_goes_offline_and_its_connection_is_closed() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, "ver|1.0|h-beat|10|buff-in|256", 200).await;
    let path = format!("/api/v1/devices/{id}");
    // 10 s of heartbeat and 20 s of margin; nothing happens before.
    server.clock.advance(std::time::Duration::from_secs(29));
    device.ping(3).await;
    assert_eq!(server.get(&path).await["online"], true);
    server.clock.advance(std::time::Duration::from_secs(31));
    device.expect_closed().await;
    server.wait_for(&path, |seen| seen["online"] == false).await;
}

#[tokio::test]
async fn a_short_absence_does_not_show() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let path = format!("/api/v1/devices/{id}");
    drop(Device::log_in(&server, &token).await);
    assert_eq!(server.get(&path).await["online"], true);
    let mut device = Device::log_in(&server, &token).await;
    server.clock.advance(std::time::Duration::from_secs(9));
    device.ping(2).await;
    assert_eq!(server.get(&path).await["online"], true);
    drop(device);
    // The end of the connection is noticed some time after it; put the clock on until the wait is over.
    let started = tokio::time::Instant::now();
    while server.get(&path).await["online"] == true {
        assert!(started.elapsed() < crate::harness::DEADLINE);
        server.clock.advance(std::time::Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_node_that_is_taken_out_of_service_redirects_its_devices() {
    let server = TestServer::start_with(|config| {
        config.redirect_devices_to =
            Some(cloud::RedirectTarget { host: "other.example.org".to_owned(), port: 8443 });
    })
    .await;
    let (_, token) = server.create_device().await;
    let mut device = Device::connect(&server).await;
    device.send(&frame(LOGIN, 1, &token)).await;
    let answer = device.next().await.unwrap();
    assert_eq!((answer.command, answer.id, answer.text().as_str()), (REDIRECT, 1, "other.example.org|8443"));
    device.expect_closed().await;
}

#[tokio::test]
async fn values_survive_a_restart_and_come_back_at_the_next_sync() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(HARDWARE, 2, "vw|5|kept")).await;
    device.ping(3).await;
    let server = server.restart().await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(SYNC, 2, "vr|5")).await;
    assert_eq!(device.next().await.unwrap().text(), "vw|5|kept");
}

#[tokio::test]
async fn metadata_that_does_not_fit_into_the_devices_buffer_is_not_sent() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, "ver|1|h-beat|40|buff-in|256|dev|ESP8266", 200).await;
    device.send(&frame(INTERNAL, 3, &format!("meta|set|Long|{}", "x".repeat(1_000)))).await;
    device.send(&frame(INTERNAL, 4, "meta|get|Long")).await;
    device.ping(5).await;
    device.send(&frame(INTERNAL, 6, "meta|set|Short|yes")).await;
    device.send(&frame(INTERNAL, 7, "meta|get|Short")).await;
    let answer = device.next().await.unwrap();
    assert_eq!((answer.id, answer.text().as_str()), (7, "meta|Short|yes"));
}

#[tokio::test]
async fn a_group_that_is_never_ended_does_not_stamp_values_for_ever() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    let path = format!("/api/v1/devices/{id}/datastreams/v1");
    let at = server.clock.now().utc.unix_ms() - 3_600_000;
    let stamp = serde_json::to_value(api_types::Timestamp::from_unix_ms(at)).unwrap();
    device.send(&frame(GROUP, 2, &format!("t|{at}"))).await;
    device.send(&frame(HARDWARE, 3, "vw|1|1")).await;
    device.ping(4).await;
    assert_eq!(server.get(&path).await["at"], stamp);
    server.clock.advance(std::time::Duration::from_secs(11));
    device.send(&frame(HARDWARE, 5, "vw|1|2")).await;
    device.ping(6).await;
    let later = server.get(&path).await;
    assert_eq!(later["value"], "2");
    assert_ne!(later["at"], stamp);
}

#[tokio::test]
async fn when_a_device_was_last_heard_shows_at_once_and_outlives_a_restart() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let path = format!("/api/v1/devices/{id}");
    assert!(server.get(&path).await["last_seen_at"].is_null());
    let device = Device::log_in(&server, &token).await;
    assert!(server.get(&path).await["last_seen_at"].is_string());
    drop(device);
    let server = server.restart().await;
    assert!(server.get(&path).await["last_seen_at"].is_string());
}

#[tokio::test]
async fn values_that_stand_before_a_frame_that_ends_the_connection_are_kept() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    let mut bytes = frame(HARDWARE, 2, "vw|1|kept");
    bytes.extend(frame(100, 3, "unknown from 100 on"));
    device.send(&bytes).await;
    device.expect_closed().await;
    let path = format!("/api/v1/devices/{id}/datastreams");
    let values = server.wait_for(&path, |values| values["items"][0]["value"] == "kept").await;
    assert_eq!(values["items"].as_array().unwrap().len(), 1);
}

//! Datastreams of templates: settings, and what they do to values that arrive.

use std::time::Duration;

use serde_json::{Value, json};

use crate::device_client::{BRIDGE, DEBUG_PRINT, Device, HARDWARE, INTERNAL, PROPERTY, SYNC, frame};
use crate::harness::TestServer;
use crate::live_updates::Watcher;

/// A device of a new template with these datastreams: its template, its id and its token.
pub(crate) async fn device_with(
    server: &TestServer,
    datastreams: &[(u8, Value)],
) -> (String, String, String) {
    let template = server.create_template().await;
    for (pin, settings) in datastreams {
        put(server, &template, *pin, settings.clone(), 201).await;
    }
    let body = json!({"template_id": template, "name": "Lamp 1"});
    let created = server.send("POST", "/api/v1/devices", Some(body)).await.json();
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    (template, text("id"), text("token"))
}

pub(crate) async fn put(server: &TestServer, template: &str, pin: u8, settings: Value, status: u16) -> Value {
    let path = format!("/api/v1/templates/{template}/datastreams/{pin}");
    let answer = server.send("PUT", &path, Some(settings)).await;
    assert_eq!(answer.status, status, "{}", answer.text());
    answer.json()
}

fn every_setting() -> Value {
    json!({
        "name": "Temperature", "alias": "Warmth", "type": "double", "min": -40.0, "max": 85.0, "decimals": "#.##",
        "enum_rows": [], "enum_fallback": null, "default": "20", "unit": "C", "sync_on_connect": true,
        "save_raw_data": true, "invalidate": {"after_s": 60, "shows": "default"}, "hidden_from_http": false,
    })
}

const INFO: &str = "mcu|0.1.0|fw-type|TMPLabc|h-beat|40|buff-in|256|dev|ESP8266";

#[tokio::test]
async fn a_datastream_is_set_up_changed_listed_and_taken_away() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let made = put(&server, &template, 5, every_setting(), 201).await;
    assert_eq!((&made["pin"], &made["settings"]), (&json!(5), &every_setting()));
    let mut changed = every_setting();
    changed["name"] = json!("Renamed");
    let again = put(&server, &template, 5, changed.clone(), 200).await;
    assert_eq!((&again["id"], &again["settings"]), (&made["id"], &changed));

    let server = server.restart().await;
    let list = format!("/api/v1/templates/{template}/datastreams");
    assert_eq!(server.get(&list).await["items"], json!([again]));
    for _ in 0..2 {
        assert_eq!(server.send("DELETE", &format!("{list}/V5"), None).await.status, 204);
    }
    assert_eq!(server.get(&list).await["items"], json!([]));
    let unknown = server.send("GET", "/api/v1/templates/TMPLnobody0000/datastreams", None).await;
    assert_eq!(unknown.problem_code(), "template_not_found");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_with_a_reason() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    put(&server, &template, 1, json!({"name": "First", "type": "string"}), 201).await;
    let path = format!("/api/v1/templates/{template}/datastreams/2");
    for (settings, code) in [
        (json!({"name": "First", "type": "string"}), "datastream_name_taken"),
        (json!({"name": "a/b", "type": "string"}), "invalid_request"),
        (json!({"name": "x", "type": "integer", "min": 0.5}), "invalid_request"),
        (json!({"name": "x", "type": "integer", "min": 2, "max": 1}), "invalid_request"),
        (json!({"name": "x", "type": "integer", "max": 4_000_000_000_u32}), "invalid_request"),
        (json!({"name": "x", "type": "string", "max": 1}), "invalid_request"),
        (json!({"name": "x", "type": "double", "decimals": "0.00"}), "invalid_request"),
        (json!({"name": "x", "type": "enum"}), "invalid_request"),
        (json!({"name": "x", "type": "integer", "default": "warm"}), "invalid_request"),
        (json!({"name": "x", "type": "boolean", "max": 1}), "invalid_request"),
        (json!({"name": "x", "type": "boolean", "default": "maybe"}), "invalid_request"),
        (json!({"name": "x", "type": "truth"}), "invalid_request"),
        (json!({"name": "x", "type": "string", "formula": "x"}), "invalid_request"),
    ] {
        let answer = server.send("PUT", &path, Some(settings.clone())).await;
        assert_eq!(answer.problem_code(), code, "{settings}");
    }
    for pin in ["256", "A1", "x"] {
        let path = format!("/api/v1/templates/{template}/datastreams/{pin}");
        let answer = server.send("PUT", &path, Some(json!({"name": "y", "type": "string"}))).await;
        assert_eq!(answer.problem_code(), "invalid_request", "{pin}");
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_not_stored_and_the_maker_sees_why() {
    let server = TestServer::start().await;
    let percent = json!({"name": "Level", "type": "integer", "min": 0, "max": 100});
    let (_, id, token) = device_with(&server, &[(1, percent)]).await;
    let mut watcher = Watcher::start(&server).await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, INFO, 200).await;
    device.send(&frame(HARDWARE, 3, "vw|1|42")).await;
    device.send(&frame(HARDWARE, 4, "vw|1|on")).await;
    let notice = device.next().await.unwrap();
    assert_eq!(
        (notice.command, notice.text().as_str()),
        (DEBUG_PRINT, "V1: not stored, the datastream takes numbers")
    );
    let rejected = watcher.wait_for("rejected", |event| event["pin"] == 1).await;
    assert_eq!(
        (&rejected["device_id"], &rejected["reason"]),
        (&json!(id), &json!("the datastream takes numbers"))
    );
    // A second one at once is no reason for a second notice, and neither ends the connection.
    device.send(&frame(HARDWARE, 5, "vw|1|1|2")).await;
    device.ping(6).await;
    let path = format!("/api/v1/devices/{id}/datastreams/1");
    assert_eq!(server.get(&path).await["value"], "42");

    device.send(&frame(HARDWARE, 7, "vw|1|250")).await;
    device.send(&frame(HARDWARE, 8, "vw|2|free text")).await;
    device.ping(9).await;
    assert_eq!(server.get(&path).await["value"], "100", "clamped");
    assert_eq!(server.get(&format!("/api/v1/devices/{id}/datastreams/2")).await["value"], "free text");
    let refused = server.send("PUT", &path, Some(json!({"value": "on"}))).await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (422, "value_rejected"));
    let clamped = server.send("PUT", &path, Some(json!({"value": "-3"}))).await;
    assert_eq!(clamped.json()["value"], "0");
    let metrics = server.send("GET", "/metrics", None).await.text();
    assert!(metrics.contains("values_rejected_total"), "{metrics}");
}

#[tokio::test]
async fn a_boolean_takes_four_spellings_over_every_way_in() {
    let server = TestServer::start().await;
    let switch = json!({"name": "Switch", "type": "boolean", "default": "false"});
    let (template, id, token) = device_with(&server, &[(1, switch)]).await;
    let listed = server.get(&format!("/api/v1/templates/{template}/datastreams")).await;
    assert_eq!(listed["items"][0]["settings"]["default"], "0");
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, INFO, 200).await;
    let path = format!("/api/v1/devices/{id}/datastreams/1");
    device.send(&frame(HARDWARE, 3, "vw|1|true")).await;
    device.ping(4).await;
    assert_eq!(server.get(&path).await["value"], "1");
    assert_eq!(server.send("PUT", &path, Some(json!({"value": "false"}))).await.json()["value"], "0");
    let told = device.next().await.unwrap();
    assert_eq!((told.command, told.text().as_str()), (HARDWARE, "vw|1|0"));
    let refused = server.send("PUT", &path, Some(json!({"value": "2"}))).await;
    assert_eq!(refused.problem_code(), "value_rejected");
    let server = server.restart().await;
    assert_eq!(server.get(&path).await["value"], "0");
}

#[tokio::test]
async fn a_library_that_knows_no_debug_print_gets_none() {
    let server = TestServer::start().await;
    let (_, _, token) = device_with(&server, &[(1, json!({"name": "Level", "type": "integer"}))]).await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, "ver|0.2.0|h-beat|50|buff-in|1024|dev|python", 200).await;
    device.send(&frame(HARDWARE, 3, "vw|1|on")).await;
    device.ping(4).await;
}

#[tokio::test]
async fn a_change_of_a_template_counts_for_devices_that_are_connected() {
    let server = TestServer::start().await;
    let (template, id, token) = device_with(&server, &[]).await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(HARDWARE, 2, "vw|1|text")).await;
    device.ping(3).await;
    put(&server, &template, 1, json!({"name": "Level", "type": "integer"}), 201).await;
    device.send(&frame(HARDWARE, 4, "vw|1|more text")).await;
    device.send(&frame(HARDWARE, 5, "vw|1|7.000")).await;
    device.ping(6).await;
    assert_eq!(server.get(&format!("/api/v1/devices/{id}/datastreams/1")).await["value"], "7");
}

#[tokio::test]
async fn marked_datastreams_are_sent_after_the_login_and_in_a_sync_of_everything() {
    let server = TestServer::start().await;
    let datastreams = [
        (1, json!({"name": "Set", "type": "integer", "sync_on_connect": true, "default": "21"})),
        (2, json!({"name": "Quiet", "type": "integer", "default": "5"})),
        (3, json!({"name": "Empty", "type": "string", "sync_on_connect": true})),
    ];
    let (_, id, token) = device_with(&server, &datastreams).await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, INFO, 200).await;
    assert_eq!(device.next().await.unwrap().text(), "vw|1|21", "the default, before anything was written");
    device.send(&frame(HARDWARE, 3, "vw|9|no datastream")).await;
    device.send(&frame(SYNC, 4, "")).await;
    for expected in ["vw|1|21", "vw|9|no datastream"] {
        let answer = device.next().await.unwrap();
        assert_eq!((answer.id, answer.text().as_str()), (4, expected));
    }
    // Pins that are named need no mark.
    device.send(&frame(SYNC, 5, "vr|2|3")).await;
    assert_eq!(device.next().await.unwrap().text(), "vw|2|5");
    device.ping(6).await;

    let path = format!("/api/v1/devices/{id}/datastreams/1");
    assert_eq!(server.send("PUT", &path, Some(json!({"value": "23"}))).await.status, 200);
    let mut again = Device::log_in(&server, &token).await;
    again.ask(INTERNAL, 2, INFO, 200).await;
    assert_eq!(again.next().await.unwrap().text(), "vw|1|23");
    // Firmware that describes itself twice is not told twice.
    again.ask(INTERNAL, 3, INFO, 200).await;
    again.ping(4).await;
}

#[tokio::test]
async fn a_value_that_was_not_renewed_is_not_synced() {
    let server = TestServer::start().await;
    let rule = json!({"after_s": 60, "shows": "nothing"});
    let datastream = json!({"name": "Alarm", "type": "integer", "invalidate": rule, "sync_on_connect": true});
    let (_, _, token) = device_with(&server, &[(1, datastream)]).await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(HARDWARE, 2, "vw|1|1")).await;
    device.send(&frame(SYNC, 3, "")).await;
    assert_eq!(device.next().await.unwrap().text(), "vw|1|1");
    server.clock.advance(Duration::from_secs(20));
    device.ping(4).await;
    server.clock.advance(Duration::from_secs(40));
    device.send(&frame(SYNC, 5, "")).await;
    device.ping(6).await;
}

#[tokio::test]
async fn properties_are_kept_shown_and_reset() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with(&server, &[]).await;
    let mut watcher = Watcher::start(&server).await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(PROPERTY, 2, "1|color|#D3435C", 200).await;
    device.ask(PROPERTY, 3, "1|2|labels|A|B", 200).await;
    device.ask(PROPERTY, 4, "1|color|#000000", 200).await;
    device.ask(PROPERTY, 5, "1|nonsense|x", 11).await;
    let event = watcher.wait_for("property", |event| event["value"] == "#000000").await;
    assert_eq!((&event["pin"], &event["property"]), (&json!(1), &json!("color")));
    let path = format!("/api/v1/devices/{id}/properties");
    let stored = server.get(&path).await;
    let seen: Vec<_> = stored["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| json!([p["pin"], p["property"], p["value"]]))
        .collect();
    assert_eq!(
        seen,
        [json!([1, "color", "#000000"]), json!([1, "labels", ["A", "B"]]), json!([2, "labels", ["A", "B"]]),]
    );
    assert_eq!(server.send("DELETE", &path, None).await.status, 204);
    assert_eq!(server.get(&path).await["items"], json!([]));
}

#[tokio::test]
async fn a_device_writes_to_another_one_over_a_bridge() {
    let server = TestServer::start().await;
    let (_, _, token) = device_with(&server, &[]).await;
    let (_, _, other_token) = device_with(&server, &[]).await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(BRIDGE, 2, "64|vw|1|7", 6).await;
    device.ask(BRIDGE, 3, "64|i|UnknownTokenForTheBridge01234567", 6).await;
    device.ask(BRIDGE, 4, &format!("64|i|{other_token}"), 200).await;
    device.ask(BRIDGE, 5, "64|vw|1|7", 7).await;
    let mut other = Device::log_in(&server, &other_token).await;
    other.ping(2).await;
    device.send(&frame(BRIDGE, 6, "64|vw|1|7")).await;
    let arrived = other.next().await.unwrap();
    assert_eq!((arrived.command, arrived.id, arrived.text().as_str()), (BRIDGE, 6, "vw|1|7"));
    device.ping(7).await;
}

#[tokio::test]
async fn a_bridge_ends_when_the_other_device_is_released() {
    let server = TestServer::start().await;
    let (_, _, token) = device_with(&server, &[]).await;
    let (_, other_id, other_token) = device_with(&server, &[]).await;
    let mut device = Device::log_in(&server, &token).await;
    let _other = Device::log_in(&server, &other_token).await;
    device.ask(BRIDGE, 2, &format!("1|i|{other_token}"), 200).await;
    server.release(&other_id).await;
    device.ask(BRIDGE, 3, "1|vw|1|7", 6).await;
    device.ask(BRIDGE, 4, &format!("1|i|{other_token}"), 6).await;
}

#[tokio::test]
async fn a_device_that_told_no_zone_is_in_the_zone_of_the_server() {
    let server = TestServer::start_with(|config| config.time_zone = Some("Asia/Kolkata".to_owned())).await;
    assert_eq!(server.get("/api/v1/server").await["time_zone"], "Asia/Kolkata");
    let (_, id, token) = device_with(&server, &[]).await;
    let mut device = Device::log_in(&server, &token).await;
    let mut ask = async |message_id: u16| {
        device.send(&frame(INTERNAL, message_id, "utc|tz_name")).await;
        device.next().await.unwrap().text()
    };
    assert_eq!(ask(2).await, "utc|tz_name|Asia/Kolkata");
    let path = format!("/api/v1/devices/{id}/metadata/Device%20Timezone");
    for (told, answered) in [("Europe/Berlin", "Europe/Berlin"), ("", "Asia/Kolkata")] {
        assert_eq!(server.send("PUT", &path, Some(json!({"value": told}))).await.status, 200);
        assert_eq!(ask(3).await, format!("utc|tz_name|{answered}"));
    }
}

#[tokio::test]
async fn times_are_answered_in_the_zone_of_the_device() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with(&server, &[]).await;
    let mut device = Device::log_in(&server, &token).await;
    let mut message_id = 2;
    let mut ask = async |body: &str| {
        message_id += 1;
        device.send(&frame(INTERNAL, message_id, body)).await;
        device.next().await.unwrap().text()
    };
    assert_eq!(ask("utc|tz_name").await, "utc|tz_name|Etc/UTC");
    let path = format!("/api/v1/devices/{id}/metadata/Device%20Timezone");
    let refused = server.send("PUT", &path, Some(json!({"value": "Europe/Atlantis"}))).await;
    assert_eq!(refused.problem_code(), "invalid_request");
    // A zone without daylight saving, so that the answer is the same all year.
    assert_eq!(server.send("PUT", &path, Some(json!({"value": "Asia/Kolkata"}))).await.status, 200);
    assert_eq!(ask("utc|tz_name").await, "utc|tz_name|Asia/Kolkata");
    assert_eq!(ask("utc|tz").await, "utc|tz|330|0");
    assert_eq!(ask("utc|tz_rule").await, "utc|tz_rule|IST-5:30");
    assert_eq!(ask("utc|dst_next").await, "utc|dst_next");
    assert!(ask("utc|iso").await.ends_with("+05:30"));
    let number = |text: String| text.rsplit('|').next().unwrap().parse::<i64>().unwrap();
    let utc_ms = number(ask("utc|time").await);
    let local_s = number(ask("rtc|sync").await);
    assert!((local_s - utc_ms / 1_000 - 19_800).abs() <= 5, "{local_s} {utc_ms}");
}

#[tokio::test]
async fn metadata_is_set_by_the_device_and_the_maker_and_has_numbers() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with(&server, &[]).await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(INTERNAL, 2, "meta|set|Serial|SN-1")).await;
    device.ping(3).await;
    let list = format!("/api/v1/devices/{id}/metadata");
    let items = server.get(&list).await["items"].clone();
    assert_eq!(items[0], json!({"id": 1, "name": "Device Name", "value": "Lamp 1"}));
    assert_eq!((&items[1]["name"], &items[1]["value"]), (&json!("Serial"), &json!("SN-1")));
    let stored = server.send("PUT", &format!("{list}/Serial"), Some(json!({"value": "SN-2"}))).await;
    assert_eq!(stored.json()["id"], items[1]["id"]);
    device.send(&frame(INTERNAL, 4, "meta|get|Serial")).await;
    assert_eq!(device.next().await.unwrap().text(), "meta|Serial|SN-2");
    device.send(&frame(INTERNAL, 5, "meta|get|Device Name")).await;
    assert_eq!(device.next().await.unwrap().text(), "meta|Device Name|Lamp 1");
    let reserved = server.send("PUT", &format!("{list}/Auth%20Token"), Some(json!({"value": "x"}))).await;
    assert_eq!(reserved.problem_code(), "invalid_request");
}

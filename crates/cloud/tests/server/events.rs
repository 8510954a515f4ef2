//! Events of templates, timelines of devices, and the statuses that follow from their connections.

use std::time::Duration;

use serde_json::{Value, json};

use crate::device_client::{DEBUG_PRINT, Device, EVENT_CLEAR, EVENT_LOG, INTERNAL, frame};
use crate::harness::{DEADLINE, TestServer};
use crate::http_client::request;
use crate::live_updates::Watcher;

const INFO: &str = "mcu|0.1.0|fw-type|TMPLabc|h-beat|40|buff-in|256|dev|ESP8266";

/// A device of a new template with the event `high_temp`: its template, its id and its token.
async fn device_with_alarm(server: &TestServer) -> (String, String, String) {
    let template = server.create_template().await;
    put_event(server, &template, "high_temp", json!({"type": "critical", "show_on_timeline": true}), 201)
        .await;
    let (id, token) = device_of(server, &template).await;
    (template, id, token)
}

pub(crate) async fn device_of(server: &TestServer, template: &str) -> (String, String) {
    let body = json!({"template_id": template, "name": "Lamp 1"});
    let created = server.send("POST", "/api/v1/devices", Some(body)).await.json();
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

pub(crate) async fn put_event(
    server: &TestServer,
    template: &str,
    code: &str,
    mut settings: Value,
    status: u16,
) -> Value {
    settings["name"] = json!("Too hot");
    let path = format!("/api/v1/templates/{template}/events/{code}");
    let answer = server.send("PUT", &path, Some(settings)).await;
    assert_eq!(answer.status, status, "{}", answer.text());
    answer.json()
}

/// The entries of a timeline, oldest first, without those that say when the device came and went.
async fn events(server: &TestServer, id: &str) -> Vec<Value> {
    let mut items = timeline(server, id).await;
    items.retain(|entry| entry["type"] != "online" && entry["type"] != "offline");
    items
}

async fn timeline(server: &TestServer, id: &str) -> Vec<Value> {
    let page = server.get(&format!("/api/v1/devices/{id}/timeline")).await;
    page["items"].as_array().unwrap().iter().rev().cloned().collect()
}

fn types(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["type"].as_str().unwrap()).collect()
}

async fn status_of(server: &TestServer, id: &str) -> Value {
    server.get(&format!("/api/v1/devices/{id}/status")).await
}

/// Puts the clock forward, ten seconds at a time, until the device has a status.
async fn pass_time_until(server: &TestServer, id: &str, name: &str) {
    let started = tokio::time::Instant::now();
    while status_of(server, id).await["name"] != name {
        assert!(started.elapsed() < DEADLINE, "never {name}: {}", status_of(server, id).await);
        server.clock.advance(Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn wait_for_status(server: &TestServer, id: &str, name: &str) {
    server.wait_for(&format!("/api/v1/devices/{id}/status"), |status| status["name"] == name).await;
}

async fn log_over_https(server: &TestServer, query: &str) -> (u16, String) {
    let path = format!("/external/api/logEvent?{query}");
    let answer = request(server.running.plain_addr, "GET", &path, &[], None).await;
    let message = if answer.status == 200 { Value::Null } else { answer.json()["error"]["message"].clone() };
    (answer.status, message.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_event_is_set_up_changed_listed_and_taken_away() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let full = json!({
        "name": "Too hot", "type": "warning", "description": "Above 30", "show_on_timeline": true,
        "notifying": {"email": true, "webhooks": false, "limit_period_s": 60, "after_count": 3},
    });
    let made = put_event(&server, &template, "high%20temp", full.clone(), 201).await;
    assert_eq!(made, json!({"code": "high temp", "settings": full}));
    put_event(&server, &template, "high%20temp", json!({"type": "info"}), 200).await;
    let server = server.restart().await;
    let list = format!("/api/v1/templates/{template}/events");
    let items = server.get(&list).await["items"].clone();
    let nobody = json!({"email": false, "webhooks": false, "limit_period_s": null, "after_count": 1});
    assert_eq!((&items[0]["code"], &items[0]["settings"]["notifying"]), (&json!("high temp"), &nobody));
    for wrong in [
        json!({"name": "", "type": "info"}),
        json!({"name": "x", "type": "loud"}),
        json!({"name": "x", "type": "info", "notifying": {"after_count": 0}}),
    ] {
        let answer = server.send("PUT", &format!("{list}/x"), Some(wrong)).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid_request"));
    }
    let answer = server.send("PUT", &format!("{list}/a-b"), Some(json!({"name": "x", "type": "info"}))).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    for _ in 0..2 {
        assert_eq!(server.send("DELETE", &format!("{list}/high%20temp"), None).await.status, 204);
    }
    assert_eq!(server.get(&list).await["items"], json!([]));
}

#[tokio::test]
async fn events_are_logged_and_resolved_over_the_binary_protocol() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with_alarm(&server).await;
    let mut watcher = Watcher::start(&server).await;
    let mut device = Device::log_in(&server, &token).await;
    for (number, body) in
        [(2, "high_temp|T=36"), (3, "high_temp"), (4, "high_temp|T=38"), (5, "sys_ota|done")]
    {
        device.send(&frame(EVENT_LOG, number, body)).await;
        device.ping(100 + number).await;
        server.clock.advance(Duration::from_secs(1));
    }
    let logged = events(&server, &id).await;
    let seen: Vec<_> = logged.iter().map(|entry| (&entry["title"], &entry["description"])).collect();
    let hot = json!("Too hot");
    let (first, none, third) = (json!("T=36"), json!(""), json!("T=38"));
    let (update, done) = (json!("Firmware update"), json!("done"));
    assert_eq!(seen, [(&hot, &first), (&hot, &none), (&hot, &third), (&update, &done)]);
    assert_eq!(types(&logged), ["critical", "critical", "critical", "info"]);
    let live = watcher.wait_for("timeline", |data| data["entry"]["description"] == "T=38").await;
    assert_eq!((&live["device_id"], &live["entry"]), (&json!(id), &logged[2]));

    let resolved = async || {
        let entries = events(&server, &id).await;
        entries.iter().map(|entry| entry["resolved_by"] == "device").collect::<Vec<_>>()
    };
    device.send(&frame(EVENT_CLEAR, 6, "high_temp")).await;
    device.ping(7).await;
    assert_eq!(resolved().await, [false, false, true, false]);
    device.send(&frame(EVENT_CLEAR, 8, "high_temp|all")).await;
    device.ping(9).await;
    assert_eq!(resolved().await, [true, true, true, false]);
    watcher.wait_for("timeline", |data| data["entry"]["resolved_by"] == "device").await;
}

#[tokio::test]
async fn an_event_that_is_not_logged_is_said_to_the_maker_and_drops_no_connection() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with_alarm(&server).await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, INFO, 200).await;
    device.send(&frame(EVENT_LOG, 3, "nonsense|x")).await;
    let notice = device.next().await.unwrap();
    let expected = "event nonsense: not logged, the template has no event with this code";
    assert_eq!((notice.command, notice.text().as_str()), (DEBUG_PRINT, expected));
    device.send(&frame(EVENT_LOG, 4, "high_temp")).await;
    device.send(&frame(EVENT_LOG, 5, "high_temp")).await;
    device.send(&frame(EVENT_CLEAR, 6, "nonsense|all")).await;
    device.ping(7).await;
    assert_eq!(events(&server, &id).await.len(), 1, "a second one within a second");
}

#[tokio::test]
async fn the_https_api_logs_events_with_the_words_of_the_reference() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with_alarm(&server).await;
    assert_eq!(
        log_over_https(&server, &format!("token={token}&code=high_temp&description=T%3D36")).await.0,
        200
    );
    let logged = events(&server, &id).await;
    assert_eq!((&logged[0]["description"], &logged[0]["code"]), (&json!("T=36"), &json!("high_temp")));
    let ask = async |query: &str| log_over_https(&server, &format!("token={token}&{query}")).await;
    let bad = |message: &str| (400, message.to_owned());
    assert_eq!(ask("").await, bad("Event code is not provided."));
    assert_eq!(ask("code=").await, bad("Event code is not provided."));
    assert_eq!(ask("code=other").await, bad("Can't find Event with this code in Product template"));
    assert_eq!(ask("code=high_temp").await.0, 429, "less than a second after the first");
    for _ in 1..100 {
        server.clock.advance(Duration::from_secs(2));
        assert_eq!(ask("code=high_temp").await.0, 200);
    }
    server.clock.advance(Duration::from_secs(2));
    assert_eq!(ask("code=sys_ota").await.0, 429, "a hundred a day");
    server.clock.advance(Duration::from_hours(24));
    assert_eq!(ask("code=sys_ota").await.0, 200);
    server.release(&id).await;
    assert_eq!(ask("code=sys_ota").await, bad("Invalid token."));
}

#[tokio::test]
async fn entries_are_resolved_archived_and_commented_by_people() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with_alarm(&server).await;
    let path = format!("/api/v1/devices/{id}/timeline");
    assert_eq!(log_over_https(&server, &format!("token={token}&code=high_temp")).await.0, 200);
    let note = server.send("POST", &path, Some(json!({"text": "Moved to the attic"}))).await;
    assert_eq!((note.status, &note.json()["type"]), (201, &json!("note")), "{}", note.text());
    let entry = events(&server, &id).await[0]["id"].clone();
    let commented =
        server.send("POST", &format!("{path}/{entry}/comments"), Some(json!({"text": "On it"}))).await;
    assert_eq!((commented.status, &commented.json()["comments"][0]["text"]), (201, &json!("On it")));
    let one = format!("{path}/{entry}");
    let change = async |path: &str, change: Value| server.send("PATCH", path, Some(change)).await;
    let resolved = change(&one, json!({"resolved": true})).await.json();
    assert_eq!((&resolved["resolved_by"], &resolved["archived"]), (&json!("admin-key"), &json!(false)));
    assert_eq!(server.get(&format!("{path}?resolved=true")).await["items"], json!([resolved]));
    change(&one, json!({"archived": true})).await;
    let ids =
        |page: Value| page["items"].as_array().unwrap().iter().map(|e| e["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(server.get(&format!("{path}?archived=true")).await), std::slice::from_ref(&entry));
    assert_eq!(ids(server.get(&format!("{path}?type=critical")).await), Vec::<Value>::new());
    let note = note.json()["id"].clone();
    let refused = change(&format!("{path}/{note}"), json!({"resolved": true})).await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (422, "invalid_request"));
    let (_, other) = (0, server.create_device().await.0);
    for wrong in
        [format!("/api/v1/devices/{other}/timeline/{entry}"), format!("{path}/999"), format!("{path}/x")]
    {
        let refused = change(&wrong, json!({"archived": true})).await;
        assert_eq!((refused.status, refused.problem_code().as_str()), (404, "timeline_entry_not_found"));
    }
}

#[tokio::test]
async fn a_released_device_shows_nothing_of_its_timeline_and_takes_no_note() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with_alarm(&server).await;
    let device = Device::log_in(&server, &token).await;
    wait_for_status(&server, &id, "Online").await;
    assert_eq!(log_over_https(&server, &format!("token={token}&code=high_temp")).await.0, 200);
    assert_eq!(types(&timeline(&server, &id).await), ["online", "critical"]);
    server.release(&id).await;
    assert_eq!(timeline(&server, &id).await, Vec::<Value>::new());
    drop(device);
    server.clock.advance(Duration::from_mins(5));
    let path = format!("/api/v1/devices/{id}/timeline");
    let refused = server.send("POST", &path, Some(json!({"text": "x"}))).await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (409, "device_released"));
    assert_eq!(timeline(&server, &id).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_device_that_stays_away_is_offline_after_the_wait_and_each_change_is_told_once() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with_alarm(&server).await;
    assert_eq!(
        status_of(&server, &id).await,
        json!({"kind": "offline", "name": "Offline", "color": null, "since": null})
    );
    let mut watcher = Watcher::start(&server).await;
    let device = Device::log_in(&server, &token).await;
    wait_for_status(&server, &id, "Online").await;
    watcher
        .wait_for("status", |data| data["device_id"] == id.as_str() && data["status"]["kind"] == "online")
        .await;
    drop(device);
    pass_time_until(&server, &id, "Offline").await;
    watcher.wait_for("status", |data| data["status"]["kind"] == "offline").await;
    let _device = Device::log_in(&server, &token).await;
    wait_for_status(&server, &id, "Online").await;
    let entries = timeline(&server, &id).await;
    assert_eq!(types(&entries), ["online", "offline", "online"]);
    watcher.wait_for("timeline", |data| data["entry"] == entries[1]).await;
}

/// A radio says no good-bye: the connection is cut when the heartbeat is long overdue, and the silence counts.
#[tokio::test]
async fn the_silence_of_a_heartbeat_counts_towards_the_wait() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with_alarm(&server).await;
    let mut device = Device::log_in(&server, &token).await;
    wait_for_status(&server, &id, "Online").await;
    device.ping(2).await;
    let heard_at = server.clock.now().utc.unix_ms();
    let _silent = device.fall_silent();
    server.clock.advance(Duration::from_secs(80));
    wait_for_status(&server, &id, "Offline").await;
    let since: api_types::Timestamp =
        serde_json::from_value(status_of(&server, &id).await["since"].clone()).unwrap();
    let wait_ms = since.unix_ms() - heard_at;
    assert!((58_000..62_000).contains(&wait_ms), "{wait_ms} ms after it was heard last");
}

#[tokio::test]
async fn a_shorter_wait_counts_for_a_device_that_is_away_already() {
    let server = TestServer::start().await;
    let (template, id, token) = device_with_alarm(&server).await;
    let path = format!("/api/v1/templates/{template}/lifecycle");
    let mut lifecycle = server.get(&path).await;
    lifecycle["custom"] = json!([{"name": "Inactive", "wait_s": 86_400}]);
    server.send("PUT", &path, Some(lifecycle.clone())).await;
    drop(Device::log_in(&server, &token).await);
    pass_time_until(&server, &id, "Online").await;
    pass_time_until(&server, &id, "Offline").await;
    lifecycle["custom"][0]["wait_s"] = json!(1);
    server.send("PUT", &path, Some(lifecycle)).await;
    server.clock.advance(Duration::from_secs(2));
    wait_for_status(&server, &id, "Inactive").await;
}

#[tokio::test]
async fn a_storm_of_reconnects_writes_no_entry() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let mut devices = Vec::new();
    for _ in 0..20 {
        devices.push(device_of(&server, &template).await);
    }
    for _ in 0..4 {
        let mut connected = Vec::new();
        for (_, token) in &devices {
            connected.push(Device::log_in(&server, token).await);
        }
        for (id, _) in &devices {
            wait_for_status(&server, id, "Online").await;
        }
        drop(connected);
        server.clock.advance(Duration::from_secs(20));
    }
    for (id, _) in &devices {
        pass_time_until(&server, id, "Offline").await;
        assert_eq!(types(&timeline(&server, id).await), ["online", "offline"]);
    }
}

#[tokio::test]
async fn custom_statuses_apply_in_turn_and_short_absences_can_be_ignored() {
    let server = TestServer::start().await;
    let (template, id, token) = device_with_alarm(&server).await;
    let path = format!("/api/v1/templates/{template}/lifecycle");
    let status = |name: &str, wait_s: u32| json!({"name": name, "wait_s": wait_s, "show_on_timeline": true});
    let lifecycle = json!({
        "online": status("Here", 0), "offline": status("Away", 10),
        "custom": [status("Inactive", 600), {"name": "Lost", "wait_s": 600, "color": "#ff0000"}],
        "offline_ignore_s": 120,
    });
    let answer = server.send("PUT", &path, Some(lifecycle)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let server = server.restart().await;
    assert_eq!(server.get(&path).await, answer.json());

    let device = Device::log_in(&server, &token).await;
    wait_for_status(&server, &id, "Here").await;
    drop(device);
    pass_time_until(&server, &id, "Away").await;
    let device = Device::log_in(&server, &token).await;
    wait_for_status(&server, &id, "Here").await;
    assert_eq!(types(&timeline(&server, &id).await), ["online"], "an absence of 10 s is ignored");
    drop(device);
    for name in ["Away", "Inactive", "Lost"] {
        pass_time_until(&server, &id, name).await;
    }
    assert_eq!(status_of(&server, &id).await["color"], "#ff0000");
    assert_eq!(types(&timeline(&server, &id).await), ["online", "offline", "status"], "`Lost` is not kept");
    let wrong = json!({"online": status("x", 0), "offline": status("y", 1_801)});
    let refused = server.send("PUT", &path, Some(wrong)).await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (422, "invalid_request"));
}

#[tokio::test]
async fn a_status_outlives_a_restart_and_nobody_is_told_twice() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let (gone, gone_token) = device_of(&server, &template).await;
    let (back, back_token) = device_of(&server, &template).await;
    let devices = [Device::log_in(&server, &gone_token).await, Device::log_in(&server, &back_token).await];
    for id in [&gone, &back] {
        wait_for_status(&server, id, "Online").await;
    }
    let server = server.restart().await;
    drop(devices);
    let mut here = Device::log_in(&server, &back_token).await;
    let started = tokio::time::Instant::now();
    while status_of(&server, &gone).await["kind"] != "offline" {
        assert!(started.elapsed() < DEADLINE, "never offline");
        server.clock.advance(Duration::from_secs(5));
        // Heard now, however much time passes.
        here.ping(2).await;
    }
    assert_eq!(types(&timeline(&server, &gone).await), ["online", "offline"]);
    assert_eq!(types(&timeline(&server, &back).await), ["online"]);
    let server = server.restart().await;
    server.clock.advance(Duration::from_mins(2));
    assert_eq!(status_of(&server, &gone).await["kind"], "offline");
    assert_eq!(types(&timeline(&server, &gone).await), ["online", "offline"]);
}

#[tokio::test]
async fn a_device_without_a_connection_is_online_while_it_reports_where_the_template_says_so() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let (id, token) = device_of(&server, &template).await;
    let report = async || {
        let path = format!("/external/api/update?token={token}&v1=1");
        assert_eq!(request(server.running.plain_addr, "GET", &path, &[], None).await.status, 200);
    };
    report().await;
    let path = format!("/api/v1/templates/{template}/lifecycle");
    let mut lifecycle = server.get(&path).await;
    lifecycle["online_when_data_is_reported"] = json!(true);
    assert_eq!(server.send("PUT", &path, Some(lifecycle)).await.status, 200);
    assert_eq!(status_of(&server, &id).await["since"], Value::Null, "the report before did not count");
    report().await;
    wait_for_status(&server, &id, "Online").await;
    for _ in 0..3 {
        server.clock.advance(Duration::from_secs(40));
        report().await;
    }
    assert_eq!(status_of(&server, &id).await["kind"], "online");
    pass_time_until(&server, &id, "Offline").await;
    assert_eq!(types(&timeline(&server, &id).await), ["online", "offline"]);
}

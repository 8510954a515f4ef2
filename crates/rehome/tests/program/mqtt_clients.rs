//! MQTT clients that others wrote and publish, unmodified: Eclipse Paho for Python, and mosquitto's command-line clients.

use std::process::Command;

use serde_json::{Value, json};

use crate::process::{Process, isolate};
use crate::server::TestServer;
use crate::third_party_clients::{clients, script};

/// A template's pins as the topics name them.
const DATASTREAMS: [(u8, &str, &str); 3] =
    [(1, "Temperature", "double"), (2, "Power", "integer"), (3, "Set Temperature", "integer")];

/// A server with a device whose template has datastreams; the device's id and token.
fn server_with_device() -> (TestServer, String, String) {
    let server = TestServer::serve();
    let (id, token) = server.create_device();
    let template = server.get(&format!("/api/v1/devices/{id}"))["template_id"].as_str().unwrap().to_owned();
    for (pin, name, data_type) in DATASTREAMS {
        let path = format!("/api/v1/templates/{template}/datastreams/{pin}");
        server.send("PUT", &path, Some(json!({"name": name, "type": data_type}))).expect(201);
    }
    let path = format!("/api/v1/templates/{template}/events/high_temp");
    let event = json!({"name": "Too hot", "type": "critical", "show_on_timeline": true});
    server.send("PUT", &path, Some(event)).expect(201);
    (server, id, token)
}

fn paho(token: &str, server: &TestServer, version: &str, transport: &str) -> Process {
    let mut command = Command::new(clients().join("venv/bin/python"));
    let port = server.plain_addr.port().to_string();
    command.arg(script("mqtt_device.py")).args([token, &port, version, transport]);
    isolate(&mut command, &std::env::temp_dir());
    Process::spawn(&mut command)
}

/// Waits for an event whose detail is as wanted.
fn wait_for(client: &Process, name: &str, is_wanted: impl Fn(&Value) -> bool) {
    let found = client.stdout.wait_for_line(name, |line| {
        let event: Value = serde_json::from_str(line.strip_prefix("EVENT ")?).ok()?;
        (event["event"] == name && is_wanted(&event["detail"])).then_some(())
    });
    found.unwrap_or_else(|seen| panic!("{seen}\n{}", client.stderr.text()));
}

fn received(topic: &str, payload: &str) -> impl Fn(&Value) -> bool {
    let wanted = json!({"topic": topic, "payload": payload});
    move |detail| *detail == wanted
}

/// The journey of an MQTT device: it logs in, says what it is, writes three datastreams, one of them acknowledged; a value that is
/// set elsewhere reaches it; it logs an event, asks for values and the time, and hears that a topic names nothing.
fn plays_its_part(version: &str, transport: &str) {
    let (server, id, token) = server_with_device();
    let client = paho(&token, &server, version, transport);
    wait_for(&client, "connected", |_| true);
    wait_for(&client, "published", |detail| detail["mid"] == 4 && detail["reason"] == "Success");
    // Acknowledged means that it is stored, with everything before it.
    assert_eq!(server.value(&id, 1), "21.5");
    assert_eq!(server.value(&id, 2), "1");
    assert_eq!(server.value(&id, 3), "19");
    let device = server.get(&format!("/api/v1/devices/{id}"));
    assert_eq!((&device["online"], &device["firmware"]["version"]), (&json!(true), &json!("1.2.3")));

    let path = format!("/api/v1/devices/{id}/datastreams/2");
    server.send("PUT", &path, Some(json!({"value": "0"}))).expect(200);
    wait_for(&client, "received", received("downlink/ds/Power", "0"));
    wait_for(&client, "received", received("downlink/ds/Temperature", "21.5"));
    wait_for(&client, "received", received("downlink/ds/Set Temperature", "19"));
    wait_for(&client, "received", |detail| {
        detail["topic"] == "downlink/utc/all/json"
            && detail["payload"].as_str().is_some_and(|text| text.contains("\"tz_name\":\"Etc/UTC\""))
    });
    let diagnosis = "the template has no datastream named `Unknown`";
    wait_for(&client, "received", received("downlink/diag", diagnosis));
    // Sent before what was just answered.
    let timeline = server.get(&format!("/api/v1/devices/{id}/timeline?type=critical"));
    assert_eq!(timeline["items"][0]["description"], "T=36", "{timeline}");
}

#[test]
fn a_paho_device_plays_its_part_in_mqtt_3_1_1() {
    plays_its_part("3", "tcp");
}

#[test]
fn a_paho_device_plays_its_part_in_mqtt_5() {
    plays_its_part("5", "tcp");
}

#[test]
fn a_paho_device_plays_its_part_over_web_socket() {
    plays_its_part("5", "websockets");
}

#[test]
fn a_malformed_token_is_bad_credentials_and_an_unknown_one_is_to_come_back() {
    let (server, ..) = server_with_device();
    let malformed = paho("short", &server, "5", "tcp");
    wait_for(&malformed, "refused", |detail| detail == "Bad user name or password");
    let unknown = paho(&"x".repeat(32), &server, "5", "tcp");
    wait_for(&unknown, "refused", |detail| detail == "Server unavailable");
}

#[test]
fn mosquittos_clients_publish_over_tls_and_subscribe() {
    let (server, id, token) = server_with_device();
    let ca = server.data_dir().join("tls/ca.pem");
    let mut publish = Command::new("mosquitto_pub");
    publish.args(["-h", "localhost", "-p", &server.tls_addr.port().to_string(), "-q", "1", "-i", "lamp"]);
    publish.args(["-u", "device", "-P", &token, "-t", "ds/Temperature", "-m", "7.25"]);
    publish.arg("--cafile").arg(&ca);
    let done = publish.output().expect("mosquitto_pub comes with Debian's package mosquitto-clients");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(server.value(&id, 1), "7.25");

    // Into a pipe the client would keep its lines until a block is full.
    let mut subscribe = Command::new("stdbuf");
    subscribe.args([
        "--output=L",
        "mosquitto_sub",
        "-d",
        "-v",
        "-h",
        "127.0.0.1",
        "-p",
        &server.plain_addr.port().to_string(),
    ]);
    subscribe.args(["-u", "device", "-P", &token, "-t", "downlink/ds/#"]);
    isolate(&mut subscribe, &std::env::temp_dir());
    let subscriber = Process::spawn(&mut subscribe);
    let wait_for_line = |start: &str| {
        let found = subscriber.stdout.wait_for_line(start, |line| line.starts_with(start).then_some(()));
        found.unwrap_or_else(|seen| panic!("{seen}"));
    };
    wait_for_line("Subscribed");
    let path = format!("/api/v1/devices/{id}/datastreams/2");
    server.send("PUT", &path, Some(json!({"value": "5"}))).expect(200);
    wait_for_line("downlink/ds/Power 5");
}

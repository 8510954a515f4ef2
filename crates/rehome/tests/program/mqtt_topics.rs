//! The topics of the Device MQTT API and its gateway API, with the unmodified client of Eclipse Paho in both versions.

use std::process::Command;

use serde_json::{Value, json};

use crate::device_client::Device;
use crate::process::{Process, isolate};
use crate::server::TestServer;
use crate::third_party_clients::{clients, script};

const VERSIONS: [&str; 2] = ["3", "5"];

/// Where the server sends devices when it is told to send them away.
const ELSEWHERE: &str = "other.example.org";

struct Lamp {
    id: String,
    token: String,
    template: String,
}

impl Lamp {
    /// A device whose template has one datastream.
    fn create(server: &TestServer) -> Self {
        let (id, token) = server.create_device();
        let template =
            server.get(&format!("/api/v1/devices/{id}"))["template_id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/templates/{template}/datastreams/1");
        server
            .send("PUT", &path, Some(json!({"name": "Power", "type": "integer", "save_raw_data": true})))
            .expect(201);
        Self { id, token, template }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/devices/{}{rest}", self.id)
    }

    fn power(&self, server: &TestServer) -> Option<String> {
        let answer = server.send("GET", &self.path("/datastreams/1"), None);
        (answer.status == 200).then(|| answer.json()["value"].as_str().unwrap().to_owned())
    }

    fn command(&self, server: &TestServer, command: &str) {
        server.send("POST", &self.path("/commands"), Some(json!({ "command": command }))).expect(204);
    }

    fn allow_gateway(&self, server: &TestServer, is_allowed: bool) {
        let path = format!("/api/v1/templates/{}", self.template);
        let changed = server.send("PATCH", &path, Some(json!({ "gateway_api": is_allowed }))).expect(200);
        assert_eq!(changed["gateway_api"], is_allowed);
    }
}

/// A client that does what a script says.
struct Client(Process);

impl Client {
    fn start(server: &TestServer, version: &str, username: &str, token: &str, more: &Value) -> Self {
        let mut steps = json!({"username": username, "password": token});
        steps.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut command = Command::new(clients().join("venv/bin/python"));
        command.arg(script("mqtt_script.py"));
        command.args([&server.plain_addr.port().to_string(), version, &steps.to_string()]);
        isolate(&mut command, &std::env::temp_dir());
        Self(Process::spawn(&mut command))
    }

    fn wait_for(&self, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let found = self.0.stdout.wait_for_line(name, |line| {
            let event: Value = serde_json::from_str(line.strip_prefix("EVENT ")?).ok()?;
            (event["event"] == name && is_wanted(&event["detail"])).then(|| event["detail"].clone())
        });
        found.unwrap_or_else(|seen| panic!("{seen}\n{}", self.0.stderr.text()))
    }

    fn receives(&self, topic: &str, payload: &str) -> Value {
        self.wait_for("received", |detail| detail["topic"] == topic && detail["payload"] == payload)
    }
}

#[test]
fn a_last_will_is_taken_when_a_client_vanishes_and_not_when_it_leaves() {
    let server = TestServer::serve();
    for version in VERSIONS {
        let lamp = Lamp::create(&server);
        for (end, event, will) in [("leave", "disconnected", "7"), ("vanish", "vanished", "9")] {
            let steps = json!({"will": ["ds/Power", will], "publish": [["ds/Power", "1", 1]], "end": end});
            let client = Client::start(&server, version, "device", &lamp.token, &steps);
            client.wait_for(event, |_| true);
        }
        server.wait_for(&lamp.path("/datastreams/1"), |stored| stored["value"] == "9");
        let history = server.send("GET", &lamp.path("/export?pin=V1&step=raw"), None).text;
        let values: Vec<&str> = history.lines().skip(1).filter_map(|line| line.rsplit(',').next()).collect();
        assert_eq!(values, ["1", "1", "9"], "{history}");
    }
}

#[test]
fn metadata_is_set_asked_for_and_told_when_it_changes() {
    let server = TestServer::serve();
    for version in VERSIONS {
        let lamp = Lamp::create(&server);
        let steps = json!({
            "subscribe": ["downlink/meta/#"],
            "publish": [["meta/Serial", "A-17", 1], ["get/meta", "Serial,Device Name", 1]],
        });
        let client = Client::start(&server, version, "device", &lamp.token, &steps);
        client.receives("downlink/meta/Serial", "A-17");
        client.receives("downlink/meta/Device Name", "Lamp 1");
        server.send("PUT", &lamp.path("/metadata/Serial"), Some(json!({"value": "B-4"}))).expect(200);
        client.receives("downlink/meta/Serial", "B-4");
        server.send("PATCH", &lamp.path(""), Some(json!({"name": "Hall"}))).expect(200);
        client.receives("downlink/meta/Device Name", "Hall");
    }
}

#[test]
fn a_shipment_is_described_to_a_client_that_subscribed_to_nothing() {
    let server = TestServer::serve();
    for version in VERSIONS {
        let lamp = Lamp::create(&server);
        let template = &lamp.template;
        let info = json!({"tmpl": template, "type": template, "ver": "1.0.0", "rxbuff": 1024}).to_string();
        let steps = json!({"publish": [["info/mcu", info, 1]]});
        let client = Client::start(&server, version, "device", &lamp.token, &steps);
        client.wait_for("published", |_| true);
        let tag =
            format!("blnkinf\0mcu\x001.1.{version}\0fw-type\0{template}\0build\0Nov 22 2026 10:00:00\0\0");
        let image = format!("{}{tag}", "x".repeat(2_000));
        let size = image.len();
        let firmware = server.upload("/api/v1/firmware?file_name=lamp.bin", image).expect(201);
        let body = json!({"name": "All", "firmware_id": firmware["id"], "template_id": template});
        server.send("POST", "/api/v1/shipments", Some(body)).expect(201);
        let order = client.wait_for("received", |detail| detail["topic"] == "downlink/ota/json");
        let order: Value = serde_json::from_str(order["payload"].as_str().unwrap()).unwrap();
        let described = json!([order["size"], order["type"], order["ver"], order["build"]]);
        assert_eq!(described, json!([size, template, format!("1.1.{version}"), "Nov 22 2026 10:00:00"]));
        assert!(order["url"].as_str().unwrap().starts_with("http"), "{order}");
    }
}

#[test]
fn orders_reach_a_client_and_a_ping_is_the_one_it_acknowledges() {
    let server = TestServer::serve();
    for version in VERSIONS {
        let lamp = Lamp::create(&server);
        let offline = server.send("POST", &lamp.path("/commands"), Some(json!({"command": "ping"})));
        assert_eq!(offline.expect(409)["code"], "device_offline");
        let steps = json!({"subscribe": ["downlink/#"]});
        let client = Client::start(&server, version, "device", &lamp.token, &steps);
        client.wait_for("subscribed", |_| true);
        for command in ["ping", "reboot", "reconfigure"] {
            lamp.command(&server, command);
            let topic = format!("downlink/{command}");
            let order = client.receives(&topic, "");
            // A subscription with quality of service 0 gets nothing else, but for the ping.
            assert_eq!(order["quality"], u8::from(command == "ping"), "{command}");
        }
        let told = server.get("/api/v1/audit");
        let orders: Vec<&Value> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["action"] == "device.command")
            .collect();
        assert!(orders.len() >= 3, "{told}");
    }
}

#[test]
fn a_server_that_sends_its_devices_elsewhere_says_where() {
    let mut server = TestServer::serve();
    let lamp = Lamp::create(&server);
    server.stop();
    let settings = format!("[redirect_devices_to]\nhost = \"{ELSEWHERE}\"\nport = 1883\n");
    std::fs::write(server.data_dir().with_file_name("rehome.toml"), settings).unwrap();
    server.start_again();
    for version in VERSIONS {
        let client = Client::start(&server, version, "device", &lamp.token, &json!({}));
        client.receives("downlink/redirect", &format!("mqtt://{ELSEWHERE}:1883"));
    }
}

#[test]
fn of_two_clients_with_one_token_the_newest_wins_and_the_other_is_told() {
    let server = TestServer::serve();
    let lamp = Lamp::create(&server);
    let first = Client::start(&server, "5", "device", &lamp.token, &json!({}));
    first.wait_for("connected", |_| true);
    let second = Client::start(&server, "5", "device", &lamp.token, &json!({}));
    second.wait_for("connected", |_| true);
    first.wait_for("disconnected", |reason| reason == "Session taken over");
}

#[test]
fn a_gateway_logs_in_once_and_speaks_for_other_devices() {
    let server = TestServer::serve();
    for version in VERSIONS {
        let (gateway, lamp, other) = (Lamp::create(&server), Lamp::create(&server), Lamp::create(&server));
        gateway.allow_gateway(&server, true);
        let (about, about_other) = (format!("dev/{}", lamp.token), format!("dev/{}", other.token));
        let refused = [
            "#",
            "dev/#",
            "dev/+/downlink/#",
            &format!("{about}/ds/#"),
            &format!("dev/{}/#", "x".repeat(32)),
        ];
        let mut filters = vec![format!("{about}/#"), format!("{about_other}/downlink/ds/Power")];
        filters.extend(refused.iter().map(|filter| (*filter).to_owned()));
        let steps = json!({
            "subscribe": filters,
            "publish": [
                [format!("{about}/ds/Power"), "1", 1],
                [format!("{about_other}/batch_ds"), "{\"Power\": 2}", 1],
                ["ds/Power", "3", 1],
                [format!("{about}/get/ds"), "Power", 1],
                [format!("{about}/ds/Unknown"), "1", 1],
                [format!("dev/{}/ds/Power", "x".repeat(32)), "9", 1],
            ],
        });
        let client = Client::start(&server, version, "mgmt_device", &gateway.token, &steps);
        let granted = client.wait_for("subscribed", |_| true);
        assert_eq!(granted, json!([true, true, false, false, false, false, false]));
        client.receives(&format!("{about}/downlink/ds/Power"), "1");
        client.wait_for("done", |_| true);
        let powers = [&lamp, &other, &gateway].map(|each| each.power(&server));
        assert_eq!(powers.map(Option::unwrap), ["1", "2", "3"]);
        for each in [&lamp, &other, &gateway] {
            assert_eq!(server.get(&each.path(""))["online"], true);
        }
        let diagnosis = "the template has no datastream named `Unknown`";
        client.receives(&format!("{about}/downlink/diag"), diagnosis);
        client.wait_for("received", |detail| {
            detail["topic"] == format!("dev/{}/downlink/diag", "x".repeat(32))
                && detail["payload"].as_str().is_some_and(|text| text.contains("try again later"))
        });

        server.send("PUT", &other.path("/datastreams/1"), Some(json!({"value": "7"}))).expect(200);
        client.receives(&format!("{about_other}/downlink/ds/Power"), "7");
        lamp.command(&server, "ping");
        assert_eq!(client.receives(&format!("{about}/downlink/ping"), "")["quality"], 1);

        // A device that connects by itself speaks for itself, until its gateway has something to say for it again.
        let mut itself = Device::log_in(server.plain_addr, &other.token);
        server.send("PUT", &other.path("/datastreams/1"), Some(json!({"value": "8"}))).expect(200);
        assert_eq!(itself.try_next().unwrap().text(), "vw|1|8");
        assert!(!client.0.stdout.text().contains("\"8\""), "the device itself was told");
    }
}

#[test]
fn only_a_device_whose_template_allows_it_is_a_gateway() {
    let server = TestServer::serve();
    for version in VERSIONS {
        let (gateway, lamp) = (Lamp::create(&server), Lamp::create(&server));
        let refused = Client::start(&server, version, "mgmt_device", &gateway.token, &json!({}));
        refused.wait_for("refused", |reason| reason == "Not authorized");
        gateway.allow_gateway(&server, true);
        gateway.allow_gateway(&server, false);
        let refused = Client::start(&server, version, "mgmt_device", &gateway.token, &json!({}));
        refused.wait_for("refused", |reason| reason == "Not authorized");

        // Whoever logs in as a device speaks for itself alone, allowed or not.
        gateway.allow_gateway(&server, true);
        let about = format!("dev/{}", lamp.token);
        let steps =
            json!({"subscribe": [format!("{about}/#")], "publish": [[format!("{about}/ds/Power"), "1", 1]]});
        let client = Client::start(&server, version, "device", &gateway.token, &steps);
        assert_eq!(client.wait_for("subscribed", |_| true), json!([false]));
        client.receives("downlink/diag", "there is no such topic");
        client.wait_for("done", |_| true);
        assert_eq!(lamp.power(&server), None);
    }
}

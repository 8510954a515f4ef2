//! Clients that others wrote and publish, unmodified.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::device_client::Device;
use crate::process::{Process, isolate};
use crate::server::TestServer;

/// The folder with the installed clients.
pub(crate) fn clients() -> PathBuf {
    let folder = std::env::var_os("REHOME_CLIENTS").map(PathBuf::from).expect(
        "REHOME_CLIENTS is not set: run `cargo xtask test`, which installs the clients, or install the packages of \
         crates/rehome/tests/clients (npm ci; python3 -m venv venv; venv/bin/python -m pip install -r \
         requirements.txt) into a folder and set REHOME_CLIENTS to it",
    );
    assert!(folder.is_absolute(), "REHOME_CLIENTS must be an absolute path");
    folder
}

/// The script that drives a client.
pub(crate) fn script(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "clients", name].iter().collect()
}

fn wait_for_event(client: &Process, name: &str) -> Value {
    let found = client.stdout.wait_for_line(name, |line| {
        let event: Value = serde_json::from_str(line.strip_prefix("EVENT ")?).ok()?;
        (event["event"] == name).then(|| event["detail"].clone())
    });
    found.unwrap_or_else(|seen| panic!("{seen}\n{}", client.stderr.text()))
}

/// A device, and the client that plays it.
struct Played {
    server: TestServer,
    id: String,
    client: Process,
}

impl Played {
    fn start(command: impl FnOnce(&TestServer, &str) -> Command) -> Self {
        let server = TestServer::serve();
        let (id, token) = server.create_device();
        let mut command = command(&server, &token);
        isolate(&mut command, &std::env::temp_dir());
        let client = Process::spawn(&mut command);
        Self { server, id, client }
    }

    fn datastreams(&self) -> String {
        format!("/api/v1/devices/{}/datastreams", self.id)
    }

    fn wait_until_written(&self, written: &str) {
        let has_written = |seen: &Value| {
            let mut items = seen["items"].as_array().unwrap().iter();
            items.any(|item| item["pin"] == 1 && item["value"] == written)
        };
        self.server.wait_for(&self.datastreams(), has_written);
        assert_eq!(self.server.get(&format!("/api/v1/devices/{}", self.id))["online"], true);
    }

    fn write(&self, pin: u16, value: &str) {
        let path = format!("{}/{pin}", self.datastreams());
        self.server.send("PUT", &path, Some(json!({ "value": value }))).expect(200);
    }

    /// The journey of a client: it logs in, writes V1, and receives on V2 what the HTTP API writes.
    fn plays_its_part(&self, written: &str) {
        wait_for_event(&self.client, "connected");
        self.wait_until_written(written);
        self.write(2, "for the client");
        assert_eq!(wait_for_event(&self.client, "received"), json!(["for the client"]));
    }
}

fn python(name: &str) -> Command {
    let mut command = Command::new(clients().join("venv/bin/python"));
    command.arg(script(name));
    command
}

#[test]
fn the_npm_client_logs_in_writes_and_receives() {
    let client = Played::start(|server, token| {
        let mut command = Command::new("node");
        command.arg(script("blynk_library.js")).arg(clients());
        command.args([token, &server.plain_addr.port().to_string()]);
        command
    });
    client.plays_its_part("written by npm");
}

#[test]
fn the_pypi_client_logs_in_writes_and_receives() {
    let client = Played::start(|server, token| {
        let mut command = python("blynk_library_python.py");
        command.args([token, &server.plain_addr.port().to_string()]);
        command
    });
    client.plays_its_part("written by python");
}

/// With its heartbeat of one second this client gives up unless each of its pings is answered.
fn blynklib_pings_too(client: &Played) {
    client.plays_its_part("written by blynklib");
    assert_eq!(wait_for_event(&client.client, "pinged"), "Response status: 200");
    assert!(!client.client.stdout.text().contains("given up"), "{}", client.client.stdout.text());
}

#[test]
fn blynklib_logs_in_the_old_way_writes_receives_and_pings() {
    let client = Played::start(|server, token| {
        let mut command = python("blynklib_device.py");
        command.args([token, &server.plain_addr.port().to_string()]);
        command
    });
    blynklib_pings_too(&client);
}

#[test]
fn blynklib_does_the_same_over_tls() {
    let client = Played::start(|server, token| {
        let mut command = python("blynklib_device.py");
        command.args([token, &server.tls_addr.port().to_string()]).arg(server.data_dir().join("tls/ca.pem"));
        command
    });
    blynklib_pings_too(&client);
}

#[test]
fn node_red_writes_receives_and_comes_back_when_its_connection_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["flows.json", "settings.js"] {
        std::fs::copy(script("node_red").join(name), folder.path().join(name)).unwrap();
    }
    let mut token_of_device = String::new();
    let client = Played::start(|server, token| {
        token.clone_into(&mut token_of_device);
        let mut command = Command::new("node");
        command.arg(clients().join("node_modules/node-red/red.js")).arg("--userDir").arg(folder.path());
        command.env("DEVICE_SERVER", format!("localhost:{}", server.tls_addr.port()));
        command.env("DEVICE_TOKEN", token).env("DEVICE_TEMPLATE", "TMPLx");
        command
    });
    client.wait_until_written("written by node-red");
    let receives = |value: &str| {
        client.write(2, value);
        let found = client.client.stdout.wait_for_line(value, |line| line.contains(value).then_some(()));
        found.unwrap_or_else(|seen| panic!("{seen}\n{}", client.client.stderr.text()));
    };
    receives("for the client");

    // Of two connections with one token the newest wins: this one now, and the client's own once it has come back.
    let mut other = Device::log_in(client.server.plain_addr, &token_of_device);
    client.write(1, "not yet");
    while other.try_next().is_some() {}
    client.wait_until_written("written by node-red");
    receives("for the client that came back");
}

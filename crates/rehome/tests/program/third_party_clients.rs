//! Clients that others wrote and publish, unmodified.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::process::{Process, isolate};
use crate::server::TestServer;

/// The folder with the installed clients.
pub(crate) fn clients() -> PathBuf {
    let folder = std::env::var_os("REHOME_CLIENTS").map(PathBuf::from).expect(
        "REHOME_CLIENTS is not set: run `cargo xtask test`, which installs the clients, or install the packages of \
         crates/rehome/tests/clients (npm ci; python3 -m venv venv; venv/bin/pip install -r requirements.txt) into a \
         folder and set REHOME_CLIENTS to it",
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

/// The journey of a client: it logs in, writes V1, and receives on V2 what the HTTP API writes.
fn plays_its_part(written: &str, command: impl FnOnce(&str, &str) -> Command) {
    let server = TestServer::serve();
    let (id, token) = server.create_device();
    let mut command = command(&token, &server.plain_addr.port().to_string());
    isolate(&mut command, &std::env::temp_dir());
    let client = Process::spawn(&mut command);
    wait_for_event(&client, "connected");
    let path = format!("/api/v1/devices/{id}/datastreams");
    let has_written = |seen: &Value| {
        seen["items"].as_array().unwrap().iter().any(|item| item["pin"] == 1 && item["value"] == written)
    };
    server.wait_for(&path, has_written);
    assert_eq!(server.get(&format!("/api/v1/devices/{id}"))["online"], true);
    server.send("PUT", &format!("{path}/2"), Some(json!({"value": "for the client"}))).expect(200);
    assert_eq!(wait_for_event(&client, "received"), json!(["for the client"]));
}

#[test]
fn the_npm_client_logs_in_writes_and_receives() {
    plays_its_part("written by npm", |token, port| {
        let mut command = Command::new("node");
        command.arg(script("blynk_library.js")).arg(clients()).args([token, port]);
        command
    });
}

#[test]
fn the_pypi_client_logs_in_writes_and_receives() {
    plays_its_part("written by python", |token, port| {
        let mut command = Command::new(clients().join("venv/bin/python"));
        command.arg(script("blynk_library_python.py")).args([token, port]);
        command
    });
}

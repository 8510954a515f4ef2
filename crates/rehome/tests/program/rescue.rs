//! `rehome rescue` and the visit of `rehome provision`, against the mock of NetworkManager.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;
use zbus::Variant;

use crate::private_bus::{AccessPoint, Device, MANAGER_PATH, PrivateBus, SERVICE, WIRELESS, until_called};
use crate::process::{Process, rehome, run};

const PASSWORD: &str = "lost-secret-password";
const KEY: &str = "api-key-secret-0123456789";

/// A folder with the secrets in files.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
    fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
    folder
}

fn on_bus(folder: &Path, bus: &PrivateBus, arguments: &[&str]) -> Command {
    let mut command = rehome(folder, arguments);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", bus.address());
    command
}

fn rescue(folder: &Path, bus: &PrivateBus, more: &[&str]) -> Command {
    let words = ["rescue", "--ssid", "Werkstatt", "--password-file", "password"];
    on_bus(folder, bus, &[&words, more].concat())
}

/// Starts a rescue and lets its network come up.
async fn started(bus: &PrivateBus, device: &Device, command: &mut Command) -> Process {
    bus.add_active_connection(device, "Office").await;
    let mut calls = bus.calls().await;
    let process = Process::spawn(command);
    until_called(&mut calls, "AddAndActivateConnection2").await;
    bus.bring_up(device).await;
    bus.set_active_connection(device, "/").await;
    process
}

fn says_no_secret(texts: [&str; 2]) {
    for text in texts {
        assert!(!text.contains(PASSWORD) && !text.contains(KEY), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_tells_what_happens_and_ctrl_c_restores_what_was_connected() {
    let (bus, device) = PrivateBus::with_radio().await;
    let folder = folder();
    let mut process = started(&bus, &device, &mut rescue(folder.path(), &bus, &["--json"])).await;
    let line = |word: &'static str| move |line: &str| line.contains(word).then(|| line.to_owned());
    let up = process.stdout.wait_for_line("the network", line("network_up")).unwrap();
    assert!(up.contains("\"Werkstatt\"") && up.contains("\"wlan0\""), "{up}");
    bus.let_in("24:6f:28:aa:bb:cc").await;
    let joined = process.stdout.wait_for_line("the board", line("board_joined")).unwrap();
    assert!(joined.contains("24:6F:28:AA:BB:CC"), "{joined}");

    let mut calls = bus.calls().await;
    kill_process(process.pid(), Signal::INT).unwrap();
    until_called(&mut calls, "DeactivateConnection").await;
    until_called(&mut calls, "ActivateConnection").await;
    let ended = process.wait_for_end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let last = ended.stdout.lines().last().unwrap();
    assert!(last.contains("network_down") && last.contains("\"Office\""), "{last}");
    says_no_secret([&ended.stdout, &ended.stderr]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_follows_the_release_until_the_board_is_safe_to_ship() {
    let (bus, device) = PrivateBus::with_radio().await;
    let folder = folder();
    let url = releases(["pending", "pending", "inferred"]);
    let more = ["--server", &url, "--device", "dev-1", "--key-file", "key"];
    let mut process = started(&bus, &device, &mut rescue(folder.path(), &bus, &more)).await;
    let ended = process.wait_for_end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    for word in ["is up on wlan0", "It stands at inferred", "safe to ship", "\"Office\""] {
        assert!(ended.stdout.contains(word), "{word:?} is not in {}", ended.stdout);
    }
    let told = ended.stdout.matches("It stands at pending").count();
    assert_eq!(told, 1, "what did not change is told once: {}", ended.stdout);
    says_no_secret([&ended.stdout, &ended.stderr]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_orders_the_release_where_it_is_asked_to() {
    let (bus, device) = PrivateBus::with_radio().await;
    let folder = folder();
    let url = releases(["gone", "ordered", "inferred"]);
    let more = ["--server", &url, "--device", "dev-1", "--key-file", "key", "--release"];
    let mut process = started(&bus, &device, &mut rescue(folder.path(), &bus, &more)).await;
    let ended = process.wait_for_end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    for word in ["It stands at pending", "It stands at inferred", "safe to ship"] {
        assert!(ended.stdout.contains(word), "{word:?} is not in {}", ended.stdout);
    }
    says_no_secret([&ended.stdout, &ended.stderr]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_ends_by_itself_ends_the_rescue_with_a_reason() {
    let (bus, device) = PrivateBus::with_radio().await;
    let folder = folder();
    let mut process = started(&bus, &device, &mut rescue(folder.path(), &bus, &[])).await;
    let is_up = |line: &str| line.contains("is up on").then_some(());
    process.stdout.wait_for_line("the network", is_up).unwrap();
    bus.move_device(&device, 30, 100, 39).await;
    let ended = process.wait_for_end();
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.message().contains("went down by itself"), "{ended:?}");
    assert!(ended.stdout.contains("\"Office\" is connected as before"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_that_cannot_be_says_why_and_what_to_do() {
    let (bus, device) = PrivateBus::with_radio().await;
    let folder = folder();
    let says = |ended: &crate::process::Ended, words: [&str; 2]| {
        assert_eq!(ended.code(), 1, "{ended:?}");
        for word in words {
            assert!(ended.message().contains(word), "{word:?} is not in {:?}", ended.message());
        }
        says_no_secret([&ended.stdout, &ended.stderr]);
    };
    let code = "raise dbus.exceptions.DBusException('Not authorized', \
                name='org.freedesktop.NetworkManager.PermissionDenied')";
    let signature = ["a{sa{sv}}ooa{sv}", "ooa{sv}"];
    bus.add_method(MANAGER_PATH, SERVICE, "AddAndActivateConnection2", signature, code).await;
    says(&run(&mut rescue(folder.path(), &bus, &[])), ["does not permit", "sudo"]);
    bus.set(&device.path, WIRELESS, "WirelessCapabilities", Variant::from(0xBF_u32)).await;
    says(&run(&mut rescue(folder.path(), &bus, &[])), ["cannot be an access point", "--interface"]);
    let empty = PrivateBus::start().await;
    says(&run(&mut rescue(folder.path(), &empty, &[])), ["NetworkManager does not run", "systemctl"]);
    let mut no_bus = rescue(folder.path(), &empty, &[]);
    no_bus.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}/none", folder.path().display()));
    says(&run(&mut no_bus), ["message bus", "network-manager"]);
    let url = releases(["gone", "gone", "gone"]);
    let more = ["--server", &url, "--device", "dev-1", "--key-file", "key"];
    says(&run(&mut rescue(folder.path(), &bus, &more)), ["`--release` does that", "404"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_senseless_rescue_is_refused_with_code_2() {
    let bus = PrivateBus::start().await;
    let folder = folder();
    fs::write(folder.path().join("short"), "short").unwrap();
    let long = "x".repeat(33);
    let lines: [&[&str]; 5] = [
        &["rescue"],
        &["rescue", "--ssid", &long],
        &["rescue", "--ssid", "Werkstatt", "--password-file", "short"],
        &["rescue", "--ssid", "Werkstatt", "--server", "http://127.0.0.1:1"],
        &["rescue", "--ssid", "Werkstatt", "--server", "http://127.0.0.1:1", "--device", "dev-1"],
    ];
    for line in lines {
        let ended = run(&mut on_bus(folder.path(), &bus, line));
        assert_eq!(ended.code(), 2, "{line:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn provision_lists_the_hotspots_where_there_are_several_and_joins_none() {
    let (bus, device) = PrivateBus::with_radio().await;
    bus.add_active_connection(&device, "Office").await;
    let air = AccessPoint {
        object: "Air",
        ssid: "Blynk Air-1W7R",
        address: "24:6F:28:AA:BB:CD",
        mhz: 2_412,
        strength: 70,
        security: 0,
    };
    bus.add_access_point(&device, &air).await;
    bus.add_access_point(&device, &AccessPoint { object: "Acme", ssid: "Acme-C6DR", strength: 50, ..air })
        .await;
    let code = "raise dbus.exceptions.DBusException('activated', name='test.Activated')";
    let signature = ["a{sa{sv}}ooa{sv}", "ooa{sv}"];
    bus.add_method(MANAGER_PATH, SERVICE, "AddAndActivateConnection2", signature, code).await;
    let folder = folder();
    fs::write(folder.path().join("token"), "0123456789abcdefghijklmnopqrstuv").unwrap();
    let words = ["provision", "--ssid", "Home", "--password-file", "password", "--token-file", "token"];
    let ended = run(&mut on_bus(folder.path(), &bus, &words));
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.message().contains("--hotspot NAME: Blynk Air-1W7R, Acme-C6DR"), "{ended:?}");
    assert!(ended.stderr.contains("\"Office\" is connected as before"), "{ended:?}");
    says_no_secret([&ended.stdout, &ended.stderr]);
}

/// A server at which a release comes one state further with each question; `gone` is no release at all, `ordered` what
/// answers to the order for one.
fn releases(states: [&'static str; 3]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // The thread ends with the test's process.
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let state = states[index.min(states.len() - 1)];
            let method = if state == "ordered" { "POST" } else { "GET" };
            assert!(request.starts_with(&format!("{method} /api/v1/devices/dev-1/release ")), "{request}");
            assert!(request.contains(&format!("Bearer {KEY}")), "the key is missing");
            let (head, body) = match state {
                "gone" => ("404 Not Found", "{}".to_owned()),
                "ordered" => ("202 Accepted", release("pending")),
                state => ("200 OK", release(state)),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    url
}

fn release(state: &str) -> String {
    serde_json::json!({
        "state": state,
        "requested_at": "2026-11-22T10:00:00Z",
        "finished_at": null,
        "safe_to_ship": state == "inferred",
        "last_seen_at": null,
        "attempts": 1,
        "explanation": format!("It stands at {state}."),
    })
    .to_string()
}

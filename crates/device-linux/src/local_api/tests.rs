//! Hostile and clumsy applications on a real socket.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use device::Application as _;
use lifecycle::{Indication, Instant, State};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::task::LocalSet;
use wire::{Values, VirtualPin};

use super::{LINE_BYTES_MAX, LocalApplication, Pins, serve};

/// How long any wait may take.
const DEADLINE: Duration = Duration::from_secs(20);

struct Server {
    pins: Rc<Pins>,
    path: PathBuf,
    _folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/device.sock");
        let pins = Rc::new(Pins::new());
        serve(&path, Rc::clone(&pins)).unwrap();
        Self { pins, path, _folder: folder }
    }

    async fn client(&self) -> Client {
        Client(BufReader::new(UnixStream::connect(&self.path).await.unwrap()))
    }

    fn write_from_cloud(&self, pin: u8, values: &[u8]) {
        LocalApplication(Rc::clone(&self.pins)).on_write(Instant::BOOT, VirtualPin(pin), Values::new(values));
    }
}

struct Client(BufReader<UnixStream>);

impl Client {
    async fn send(&mut self, line: &[u8]) {
        self.0.get_mut().write_all(line).await.unwrap();
    }

    /// Returns the next line; `None` when the connection was closed.
    async fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read =
            tokio::time::timeout(DEADLINE, self.0.read_line(&mut line)).await.expect("an answer in time");
        matches!(read, Ok(1..)).then(|| serde_json::from_str(&line).unwrap())
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.send(format!("{request}\n").as_bytes()).await;
        self.next().await.expect("an answer")
    }
}

async fn play(story: impl AsyncFnOnce(Server)) {
    LocalSet::new().run_until(async { story(Server::start()).await }).await;
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_the_connection_stays() {
    play(async |server| {
        let mut client = server.client().await;
        for line in [
            b"hello".as_slice(),
            b"{",
            b"[]",
            b"null",
            b"{\"do\":\"erase\"}",
            b"{\"do\":\"read\"}",
            b"{\"do\":\"read\",\"pin\":256}",
            b"{\"do\":\"read\",\"pin\":-1}",
            b"{\"do\":\"read\",\"pin\":1,\"more\":1}",
            b"{\"do\":\"write\",\"pin\":1,\"value\":null}",
            b"{\"do\":\"write\",\"pin\":1,\"value\":[1]}",
            b"{\"do\":\"write\",\"pin\":1,\"value\":\"a\\u0000b\"}",
            b"{\"do\":\"state\"}{\"do\":\"state\"}",
            b"\xFF\xFE\x00",
        ] {
            client.send(&[line, b"\n"].concat()).await;
            let answer = client.next().await.expect("an answer");
            assert_eq!(answer["ok"], false, "{}", line.escape_ascii());
            assert!(answer["error"].is_string());
        }
        let long = client.ask(json!({"do": "write", "pin": 1, "value": "x".repeat(65)})).await;
        assert_eq!(long["ok"], false);
        let deep = format!("{}{}\n", "[".repeat(1500), "]".repeat(1500));
        client.send(deep.as_bytes()).await;
        assert_eq!(client.next().await.expect("an answer")["ok"], false);
        assert_eq!(
            client.ask(json!({"do": "read", "pin": 1})).await,
            json!({"ok": true, "pin": 1, "values": null})
        );
    })
    .await;
}

#[tokio::test]
async fn a_line_without_end_ends_the_connection_and_no_other() {
    play(async |server| {
        let (mut greedy, mut other) = (server.client().await, server.client().await);
        greedy.send(&vec![b' '; LINE_BYTES_MAX + 1]).await;
        assert_eq!(greedy.next().await, None);
        assert_eq!(other.ask(json!({"do": "state"})).await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn the_longest_line_is_understood() {
    play(async |server| {
        let mut client = server.client().await;
        let mut line = b"{\"do\":\"state\"}".to_vec();
        line.resize(LINE_BYTES_MAX, b' ');
        line.push(b'\n');
        client.send(&line).await;
        assert_eq!(client.next().await.expect("an answer")["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_line_that_comes_in_pieces_survives_the_events_between() {
    play(async |server| {
        let mut client = server.client().await;
        client.ask(json!({"do": "subscribe"})).await;
        client.send(b"{\"do\":\"wri").await;
        server.write_from_cloud(3, b"on");
        assert_eq!(client.next().await, Some(json!({"event": "write", "pin": 3, "values": ["on"]})));
        client.send(b"te\",\"pin\":4,\"value\":true}\n").await;
        assert_eq!(client.next().await, Some(json!({"ok": true})));
        let write = LocalApplication(Rc::clone(&server.pins)).next_write().unwrap();
        assert_eq!((write.pin, write.value.as_str()), (VirtualPin(4), "1"));
    })
    .await;
}

#[tokio::test]
async fn values_wait_for_the_cloud_up_to_a_limit() {
    play(async |server| {
        let mut client = server.client().await;
        for number in 0..64 {
            let answer = client.ask(json!({"do": "write", "pin": 5, "value": number})).await;
            assert_eq!(answer, json!({"ok": true}));
        }
        assert_eq!(client.ask(json!({"do": "write", "pin": 5, "value": 64})).await["ok"], false);
        let mut application = LocalApplication(Rc::clone(&server.pins));
        assert_eq!(application.next_write().unwrap().value.as_str(), "0");
        assert_eq!(client.ask(json!({"do": "write", "pin": 5, "value": 64})).await["ok"], true);
        // What was refused was not remembered either.
        assert_eq!(client.ask(json!({"do": "read", "pin": 5})).await["values"], json!(["64"]));
    })
    .await;
}

#[tokio::test]
async fn lines_for_the_console_wait_in_order_up_to_a_limit() {
    play(async |server| {
        let mut client = server.client().await;
        for line in ["x".repeat(256), "status\nreboot".to_owned()] {
            assert_eq!(client.ask(json!({"do": "console", "line": line})).await["ok"], false);
        }
        for number in 0..8 {
            let answer = client.ask(json!({"do": "console", "line": format!("line {number}")})).await;
            assert_eq!(answer, json!({"ok": true}));
        }
        assert_eq!(client.ask(json!({"do": "console", "line": "status"})).await["ok"], false);
        for number in 0..8 {
            assert_eq!(server.pins.next_console_line().await, format!("line {number}"));
        }
        assert_eq!(client.ask(json!({"do": "console", "line": "x".repeat(255)})).await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_let_go() {
    play(async |server| {
        let mut slow = server.client().await;
        slow.ask(json!({"do": "subscribe"})).await;
        for _ in 0..100 {
            server.write_from_cloud(1, &[b'x'; 500]);
        }
        let mut received_count = 0;
        while slow.next().await.is_some() {
            received_count += 1;
        }
        assert!(received_count < 100, "{received_count}");
    })
    .await;
}

#[tokio::test]
async fn a_wipe_forgets_every_value_and_is_told() {
    play(async |server| {
        let mut client = server.client().await;
        client.ask(json!({"do": "subscribe"})).await;
        client.ask(json!({"do": "write", "pin": 1, "value": "mine"})).await;
        server.pins.show_state(State::ResetConfig, 0);
        assert_eq!(client.next().await.expect("an event")["state"], "RESET_CONFIG");
        assert_eq!(client.ask(json!({"do": "read", "pin": 1})).await["values"], Value::Null);
        assert!(LocalApplication(Rc::clone(&server.pins)).next_write().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_crowd_waits_for_its_turn() {
    play(async |server| {
        let mut crowd = Vec::new();
        for _ in 0..16 {
            let mut client = server.client().await;
            assert_eq!(client.ask(json!({"do": "state"})).await["ok"], true);
            crowd.push(client);
        }
        let mut late = server.client().await;
        late.send(b"{\"do\":\"state\"}\n").await;
        drop(crowd.pop());
        assert_eq!(late.next().await.expect("an answer")["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn the_socket_is_for_the_group_and_replaces_only_a_socket() {
    play(async |server| {
        assert_eq!(std::fs::metadata(&server.path).unwrap().permissions().mode() & 0o777, 0o660);
        serve(&server.path, Rc::clone(&server.pins)).expect("the old socket makes room");
        let other = server.path.with_file_name("notes.txt");
        std::fs::write(&other, "mine").unwrap();
        assert!(serve(&other, Rc::clone(&server.pins)).is_err());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    })
    .await;
}

#[tokio::test]
async fn the_light_is_told_to_those_who_ask_for_it() {
    play(async |server| {
        let (mut lamp, mut other) = (server.client().await, server.client().await);
        assert_eq!(lamp.ask(json!({"do": "state"})).await["led"], Value::Null);
        lamp.ask(json!({"do": "subscribe", "led": true})).await;
        other.ask(json!({"do": "subscribe"})).await;
        let show = |indication: Indication| server.pins.show_pattern(indication.pattern());
        show(Indication::Recovery);
        show(Indication::Recovery);
        show(Indication::State(State::Running));
        show(Indication::State(State::Error));
        server.pins.show_state(State::Error, 720);
        let recovery = json!({"pattern": "blink", "colour": "#0d36ff", "on_ms": 50, "off_ms": 2000});
        let running = json!({"pattern": "wave", "colour": "#2effb9", "period_ms": 5000});
        let error =
            json!({"pattern": "double_blink", "colour": "#ff1008", "on_ms": 80, "between_ms": 100, "off_ms": 1000});
        for led in [&recovery, &running, &error] {
            assert_eq!(lamp.next().await, Some(json!({"event": "led", "led": led})));
        }
        for client in [&mut lamp, &mut other] {
            assert_eq!(client.next().await.expect("an event")["last_error"], 720);
        }
        assert_eq!(other.ask(json!({"do": "state"})).await["led"], error);
    })
    .await;
}

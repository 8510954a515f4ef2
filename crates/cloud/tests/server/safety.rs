//! Attacks that want memory, places or time: each is bounded, is counted in the metrics, and harms nobody else.
//!
//! What a single hostile message does is in `hostile_input.rs`.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::device_client::{Device, HARDWARE, INTERNAL, LOGIN, PING, SYNC, frame};
use crate::harness::{DEADLINE, TestServer};
use crate::http_client::send_raw;

/// What all attacks of a test may cost in memory: far less than what they send or ask for.
const MEMORY_BYTES_MAX: u64 = 48 * 1024 * 1024;

/// A server, a device that was there before, and what the process needed then.
struct Scene {
    server: TestServer,
    bystander: Device,
    memory_bytes: u64,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_config| {}).await
    }

    async fn with(change: impl FnOnce(&mut cloud::Config)) -> Self {
        let server = TestServer::start_with(change).await;
        let (_, token) = server.create_device().await;
        let mut bystander = Device::log_in(&server, &token).await;
        bystander.ping(2).await;
        Self { server, bystander, memory_bytes: resident_bytes() }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.running.plain_addr).await.unwrap()
    }

    async fn counted(&self, metric: &str) -> u64 {
        counted(&self.server, metric).await
    }

    async fn wait_for_count(&self, metric: &str, at_least: u64) {
        let started = tokio::time::Instant::now();
        loop {
            let count = self.counted(metric).await;
            if count >= at_least {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{metric} is {count}, not {at_least}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The bystander is answered at once, and the attack has cost little.
    async fn is_unharmed(&mut self) {
        let started = tokio::time::Instant::now();
        self.bystander.ping(3).await;
        assert!(started.elapsed() < Duration::from_secs(2), "a bystander waited {:?}", started.elapsed());
        let grown = resident_bytes().saturating_sub(self.memory_bytes);
        assert!(grown < MEMORY_BYTES_MAX, "the process has grown by {} kB", grown / 1_024);
    }
}

/// Memory of this process, the server included. Source: proc(5), `VmRSS`.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1_024
}

/// What a counter shows; 0 when it was never counted.
async fn counted(server: &TestServer, metric: &str) -> u64 {
    let text = server.send("GET", "/metrics", None).await.text();
    let value = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Writes until everything is sent or the other side has closed; returns what it answered.
async fn send_and_read(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let writing = async {
        // The other side may close in the middle.
        drop(writer.write_all(bytes).await);
    };
    let reading = async {
        drop(reader.read_to_end(&mut answer).await);
    };
    tokio::time::timeout(DEADLINE, async { tokio::join!(writing, reading) }).await.expect("it was left open");
    answer
}

#[tokio::test]
async fn a_device_that_never_reads_is_cut_before_it_costs_much() {
    let mut scene = Scene::with(|config| config.timings.write_ms = 300).await;
    let (id, token) = scene.server.create_device().await;
    for pin in 0..40 {
        let path = format!("/api/v1/devices/{id}/datastreams/{pin}");
        let value = json!({"value": "x".repeat(1_000)});
        assert_eq!(scene.server.send("PUT", &path, Some(value)).await.status, 200);
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(scene.server.running.plain_addr).await.unwrap();
    let mut bytes = frame(LOGIN, 1, &token);
    bytes.extend(frame(INTERNAL, 2, "ver|1.0|h-beat|40|buff-in|4096"));
    // 40 kB are asked for with each; the device is slowed down after a hundred.
    bytes.extend(frame(SYNC, 3, "").repeat(400));
    let asking = async {
        while stream.write_all(&bytes).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let cut = "gateway_links_cut_total{reason=\"slow_reader\"}";
    tokio::select! {
        () = scene.wait_for_count(cut, 1) => {}
        () = asking => scene.wait_for_count(cut, 1).await,
    }
    scene.is_unharmed().await;
}

#[tokio::test]
async fn devices_that_vanish_without_a_word_free_their_places() {
    let mut scene = Scene::new().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        let (_, token) = scene.server.create_device().await;
        let mut device = Device::log_in(&scene.server, &token).await;
        device.ask(INTERNAL, 2, "ver|1.0|h-beat|10|buff-in|256", 200).await;
        silent.push(device.fall_silent());
    }
    assert_eq!(counted(&scene.server, "gateway_devices_connected").await, 51);
    scene.server.clock.advance(Duration::from_secs(29));
    scene.is_unharmed().await;
    scene.server.clock.advance(Duration::from_secs(2));
    scene.wait_for_count("gateway_links_cut_total{reason=\"silent\"}", 50).await;
    scene.is_unharmed().await;
}

#[tokio::test]
async fn a_hundred_flooding_devices_are_slowed_down_and_the_bystander_is_not() {
    let mut scene = Scene::new().await;
    let mut flooding = Vec::new();
    for _ in 0..100 {
        let (_, token) = scene.server.create_device().await;
        flooding.push(Device::log_in(&scene.server, &token).await);
    }
    // 300 kB from each; after the first hundred messages the server reads no further than one chunk.
    let flood = frame(HARDWARE, 2, &format!("vw|1|{}", "x".repeat(990))).repeat(300);
    for device in &mut flooding {
        // What the sockets do not take is not waited for.
        drop(tokio::time::timeout(Duration::from_millis(20), device.send(&flood)).await);
    }
    scene.wait_for_count("gateway_quota_waits_total", 100).await;
    scene.is_unharmed().await;
}

#[tokio::test]
async fn bodies_without_end_are_refused_where_they_get_too_large() {
    let mut scene = Scene::new().await;
    let head = "POST /api/v1/auth/link HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let announced = format!("{head}Content-Length: 10000000000\r\n\r\n");
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(4));
    for bytes in [announced, chunked] {
        for _ in 0..10 {
            let answer = send_and_read(scene.connect().await, bytes.as_bytes()).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
        }
    }
    scene.wait_for_count("http_answers_total{status=\"413\"}", 20).await;
    scene.is_unharmed().await;
}

#[tokio::test]
async fn heads_without_end_are_refused_and_slow_ones_end_in_time() {
    let mut scene = Scene::with(|config| config.timings.http_head_ms = 300).await;
    let endless = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: {}", "x".repeat(1 << 20));
    let answer = send_and_read(scene.connect().await, endless.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    // Slow-loris: each sends a little, again and again, and never ends its head.
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut stream = scene.connect().await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n").await.unwrap();
        slow.push(tokio::spawn(async move {
            while stream.write_all(b"X-Slow: 1\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }));
    }
    scene.is_unharmed().await;
    for stream in slow {
        tokio::time::timeout(DEADLINE, stream).await.expect("a slow head was left open").unwrap();
    }
    scene.wait_for_count("http_connections_failed_total", 300).await;
    scene.is_unharmed().await;
}

/// A request that is cut in two by one reader and not by another could bring a second one past a guard. Everything that is
/// ambiguous is refused, and the connection with it.
#[tokio::test]
async fn ambiguous_heads_are_refused_and_nothing_behind_them_is_answered() {
    let mut scene = Scene::new().await;
    let post = "POST /api/v1/auth/link HTTP/1.1\r\nHost: a\r\n";
    let ambiguous = [
        format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Content-Length: 4\r\nContent-Length: 0\r\n\r\n"),
        format!("{post}Content-Length: +4\r\n\r\n0\r\n\r\n"),
        format!("{post}Content-Length: 4, 0\r\n\r\n"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}X-Folded: a\r\n Content-Length: 4\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
        format!("{post}X-Null: a\0b\r\n\r\n"),
    ];
    for (index, head) in ambiguous.iter().enumerate() {
        let smuggled = format!("{head}GET /api/v1/server HTTP/1.1\r\nHost: a\r\nX-Smuggled: {index}\r\n\r\n");
        let answer = send_and_read(scene.connect().await, smuggled.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "two answers to {head:?}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 2"), "{head:?}: {answer}");
        let second_is_closed = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(second_is_closed, "{head:?}: {answer}");
    }
    scene.is_unharmed().await;
}

/// One port speaks three protocols; which one is decided by the first byte and never again.
#[tokio::test]
async fn a_connection_cannot_change_its_protocol() {
    let mut scene = Scene::new().await;
    let (id, token) = scene.server.create_device().await;
    let login = frame(LOGIN, 1, &token);
    // A login behind an HTTP request is no login.
    let mut bytes = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    bytes.extend(&login);
    bytes.extend(frame(HARDWARE, 2, "vw|1|smuggled"));
    bytes.extend(frame(PING, 3, ""));
    let answer = send_and_read(scene.connect().await, &bytes).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.matches("HTTP/1.1 ").count() <= 2, "{answer}");
    // An HTTP request behind a login is no request.
    let mut bytes = login.clone();
    bytes.extend(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = send_and_read(scene.connect().await, &bytes).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
    // Neither is one behind an MQTT packet.
    let mut bytes = vec![0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0];
    bytes.extend(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = send_and_read(scene.connect().await, &bytes).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
    let values = scene.server.get(&format!("/api/v1/devices/{id}/datastreams")).await;
    assert_eq!(values["items"].as_array().unwrap().len(), 0, "{values}");
    for protocol in ["http", "blynk", "mqtt"] {
        let metric = format!("connections_by_protocol_total{{protocol=\"{protocol}\"}}");
        assert!(scene.counted(&metric).await >= 1, "{metric}");
    }
    scene.is_unharmed().await;
}

/// A CONNECT of MQTT 3.1.1 for a device.
fn connect_packet(token: &str) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0b1100_0010, 0, 60, 0, 1, b'a'];
    for text in ["device", token] {
        body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        body.extend(text.as_bytes());
    }
    [&[0x10, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

#[tokio::test]
async fn mqtt_packets_of_any_announced_size_cost_nothing() {
    let mut scene = Scene::new().await;
    let (_, token) = scene.server.create_device().await;
    let cut = "mqtt_connections_cut_total{reason=\"malformed\"}";
    // 268,435,455 bytes, the most that the format allows, are announced: as a CONNECT, and as a message after one.
    let bomb = [0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60];
    let mut after = connect_packet(&token);
    after.extend([0x30, 0xff, 0xff, 0xff, 0x7f]);
    let mut too_long_length = connect_packet(&token);
    too_long_length.extend([0x30, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let filler = vec![b'x'; 256 * 1024];
    for (round, bytes) in [&bomb[..], &after, &too_long_length].into_iter().enumerate() {
        for _ in 0..10 {
            send_and_read(scene.connect().await, &[bytes, &filler].concat()).await;
        }
        scene.wait_for_count(cut, 10 * (u64::try_from(round).unwrap() + 1)).await;
    }
    scene.is_unharmed().await;
}

/// Second byte of a frame (RFC 6455, section 5.2): the mask is there, and the length follows in 2 or 8 bytes.
const MASKED: u8 = 0x80;
const IN_2_BYTES: u8 = 0x7e;
const IN_8_BYTES: u8 = 0x7f;

/// A frame of a WebSocket client: masked with zeros, which leaves the bytes as they are (RFC 6455, section 5.2).
fn web_socket_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length) if length < u16::from(IN_2_BYTES) => bytes.push(MASKED | u8::try_from(length).unwrap()),
        Ok(length) => {
            bytes.push(MASKED | IN_2_BYTES);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(MASKED | IN_8_BYTES);
            bytes.extend(u64::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn web_socket_messages_in_endless_fragments_end_where_they_get_too_large() {
    const BINARY: u8 = 2;
    const CONTINUATION: u8 = 0;
    let mut scene = Scene::new().await;
    let upgrade = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: mqtt\r\n\r\n"
        )
    };
    let small = web_socket_frame(CONTINUATION, &[LOGIN; 100]).repeat(5_000);
    let large = web_socket_frame(CONTINUATION, &[LOGIN; 16 * 1024]).repeat(64);
    let announced = [&[0x82, MASKED | IN_8_BYTES][..], &u64::MAX.to_be_bytes()[..], &[0; 4][..]].concat();
    let mut sent = 0;
    for path in ["/websocket", "/mqtt"] {
        for fragments in [&small, &large] {
            let mut bytes = upgrade(path).into_bytes();
            bytes.extend(web_socket_frame(BINARY, b"\x1d"));
            bytes.extend(fragments);
            send_and_read(scene.connect().await, &bytes).await;
            sent += 1;
        }
        let bytes = [upgrade(path).as_bytes(), &announced, &small].concat();
        send_and_read(scene.connect().await, &bytes).await;
        sent += 1;
    }
    scene.wait_for_count("web_sockets_failed_total", sent).await;
    scene.is_unharmed().await;
}

#[tokio::test]
async fn tls_handshakes_that_say_nothing_or_nonsense_end_in_time() {
    let mut scene = Scene::with(|config| config.timings.tls_handshake_ms = 300).await;
    let connect = || TcpStream::connect(scene.server.running.tls_addr);
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut stream = connect().await.unwrap();
        // The head of a record of 16 kB, and nothing of it.
        stream.write_all(&[0x16, 3, 1, 0x40, 0]).await.unwrap();
        silent.push(stream);
    }
    for _ in 0..100 {
        send_and_read(connect().await.unwrap(), &[0x41; 4_096]).await;
    }
    for stream in silent {
        send_and_read(stream, b"").await;
    }
    scene.wait_for_count("tls_handshakes_failed_total{reason=\"timeout\"}", 100).await;
    scene.wait_for_count("tls_handshakes_failed_total{reason=\"refused\"}", 100).await;
    scene.is_unharmed().await;
}

#[tokio::test]
async fn a_thousand_wrong_tokens_are_told_to_try_later_and_a_right_one_gets_in() {
    let mut scene = Scene::new().await;
    let (_, token) = scene.server.create_device().await;
    for attempt in 0..1_000 {
        let mut device = Device::connect(&scene.server).await;
        let status = device.try_login(&format!("unknown-token-{attempt:018}")).await;
        assert_eq!(status, Some(19), "attempt {attempt}");
    }
    Device::log_in(&scene.server, &token).await.ping(2).await;
    assert!(scene.counted("gateway_logins_total{outcome=\"try_later\"}").await >= 1_000);
    // Few of them are written down: the others would cost a write each.
    let noted = scene.server.get("/api/v1/unknown-tokens").await;
    let noted = noted["items"].as_array().unwrap().len();
    assert!((1..=200).contains(&noted), "{noted}");
    // The same over HTTP, where a token stands in the address.
    let address = scene.server.running.plain_addr;
    let mut answers = std::collections::BTreeSet::new();
    for attempt in 0..1_000 {
        let path = format!("/external/api/isHardwareConnected?token=unknown-token-{attempt:018}");
        answers.insert(send_raw(address, "GET", &path, &[], String::new()).await.status);
    }
    assert!(answers.iter().all(|status| (400..500).contains(status)), "{answers:?}");
    let path = format!("/external/api/isHardwareConnected?token={token}");
    assert_eq!(send_raw(address, "GET", &path, &[], String::new()).await.status, 200);
    scene.is_unharmed().await;
}

//! Bytes that no honest client sends: a clear end for the sender, no harm for anybody else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::device_client::{Device, HARDWARE, LOGIN, PING, SYNC, frame};
use crate::harness::{DEADLINE, TestServer};

#[tokio::test]
async fn whatever_comes_before_a_login_closes_the_connection_without_an_answer() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut bystander = Device::log_in(&server, &token).await;
    for bytes in [
        frame(PING, 1, ""),
        frame(HARDWARE, 1, "vw|1|1"),
        frame(SYNC, 1, ""),
        frame(LOGIN, 0, &token),
        vec![0xff; 64],
        vec![0; 64],
        vec![0x10, 0x0c, 0x00, 0x04, b'M', b'Q', b'T', b'T', 4, 2, 0, 60],
        vec![0x16, 0x03, 0x01, 0x00, 0x05, 1, 2, 3, 4, 5],
        [&[LOGIN, 0, 1, 0xff, 0xff][..], &[b'x'; 100][..]].concat(),
    ] {
        let mut stranger = Device::connect(&server).await;
        stranger.send_and_ignore_errors(&bytes).await;
        stranger.expect_closed().await;
    }
    bystander.ping(2).await;
}

#[tokio::test]
async fn a_frame_that_is_too_large_gets_status_2_and_the_connection_ends() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(HARDWARE, 2, "vw|1|before")).await;
    device.send_and_ignore_errors(&[HARDWARE, 0, 3, 0xff, 0xff]).await;
    let answer = device.next().await.unwrap();
    assert_eq!((answer.id, answer.status()), (3, Some(2)));
    device.expect_closed().await;
    let kept = server.get(&format!("/api/v1/devices/{id}/datastreams/1")).await;
    assert_eq!(kept["value"], "before", "what came before is kept");
}

#[tokio::test]
async fn message_id_0_ends_the_connection() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.send_and_ignore_errors(&frame(PING, 0, "")).await;
    device.expect_closed().await;
}

#[tokio::test]
async fn malformed_bodies_get_status_2_and_the_link_stays() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    for (id, body) in (2..).zip(["", "vw", "vw|1", "vw|x|1", "vw|256|1", "vw|-1|1", "zz|1|1", "|||"]) {
        device.ask(HARDWARE, id, body, 2).await;
    }
    let too_long = format!("vw|1|{}", "x".repeat(1_025));
    device.ask(HARDWARE, 90, &too_long, 2).await;
    device.ask(SYNC, 91, "vr|x", 2).await;
    device.ask(LOGIN, 92, "not a token", 4).await;
    device.ping(93).await;
}

#[tokio::test]
async fn a_flood_is_slowed_down_and_nothing_of_it_is_lost_before_the_next_ping_is_answered() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    let mut flood = Vec::new();
    // 100 may come at once; the other 60 pass at 50 a second.
    for number in 2..=161 {
        flood.extend(frame(HARDWARE, number, &format!("vw|1|{number}")));
    }
    flood.extend(frame(PING, 5_000, ""));
    let started_at = tokio::time::Instant::now();
    device.send(&flood).await;
    let pong = device.next().await.unwrap();
    assert_eq!((pong.id, pong.status()), (5_000, Some(200)));
    assert!(started_at.elapsed() >= std::time::Duration::from_secs(1), "{:?}", started_at.elapsed());
    assert_eq!(server.get(&format!("/api/v1/devices/{id}/datastreams/1")).await["value"], "161");
}

#[tokio::test]
async fn a_flooding_device_stays_online_and_slows_nobody_else_down() {
    let server = TestServer::start().await;
    let (_, flooding_token) = server.create_device().await;
    let (_, token) = server.create_device().await;
    let mut flooding = Device::log_in(&server, &flooding_token).await;
    flooding.send(&frame(HARDWARE, 2, "vw|1|1").repeat(2_000)).await;
    let mut device = Device::log_in(&server, &token).await;
    for id in 2..12 {
        device.ping(id).await;
    }
    // The flood is not through yet: its ping waits behind it.
    flooding.send(&frame(PING, 3, "")).await;
    let answer = tokio::time::timeout(std::time::Duration::from_millis(50), flooding.next()).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_says_nothing_or_half_a_login_is_closed_in_time() {
    let server = TestServer::start_with(|config| {
        config.timings.first_bytes_ms = 200;
        config.timings.http_head_ms = 200;
    })
    .await;
    for bytes in [&b""[..], &[LOGIN, 0, 1][..], b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let mut stranger = TcpStream::connect(server.running.plain_addr).await.unwrap();
        stranger.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(DEADLINE, stranger.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{bytes:?} was left open");
    }
}

#[tokio::test]
async fn two_lengths_in_one_http_request_cannot_hide_a_second_request() {
    let server = TestServer::start().await;
    let mut stranger = TcpStream::connect(server.running.plain_addr).await.unwrap();
    let smuggled = "POST /api/v1/auth/link HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\
                    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    stranger.write_all(smuggled.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    let count = tokio::time::timeout(DEADLINE, stranger.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let differing =
        "POST /api/v1/auth/link HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nContent-Length: 7\r\n\r\n";
    let mut stranger = TcpStream::connect(server.running.plain_addr).await.unwrap();
    stranger.write_all(differing.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(DEADLINE, stranger.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn text_over_a_web_socket_ends_it() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    let server = TestServer::start().await;
    let stream = TcpStream::connect(server.running.plain_addr).await.unwrap();
    let url = format!("ws://{}/websocket", server.running.plain_addr);
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    socket.send(Message::Text("hello".into())).await.unwrap();
    let next = tokio::time::timeout(DEADLINE, socket.next()).await.unwrap();
    assert!(matches!(next, None | Some(Ok(Message::Close(_)) | Err(_))), "{next:?}");
}

#[tokio::test]
async fn an_http_client_that_never_reads_loses_its_connection() {
    let server = TestServer::start_with(|config| config.timings.write_ms = 100).await;
    let mut client = TcpStream::connect(server.running.plain_addr).await.unwrap();
    let requests = b"GET /api/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    let asking = async { while client.write_all(&requests).await.is_ok() {} };
    tokio::time::timeout(DEADLINE, asking).await.expect("the connection is still held");
}

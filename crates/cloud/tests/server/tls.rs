//! TLS towards small devices.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::crypto::ring::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{CipherSuite, ClientConfig};

use crate::device_client::{Device, HARDWARE, INTERNAL, SYNC, client_config, client_config_with, frame};
use crate::harness::{DEADLINE, TestServer};

/// The receive buffer of an ESP8266, in bytes. Source: reference/observed-clients.md.
const RECORD_BYTES_MAX: usize = 2_048;

/// Keeps a copy of all that is received, to look at the records.
struct Recording {
    stream: TcpStream,
    received: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Recording {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.received.lock().unwrap().extend_from_slice(&buffer.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Recording {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Sizes of the records in a recording, headers included.
fn record_sizes(mut bytes: &[u8]) -> Vec<usize> {
    let mut sizes = Vec::new();
    while let [_kind, _major, _minor, high, low, ..] = bytes {
        let size = 5 + usize::from(u16::from_be_bytes([*high, *low]));
        sizes.push(size);
        bytes = bytes.get(size..).unwrap_or_default();
    }
    sizes
}

#[tokio::test]
async fn a_device_that_speaks_tls_1_2_alone_gets_no_record_above_its_buffer() {
    for version in [&TLS12, &TLS13] {
        let server = TestServer::start().await;
        let (id, token) = server.create_device().await;
        for pin in 0..20 {
            let path = format!("/api/v1/devices/{id}/datastreams/{pin}");
            let value = json!({"value": "x".repeat(200)});
            assert_eq!(server.send("PUT", &path, Some(value)).await.status, 200);
        }
        let received = Arc::new(Mutex::new(Vec::new()));
        let stream = TcpStream::connect(server.running.tls_addr).await.unwrap();
        let recording = Recording { stream, received: Arc::clone(&received) };
        let connector = TlsConnector::from(client_config(&server, Some(version)));
        let mut stream =
            connector.connect(ServerName::try_from("localhost").unwrap(), recording).await.unwrap();
        let mut bytes = frame(29, 1, &token);
        bytes.extend(frame(SYNC, 2, ""));
        bytes.extend(frame(6, 3, ""));
        stream.write_all(&bytes).await.unwrap();
        let mut answer = vec![0; 5 + 20 * (5 + 5 + 200) + 10 + 5];
        tokio::time::timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        let sizes = record_sizes(&received.lock().unwrap());
        let largest = sizes.iter().max().unwrap();
        assert!(*largest <= RECORD_BYTES_MAX, "{sizes:?}");
        assert!(*largest > 1_000, "the test must have seen a large write: {sizes:?}");
    }
}

/// The client of an ESP8266 as far as TLS goes: version 1.2 alone, the modern cipher suites of `BearSSL`, `ChaCha20` first, no session
/// kept, records of 512 bytes out and 2,048 in. Source: reference/observed-clients.md, TLS from an ESP8266.
fn small_board(server: &TestServer) -> ClientConfig {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ];
    let mut config = client_config_with(server, Some(&TLS12), provider);
    config.resumption = Resumption::disabled();
    config.max_fragment_size = Some(512);
    config
}

#[tokio::test]
async fn a_small_board_survives_a_write_of_4_kb_and_sends_one() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let received = Arc::new(Mutex::new(Vec::new()));
    let stream = TcpStream::connect(server.running.tls_addr).await.unwrap();
    let recording = Recording { stream, received: Arc::clone(&received) };
    let connector = TlsConnector::from(Arc::new(small_board(&server)));
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), recording).await.unwrap();
    let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);

    let fields = |letter: &str| vec![letter.repeat(1_020); 4];
    let written = frame(HARDWARE, 3, &format!("vw|1|{}", fields("u").join("|")));
    assert!(written.len() > 4_000);
    let mut bytes = frame(29, 1, &token);
    bytes.extend(frame(INTERNAL, 2, "ver|1.3.2|h-beat|45|buff-in|8192|dev|ESP8266"));
    bytes.extend(written);
    bytes.extend(frame(6, 4, ""));
    stream.write_all(&bytes).await.unwrap();
    let mut answers = [0; 3 * 5];
    tokio::time::timeout(DEADLINE, stream.read_exact(&mut answers)).await.unwrap().unwrap();
    assert_eq!(answers, [0, 0, 1, 0, 200, 0, 0, 2, 0, 200, 0, 0, 4, 0, 200]);
    let path = format!("/api/v1/devices/{id}/datastreams");
    assert_eq!(server.get(&format!("{path}/1")).await["value"], json!(fields("u")));

    let value = json!({"value": fields("d")});
    assert_eq!(server.send("PUT", &format!("{path}/2"), Some(value)).await.status, 200);
    let expected = format!("vw|2|{}", fields("d").join("|")).replace('|', "\0");
    let mut pushed = vec![0; 5 + expected.len()];
    tokio::time::timeout(DEADLINE, stream.read_exact(&mut pushed)).await.unwrap().unwrap();
    assert_eq!(pushed.get(5..), Some(expected.as_bytes()));
    let sizes = record_sizes(&received.lock().unwrap());
    assert!(sizes.iter().all(|size| *size <= RECORD_BYTES_MAX), "{sizes:?}");
    assert!(sizes.iter().sum::<usize>() > 4_000, "{sizes:?}");
}

#[tokio::test]
async fn a_plain_client_on_the_tls_port_is_closed() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut stream = TcpStream::connect(server.running.tls_addr).await.unwrap();
    stream.write_all(&frame(29, 1, &token)).await.unwrap();
    let mut rest = Vec::new();
    drop(tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await.unwrap());
    assert_ne!(rest.first(), Some(&0), "no answer in the device's protocol");
}

#[tokio::test]
async fn the_certificate_is_good_for_names_and_addresses_and_stays_at_a_restart() {
    let server =
        TestServer::start_with(|config| config.public_host = Some("cloud.example.org".to_owned())).await;
    for name in ["localhost", "127.0.0.1", "::1", "cloud.example.org"] {
        let stream = TcpStream::connect(server.running.tls_addr).await.unwrap();
        let connector = TlsConnector::from(client_config(&server, None));
        let connected = connector.connect(ServerName::try_from(name).unwrap(), stream).await;
        assert!(connected.is_ok(), "{name}: {connected:?}");
    }
    let first = server.running.ca_certificate_pem.clone();
    let server = server.restart().await;
    assert_eq!(server.running.ca_certificate_pem, first);
    let (_, token) = server.create_device().await;
    assert_eq!(Device::connect_tls(&server).await.try_login(&token).await, Some(200));
}

//! The floor: the least that a server of devices can do, as a yardstick for the real one.
//!
//! It reads five-byte headers, answers every message that is not a value with 200, and drops values, except that it hands
//! them to whoever logged in with the watcher's token. It stores nothing, checks nothing and must never be used as a server.
//! One thread, tokio, and for TLS the same library and the same kind of certificate (P-256) as the server has.
//!
//! `floor --listen 127.0.0.1:18080 --listen-tls 127.0.0.1:18443 --certificates FOLDER` makes `ca.pem`, `cert.pem` and
//! `key.pem` in the folder when they are missing; other servers under measurement use the same files.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a yardstick: it stops at the first thing it does not expect"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, BytesMut};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::crypto::ring::cipher_suite;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// Command bytes. Source: reference/wire-protocol.md 3.
const RESPONSE: u8 = 0;
const HARDWARE: u8 = 20;
const LOGIN: u8 = 29;

const HEADER_BYTES: usize = 5;

/// Read in one go; more than 16 values of 18 bytes.
const READ_BYTES: usize = 512;

/// Connections that may wait to be accepted; a storm brings 10,000 at once. Linux caps it at `net.core.somaxconn`.
const BACKLOG: u32 = 4_096;

/// Frames that may wait for the watcher.
const WATCHER_FRAMES_MAX: usize = 65_536;

/// A login with a token that begins like this is the watcher's.
const WATCHER: &[u8] = b"watcher";

type Watcher = Arc<Mutex<Option<mpsc::Sender<BytesMut>>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut options = Options::read();
    let certificates = options.certificates.take().unwrap();
    make_certificates(&certificates);
    let acceptor = acceptor(&certificates);
    let watcher = Watcher::default();
    println!("floor: {} and, over TLS, {}", options.listen, options.listen_tls);
    tokio::join!(
        accept(&options.listen, None, &watcher),
        accept(&options.listen_tls, Some(acceptor), &watcher)
    );
}

#[derive(Default)]
struct Options {
    listen: String,
    listen_tls: String,
    certificates: Option<PathBuf>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self::default();
        let mut words = std::env::args().skip(1);
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name.as_str() {
                "--listen" => options.listen = value,
                "--listen-tls" => options.listen_tls = value,
                _ => options.certificates = Some(value.into()),
            }
        }
        options
    }
}

async fn accept(address: &str, tls: Option<TlsAcceptor>, watcher: &Watcher) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address.parse().unwrap()).unwrap();
    let listener: TcpListener = socket.listen(BACKLOG).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).ok();
        // Two kinds of tasks: one task for both would be as large as the larger.
        match &tls {
            None => drop(tokio::spawn(serve(stream, Arc::clone(watcher)))),
            Some(tls) => drop(tokio::spawn(serve_tls(tls.clone(), stream, Arc::clone(watcher)))),
        }
    }
}

async fn serve_tls(tls: TlsAcceptor, stream: TcpStream, watcher: Watcher) {
    if let Ok(stream) = Box::pin(tls.accept(stream)).await {
        // Boxed behind the handshake, so that only one of the two is held at a time.
        Box::pin(serve(stream, watcher)).await;
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, watcher: Watcher) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let mut answers = BytesMut::new();
        while let Some(mut frame) = take_frame(&mut buffer) {
            match frame.first() {
                Some(&HARDWARE) => {
                    if let Some(queue) = &*watcher.lock().unwrap() {
                        queue.try_send(frame).ok();
                    }
                }
                Some(&LOGIN) if frame.get(HEADER_BYTES..).is_some_and(|token| token.starts_with(WATCHER)) => {
                    answers.extend_from_slice(&success(&mut frame));
                    stream.write_all(&answers).await.ok();
                    return Box::pin(watch(stream, &watcher)).await;
                }
                _ => answers.extend_from_slice(&success(&mut frame)),
            }
        }
        if !answers.is_empty() && stream.write_all(&answers).await.is_err() {
            return;
        }
    }
}

/// Hands everything that is queued to the watcher with one write.
async fn watch<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, watcher: &Watcher) {
    let (queue, mut queued) = mpsc::channel(WATCHER_FRAMES_MAX);
    *watcher.lock().unwrap() = Some(queue);
    let mut frames = Vec::new();
    let mut end = [0];
    loop {
        tokio::select! {
            count = queued.recv_many(&mut frames, 512) => {
                let bytes = frames.drain(..).fold(BytesMut::new(), |mut bytes, frame| { bytes.unsplit(frame); bytes });
                if count == 0 || stream.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            _ = stream.read(&mut end) => break,
        }
    }
    *watcher.lock().unwrap() = None;
}

fn take_frame(buffer: &mut BytesMut) -> Option<BytesMut> {
    let [command, _, _, high, low] = *buffer.first_chunk::<HEADER_BYTES>()?;
    let body_bytes = if command == RESPONSE { 0 } else { usize::from(u16::from_be_bytes([high, low])) };
    (buffer.len() >= HEADER_BYTES + body_bytes).then(|| buffer.split_to(HEADER_BYTES + body_bytes))
}

fn success(frame: &mut BytesMut) -> [u8; HEADER_BYTES] {
    frame.advance(1);
    let id = frame.get_u16().to_be_bytes();
    [RESPONSE, id[0], id[1], 0, 200]
}

fn make_certificates(folder: &Path) {
    if folder.join("ca.pem").exists() {
        return;
    }
    fs::create_dir_all(folder).unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), leaf.pem()).unwrap();
    fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let mut provider = ring::default_provider();
    // AES-128-GCM first: the cheapest with hardware AES.
    provider.cipher_suites.sort_by_key(|suite| *suite != cipher_suite::TLS13_AES_128_GCM_SHA256);
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    TlsAcceptor::from(Arc::new(config))
}

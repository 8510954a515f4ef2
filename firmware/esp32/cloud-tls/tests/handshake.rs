//! Handshakes of the firmware's TLS client with an independent TLS server, over TCP on this machine.

#![cfg(test)]

use std::ffi::CString;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use cloud_tls::{Client, Clock, OpenTlsError, TrustAnchors};
use embassy_futures::block_on;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const HOST: &str = "cloud.example.net";
/// 2026-11-22 12:00 UTC.
const NOW_S: u64 = 1_795_348_800;
/// The cloud sends records of this size to devices. Source: design, "Compatibility".
const CLOUD_RECORD_BYTES_MAX: usize = 2048;

struct TestClock(AtomicU64);

static CLOCK: TestClock = TestClock(AtomicU64::new(0));

impl Clock for TestClock {
    fn unix_s(&self) -> Option<u64> {
        Some(self.0.load(Ordering::SeqCst)).filter(|seconds| *seconds > 0)
    }

    fn uptime_ms(&self) -> u64 {
        0
    }
}

/// Mbed TLS and the clock exist once per program, so handshakes take turns.
static TURN: Mutex<()> = Mutex::new(());

struct Turn {
    client: Client,
    _turn: MutexGuard<'static, ()>,
}

fn take_turn(now_s: u64) -> Turn {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    CLOCK.0.store(now_s, Ordering::SeqCst);
    let rng = Box::leak(Box::new(UnwrapErr(SysRng)));
    Turn { client: Client::new(rng, &CLOCK).unwrap(), _turn: turn }
}

/// A blocking socket with the interface of an asynchronous one.
struct Socket(TcpStream);

impl ErrorType for Socket {
    type Error = ErrorKind;
}

impl Read for Socket {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buffer).or(Err(ErrorKind::Other))
    }
}

impl Write for Socket {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.0.write(bytes).or(Err(ErrorKind::Other))
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flush().or(Err(ErrorKind::Other))
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn root(name: &str) -> Authority {
    CertifiedIssuer::self_signed(
        authority_params(name),
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
    )
    .unwrap()
}

fn leaf_params(host: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, host);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

/// What a server shows.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn issue(params: &CertificateParams, issuer: &Authority) -> Shown {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    Shown {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    }
}

#[derive(Clone, Copy)]
enum Version {
    Tls12,
    Tls13,
}

/// Serves one connection, echoing one line; returns its port.
fn serve(shown: Shown, version: Version, record_bytes_max: Option<usize>) -> u16 {
    let versions = match version {
        Version::Tls12 => &[&rustls::version::TLS12],
        Version::Tls13 => &[&rustls::version::TLS13],
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(shown.chain, shown.key)
        .unwrap();
    config.max_fragment_size = record_bytes_max;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || -> io::Result<()> {
        let (socket, _) = listener.accept()?;
        let connection = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        let mut line = [0; 5];
        stream.read_exact(&mut line)?;
        stream.write_all(&line)?;
        stream.flush()
    });
    port
}

/// Connects, sends a line, reads it back; returns whether the connection counts as verified.
fn call(turn: &Turn, port: u16, host: &str, anchors: TrustAnchors<'_>) -> Result<bool, OpenTlsError> {
    let socket = Socket(TcpStream::connect(("127.0.0.1", port)).or(Err(OpenTlsError::Broken))?);
    block_on(async {
        let mut opened = turn.client.open(socket, host, anchors).await?;
        opened.session.write(b"hello").await?;
        opened.session.flush().await?;
        let mut echo = [0; 5];
        let mut filled = 0;
        while filled < echo.len() {
            filled += opened.session.read(&mut echo[filled..]).await?;
        }
        assert_eq!(&echo, b"hello");
        Ok(opened.is_verified)
    })
}

#[test]
fn both_versions_are_verified_against_the_anchor_alone() {
    let turn = take_turn(NOW_S);
    let root = root("Our root");
    for version in [Version::Tls12, Version::Tls13] {
        let port = serve(issue(&leaf_params(HOST), &root), version, Some(CLOUD_RECORD_BYTES_MAX));
        assert_eq!(call(&turn, port, HOST, TrustAnchors::Only(root.der())), Ok(true));
    }
}

/// The largest list of names pushes the flight over many records of the cloud's size.
#[test]
fn chain_that_fills_several_small_records_is_put_together() {
    let turn = take_turn(NOW_S);
    let root = root("Our root");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let intermediate = CertifiedIssuer::signed_by(authority_params("Our intermediate"), key, &root).unwrap();
    let mut params = leaf_params(HOST);
    for index in 0..100 {
        let name = format!("a-rather-long-name-to-fill-records-{index}.example.net");
        params.subject_alt_names.push(rcgen::SanType::DnsName(name.try_into().unwrap()));
    }
    for version in [Version::Tls12, Version::Tls13] {
        let mut shown = issue(&params, &intermediate);
        shown.chain.push(intermediate.der().clone());
        let chain_bytes: usize = shown.chain.iter().map(|certificate| certificate.len()).sum();
        assert!(chain_bytes > 2 * CLOUD_RECORD_BYTES_MAX, "{chain_bytes}");
        let port = serve(shown, version, Some(CLOUD_RECORD_BYTES_MAX));
        assert_eq!(call(&turn, port, HOST, TrustAnchors::Only(root.der())), Ok(true));
    }
}

#[test]
fn one_of_several_anchors_is_enough() {
    let turn = take_turn(NOW_S);
    let (first, second) = (root("First"), root("Second"));
    let pem = CString::new(format!("{}{}", first.pem(), second.pem())).unwrap();
    let port = serve(issue(&leaf_params(HOST), &second), Version::Tls13, None);
    assert_eq!(call(&turn, port, HOST, TrustAnchors::AnyOf(&pem)), Ok(true));
}

#[test]
fn certificate_of_a_stranger_is_refused() {
    let turn = take_turn(NOW_S);
    let (ours, stranger) = (root("Same name"), root("Same name"));
    for version in [Version::Tls12, Version::Tls13] {
        let port = serve(issue(&leaf_params(HOST), &stranger), version, None);
        let answer = call(&turn, port, HOST, TrustAnchors::Only(ours.der()));
        assert!(matches!(answer, Err(OpenTlsError::Certificate)), "{answer:?}");
    }
}

#[test]
fn certificate_for_another_name_is_refused() {
    let turn = take_turn(NOW_S);
    let root = root("Our root");
    let port = serve(issue(&leaf_params("other.example.net"), &root), Version::Tls13, None);
    assert_eq!(call(&turn, port, HOST, TrustAnchors::Only(root.der())), Err(OpenTlsError::Certificate));
}

/// Whoever holds an ordinary certificate of our authority must not be able to issue one for our cloud's name.
#[test]
fn ordinary_certificate_cannot_vouch_for_another() {
    let turn = take_turn(NOW_S);
    let root = root("Our root");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let someone = CertifiedIssuer::signed_by(leaf_params("someone.example.net"), key, &root).unwrap();
    let mut shown = issue(&leaf_params(HOST), &someone);
    shown.chain.push(someone.der().clone());
    let port = serve(shown, Version::Tls13, None);
    assert_eq!(call(&turn, port, HOST, TrustAnchors::Only(root.der())), Err(OpenTlsError::Certificate));
}

#[test]
fn wrong_dates_are_refused_when_the_time_is_known() {
    let root = root("Our root");
    // 2025-06-01 and 2028-06-01.
    for now_s in [1_748_736_000, 1_843_430_400] {
        let turn = take_turn(now_s);
        let port = serve(issue(&leaf_params(HOST), &root), Version::Tls13, None);
        assert_eq!(call(&turn, port, HOST, TrustAnchors::Only(root.der())), Err(OpenTlsError::Certificate));
    }
}

#[test]
fn without_the_time_the_connection_opens_and_is_not_called_verified() {
    let turn = take_turn(0);
    let root = root("Our root");
    let port = serve(issue(&leaf_params(HOST), &root), Version::Tls13, None);
    assert_eq!(call(&turn, port, HOST, TrustAnchors::Only(root.der())), Ok(false));
}

#[test]
fn without_the_time_a_stranger_is_still_refused() {
    let turn = take_turn(0);
    let (ours, stranger) = (root("Same name"), root("Same name"));
    let port = serve(issue(&leaf_params(HOST), &stranger), Version::Tls13, None);
    assert_eq!(call(&turn, port, HOST, TrustAnchors::Only(ours.der())), Err(OpenTlsError::Certificate));
    let port = serve(issue(&leaf_params("other.example.net"), &ours), Version::Tls13, None);
    assert_eq!(call(&turn, port, HOST, TrustAnchors::Only(ours.der())), Err(OpenTlsError::Certificate));
}

#[test]
fn unusable_names_and_anchors_are_errors() {
    let turn = take_turn(NOW_S);
    let root = root("Our root");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let call = |host, anchors| call(&turn, port, host, anchors).unwrap_err();
    assert_eq!(call(HOST, TrustAnchors::Only(b"no certificate")), OpenTlsError::TrustAnchor);
    for host in ["", "cut\0off.example.net", &"a".repeat(256)] {
        assert_eq!(call(host, TrustAnchors::Only(root.der())), OpenTlsError::HostName);
    }
}

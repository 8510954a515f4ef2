//! Good and bad servers on real sockets.

use std::future::poll_fn;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use rustls::time_provider::TimeProvider as _;

use super::clock::{CLOCK_FLOOR_S, WatchedClock};
use super::*;

/// Nothing listens there.
const NO_PORT: u16 = 1;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn trusting(authority: &Authority) -> CloudLink {
    let mut store = RootCertStore::empty();
    store.add(authority.der().clone()).unwrap();
    CloudLink::new(Authorities(Arc::new(store)), NO_PORT)
}

fn trusting_nobody() -> CloudLink {
    CloudLink::new(Authorities(Arc::new(RootCertStore::empty())), NO_PORT)
}

/// A server that echoes over TLS with this certificate; returns its port.
async fn tls_server(authority: &Authority, parameters: CertificateParams) -> u16 {
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // A client that refuses the certificate ends the handshake.
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        let mut bytes = [0; 64];
        while let Ok(read_bytes @ 1..) = stream.read(&mut bytes).await {
            stream.write_all(&bytes[..read_bytes]).await.unwrap();
            stream.flush().await.unwrap();
        }
    });
    port
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

async fn next(link: &mut CloudLink) -> LinkEvent {
    let mut buffer = [0; 64];
    poll_fn(|context| link.poll_event(context, &mut buffer)).await
}

async fn failure(mut link: CloudLink, host: &str, port: u16, security: Security) -> CloudError {
    link.start_dial(host, port, security);
    match next(&mut link).await {
        LinkEvent::Failed(error) => error.cloud_error(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn frames_travel_over_a_verified_connection_until_the_server_ends_it() {
    let authority = authority();
    let port = tls_server(&authority, named("localhost")).await;
    let mut link = trusting(&authority);
    assert_eq!(link.send(b"early"), Err(SendError));
    link.start_dial("localhost", port, Security::DeviceAuthorities);
    assert!(matches!(next(&mut link).await, LinkEvent::Connected { is_verified_tls: true }));
    link.send(b"frame").unwrap();
    assert!(matches!(next(&mut link).await, LinkEvent::Received(5)));
    for _ in 0..OUTBOX_LEN_MAX {
        link.send(b"frame").unwrap();
    }
    assert_eq!(link.send(b"one too many"), Err(SendError));
    link.hang_up();
    assert_eq!(link.send(b"late"), Err(SendError));
}

#[tokio::test]
async fn the_authority_of_the_home_counts_alone() {
    let (own, other) = (authority(), authority());
    let anchor =
        |authority: &Authority| Security::Anchor(Box::new(TrustAnchor::parse(authority.der()).unwrap()));
    let port = tls_server(&own, named("localhost")).await;
    let mut link = trusting_nobody();
    link.start_dial("localhost", port, anchor(&own));
    assert!(matches!(next(&mut link).await, LinkEvent::Connected { is_verified_tls: true }));
    // The device would trust this server; its home does not.
    let port = tls_server(&own, named("localhost")).await;
    assert_eq!(failure(trusting(&own), "localhost", port, anchor(&other)).await, CloudError::Certificate);
}

#[tokio::test]
async fn a_certificate_for_another_name_or_from_a_stranger_or_of_the_past_is_refused() {
    let own = authority();
    let port = tls_server(&own, named("other.test")).await;
    assert_eq!(
        failure(trusting(&own), "localhost", port, Security::DeviceAuthorities).await,
        CloudError::Certificate
    );
    let port = tls_server(&authority(), named("localhost")).await;
    assert_eq!(
        failure(trusting(&own), "localhost", port, Security::DeviceAuthorities).await,
        CloudError::Certificate
    );
    let mut past = named("localhost");
    past.not_before = date_time_ymd(2001, 1, 1);
    past.not_after = date_time_ymd(2002, 1, 1);
    let port = tls_server(&own, past).await;
    assert_eq!(
        failure(trusting(&own), "localhost", port, Security::DeviceAuthorities).await,
        CloudError::Certificate
    );
    let port = tls_server(&own, named("localhost")).await;
    assert_eq!(
        failure(trusting_nobody(), "localhost", port, Security::DeviceAuthorities).await,
        CloudError::Certificate
    );
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_no_certificate_error() {
    let port = page(b"SSH-2.0-OpenSSH_9.2\r\n").await.port;
    let security = Security::DeviceAuthorities;
    assert_eq!(failure(trusting(&authority()), "localhost", port, security).await, CloudError::Other);
}

/// A server that answers the first bytes of every connection with these, and what those were.
struct Page {
    port: u16,
    asked: mpsc::UnboundedReceiver<String>,
}

async fn page(answer: &'static [u8]) -> Page {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 1024];
            let read_bytes = stream.read(&mut bytes).await.unwrap();
            // Not every test wants to know.
            drop(told.send(String::from_utf8_lossy(&bytes[..read_bytes]).into_owned()));
            stream.write_all(answer).await.unwrap();
            // Waits for the device to hang up, which may reset the connection.
            stream.read_to_end(&mut Vec::new()).await.unwrap_or_default();
        }
    });
    Page { port, asked }
}

const REDIRECT: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: http://login.test/\r\n\r\n";

#[tokio::test]
async fn a_log_in_page_shows_whatever_it_does_to_the_tls_connection() {
    let other = page(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let broken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broken_port = broken.local_addr().unwrap().port();
    tokio::spawn(async move { while broken.accept().await.is_ok() {} });
    for answer in [
        REDIRECT,
        b"HTTP/1.0 200 OK\r\n\r\n<html>Welcome",
        b"HTTP/1.1 511 Network Authentication Required\r\n\r\n",
    ] {
        let own = authority();
        // A stranger's certificate, no listener, a connection that breaks, bytes of something else.
        for port in [tls_server(&authority(), named("localhost")).await, NO_PORT, broken_port, other.port] {
            let mut page = page(answer).await;
            let mut link = trusting(&own);
            link.login_page_port = page.port;
            let failure = failure(link, "localhost", port, Security::DeviceAuthorities).await;
            assert_eq!(failure, CloudError::CaptivePortal, "{port}");
            let asked = page.asked.recv().await.unwrap();
            assert!(asked.starts_with("GET /.well-known/rehome-"), "{asked}");
            assert!(asked.contains("\r\nHost: localhost\r\n") && asked.ends_with("\r\n\r\n"), "{asked}");
        }
    }
}

#[tokio::test]
async fn http_in_answer_to_a_tls_hello_is_a_log_in_page_without_another_question() {
    let port = page(REDIRECT).await.port;
    let security = Security::DeviceAuthorities;
    assert_eq!(failure(trusting(&authority()), "localhost", port, security).await, CloudError::CaptivePortal);
}

#[tokio::test]
async fn a_cloud_without_such_a_path_keeps_the_code_of_its_own_fault() {
    for answer in [
        b"HTTP/1.1 404 Not Found\r\n\r\n".as_slice(),
        b"HTTP/1.1 301 Moved\r\nLocation: https://localhost/.well-known/x\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"\0\0\x01\0\x09",
    ] {
        let port = tls_server(&authority(), named("localhost")).await;
        let mut link = trusting(&authority());
        link.login_page_port = page(answer).await.port;
        let failure = failure(link, "localhost", port, Security::DeviceAuthorities).await;
        assert_eq!(failure, CloudError::Certificate, "{}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test(start_paused = true)]
async fn two_servers_that_say_nothing_take_no_longer_than_an_attempt_has() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut link = trusting(&authority());
    link.login_page_port = port;
    let began_at = tokio::time::Instant::now();
    let failure = failure(link, "127.0.0.1", port, Security::DeviceAuthorities).await;
    assert_eq!(failure, CloudError::Timeout);
    // Timers of tokio are a millisecond late at most, each.
    let limit = DIAL_TIMEOUT + device::captive_portal::PROBE_TIMEOUT + Duration::from_millis(2);
    assert!((DIAL_TIMEOUT..=limit).contains(&began_at.elapsed()), "{:?}", began_at.elapsed());
}

#[tokio::test]
async fn a_connection_that_works_asks_nobody() {
    let own = authority();
    let port = tls_server(&own, named("localhost")).await;
    let mut page = page(REDIRECT).await;
    let mut link = trusting(&own);
    link.login_page_port = page.port;
    link.start_dial("localhost", port, Security::DeviceAuthorities);
    assert!(matches!(next(&mut link).await, LinkEvent::Connected { is_verified_tls: true }));
    assert!(page.asked.try_recv().is_err());
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert_eq!(failure(trusting_nobody(), "127.0.0.1", port, Security::Plain).await, CloudError::Timeout);
    assert_eq!(failure(trusting_nobody(), "no host", 443, Security::Plain).await, CloudError::Dns);
}

#[tokio::test]
async fn a_plain_connection_proves_nothing_and_its_end_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut link = trusting_nobody();
    link.start_dial("127.0.0.1", port, Security::Plain);
    assert!(matches!(next(&mut link).await, LinkEvent::Connected { is_verified_tls: false }));
    let (stream, _) = listener.accept().await.unwrap();
    drop(stream);
    assert!(matches!(next(&mut link).await, LinkEvent::Closed));
}

#[test]
fn the_clock_never_goes_before_this_program() {
    let now = FlooredClock.current_time().unwrap();
    assert!(now.as_secs() >= CLOCK_FLOOR_S);
}

/// With a clock that is about to be set, a certificate is not judged before it is.
#[tokio::test]
async fn tls_begins_when_the_clock_was_set_and_a_plain_connection_does_not_wait() {
    let authority = authority();
    let port = tls_server(&authority, named("localhost")).await;
    let time_service_dir = tempfile::tempdir().unwrap();
    let unset = WatchedClock {
        now: std::time::SystemTime::now,
        time_service_dir: time_service_dir.path().to_owned(),
    };
    let mut link = trusting(&authority);
    link.clock_waits = ClockWaits::new(unset.clone());
    link.start_dial("localhost", port, Security::DeviceAuthorities);
    let early = tokio::time::timeout(Duration::from_millis(300), next(&mut link)).await;
    assert!(early.is_err(), "{early:?}");
    std::fs::write(time_service_dir.path().join("synchronized"), "").unwrap();
    assert!(matches!(next(&mut link).await, LinkEvent::Connected { is_verified_tls: true }));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    std::fs::remove_file(time_service_dir.path().join("synchronized")).unwrap();
    link.clock_waits = ClockWaits::new(unset);
    link.start_dial("127.0.0.1", listener.local_addr().unwrap().port(), Security::Plain);
    let plain = tokio::time::timeout(Duration::from_secs(3), next(&mut link)).await;
    assert!(matches!(plain, Ok(LinkEvent::Connected { is_verified_tls: false })), "{plain:?}");
}

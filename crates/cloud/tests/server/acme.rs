//! Certificates over ACME, from a real ACME server: Debian's `pebble`, with its name server for tests.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use cloud::{AcmeChallenge, AcmeSettings};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::harness::{DEADLINE, TestServer};

const DOMAIN: &str = "devices.example.org";

/// How long an order may take; it has a dozen requests, and the authority makes keys.
const ORDER_TIME_MAX: Duration = Duration::from_mins(1);

/// Seconds that a certificate of the test's authority lives: 90 days.
const LIFETIME_S: u64 = 90 * 24 * 3_600;

/// A program that ends with the test.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(started.unwrap_or_else(|error| panic!("{command:?}: {error}; install Debian's package pebble")))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// An authority that looks for every name on 127.0.0.1, at the ports of one server.
struct Authority {
    pebble: Option<Program>,
    _names: Program,
    address: SocketAddr,
    management: SocketAddr,
    folder: TempDir,
}

/// An address that nobody uses, for a program that binds it later: below the ports that the system gives to connections (32768
/// on Linux), and far from those that a neighbouring process of the same test run begins with.
fn free_address() -> SocketAddr {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    loop {
        let start = u16::try_from(u64::from(std::process::id()) * 37 % 20_000).unwrap();
        let offset = (start + TAKEN.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = SocketAddr::from(([127, 0, 0, 1], 10_000 + offset));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

impl Authority {
    async fn start(plain: SocketAddr, tls: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(folder.path().join("ca.pem"), own.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
        let (address, management, names, control) =
            (free_address(), free_address(), free_name_address(), free_address());
        let config = json!({"pebble": {
            "listenAddress": address, "managementListenAddress": management,
            "certificate": folder.path().join("ca.pem"), "privateKey": folder.path().join("key.pem"),
            "httpPort": plain.port(), "tlsPort": tls.port(), "ocspResponderURL": "",
            "externalAccountBindingRequired": false, "certificateValidityPeriod": LIFETIME_S,
        }});
        std::fs::write(folder.path().join("pebble.json"), config.to_string()).unwrap();
        let mut name_server = Command::new("pebble-challtestsrv");
        name_server.args(["-dns01", &names.to_string(), "-management", &control.to_string()]);
        name_server.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        name_server.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        let mut authority =
            Self { pebble: None, _names: Program::start(&mut name_server), address, management, folder };
        wait_for_listener(names).await;
        authority.start_pebble(names).await;
        authority
    }

    async fn start_pebble(&mut self, names: SocketAddr) {
        let mut pebble = Command::new("pebble");
        // Without its pauses of up to 15 s; its random refusals of nonces stay, as a real server has them too.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        pebble.arg("-config").arg(self.folder.path().join("pebble.json"));
        pebble.args(["-dnsserver", &names.to_string()]);
        self.pebble = Some(Program::start(&mut pebble));
        wait_for_listener(self.management).await;
        wait_for_listener(self.address).await;
    }

    fn settings(&self, challenge: AcmeChallenge) -> AcmeSettings {
        AcmeSettings {
            directory: format!("https://{}/dir", self.address),
            terms_of_service_agreed: true,
            contact: vec!["mailto:admin@example.org".to_owned()],
            domains: vec![DOMAIN.to_owned()],
            challenge,
            directory_ca: Some(self.folder.path().join("ca.pem")),
        }
    }

    /// The root of everything that the authority signs, which it makes anew at each start.
    async fn root(&self) -> CertificateDer<'static> {
        let own = std::fs::read(self.folder.path().join("ca.pem")).unwrap();
        let own = CertificateDer::from_pem_slice(&own).unwrap();
        let mut stream = connect(self.management, "127.0.0.1", &own).await.unwrap();
        let request = b"GET /roots/0 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8(answer).unwrap();
        let (_head, pem) = answer.split_once("\r\n\r\n").expect("an answer");
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }
}

/// A free address for TCP and UDP alike: a name server needs both.
fn free_name_address() -> SocketAddr {
    std::iter::repeat_with(free_address).find(|address| UdpSocket::bind(address).is_ok()).unwrap()
}

async fn wait_for_listener(address: SocketAddr) {
    let started = tokio::time::Instant::now();
    while TcpStream::connect(address).await.is_err() {
        assert!(started.elapsed() < DEADLINE, "nobody listens on {address}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Connects as a client that trusts one root alone.
async fn connect(
    address: SocketAddr,
    name: &str,
    root: &CertificateDer<'static>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The certificate that a client with the authority's root is shown; `None` when it does not trust what it is shown.
async fn shown(server: &TestServer, root: &CertificateDer<'static>) -> Option<CertificateDer<'static>> {
    let stream = connect(server.running.tls_addr, DOMAIN, root).await.ok()?;
    stream.get_ref().1.peer_certificates()?.first().cloned()
}

/// Waits until clients are shown a trusted certificate other than `before`.
async fn wait_for_certificate(
    server: &TestServer,
    root: &CertificateDer<'static>,
    before: Option<&CertificateDer<'static>>,
) -> CertificateDer<'static> {
    let started = tokio::time::Instant::now();
    loop {
        match shown(server, root).await {
            Some(now) if Some(&now) != before => return now,
            seen => assert!(started.elapsed() < ORDER_TIME_MAX, "trusted: {}", seen.is_some()),
        }
        // An order that failed, for a refused nonce for example, is tried again after a minute.
        if ready_text(server).await != "ready\n" {
            server.clock.advance(Duration::from_mins(1));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sockets whose ports are known before the server starts, as a service manager would pass them.
fn sockets() -> (Vec<TcpListener>, SocketAddr, SocketAddr) {
    let sockets = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let [plain, tls] = [0, 1].map(|index: usize| sockets[index].local_addr().unwrap());
    (sockets.into(), plain, tls)
}

fn is_for_owner_alone(path: &Path) {
    let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
}

async fn ready_text(server: &TestServer) -> String {
    let answer = server.send("GET", "/readyz", None).await;
    assert_eq!(answer.status, 200);
    answer.text()
}

#[tokio::test]
async fn a_certificate_is_obtained_over_tls_renewed_in_time_and_kept_when_the_authority_is_gone() {
    let (sockets, plain, tls) = sockets();
    let mut authority = Authority::start(plain, tls).await;
    let root = authority.root().await;
    let acme = authority.settings(AcmeChallenge::TlsAlpn01);
    let server = TestServer::start_on(sockets, |config| config.acme = Some(acme)).await;
    let first = wait_for_certificate(&server, &root, None).await;
    for name in ["acme", "acme/account.json", "acme/certificate.pem"] {
        is_for_owner_alone(&server.folder().join(name));
    }
    assert_eq!(ready_text(&server).await, "ready\n");

    // Nothing happens while more than a third of its life is left.
    server.clock.advance(Duration::from_hours(24 * 59));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(shown(&server, &root).await.as_ref(), Some(&first));
    server.clock.advance(Duration::from_hours(24 * 2));
    let second = wait_for_certificate(&server, &root, Some(&first)).await;

    // The authority is gone when the next one is due: the second one stays, and it shows.
    authority.pebble = None;
    server.clock.advance(Duration::from_hours(24 * 61));
    let started = tokio::time::Instant::now();
    let text = loop {
        let text = ready_text(&server).await;
        if text != "ready\n" {
            break text;
        }
        assert!(started.elapsed() < DEADLINE, "the failure does not show");
        server.clock.advance(Duration::from_hours(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(text.starts_with("ready\nno certificate could be obtained since 20"), "{text}");
    assert_eq!(shown(&server, &root).await.as_ref(), Some(&second));
    let metrics = server.send("GET", "/metrics", None).await.text();
    assert!(metrics.contains("acme_orders_total{outcome=\"obtained\"} 2"), "{metrics}");
    assert!(metrics.contains("acme_orders_total{outcome=\"failed\"}"), "{metrics}");
    assert!(metrics.contains("tls_certificate_expires_timestamp_seconds 1"), "{metrics}");
}

#[tokio::test]
async fn a_certificate_is_obtained_over_http_and_found_again_at_the_next_start() {
    let (sockets, plain, tls) = sockets();
    let mut authority = Authority::start(plain, tls).await;
    let root = authority.root().await;
    let acme = authority.settings(AcmeChallenge::Http01);
    let server = TestServer::start_on(sockets, |config| config.acme = Some(acme)).await;
    let first = wait_for_certificate(&server, &root, None).await;
    let foreign = server.send("GET", "/.well-known/acme-challenge/nobody-asked-for-this", None).await;
    assert_eq!(foreign.status, 404);
    // No order is made for what lies there.
    authority.pebble = None;
    let acme = authority.settings(AcmeChallenge::Http01);
    let server = server.restart_with(|config| config.acme = Some(acme)).await;
    assert_eq!(shown(&server, &root).await.as_ref(), Some(&first));
    assert_eq!(ready_text(&server).await, "ready\n");
}

#[tokio::test]
async fn without_an_authority_the_servers_own_certificate_stands_in_and_the_log_says_why() {
    let logs = crate::harness::captured_logs();
    let (sockets, _plain, _tls) = sockets();
    // The authority looks for the name where nobody is.
    let authority = Authority::start(free_address(), free_address()).await;
    let acme = authority.settings(AcmeChallenge::Http01);
    let server = TestServer::start_on(sockets, |config| config.acme = Some(acme)).await;
    let started = tokio::time::Instant::now();
    while ready_text(&server).await == "ready\n" {
        assert!(started.elapsed() < DEADLINE, "the failure does not show");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(logs.text().contains(&format!("did not accept that {DOMAIN} leads here")), "{}", logs.text());
    let own = std::fs::read(server.folder().join("tls/ca.pem")).unwrap();
    let own = CertificateDer::from_pem_slice(&own).unwrap();
    assert!(connect(server.running.tls_addr, "localhost", &own).await.is_ok());
}

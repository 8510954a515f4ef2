//! The internet of a live bench: real TCP and TLS connections to one configured cloud, and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::board::{CloudNet, DialError, DialSecurity, Dialing};
use crate::link::BoxPipe;

/// Real time after which a server on this machine or next to it is given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Ports on which Blynk devices look for TLS. Source: wire-protocol.md, section 2.
const TLS_PORTS: [u16; 2] = [443, 9443];
/// Ports on which Blynk devices look for plain TCP. Source: as above.
const PLAIN_PORTS: [u16; 2] = [80, 8080];

/// Where the cloud of a live bench is.
#[derive(Clone, Debug)]
pub struct LiveCloudConfig {
    /// Names and addresses under which boards may look for the cloud; every other name does not resolve.
    pub hosts: Vec<String>,
    /// Where the names lead for plain ports.
    pub plain: Option<SocketAddr>,
    /// Where the names lead for TLS ports.
    pub tls: Option<SocketAddr>,
    /// Certificates (PEM) that the boards trust; without any, no TLS connection succeeds.
    pub trust_anchors_pem: String,
}

/// Why the cloud of a live bench cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenLiveCloudError {
    /// The PEM text holds something else.
    #[error("reading the trust anchors failed")]
    ReadTrustAnchors(#[source] rustls::pki_types::pem::Error),
    /// A certificate cannot be a trust anchor.
    #[error("a trust anchor is unusable")]
    UseTrustAnchor(#[source] rustls::Error),
}

/// Connects boards to the configured cloud.
pub struct LiveCloud {
    config: LiveCloudConfig,
    connector: TlsConnector,
}

impl std::fmt::Debug for LiveCloud {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LiveCloud").field("hosts", &self.config.hosts).finish_non_exhaustive()
    }
}

impl LiveCloud {
    /// Reads the trust anchors.
    ///
    /// # Errors
    /// When they are no certificates.
    pub fn open(config: LiveCloudConfig) -> Result<Self, OpenLiveCloudError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(config.trust_anchors_pem.as_bytes()) {
            let certificate = certificate.map_err(OpenLiveCloudError::ReadTrustAnchors)?;
            roots.add(certificate).map_err(OpenLiveCloudError::UseTrustAnchor)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(OpenLiveCloudError::UseTrustAnchor)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config, connector: TlsConnector::from(Arc::new(client)) })
    }

    fn resolve(&self, host: &str, port: u16) -> Result<SocketAddr, DialError> {
        if !self.config.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            return Err(DialError::Dns);
        }
        let serves = |target: Option<SocketAddr>, ports: [u16; 2]| {
            target.filter(|address| ports.contains(&port) || address.port() == port)
        };
        serves(self.config.tls, TLS_PORTS)
            .or_else(|| serves(self.config.plain, PLAIN_PORTS))
            .ok_or(DialError::Refused)
    }
}

impl CloudNet for LiveCloud {
    fn dial(&self, host: &str, port: u16, security: DialSecurity) -> Dialing {
        let resolved = self.resolve(host, port);
        let name = ServerName::try_from(host.to_owned());
        let connector = self.connector.clone();
        Box::pin(async move {
            let address = resolved?;
            let connecting = connect(address, security, name.ok(), connector);
            tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or(Err(DialError::Timeout))
        })
    }
}

async fn connect(
    address: SocketAddr,
    security: DialSecurity,
    name: Option<ServerName<'static>>,
    connector: TlsConnector,
) -> Result<BoxPipe, DialError> {
    let stream = TcpStream::connect(address).await.map_err(|error| dial_error(&error))?;
    // Frames are small and answers are waited for. When this fails the connection is only slower.
    drop(stream.set_nodelay(true));
    match security {
        DialSecurity::Plain => Ok(Box::new(stream)),
        DialSecurity::VerifiedTls => {
            let name = name.ok_or(DialError::Certificate)?;
            let stream = connector.connect(name, stream).await.map_err(|error| tls_error(&error))?;
            Ok(Box::new(stream))
        }
    }
}

fn dial_error(error: &std::io::Error) -> DialError {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => DialError::Refused,
        std::io::ErrorKind::TimedOut => DialError::Timeout,
        _ => DialError::NetworkDown,
    }
}

fn tls_error(error: &std::io::Error) -> DialError {
    // rustls hands its own errors over as InvalidData; anything else is the connection.
    if error.kind() == std::io::ErrorKind::InvalidData { DialError::Certificate } else { DialError::Refused }
}

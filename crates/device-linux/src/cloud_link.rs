//! The connection to the cloud: TCP, and TLS with certificate and name checked.

mod clock;
mod connecting;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use device::SendError;
use device::captive_portal::{DIAL_TIMEOUT, is_http, may_be_login_page};
use futures_util::future::LocalBoxFuture;
use home_store::TrustAnchor;
use lifecycle::CloudError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use clock::{ClockWait, ClockWaits, FlooredClock};
use connecting::connect_first;

use crate::login_page::{FirstBytes, answers_for_the_cloud};

/// Frames that wait for the network.
const OUTBOX_LEN_MAX: usize = 32;

/// What a TLS or a plain connection can do.
trait Wire: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire for T {}

/// Whom to trust for one connection.
#[derive(Clone, Debug)]
pub(crate) enum Security {
    /// No TLS, because the binding says so.
    Plain,
    /// The device's own list of authorities.
    DeviceAuthorities,
    /// Only the authority that came with the home.
    Anchor(Box<TrustAnchor>),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name has no address.
    #[error("the name cannot be resolved")]
    Resolve(#[source] io::Error),
    /// No address answers.
    #[error("the server cannot be reached")]
    Connect(#[source] io::Error),
    /// Nothing happened in time.
    #[error("the server does not answer in time")]
    Timeout,
    /// Chain, name or dates of the certificate are not acceptable.
    #[error("the certificate is not acceptable")]
    Certificate(#[source] rustls::Error),
    /// The host is no name that a certificate could carry.
    #[error("the host is no name for a certificate")]
    Name,
    /// There is no authority to trust.
    #[error("there is no authority to trust")]
    NoAuthority,
    /// The server does not speak TLS.
    #[error("the server does not speak TLS")]
    Handshake(#[source] io::Error),
    /// The network answers in place of the server.
    #[error("a log-in page of the network answers in place of the server")]
    LoginPage(#[source] Box<DialError>),
}

impl DialError {
    /// The failure as the lifecycle knows it.
    #[must_use]
    pub fn cloud_error(&self) -> CloudError {
        match self {
            Self::Resolve(_) => CloudError::Dns,
            Self::Connect(_) | Self::Timeout => CloudError::Timeout,
            Self::Certificate(_) | Self::Name | Self::NoAuthority => CloudError::Certificate,
            Self::Handshake(_) => CloudError::Other,
            Self::LoginPage(_) => CloudError::CaptivePortal,
        }
    }
}

/// The authorities that a device trusts on its own.
#[derive(Clone, Debug)]
pub(crate) struct Authorities(Arc<RootCertStore>);

/// The list of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("reading the authorities in {path}")]
pub struct ReadAuthoritiesError {
    path: String,
    #[source]
    source: rustls::pki_types::pem::Error,
}

impl Authorities {
    /// Reads the authorities of the given file, or of the system without one. A system without any is no error: a home
    /// may bring its own.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(ca_file: Option<&Path>) -> Result<Self, ReadAuthoritiesError> {
        let certificates = match ca_file {
            Some(path) => {
                let error = |source| ReadAuthoritiesError { path: path.display().to_string(), source };
                let read = CertificateDer::pem_file_iter(path).map_err(error)?;
                read.collect::<Result<Vec<_>, _>>().map_err(error)?
            }
            None => rustls_native_certs::load_native_certs().certs,
        };
        let mut store = RootCertStore::empty();
        let (taken_count, refused_count) = store.add_parsable_certificates(certificates);
        tracing::debug!(taken_count, refused_count, "read the authorities");
        Ok(Self(Arc::new(store)))
    }

    /// Trusts nobody: what is left when the list that was asked for cannot be read. The system's would be too many.
    pub(crate) fn nobody() -> Self {
        Self(Arc::new(RootCertStore::empty()))
    }
}

/// A connection that is being made.
type Dialing = LocalBoxFuture<'static, Result<Box<dyn Wire>, DialError>>;

/// At most one connection.
pub(crate) struct CloudLink {
    authorities: Authorities,
    clock_waits: ClockWaits,
    /// Where a log-in page of the network is looked for.
    login_page_port: u16,
    dialing: Option<(Dialing, IsTls)>,
    wire: Option<Box<dyn Wire>>,
    outbox: VecDeque<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct IsTls(bool);

impl fmt::Debug for CloudLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CloudLink")
            .field("is_dialing", &self.dialing.is_some())
            .field("is_connected", &self.wire.is_some())
            .finish_non_exhaustive()
    }
}

/// What happened on the connection.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    Connected { is_verified_tls: bool },
    Failed(DialError),
    Received(usize),
    Closed,
}

impl CloudLink {
    pub(crate) fn new(authorities: Authorities, login_page_port: u16) -> Self {
        let clock_waits = ClockWaits::of_system();
        Self { authorities, clock_waits, login_page_port, dialing: None, wire: None, outbox: VecDeque::new() }
    }

    pub(crate) fn start_dial(&mut self, host: &str, port: u16, security: Security) {
        self.hang_up();
        let is_tls = IsTls(!matches!(security, Security::Plain));
        let clock_wait = if is_tls.0 { self.clock_waits.next_wait() } else { None };
        let (host, login_page_port) = (host.to_owned(), self.login_page_port);
        let dialed = dial(host.clone(), port, security, self.authorities.clone(), clock_wait);
        let dialed = async move {
            let dialed = tokio::time::timeout(DIAL_TIMEOUT, dialed).await.unwrap_or(Err(DialError::Timeout));
            let Err(error) = dialed else { return dialed };
            let is_login_page =
                may_be_login_page(error.cloud_error()) && answers_for_the_cloud(&host, login_page_port).await;
            Err(if is_login_page { DialError::LoginPage(Box::new(error)) } else { error })
        };
        self.dialing = Some((Box::pin(dialed), is_tls));
    }

    pub(crate) fn hang_up(&mut self) {
        self.dialing = None;
        self.wire = None;
        self.outbox.clear();
    }

    pub(crate) fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        if self.wire.is_none() || self.outbox.len() >= OUTBOX_LEN_MAX {
            return Err(SendError);
        }
        self.outbox.push_back(frame.to_vec());
        Ok(())
    }

    pub(crate) fn poll_event(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<LinkEvent> {
        if let Some((dialing, is_tls)) = &mut self.dialing
            && let Poll::Ready(dialed) = dialing.as_mut().poll(context)
        {
            let is_verified_tls = is_tls.0;
            self.dialing = None;
            return Poll::Ready(match dialed {
                Ok(wire) => {
                    self.wire = Some(wire);
                    LinkEvent::Connected { is_verified_tls }
                }
                Err(error) => LinkEvent::Failed(error),
            });
        }
        let Some(wire) = &mut self.wire else {
            return Poll::Pending;
        };
        let wrote = poll_write_outbox(wire, &mut self.outbox, context);
        let mut read = ReadBuf::new(buffer);
        let is_closed = match Pin::new(wire).poll_read(context, &mut read) {
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                return Poll::Ready(LinkEvent::Received(read.filled().len()));
            }
            Poll::Ready(_) => true,
            Poll::Pending => wrote.is_err(),
        };
        if is_closed {
            self.hang_up();
            return Poll::Ready(LinkEvent::Closed);
        }
        Poll::Pending
    }
}

fn poll_write_outbox(
    wire: &mut Box<dyn Wire>,
    outbox: &mut VecDeque<Vec<u8>>,
    context: &mut Context<'_>,
) -> Result<(), io::Error> {
    while let Some(frame) = outbox.front_mut() {
        match Pin::new(&mut *wire).poll_write(context, frame) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(written_bytes)) if written_bytes < frame.len() => {
                frame.drain(..written_bytes);
            }
            Poll::Ready(Ok(_)) => drop(outbox.pop_front()),
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => return Ok(()),
        }
    }
    // TLS holds bytes back until it is flushed.
    match Pin::new(wire).poll_flush(context) {
        Poll::Ready(flushed) => flushed,
        Poll::Pending => Ok(()),
    }
}

async fn dial(
    host: String,
    port: u16,
    security: Security,
    authorities: Authorities,
    clock_wait: Option<ClockWait>,
) -> Result<Box<dyn Wire>, DialError> {
    let addresses = tokio::net::lookup_host((host.as_str(), port)).await.map_err(DialError::Resolve)?;
    let stream = connect_first(addresses, TcpStream::connect).await.map_err(DialError::Connect)?;
    // Frames are small and somebody waits for them; a refusal only makes them later.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection keeps small frames back");
    }
    let roots = match security {
        Security::Plain => return Ok(Box::new(stream)),
        Security::DeviceAuthorities => authorities.0,
        Security::Anchor(anchor) => {
            let mut store = RootCertStore::empty();
            let added = store.add(CertificateDer::from(anchor.as_bytes()));
            added.map_err(DialError::Certificate)?;
            Arc::new(store)
        }
    };
    let name = ServerName::try_from(host).map_err(|_no_name| DialError::Name)?;
    if let Some(clock_wait) = clock_wait {
        clock_wait.wait().await;
    }
    let connector = TlsConnector::from(Arc::new(client_config(roots)?));
    match connector.connect(name, FirstBytes::new(stream)).into_fallible().await {
        Ok(stream) => Ok(Box::new(stream)),
        Err((error, stream)) if is_http(stream.first_bytes()) => {
            Err(DialError::LoginPage(Box::new(classify_handshake(error))))
        }
        Err((error, _stream)) => Err(classify_handshake(error)),
    }
}

fn client_config(roots: Arc<RootCertStore>) -> Result<ClientConfig, DialError> {
    if roots.is_empty() {
        return Err(DialError::NoAuthority);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(FlooredClock))
        .with_safe_default_protocol_versions()
        .map_err(DialError::Certificate)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn classify_handshake(error: io::Error) -> DialError {
    let tls = error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>());
    match tls {
        Some(refused @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) => {
            DialError::Certificate(refused.clone())
        }
        _ => DialError::Handshake(error),
    }
}

#[cfg(test)]
mod tests;

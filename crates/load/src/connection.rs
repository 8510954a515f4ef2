//! One device's connection: TCP, perhaps TLS, login.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::protocol::{Answer, MalformedAnswer, Protocol};
use crate::target::Target;
use crate::tokens::Token;

/// Connecting, handshake and login together; in a storm a server may take long, and that is what is measured.
const LOG_IN_TIME_MAX: Duration = Duration::from_mins(1);

/// Bytes read in one go.
const READ_BYTES: usize = 2 * 1024;

/// Which certificates are believed; the server must prove that it is `localhost`, as towards a real device.
#[derive(Debug, Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

/// Why a trust anchor cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenTrustError {
    /// There is no certificate in the text.
    #[error("there is no certificate in PEM form")]
    NoCertificate,
    /// The library refuses it.
    #[error("the certificate cannot be used")]
    Refused(#[source] rustls::Error),
}

/// Why a device could not log in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogInError {
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[from] io::Error),
    /// The answer makes no sense.
    #[error("the answer makes no sense")]
    Answer(#[from] MalformedAnswer),
    /// The server says no.
    #[error("the login was refused with {status}")]
    Refused {
        /// Status of Blynk's protocol, or reason code of MQTT.
        status: u16,
    },
    /// The server closed without an answer.
    #[error("the server closed the connection without an answer")]
    Closed,
    /// The server took too long.
    #[error("there was no answer within {} s", LOG_IN_TIME_MAX.as_secs())]
    TimedOut,
}

impl Trust {
    /// Believes certificates that these authorities (PEM) have signed. Every handshake is a full one: no tickets are kept.
    ///
    /// # Errors
    /// When the text holds no usable certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, OpenTrustError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_not_pem| OpenTrustError::NoCertificate)?;
            roots.add(certificate).map_err(OpenTrustError::Refused)?;
        }
        if roots.is_empty() {
            return Err(OpenTrustError::NoCertificate);
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(OpenTrustError::Refused)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { config: Arc::new(config) })
    }
}

/// Makes connections to one target.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) target: Target,
    pub(crate) source_count: u8,
    pub(crate) protocol: Protocol,
    /// TLS when there is one.
    pub(crate) trust: Option<Trust>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection of a device that is logged in.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    protocol: Protocol,
    buffer: BytesMut,
}

impl Connector {
    /// Connects from the source of device `index` and logs in.
    pub(crate) async fn log_in(&self, index: usize, token: &Token) -> Result<Connection, LogInError> {
        let logging_in = async {
            let mut connection = self.connect(index).await?;
            let mut login = Vec::new();
            self.protocol.login(token, &mut login);
            connection.write(&login).await?;
            loop {
                match connection.next_answer().await? {
                    Some(Answer::LoggedIn) => return Ok(connection),
                    Some(Answer::Refused(status)) => return Err(LogInError::Refused { status }),
                    Some(_) => {}
                    None => return Err(LogInError::Closed),
                }
            }
        };
        tokio::time::timeout(LOG_IN_TIME_MAX, logging_in).await.unwrap_or(Err(LogInError::TimedOut))
    }

    async fn connect(&self, index: usize) -> io::Result<Connection> {
        let address = self.target.address();
        let tcp = connect_from(self.target.source_of(index, self.source_count), address).await?;
        let stream: Box<dyn Stream> = match &self.trust {
            None => Box::new(tcp),
            Some(trust) => {
                // The name that every self-made certificate of the server carries.
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                Box::new(TlsConnector::from(Arc::clone(&trust.config)).connect(name, tcp).await?)
            }
        };
        Ok(Connection { stream, protocol: self.protocol, buffer: BytesMut::new() })
    }
}

impl Connection {
    /// Writes in one go.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Waits for the next answer; `None` when the server has closed.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next_answer(&mut self) -> Result<Option<Answer>, LogInError> {
        loop {
            if let Some(answer) = self.protocol.take_answer(&mut self.buffer)? {
                return Ok(Some(answer));
            }
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// Connects without Nagle's delay.
pub(crate) async fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(source, 0))?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

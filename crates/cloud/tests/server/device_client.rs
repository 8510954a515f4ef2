//! A scripted device: sends exactly the bytes it is told to, over any transport.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{DEADLINE, TestServer};

pub(crate) const RESPONSE: u8 = 0;
pub(crate) const LOGIN_OLD: u8 = 2;
pub(crate) const PING: u8 = 6;
pub(crate) const BRIDGE: u8 = 15;
pub(crate) const SYNC: u8 = 16;
pub(crate) const INTERNAL: u8 = 17;
pub(crate) const PROPERTY: u8 = 19;
pub(crate) const HARDWARE: u8 = 20;
pub(crate) const GROUP: u8 = 21;
pub(crate) const LOGIN: u8 = 29;
pub(crate) const REDIRECT: u8 = 41;
pub(crate) const DEBUG_PRINT: u8 = 55;
pub(crate) const EVENT_LOG: u8 = 64;
pub(crate) const EVENT_CLEAR: u8 = 65;

/// A frame as it travels, taken apart by hand so that the tests do not share code with the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) command: u8,
    pub(crate) id: u16,
    /// The body, or the status of a response in two bytes.
    pub(crate) body: Vec<u8>,
}

impl Frame {
    pub(crate) fn status(&self) -> Option<u16> {
        let [high, low] = self.body.as_slice() else { return None };
        (self.command == RESPONSE).then(|| u16::from_be_bytes([*high, *low]))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).replace('\0', "|")
    }
}

pub(crate) fn frame(command: u8, id: u16, body: &str) -> Vec<u8> {
    let body = body.replace('|', "\0");
    let mut bytes = vec![command];
    bytes.extend(id.to_be_bytes());
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body.as_bytes());
    bytes
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

enum Transport {
    Stream(Box<dyn Stream>),
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

pub(crate) struct Device {
    transport: Transport,
    received: Vec<u8>,
}

impl Device {
    pub(crate) async fn connect(server: &TestServer) -> Self {
        Self::connect_to(server.running.plain_addr).await
    }

    pub(crate) async fn connect_to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { transport: Transport::Stream(Box::new(stream)), received: Vec::new() }
    }

    pub(crate) async fn connect_tls(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.running.tls_addr).await.unwrap();
        let connector = TlsConnector::from(client_config(server, None));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        Self { transport: Transport::Stream(Box::new(stream)), received: Vec::new() }
    }

    pub(crate) async fn connect_web_socket(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.running.plain_addr).await.unwrap();
        let url = format!("ws://{}/websockets", server.running.plain_addr);
        let (socket, _response) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Self { transport: Transport::WebSocket(Box::new(socket)), received: Vec::new() }
    }

    /// Connects and logs in; the answer must be 200.
    pub(crate) async fn log_in(server: &TestServer, token: &str) -> Self {
        let mut device = Self::connect(server).await;
        assert_eq!(device.try_login(token).await, Some(200));
        device
    }

    /// Sends a login and returns the status of its answer; `None` when the connection was closed instead.
    pub(crate) async fn try_login(&mut self, token: &str) -> Option<u16> {
        self.send(&frame(LOGIN, 1, token)).await;
        loop {
            let frame = self.next().await?;
            assert_eq!(frame.id, 1, "{frame:?}");
            if frame.command != DEBUG_PRINT {
                return Some(frame.status().unwrap_or_else(|| panic!("{frame:?}")));
            }
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        match &mut self.transport {
            Transport::Stream(stream) => {
                stream.write_all(bytes).await.unwrap();
                stream.flush().await.unwrap();
            }
            Transport::WebSocket(socket) => {
                socket.send(Message::Binary(bytes.to_vec().into())).await.unwrap();
            }
        }
    }

    /// Like [`Device::send`], for bytes on which the server may close at once.
    pub(crate) async fn send_and_ignore_errors(&mut self, bytes: &[u8]) {
        if let Transport::Stream(stream) = &mut self.transport {
            drop(stream.write_all(bytes).await);
        }
    }

    /// Sends a message and expects a response with this status.
    pub(crate) async fn ask(&mut self, command: u8, id: u16, body: &str, status: u16) {
        self.send(&frame(command, id, body)).await;
        let answer = self.next().await.unwrap_or_else(|| panic!("closed instead of {status}"));
        assert_eq!((answer.id, answer.status()), (id, Some(status)), "{answer:?}");
    }

    /// Waits for the answer to a ping: everything sent before is dealt with then.
    pub(crate) async fn ping(&mut self, id: u16) {
        self.ask(PING, id, "", 200).await;
    }

    /// Returns the next frame, or `None` at the end. A probe is answered, as every library does.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let frame = tokio::time::timeout(DEADLINE, self.read_frame())
            .await
            .expect("nothing arrived and nothing was closed")?;
        if frame.command == PING {
            let [high, low] = frame.id.to_be_bytes();
            self.send_and_ignore_errors(&[RESPONSE, high, low, 0, 200]).await;
        }
        Some(frame)
    }

    pub(crate) async fn expect_closed(&mut self) {
        let frame = self.next().await;
        assert_eq!(frame, None);
    }

    /// Takes the device away without a word, as a radio does: the socket stays open and nobody reads or writes.
    pub(crate) fn fall_silent(self) -> SilentDevice {
        SilentDevice { _transport: self.transport }
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            let mut chunk = [0; 4096];
            match &mut self.transport {
                Transport::Stream(stream) => match stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => self.received.extend(&chunk[..count]),
                },
                Transport::WebSocket(socket) => match socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => self.received.extend(bytes),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                },
            }
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let [command, id_high, id_low, high, low, rest @ ..] = self.received.as_slice() else { return None };
        let (command, id) = (*command, u16::from_be_bytes([*id_high, *id_low]));
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        let (body, used) =
            if command == RESPONSE { (vec![*high, *low], 5) } else { (rest.get(..size)?.to_vec(), 5 + size) };
        self.received.drain(..used);
        Some(Frame { command, id, body })
    }
}

/// A device whose socket is open and dead.
pub(crate) struct SilentDevice {
    _transport: Transport,
}

/// A TLS client that trusts this server's authority alone.
pub(crate) fn client_config(
    server: &TestServer,
    version: Option<&'static SupportedProtocolVersion>,
) -> Arc<ClientConfig> {
    Arc::new(client_config_with(server, version, ring::default_provider()))
}

/// As [`client_config`], with the cipher suites of a provider.
pub(crate) fn client_config_with(
    server: &TestServer,
    version: Option<&'static SupportedProtocolVersion>,
    provider: CryptoProvider,
) -> ClientConfig {
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
    use tokio_rustls::rustls::version::{TLS12, TLS13};

    let pem = server.running.ca_certificate_pem.as_ref().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let versions = version.map_or(vec![&TLS12, &TLS13], |version| vec![version]);
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

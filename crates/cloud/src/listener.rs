//! Accepts connections, tells protocols apart and hands each connection to the HTTP routes or to the gateway.

mod admission;
mod protocol;
mod write_limit;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::counter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

pub(crate) use admission::{Admission, Admitted};
use protocol::Protocol;
use write_limit::WriteLimited;

use crate::app::App;
use crate::config::Timings;
use crate::gateway::{ByteStream, Gateway, Socket};
use crate::limits::{HTTP_HEAD_BYTES_MAX, LISTEN_BACKLOG};
use crate::mqtt;
use crate::tls::Handshake;

/// After a failed accept (out of file descriptors, mostly) the listener rests for 100 ms instead of spinning.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Where a request came from, as an extension of every HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
    /// It speaks MQTT, which is translated for the gateway.
    pub(crate) speaks_mqtt: bool,
}

impl Peer {
    /// The same peer, whose MQTT is translated for the gateway.
    pub(crate) fn over_mqtt(self) -> Self {
        Self { speaks_mqtt: true, ..self }
    }
}

/// Whether bytes travel over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

impl Transport {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
        }
    }
}

/// What every listener and every connection shares.
pub(crate) struct Listeners {
    pub(crate) handshake: Handshake,
    pub(crate) router: Router,
    pub(crate) app: Arc<App>,
    pub(crate) gateway: Gateway,
    pub(crate) admission: Admission,
    pub(crate) timings: Timings,
    /// Cancelled when the server shuts down.
    pub(crate) stop: CancellationToken,
    pub(crate) connections: TaskTracker,
}

impl Listeners {
    /// Accepts connections on `listener` until the server stops.
    pub(crate) async fn accept(self: Arc<Self>, listener: TcpListener, transport: Transport) {
        loop {
            let accepted = tokio::select! {
                // In this order: what comes while the server stops stays in the queue of the socket, where the next process
                // finds it when a service manager holds the socket.
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "accepting a connection failed; the server goes on");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            let Some(admitted) = self.admission.admit(address.ip()) else {
                counter!("connections_refused_total", "reason" => "too_many").increment(1);
                continue;
            };
            counter!("connections_total", "transport" => transport.as_str()).increment(1);
            let listeners = Arc::clone(&self);
            self.connections.spawn(async move {
                let peer = Peer { address, transport, speaks_mqtt: false };
                tokio::select! {
                    () = listeners.stop.cancelled() => {}
                    () = listeners.serve(stream, peer, Arc::new(admitted)) => {}
                }
            });
        }
    }

    async fn serve(&self, stream: TcpStream, peer: Peer, admitted: Arc<Admitted>) {
        // Devices send small frames and wait for the answer; Nagle's algorithm would hold answers back.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "TCP_NODELAY could not be set");
        }
        match peer.transport {
            Transport::Plain => self.serve_protocol(Box::new(stream), peer, admitted).await,
            Transport::Tls => {
                // Boxed: a task is as large as the largest thing it ever awaits or holds, and neither the handshake nor
                // the state of TLS is to stand in it twice.
                let stream = Box::pin(self.shake_hands(stream)).await;
                if let Some(stream) = stream {
                    self.serve_protocol(stream, peer, admitted).await;
                }
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> Option<Box<dyn ByteStream>> {
        match tokio::time::timeout(self.timings.tls_handshake(), self.handshake.accept(stream)).await {
            Ok(Ok(stream)) => {
                let stream = stream?;
                Some(Box::new(stream))
            }
            Ok(Err(error)) => {
                counter!("tls_handshakes_failed_total", "reason" => "refused").increment(1);
                debug!(%error, "TLS handshake failed");
                None
            }
            Err(_elapsed) => {
                counter!("tls_handshakes_failed_total", "reason" => "timeout").increment(1);
                None
            }
        }
    }

    async fn serve_protocol(&self, mut stream: Box<dyn ByteStream>, peer: Peer, admitted: Arc<Admitted>) {
        let mut first = [0_u8; 1];
        let byte = match tokio::time::timeout(self.timings.first_bytes(), stream.read_exact(&mut first)).await
        {
            Ok(Ok(_)) => u8::from_be_bytes(first),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return,
            Ok(Err(error)) => {
                debug!(%error, "connection failed before its first byte");
                return;
            }
            Err(_elapsed) => {
                counter!("connections_refused_total", "reason" => "silent").increment(1);
                return;
            }
        };
        let protocol = Protocol::of_first_byte(byte);
        counter!("connections_by_protocol_total", "protocol" => protocol.as_str()).increment(1);
        match protocol {
            Protocol::Http => {
                let (reader, writer) = tokio::io::split(stream);
                let reader = io::Cursor::new(first).chain(reader);
                let writer = WriteLimited::new(writer, self.timings.write());
                // Boxed, so that the task of an idle device does not hold room for an HTTP connection.
                Box::pin(self.serve_http(tokio::io::join(reader, writer), peer, admitted)).await;
            }
            Protocol::Blynk => {
                self.gateway.serve(Socket::stream(stream, &first), peer).await;
            }
            Protocol::Mqtt => {
                let (app, gateway) = (Arc::clone(&self.app), self.gateway.clone());
                // Boxed, as above.
                Box::pin(mqtt::serve(app, gateway, stream, &first, peer)).await;
            }
            // Dropping the stream closes it: TLS belongs on the other port.
            Protocol::Tls => {}
        }
    }

    async fn serve_http<S>(&self, stream: S, peer: Peer, admitted: Arc<Admitted>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(Arc::clone(&admitted));
            let router = router.clone();
            async move {
                let answer = router.oneshot(request).await.unwrap_or_else(|never| match never {});
                let status = answer.status().as_u16().to_string();
                counter!("http_answers_total", "status" => status).increment(1);
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.timings.http_head())
            .max_buf_size(HTTP_HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = connection.await {
            counter!("http_connections_failed_total").increment(1);
            debug!(%error, "HTTP connection ended with an error");
        }
    }
}

/// Binds one address; needs the runtime.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that is started again must not wait for the connections of the old one to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

//! The portal's connections: listens while the hotspot is open and serves a few phones side by side.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use device::{ConnectionIndex, Event, PORTAL_CONNECTION_COUNT_MAX, PortalClosedError};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long an answer may wait for a phone that does not read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Wait before a port that could not be had is tried again: the hotspot's address may need a moment.
const BIND_RETRY_WAIT: Duration = Duration::from_millis(500);
/// Connections that were accepted and wait for their turn.
const ACCEPTED_LEN_MAX: usize = PORTAL_CONNECTION_COUNT_MAX;

/// Listener and connections.
#[derive(Debug)]
pub(crate) struct PortalListener {
    address: SocketAddr,
    listening: Option<Listening>,
    phones: Vec<Phone>,
}

#[derive(Debug)]
struct Listening {
    accepted: mpsc::Receiver<TcpStream>,
    task: JoinHandle<()>,
}

/// One connection; the newest is last.
#[derive(Debug)]
struct Phone {
    connection: ConnectionIndex,
    stream: TcpStream,
}

impl PortalListener {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, listening: None, phones: Vec::new() }
    }

    /// Listens, and keeps trying while the address is not there yet.
    pub(crate) fn open(&mut self) {
        self.close();
        let (sender, accepted) = mpsc::channel(ACCEPTED_LEN_MAX);
        self.listening = Some(Listening { accepted, task: tokio::spawn(listen(self.address, sender)) });
    }

    /// Ends everything without an event.
    pub(crate) fn close(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.task.abort();
        }
        self.phones.clear();
    }

    pub(crate) fn poll_event(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Event> {
        for index in 0..self.phones.len() {
            let Some(phone) = self.phones.get_mut(index) else {
                break;
            };
            let connection = phone.connection;
            let mut read = ReadBuf::new(buffer);
            match Pin::new(&mut phone.stream).poll_read(context, &mut read) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    let byte_count = read.filled().len();
                    return Poll::Ready(Event::PortalReceived { connection, byte_count });
                }
                Poll::Ready(_) => {
                    self.phones.remove(index);
                    return Poll::Ready(Event::PortalClosed(connection));
                }
            }
        }
        match self.listening.as_mut().map(|listening| listening.accepted.poll_recv(context)) {
            Some(Poll::Ready(Some(stream))) => Poll::Ready(self.admit(stream)),
            _ => Poll::Pending,
        }
    }

    /// Sends part of an answer.
    pub(crate) async fn answer(
        &mut self,
        connection: ConnectionIndex,
        bytes: &[u8],
    ) -> Result<(), PortalClosedError> {
        let Some(phone) = self.phones.iter_mut().find(|phone| phone.connection == connection) else {
            return Err(PortalClosedError);
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, phone.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(PortalClosedError),
        }
    }

    pub(crate) fn end(&mut self, connection: ConnectionIndex) {
        self.phones.retain(|phone| phone.connection != connection);
    }

    /// Gives a new connection a place; when all are taken the oldest gives way, which a browser left unused.
    fn admit(&mut self, stream: TcpStream) -> Event {
        let is_free = |index: &usize| self.phones.iter().all(|phone| phone.connection.0 != *index);
        let connection = match (0..PORTAL_CONNECTION_COUNT_MAX).find(is_free) {
            Some(index) => ConnectionIndex(index),
            None => self.phones.remove(0).connection,
        };
        self.phones.push(Phone { connection, stream });
        Event::PortalOpened(connection)
    }
}

impl Drop for PortalListener {
    fn drop(&mut self) {
        self.close();
    }
}

async fn listen(address: SocketAddr, accepted: mpsc::Sender<TcpStream>) {
    let mut was_told = false;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) => {
                let is_early = error.kind() == io::ErrorKind::AddrNotAvailable;
                if !was_told && !is_early {
                    tracing::error!(%error, %address, "the portal cannot listen at {address}");
                    was_told = true;
                }
                tokio::time::sleep(BIND_RETRY_WAIT).await;
            }
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                if accepted.send(stream).await.is_err() {
                    return;
                }
            }
            // Out of file descriptors, or a phone that gave up: neither gets better by hurrying.
            Err(error) => {
                tracing::debug!(%error, "a phone could not be let in");
                tokio::time::sleep(BIND_RETRY_WAIT).await;
            }
        }
    }
}

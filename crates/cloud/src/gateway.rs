//! The gateway: where devices log in and talk Blynk's binary protocol, over a byte stream or a WebSocket.
//!
//! One task reads a connection, acts on its frames in order and writes what others queue for it meanwhile. The queue is
//! bounded: a device that does not read is cut, and nobody waits for it. What a frame means is decided in `wire`,
//! `registry` and `telemetry`; here it is only carried out.

mod claim_codes;
mod connection;
mod links;
mod login;
mod outbox;
mod session;
mod socket;
mod time_answers;

use std::sync::Arc;

use tracing::{Instrument, debug_span};
use wire::{Frame, HEADER_BYTES, ParseFrameError, Parsed};

pub(crate) use links::{Link, Links, Standing, Turned};
pub(crate) use session::with_ages;
pub(crate) use socket::{ByteStream, Socket};

use connection::Connection;

use crate::app::App;
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::listener::{Peer, Transport};
use outbox::Outbox;
use session::Session;

/// Serves connections of devices. Clones share everything.
#[derive(Clone)]
pub(crate) struct Gateway {
    app: Arc<App>,
}

impl Gateway {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Serves a connection that nobody else watches, until it ends or the server stops.
    pub(crate) async fn serve_tracked(&self, socket: Socket, peer: Peer) {
        let serving = async {
            tokio::select! {
                () = self.app.stop.cancelled() => {}
                () = self.serve(socket, peer) => {}
            }
        };
        self.app.tasks.track_future(serving).await;
    }

    /// Serves one connection until it ends.
    pub(crate) async fn serve(&self, socket: Socket, peer: Peer) {
        // At debug, because a span at a level that is on costs each idle connection half a kilobyte.
        let span = debug_span!("device", peer = %peer.address, transport = peer.transport.as_str());
        self.serve_in_span(socket, peer).instrument(span).await;
    }

    async fn serve_in_span(&self, socket: Socket, peer: Peer) {
        let mut connection = Connection::new(socket, Outbox::default(), self.app.config.timings.write());
        // Boxed, like what comes after: a task is as large as the largest thing it ever awaits.
        if let Some(logged_in) = Box::pin(login::log_in(&self.app, &mut connection, peer)).await {
            let turned = logged_in.turned;
            if peer.transport == Transport::Tls {
                logged_in.link.set_over_tls();
            }
            Session::new(Arc::clone(&self.app), logged_in).run(&mut connection, turned).await;
        }
        Box::pin(connection.finish()).await;
    }
}

/// One step of reading frames.
enum NextFrame {
    /// Bytes of the buffer that make up the next frame.
    Complete { frame_bytes: usize },
    /// More must arrive first.
    Incomplete,
    /// The announced body is too large; the message had this id.
    TooLarge { message_id: u16 },
    /// The stream makes no sense.
    Malformed,
}

fn next_frame(buffer: &[u8]) -> NextFrame {
    match Frame::parse(buffer, FRAME_BODY_BYTES_MAX) {
        Ok(Parsed::Complete { consumed_bytes, .. }) => NextFrame::Complete { frame_bytes: consumed_bytes },
        Ok(Parsed::Incomplete { .. }) => NextFrame::Incomplete,
        Err(ParseFrameError::BodyTooLarge { .. }) => match buffer.first_chunk::<HEADER_BYTES>() {
            Some([_, high, low, _, _]) => {
                NextFrame::TooLarge { message_id: u16::from_be_bytes([*high, *low]) }
            }
            None => NextFrame::Malformed,
        },
        Err(_) => NextFrame::Malformed,
    }
}

/// Makes a connection whose other side has gone, for tests.
#[cfg(test)]
pub(crate) fn link_without_peer(links: &Links, device: &registry::DeviceId, now: registry::MonoTime) -> Link {
    link_with_peer(links, device, now).0
}

/// Makes a connection, with the device's end of it, for tests.
#[cfg(test)]
pub(crate) fn link_with_peer(
    links: &Links,
    device: &registry::DeviceId,
    now: registry::MonoTime,
) -> (Link, tokio::io::DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(1024);
    let outbox = Outbox::default();
    let socket = Socket::stream(Box::new(ours), &[]);
    let mut connection = Connection::new(socket, outbox.clone(), std::time::Duration::from_secs(5));
    tokio::spawn(async move {
        while matches!(connection.read().await, Ok(Ok(1..))) {}
        connection.finish().await;
    });
    (links.enter(device, Some(registry::Epoch::FIRST), outbox, now).0, theirs)
}

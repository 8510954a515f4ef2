//! The gateway: where devices log in and talk Blynk's binary protocol, over a byte stream or a WebSocket.
//!
//! One task reads a connection and acts on its frames in order; a second one writes. Between the two lies a bounded
//! queue: a device that does not read is cut, and nobody waits for it. What a frame means is decided in `wire`,
//! `registry` and `telemetry`; here it is only carried out.

mod links;
mod login;
mod outbox;
mod session;
mod socket;
mod time_answers;

use std::sync::Arc;

use bytes::BytesMut;
use tracing::{Instrument, debug, info_span};
use wire::{Frame, HEADER_BYTES, ParseFrameError, Parsed};

pub(crate) use links::{Link, Links, Turned};
pub(crate) use session::with_ages;
pub(crate) use socket::Socket;

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
        let span = info_span!("device", peer = %peer.address, transport = peer.transport.as_str());
        self.serve_in_span(socket, peer).instrument(span).await;
    }

    async fn serve_in_span(&self, socket: Socket, peer: Peer) {
        let Socket { mut inbound, outbound } = socket;
        let (outbox, writer) = Outbox::start(outbound, self.app.config.timings.write());
        let end_of_connection = outbox.clone();
        let mut buffer = BytesMut::new();
        if let Some(logged_in) = login::log_in(&self.app, &mut inbound, &mut buffer, &outbox, peer).await {
            let turned = logged_in.turned;
            if peer.transport == Transport::Tls {
                logged_in.link.set_over_tls();
            }
            Session::new(Arc::clone(&self.app), logged_in).run(&mut inbound, buffer, turned).await;
        }
        // What is queued, a refusal for example, still goes out; the writing task ends by itself after that.
        end_of_connection.close_after_flush();
        drop(end_of_connection);
        if let Err(error) = writer.await {
            debug!(%error, "the writing task ended abnormally");
        }
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
    let (reader, writer) = tokio::io::split(ours);
    let Socket { outbound, .. } = Socket::stream(Box::new(reader), Box::new(writer));
    let (outbox, _writer) = Outbox::start(outbound, std::time::Duration::from_secs(5));
    (links.enter(device, Some(registry::Epoch::FIRST), outbox, now).0, theirs)
}

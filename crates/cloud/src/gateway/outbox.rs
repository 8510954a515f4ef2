//! The bounded queue between the server and one device.

use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::debug;
use wire::{EncodeMessageError, ServerMessage};

use super::socket::Outbound;
use crate::limits::OUTBOUND_FRAMES_MAX;

/// Sends frames to one connection without ever waiting for it. Clones share the queue.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    /// Cancelled when the connection must end at once, queue or no queue.
    cut: CancellationToken,
}

#[derive(Debug)]
enum Outgoing {
    Frame(Bytes),
    /// A frame whose sender wants to know that it left; dropped unsent, the receiver learns that it did not.
    Confirmed(Bytes, oneshot::Sender<()>),
    /// Write what is queued before, then close.
    Close,
}

/// Why a message did not go into the queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SendMessageError {
    /// The message has no form on the wire.
    #[error("the message cannot be written")]
    Encode(#[from] EncodeMessageError),
    /// The connection has ended, or was cut because its reader is too slow.
    #[error("the connection has ended")]
    Closed,
}

impl Outbox {
    /// Starts the writing task of one connection.
    pub(super) fn start(outbound: Outbound, write_time_max: Duration) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, receiver) = mpsc::channel(OUTBOUND_FRAMES_MAX);
        let outbox = Self { queue, cut: CancellationToken::new() };
        let writer = tokio::spawn(write_all(outbound, receiver, outbox.cut.clone(), write_time_max));
        (outbox, writer)
    }

    /// Queues a message.
    pub(crate) fn send(&self, message_id: u16, message: &ServerMessage<'_>) -> Result<(), SendMessageError> {
        self.queue(Outgoing::Frame(encode(message_id, message)?))
    }

    /// Queues a message; the receiver yields once it was handed to the system, and fails when that cannot happen any more.
    pub(super) fn send_confirmed(
        &self,
        message_id: u16,
        message: &ServerMessage<'_>,
    ) -> Result<oneshot::Receiver<()>, SendMessageError> {
        let (sender, receiver) = oneshot::channel();
        self.queue(Outgoing::Confirmed(encode(message_id, message)?, sender))?;
        Ok(receiver)
    }

    /// Closes the connection after everything queued has been written.
    pub(crate) fn close_after_flush(&self) {
        if self.queue(Outgoing::Close).is_err() {
            self.cut.cancel();
        }
    }

    /// Ends the connection now.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    /// Waits until the connection is to end.
    pub(super) async fn until_cut(&self) {
        self.cut.cancelled().await;
    }

    fn queue(&self, outgoing: Outgoing) -> Result<(), SendMessageError> {
        match self.queue.try_send(outgoing) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                counter!("gateway_links_cut_total", "reason" => "slow_reader").increment(1);
                self.cut.cancel();
                Err(SendMessageError::Closed)
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SendMessageError::Closed),
        }
    }
}

fn encode(message_id: u16, message: &ServerMessage<'_>) -> Result<Bytes, EncodeMessageError> {
    let mut frame = vec![0_u8; message.encoded_bytes()?];
    message.encode(message_id, &mut frame)?;
    Ok(Bytes::from(frame))
}

/// Writes until the queue ends, a write fails or takes too long, or the connection is cut; then the reader is cut too.
async fn write_all(
    mut outbound: Outbound,
    mut receiver: mpsc::Receiver<Outgoing>,
    cut: CancellationToken,
    write_time_max: Duration,
) {
    let cut_reader = cut.clone().drop_guard();
    let mut arrived = Vec::new();
    loop {
        let count = tokio::select! {
            () = cut.cancelled() => return,
            count = receiver.recv_many(&mut arrived, OUTBOUND_FRAMES_MAX) => count,
        };
        let mut frames = Vec::with_capacity(count);
        let mut confirmations = Vec::new();
        let mut is_last = count == 0;
        for outgoing in arrived.drain(..) {
            match outgoing {
                Outgoing::Frame(frame) if !is_last => frames.push(frame),
                Outgoing::Confirmed(frame, confirmation) if !is_last => {
                    frames.push(frame);
                    confirmations.push(confirmation);
                }
                Outgoing::Frame(_) | Outgoing::Confirmed(..) => {}
                Outgoing::Close => is_last = true,
            }
        }
        let written = tokio::select! {
            () = cut.cancelled() => return,
            written = tokio::time::timeout(write_time_max, outbound.write(&frames)) => written,
        };
        match written {
            Ok(Ok(())) => {
                for confirmation in confirmations {
                    if confirmation.send(()).is_err() {
                        debug!("nobody waits for this confirmation any more");
                    }
                }
                if is_last {
                    break;
                }
            }
            Ok(Err(error)) => {
                debug!(%error, "writing to a device failed");
                return;
            }
            Err(_elapsed) => {
                counter!("gateway_links_cut_total", "reason" => "slow_reader").increment(1);
                return;
            }
        }
    }
    match tokio::time::timeout(write_time_max, outbound.shut_down()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "closing a connection failed"),
        Err(_elapsed) => debug!("closing a connection took too long"),
    }
    drop(cut_reader);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, duplex};
    use wire::Status;

    fn stream_outbound(stream: tokio::io::DuplexStream) -> Outbound {
        Outbound::Stream(Box::new(stream))
    }

    #[tokio::test]
    async fn queued_frames_arrive_before_the_close() {
        let (ours, mut theirs) = duplex(1024);
        let (outbox, writer) = Outbox::start(stream_outbound(ours), Duration::from_secs(5));
        outbox.send(1, &ServerMessage::Response(Status::Success)).unwrap();
        outbox.send(2, &ServerMessage::Ping).unwrap();
        outbox.close_after_flush();
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, [0, 0, 1, 0, 200, 6, 0, 2, 0, 0]);
        writer.await.unwrap();
        outbox.until_cut().await;
    }

    #[tokio::test]
    async fn a_reader_that_never_reads_is_cut_when_the_queue_is_full() {
        let (ours, theirs) = duplex(16);
        let (outbox, writer) = Outbox::start(stream_outbound(ours), Duration::from_hours(1));
        let mut sent_count = 0;
        while outbox.send(1, &ServerMessage::Ping).is_ok() {
            sent_count += 1;
            assert!(sent_count < 10 * OUTBOUND_FRAMES_MAX, "the queue has no bound");
            tokio::task::yield_now().await;
        }
        outbox.until_cut().await;
        writer.await.unwrap();
        drop(theirs);
    }

    #[tokio::test]
    async fn a_confirmation_comes_for_what_was_written_and_fails_for_what_was_not() {
        let (ours, theirs) = duplex(1024);
        let (outbox, writer) = Outbox::start(stream_outbound(ours), Duration::from_secs(5));
        outbox.send_confirmed(1, &ServerMessage::Ping).unwrap().await.unwrap();
        drop(theirs);
        let after_the_end = match outbox.send_confirmed(2, &ServerMessage::Ping) {
            Ok(confirmation) => confirmation.await.is_ok(),
            Err(_closed) => false,
        };
        assert!(!after_the_end);
        writer.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_takes_too_long_cuts_the_connection() {
        let (ours, theirs) = duplex(2);
        let (outbox, writer) = Outbox::start(stream_outbound(ours), Duration::from_secs(5));
        outbox.send(1, &ServerMessage::Ping).unwrap();
        outbox.until_cut().await;
        writer.await.unwrap();
        drop(theirs);
    }
}

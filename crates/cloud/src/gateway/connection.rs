//! One connection, read and written by the task that serves it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use metrics::counter;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tracing::debug;

use super::outbox::{Due, Outbox, Outgoing};
use super::socket::{Socket, Transport};

/// Reads from a device and writes what its outbox holds.
pub(super) struct Connection {
    transport: Transport,
    outbox: Outbox,
    /// What has arrived and was not acted on yet.
    pub(super) buffer: BytesMut,
    write_time_max: Duration,
    /// Held only while the other side does not take everything.
    writing: Option<Box<Writing>>,
    is_over: bool,
    /// The other side has vanished without an orderly end.
    has_vanished: bool,
}

/// Frames that were taken out of the outbox and are not with the system yet.
struct Writing {
    frames: VecDeque<Bytes>,
    confirmations: Vec<oneshot::Sender<()>>,
    /// Runs while the other side takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes and frames that were left at the last look, to see whether anything moves.
    left: usize,
}

/// The connection has ended: closed after a last answer, cut, or broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionEnded;

impl Connection {
    pub(super) fn new(socket: Socket, outbox: Outbox, write_time_max: Duration) -> Self {
        let Socket { transport, first_bytes } = socket;
        Self {
            transport,
            outbox,
            buffer: first_bytes,
            write_time_max,
            writing: None,
            is_over: false,
            has_vanished: false,
        }
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Reads into [`Connection::buffer`], and writes what is queued meanwhile; returns 0 at the end of the stream.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn read(&mut self) -> Result<io::Result<usize>, ConnectionEnded> {
        if self.buffer.is_empty() {
            // An idle connection holds no room for what may come.
            self.buffer = BytesMut::new();
        }
        poll_fn(|context| {
            if self.poll_writing(context).is_ready() {
                return Poll::Ready(Err(ConnectionEnded));
            }
            let read = self.transport.poll_read(context, &mut self.buffer);
            if let Poll::Ready(Err(error)) = &read {
                self.has_vanished |= is_vanished(error);
            }
            read.map(Ok)
        })
        .await
    }

    /// Waits for something else, and writes what is queued meanwhile.
    ///
    /// # Cancel safety
    /// As that of `work`, which is dropped when the connection ends first.
    pub(super) async fn write_until<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, ConnectionEnded> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = poll_fn(|context| self.poll_writing(context)) => Err(ConnectionEnded),
        }
    }

    /// Writes what is queued, a refusal for example, and closes.
    pub(super) async fn finish(mut self) {
        self.outbox.close_after_flush();
        poll_fn(|context| self.poll_writing(context)).await;
        // From now on a message finds no reader.
        self.outbox.cut();
        if self.is_over || self.has_vanished {
            // An orderly end, for which TLS writes once more, would find nobody.
            return;
        }
        let closing = poll_fn(|context| self.transport.poll_shut_down(context));
        match tokio::time::timeout(self.write_time_max, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "closing a connection failed"),
            Err(_elapsed) => debug!("closing a connection took too long"),
        }
    }

    /// Writes what is queued; ready when nothing will ever be written again.
    fn poll_writing(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.is_over {
            if self.writing.is_some() {
                if self.outbox.is_cut(context) {
                    self.end();
                    break;
                }
                match self.poll_frames(context) {
                    Poll::Ready(()) => continue,
                    Poll::Pending => return Poll::Pending,
                }
            }
            match self.outbox.poll_due(context) {
                Poll::Ready(Due::Frames(queue)) => self.writing = Some(Box::new(Writing::new(queue))),
                Poll::Ready(Due::Close) => return Poll::Ready(()),
                Poll::Ready(Due::Cut) => self.end(),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn end(&mut self) {
        self.is_over = true;
        self.writing = None;
    }

    /// Writes the frames at hand; ready when they are gone or the connection is over.
    fn poll_frames(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(writing) = self.writing.as_deref_mut() else { return Poll::Ready(()) };
        match self.transport.poll_write(context, &mut writing.frames) {
            Poll::Ready(Ok(())) => {
                if let Some(writing) = self.writing.take() {
                    writing.confirm();
                }
                Poll::Ready(())
            }
            Poll::Ready(Err(error)) => {
                debug!(%error, "writing to a device failed");
                self.end();
                Poll::Ready(())
            }
            Poll::Pending => {
                if writing.poll_stalled(context, self.write_time_max).is_pending() {
                    return Poll::Pending;
                }
                counter!("gateway_links_cut_total", "reason" => "slow_reader").increment(1);
                self.end();
                Poll::Ready(())
            }
        }
    }
}

/// Says whether nobody is there any more who could read something.
fn is_vanished(error: &io::Error) -> bool {
    // Over TLS the end of a stream without an alert is "unexpected".
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

impl Writing {
    fn new(queue: VecDeque<Outgoing>) -> Self {
        let mut confirmations = Vec::new();
        let frames = queue
            .into_iter()
            .map(|outgoing| {
                confirmations.extend(outgoing.confirmation);
                outgoing.frame
            })
            .collect();
        Self { frames, confirmations, stalled: None, left: usize::MAX }
    }

    fn confirm(self) {
        for confirmation in self.confirmations {
            if confirmation.send(()).is_err() {
                debug!("nobody waits for this confirmation any more");
            }
        }
    }

    /// Ready when the other side has taken nothing for too long.
    fn poll_stalled(&mut self, context: &mut Context<'_>, write_time_max: Duration) -> Poll<()> {
        if self.frames.len() < self.left {
            self.left = self.frames.len();
            self.stalled = None;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(write_time_max)));
        stalled.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use wire::{ServerMessage, Status};

    use super::*;
    use crate::limits::OUTBOUND_FRAMES_MAX;

    const WRITE_TIME_MAX: Duration = Duration::from_secs(5);

    fn connection(stream: DuplexStream) -> (Connection, Outbox) {
        let outbox = Outbox::default();
        (Connection::new(Socket::stream(Box::new(stream), &[]), outbox.clone(), WRITE_TIME_MAX), outbox)
    }

    #[tokio::test]
    async fn queued_frames_arrive_before_the_close_and_nothing_after_it() {
        let (ours, mut theirs) = duplex(1024);
        let (connection, outbox) = connection(ours);
        outbox.send(1, &ServerMessage::Response(Status::Success)).unwrap();
        outbox.send(2, &ServerMessage::Ping).unwrap();
        outbox.close_after_flush();
        assert!(outbox.send(3, &ServerMessage::Ping).is_err());
        connection.finish().await;
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, [0, 0, 1, 0, 200, 6, 0, 2, 0, 0]);
    }

    #[tokio::test]
    async fn what_is_sent_while_the_connection_reads_is_written_and_first_bytes_come_first() {
        let (ours, mut theirs) = duplex(1024);
        let outbox = Outbox::default();
        let socket = Socket::stream(Box::new(ours), b"a");
        let mut connection = Connection::new(socket, outbox.clone(), WRITE_TIME_MAX);
        let reading = tokio::spawn(async move {
            connection.read().await.unwrap().unwrap();
            connection.buffer
        });
        tokio::task::yield_now().await;
        outbox.send(1, &ServerMessage::Ping).unwrap();
        let mut frame = [0; 5];
        theirs.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, [6, 0, 1, 0, 0]);
        tokio::io::AsyncWriteExt::write_all(&mut theirs, b"b").await.unwrap();
        assert_eq!(&*reading.await.unwrap(), b"ab");
    }

    #[tokio::test]
    async fn a_reader_that_never_reads_is_cut_when_the_queue_is_full() {
        let (ours, _theirs) = duplex(16);
        let (mut connection, outbox) = connection(ours);
        let serving = tokio::spawn(async move { connection.read().await });
        let mut sent_count = 0;
        while outbox.send(1, &ServerMessage::Ping).is_ok() {
            sent_count += 1;
            assert!(sent_count < 10 * OUTBOUND_FRAMES_MAX, "the queue has no bound");
            tokio::task::yield_now().await;
        }
        assert!(serving.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_confirmation_comes_for_what_was_written_and_fails_for_what_was_not() {
        let (ours, theirs) = duplex(1024);
        let (mut connection, outbox) = connection(ours);
        let confirmation = outbox.send_confirmed(1, &ServerMessage::Ping).unwrap();
        connection.write_until(confirmation).await.unwrap().unwrap();
        drop(theirs);
        let lost = outbox.send_confirmed(2, &ServerMessage::Ping).unwrap();
        connection.finish().await;
        assert!(lost.await.is_err());
        assert!(outbox.send_confirmed(3, &ServerMessage::Ping).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_takes_too_long_ends_the_connection() {
        let (ours, _theirs) = duplex(2);
        let (mut connection, outbox) = connection(ours);
        outbox.send(1, &ServerMessage::Ping).unwrap();
        let started_at = tokio::time::Instant::now();
        assert_eq!(connection.read().await.unwrap_err(), ConnectionEnded);
        assert_eq!(started_at.elapsed(), WRITE_TIME_MAX);
    }

    #[tokio::test]
    async fn a_cut_ends_a_connection_that_waits_for_its_reader() {
        let (ours, _theirs) = duplex(2);
        let (mut connection, outbox) = connection(ours);
        outbox.send(1, &ServerMessage::Ping).unwrap();
        let serving = tokio::spawn(async move { connection.read().await });
        tokio::task::yield_now().await;
        outbox.cut();
        assert!(serving.await.unwrap().is_err());
    }
}

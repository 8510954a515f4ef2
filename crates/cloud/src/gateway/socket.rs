//! The two kinds of connection that carry device frames: a byte stream, and a WebSocket with binary messages.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{Message, WebSocket};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use metrics::counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::{READ_CHUNK_BYTES, WRITE_BATCH_BYTES_MAX};

/// A stream of bytes in both directions.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A connection before anybody has logged in on it.
pub(crate) struct Socket {
    pub(super) transport: Transport,
    /// What was read to tell protocols apart.
    pub(super) first_bytes: BytesMut,
}

/// A connection, read and written by one task.
pub(super) enum Transport {
    Stream(ByteTransport),
    WebSocket(Box<WebSocket>),
}

/// A byte stream and what is being written to it.
pub(super) struct ByteTransport {
    stream: Box<dyn ByteStream>,
    batch: Bytes,
    needs_flush: bool,
}

impl Socket {
    /// Takes a stream of which `first_bytes` have been read already.
    pub(crate) fn stream(stream: Box<dyn ByteStream>, first_bytes: &[u8]) -> Self {
        let transport = Transport::Stream(ByteTransport { stream, batch: Bytes::new(), needs_flush: false });
        Self { transport, first_bytes: BytesMut::from(first_bytes) }
    }

    pub(crate) fn web_socket(socket: WebSocket) -> Self {
        Self { transport: Transport::WebSocket(Box::new(socket)), first_bytes: BytesMut::new() }
    }
}

impl Transport {
    /// Appends what has arrived to `buffer`; 0 is the end of the stream. Nothing is held while nothing arrives.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Stream(transport) => {
                let mut room = [MaybeUninit::uninit(); READ_CHUNK_BYTES];
                let mut chunk = ReadBuf::uninit(&mut room);
                ready!(Pin::new(&mut transport.stream).poll_read(context, &mut chunk))?;
                buffer.extend_from_slice(chunk.filled());
                Poll::Ready(Ok(chunk.filled().len()))
            }
            Self::WebSocket(socket) => loop {
                match ready!(socket.poll_next_unpin(context)) {
                    None | Some(Ok(Message::Close(_))) => return Poll::Ready(Ok(0)),
                    Some(Ok(Message::Binary(bytes))) if !bytes.is_empty() => {
                        buffer.extend_from_slice(&bytes);
                        return Poll::Ready(Ok(bytes.len()));
                    }
                    // The library answers pings itself; an empty message carries nothing.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => {}
                    Some(Ok(Message::Text(_))) => {
                        counter!("web_sockets_failed_total").increment(1);
                        let text = "a text message, expected binary";
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                    }
                    Some(Err(error)) => {
                        counter!("web_sockets_failed_total").increment(1);
                        return Poll::Ready(Err(io::Error::other(error)));
                    }
                }
            },
        }
    }

    /// Writes whole frames: one write for as many as fit on a stream, one message for each on a WebSocket. Ready when all
    /// were handed to the system; until then, call it again with the frames that are left.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        frames: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Stream(transport) => transport.poll_write(context, frames),
            Self::WebSocket(socket) => {
                while !frames.is_empty() {
                    ready!(socket.poll_ready_unpin(context)).map_err(io::Error::other)?;
                    let Some(frame) = frames.pop_front() else { break };
                    socket.start_send_unpin(Message::Binary(frame)).map_err(io::Error::other)?;
                }
                socket.poll_flush_unpin(context).map_err(io::Error::other)
            }
        }
    }

    /// Tells the other side that nothing more will come.
    pub(super) fn poll_shut_down(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Stream(transport) => Pin::new(&mut transport.stream).poll_shutdown(context),
            Self::WebSocket(socket) => socket.poll_close_unpin(context).map_err(io::Error::other),
        }
    }
}

impl ByteTransport {
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        frames: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.batch.is_empty() {
                if frames.is_empty() {
                    break;
                }
                self.batch = take_batch(frames);
            }
            let written_bytes = ready!(Pin::new(&mut self.stream).poll_write(context, &self.batch))?;
            if written_bytes == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.batch.advance(written_bytes);
            self.needs_flush = true;
        }
        if self.needs_flush {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.needs_flush = false;
        }
        self.batch = Bytes::new();
        Poll::Ready(Ok(()))
    }
}

/// Joins frames for one write.
fn take_batch(frames: &mut VecDeque<Bytes>) -> Bytes {
    let Some(first) = frames.pop_front() else { return Bytes::new() };
    if frames.is_empty() {
        return first;
    }
    let mut batch = BytesMut::from(&*first);
    while let Some(next) = frames.pop_front_if(|next| batch.len() + next.len() <= WRITE_BATCH_BYTES_MAX) {
        batch.extend_from_slice(&next);
    }
    batch.freeze()
}

//! The two kinds of connection that carry device frames: a byte stream, and a WebSocket with binary messages.

use std::io;

use axum::extract::ws::{Message, WebSocket};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits::{READ_CHUNK_BYTES, READ_CHUNK_BYTES_MIN, WRITE_BATCH_BYTES_MAX};

/// A connection before anybody has logged in on it.
pub(crate) struct Socket {
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
}

/// The reading side.
pub(super) enum Inbound {
    Stream(Box<dyn AsyncRead + Send + Unpin>),
    WebSocket(SplitStream<WebSocket>),
}

/// The writing side.
pub(super) enum Outbound {
    Stream(Box<dyn AsyncWrite + Send + Unpin>),
    WebSocket(SplitSink<WebSocket, Message>),
}

impl Socket {
    pub(crate) fn stream(
        reader: Box<dyn AsyncRead + Send + Unpin>,
        writer: Box<dyn AsyncWrite + Send + Unpin>,
    ) -> Self {
        Self { inbound: Inbound::Stream(reader), outbound: Outbound::Stream(writer) }
    }

    pub(crate) fn web_socket(socket: WebSocket) -> Self {
        let (sink, stream) = socket.split();
        Self { inbound: Inbound::WebSocket(stream), outbound: Outbound::WebSocket(sink) }
    }
}

impl Inbound {
    /// Appends what has arrived to `buffer`; returns 0 at the end of the stream.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Stream(reader) => {
                if buffer.capacity() - buffer.len() < READ_CHUNK_BYTES_MIN {
                    // A message that did not fit: more is coming, and a larger read saves calls.
                    let chunk = if buffer.len() < READ_CHUNK_BYTES_MIN {
                        READ_CHUNK_BYTES_MIN
                    } else {
                        READ_CHUNK_BYTES
                    };
                    buffer.reserve(chunk);
                }
                reader.read_buf(buffer).await
            }
            Self::WebSocket(stream) => loop {
                match stream.next().await {
                    None | Some(Ok(Message::Close(_))) => return Ok(0),
                    Some(Ok(Message::Binary(bytes))) if !bytes.is_empty() => {
                        buffer.extend_from_slice(&bytes);
                        return Ok(bytes.len());
                    }
                    // The library answers pings itself; an empty message carries nothing.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => {}
                    Some(Ok(Message::Text(_))) => {
                        return Err(io::Error::new(
                            io::ErrorKind::InvalidData,
                            "a text message, expected binary",
                        ));
                    }
                    Some(Err(error)) => return Err(io::Error::other(error)),
                }
            },
        }
    }
}

impl Outbound {
    /// Writes whole frames: one write for as many as fit on a stream, one message for each on a WebSocket.
    pub(super) async fn write(&mut self, frames: &[Bytes]) -> io::Result<()> {
        match self {
            Self::Stream(writer) => {
                let mut batch = BytesMut::new();
                for frame in frames {
                    if !batch.is_empty() && batch.len() + frame.len() > WRITE_BATCH_BYTES_MAX {
                        writer.write_all(&batch).await?;
                        batch.clear();
                    }
                    batch.extend_from_slice(frame);
                }
                writer.write_all(&batch).await?;
                writer.flush().await
            }
            Self::WebSocket(sink) => {
                for frame in frames {
                    sink.feed(Message::Binary(frame.clone())).await.map_err(io::Error::other)?;
                }
                sink.flush().await.map_err(io::Error::other)
            }
        }
    }

    /// Tells the other side that nothing more will come.
    pub(super) async fn shut_down(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(writer) => writer.shutdown().await,
            Self::WebSocket(sink) => sink.close().await.map_err(io::Error::other),
        }
    }
}

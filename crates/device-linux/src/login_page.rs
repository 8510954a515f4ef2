//! Asks whether a log-in page of the network answers in place of the cloud. What to ask and how to read the answer is in
//! [`device::captive_portal`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use device::captive_portal::{
    PROBE_ANSWER_BYTES_MAX, PROBE_TIMEOUT, ProbeAnswer, probe_request, read_probe_answer,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use crate::random::random_u32;

/// As many as `HTTP/` has.
const FIRST_BYTES: usize = 5;

/// Says whether somebody answers for a path that the cloud cannot have. Silence and every failure are a no.
pub(crate) async fn answers_for_the_cloud(host: &str, port: u16) -> bool {
    matches!(tokio::time::timeout(PROBE_TIMEOUT, ask(host, port)).await, Ok(Ok(ProbeAnswer::LoginPage)))
}

async fn ask(host: &str, port: u16) -> io::Result<ProbeAnswer> {
    let request = probe_request(host, random_u32()).ok_or(io::ErrorKind::InvalidInput)?;
    let mut addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
    // Such pages stand in the way of IPv4, and an IPv6 that leads nowhere would use up the time.
    addresses.sort_by_key(std::net::SocketAddr::is_ipv6);
    let mut stream = TcpStream::connect(addresses.as_slice()).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut received = [0; PROBE_ANSWER_BYTES_MAX];
    let mut received_bytes: usize = 0;
    while let Some(rest) = received.get_mut(received_bytes..).filter(|rest| !rest.is_empty()) {
        let read_bytes = stream.read(rest).await?;
        received_bytes = received_bytes.saturating_add(read_bytes);
        let answer = read_probe_answer(received.get(..received_bytes).unwrap_or_default(), host);
        if answer != ProbeAnswer::Incomplete || read_bytes == 0 {
            return Ok(answer);
        }
    }
    Ok(ProbeAnswer::Other)
}

/// A connection that remembers how the other end began.
pub(crate) struct FirstBytes<S> {
    stream: S,
    /// What was read of its first bytes so far.
    beginning: [u8; FIRST_BYTES],
    read_bytes: usize,
}

impl<S> FirstBytes<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, beginning: [0; FIRST_BYTES], read_bytes: 0 }
    }

    pub(crate) fn first_bytes(&self) -> &[u8] {
        self.beginning.get(..self.read_bytes).unwrap_or_default()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before_bytes = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().get(before_bytes..).unwrap_or_default();
        let this = &mut *self;
        let room = this.beginning.get_mut(this.read_bytes..).unwrap_or_default();
        let copied_bytes = room.iter_mut().zip(read).map(|(target, source)| *target = *source).count();
        this.read_bytes = this.read_bytes.saturating_add(copied_bytes);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

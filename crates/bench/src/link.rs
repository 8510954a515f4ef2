//! Byte pipes between boards and the rest of the world, and what a lost radio link does to them.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::BenchClock;

/// How long the far end of a silently lost connection is kept open, so that it sees silence and no end of stream.
///
/// Radio loss and power loss give no FIN on hardware (observed-clients.md); two minutes outlast every heartbeat limit.
const SILENCE: Duration = Duration::from_mins(2);

/// A two-way byte stream.
pub trait BytePipe: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> BytePipe for T {}

/// A two-way byte stream that owns its ends.
pub type BoxPipe = Box<dyn BytePipe>;

/// Counts the radio associations of one board; a pipe belongs to one of them.
#[derive(Clone, Debug, Default)]
pub struct LinkEpoch {
    current: Rc<Cell<u64>>,
}

impl LinkEpoch {
    /// Ends the present association: pipes made until now fall silent.
    pub fn advance(&self) {
        self.current.set(self.current.get().wrapping_add(1));
    }

    /// Returns a number that changes with every association.
    #[must_use]
    pub fn current(&self) -> u64 {
        self.current.get()
    }
}

/// A board's end of a connection over its radio.
///
/// When the radio link goes, the pipe goes silent as on hardware: reads wait, writes vanish, and the far end gets
/// no end of stream for two minutes.
pub struct LinkPipe {
    inner: Option<BoxPipe>,
    link: LinkEpoch,
    born_in: u64,
    clock: BenchClock,
}

impl std::fmt::Debug for LinkPipe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LinkPipe").field("is_silent", &self.is_silent()).finish_non_exhaustive()
    }
}

impl LinkPipe {
    /// Binds `inner` to the present association of `link`.
    #[must_use]
    pub fn new(inner: BoxPipe, link: LinkEpoch, clock: BenchClock) -> Self {
        let born_in = link.current();
        Self { inner: Some(inner), link, born_in, clock }
    }

    fn is_silent(&self) -> bool {
        self.link.current() != self.born_in
    }
}

impl AsyncRead for LinkPipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.is_silent() {
            return Poll::Pending;
        }
        match self.inner.as_mut() {
            Some(inner) => Pin::new(inner).poll_read(context, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for LinkPipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.is_silent() {
            return Poll::Ready(Ok(bytes.len()));
        }
        match self.inner.as_mut() {
            Some(inner) => Pin::new(inner).poll_write(context, bytes),
            None => Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.is_silent() {
            return Poll::Ready(Ok(()));
        }
        self.inner.as_mut().map_or(Poll::Ready(Ok(())), |inner| Pin::new(inner).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.is_silent() {
            return Poll::Ready(Ok(()));
        }
        self.inner.as_mut().map_or(Poll::Ready(Ok(())), |inner| Pin::new(inner).poll_shutdown(context))
    }
}

impl Drop for LinkPipe {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take().filter(|_| self.is_silent()) else {
            return;
        };
        let clock = self.clock.clone();
        tokio::task::spawn_local(async move {
            clock.sleep(SILENCE).await;
            drop(inner);
        });
    }
}

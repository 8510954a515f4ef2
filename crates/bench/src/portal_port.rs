//! The setup portal of a board on its own loopback port, open exactly while the hotspot is.
//!
//! A browser here is a phone at the maker's desk: it joins a protected hotspot with the passphrase of the label.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::board_core::BoardCore;

/// A browser counts as a phone in the hotspot until it was silent for this long.
const STATION_SILENCE: Duration = Duration::from_secs(30);
/// How often silence is looked for.
const STATION_CHECK: Duration = Duration::from_secs(5);

/// Serves one board's portal on 127.0.0.1; dropping it closes the port.
#[derive(Debug)]
pub(crate) struct PortalPort {
    state: Rc<PortState>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct PortState {
    /// 0 until the first time the hotspot opened; the same number ever after.
    port: Cell<u16>,
    is_listening: Cell<bool>,
    open_pipes: Cell<usize>,
    last_seen: Cell<Duration>,
}

impl PortalPort {
    pub(crate) fn open(core: Rc<BoardCore>) -> Self {
        let state = Rc::new(PortState::default());
        let task = tokio::task::spawn_local(serve(core, Rc::clone(&state)));
        Self { state, task }
    }

    /// Returns where the portal listens, while it does.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let port = self.state.port.get();
        self.state.is_listening.get().then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }
}

impl Drop for PortalPort {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(clippy::infinite_loop, reason = "ends when PortalPort is dropped")]
async fn serve(core: Rc<BoardCore>, state: Rc<PortState>) {
    loop {
        while core.hotspot_ssid().is_none() {
            core.hotspot_changed.notified().await;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, state.port.get())).await {
            Ok(listener) => {
                state.port.set(listener.local_addr().map_or(0, |address| address.port()));
                state.is_listening.set(true);
                core.notify();
                serve_hotspot(&core, &state, &listener).await;
                state.is_listening.set(false);
                core.notify();
            }
            Err(error) => {
                tracing::warn!(%error, "the portal of board {} has no port yet, trying again", core.id.0);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve_hotspot(core: &Rc<BoardCore>, state: &Rc<PortState>, listener: &TcpListener) {
    let mut is_attached = false;
    while core.hotspot_ssid().is_some() {
        tokio::select! {
            biased;
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                // A hotspot that changed its channel has lost everybody.
                if !is_attached || core.stations.get() == 0 {
                    core.attach_station();
                    is_attached = true;
                }
                core.offer_phone(Box::new(BrowserPipe::new(stream, Rc::clone(state), core.clock.now())));
            },
            () = core.hotspot_changed.notified() => {}
            () = core.clock.sleep(STATION_CHECK) => {
                let silence = core.clock.now().saturating_sub(state.last_seen.get());
                if is_attached && state.open_pipes.get() == 0 && silence >= STATION_SILENCE {
                    core.detach_station();
                    is_attached = false;
                }
            }
        }
    }
}

/// A browser's connection; counts itself while it is open.
struct BrowserPipe {
    stream: TcpStream,
    state: Rc<PortState>,
}

impl BrowserPipe {
    fn new(stream: TcpStream, state: Rc<PortState>, now: Duration) -> Self {
        state.open_pipes.set(state.open_pipes.get().saturating_add(1));
        state.last_seen.set(now);
        Self { stream, state }
    }
}

impl Drop for BrowserPipe {
    fn drop(&mut self) {
        self.state.open_pipes.set(self.state.open_pipes.get().saturating_sub(1));
    }
}

impl AsyncRead for BrowserPipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for BrowserPipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

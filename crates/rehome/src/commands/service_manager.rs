//! What a service manager such as systemd hands over, and what it wants to hear.

use std::net::TcpListener;

use anyhow::{Context as _, Result};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::warn;

/// Takes the listening sockets that the service manager holds (`LISTEN_FDS`, `sd_listen_fds(3)`).
///
/// Call it before the first thread is started: it takes the variables out of the environment.
///
/// # Errors
/// When one of them is no listening TCP socket.
pub(crate) fn take_sockets() -> Result<Vec<TcpListener>> {
    let mut passed = ListenFd::from_env();
    (0..passed.len())
        .filter_map(|index| passed.take_tcp_listener(index).transpose())
        .collect::<Result<_, _>>()
        .context("taking the sockets of the service manager (`ListenStream=` with address and port)")
}

/// Says that the server serves (`Type=notify`).
pub(crate) fn say_ready() {
    say(NotifyState::Ready);
}

/// Says that the server is about to end.
pub(crate) fn say_stopping() {
    say(NotifyState::Stopping);
}

fn say(state: NotifyState<'_>) {
    // Without a service manager this does nothing.
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "the service manager could not be told: {error}");
    }
}

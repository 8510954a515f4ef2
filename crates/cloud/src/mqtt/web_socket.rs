//! MQTT over WebSocket: binary messages that carry a stream of bytes (MQTT 3.1.1, section 6).

use std::io;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use metrics::counter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::debug;

use crate::app::App;
use crate::gateway::Gateway;
use crate::limits::READ_CHUNK_BYTES;
use crate::listener::Peer;

/// The name under which MQTT is negotiated (MQTT 3.1.1, section 6).
pub(crate) const SUBPROTOCOL: &str = "mqtt";

/// Bytes between the WebSocket and the MQTT side.
const PIPE_BYTES: usize = 8 * 1024;

/// Serves one client until it leaves.
pub(crate) async fn serve(app: Arc<App>, gateway: Gateway, socket: WebSocket, peer: Peer) {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let carrying = async {
        if let Err(error) = carry(socket, ours).await {
            debug!(%error, "a WebSocket that carries MQTT ended early");
        }
    };
    tokio::join!(super::connection::serve(app, gateway, theirs, &[], peer), carrying);
}

async fn carry(socket: WebSocket, pipe: tokio::io::DuplexStream) -> io::Result<()> {
    let (mut sink, mut stream) = socket.split();
    let (mut from_server, mut to_server) = tokio::io::split(pipe);
    let mut chunk = vec![0; READ_CHUNK_BYTES];
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(Message::Binary(bytes))) => to_server.write_all(&bytes).await?,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                None | Some(Ok(Message::Close(_))) => return Ok(()),
                Some(Ok(Message::Text(_)) | Err(_)) => {
                    counter!("web_sockets_failed_total").increment(1);
                    return Ok(());
                }
            },
            count = from_server.read(&mut chunk) => {
                let count = count?;
                if count == 0 {
                    return sink.close().await.map_err(io::Error::other);
                }
                let bytes = chunk.get(..count).unwrap_or_default().to_vec();
                sink.send(Message::Binary(bytes.into())).await.map_err(io::Error::other)?;
            }
        }
    }
}

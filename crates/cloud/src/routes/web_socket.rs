//! Devices over WebSocket: binary messages that carry the same frames. Source: reference/wire-protocol.md 2.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};

use crate::gateway::{Gateway, Socket};
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::listener::{Admitted, Peer};

/// A client may put several frames into one message.
const MESSAGE_BYTES_MAX: usize = 4 * FRAME_BODY_BYTES_MAX;

/// Every path that starts with `/websocket`; clients use `/websocket` and `/websockets`.
pub(super) fn routes(gateway: Gateway) -> Router {
    Router::new()
        .route("/websocket", any(upgrade))
        .route("/websockets", any(upgrade))
        .route("/websocket/{*rest}", any(upgrade))
        .route("/websockets/{*rest}", any(upgrade))
        .with_state(gateway)
}

async fn upgrade(
    State(gateway): State<Gateway>,
    Extension(peer): Extension<Peer>,
    Extension(admitted): Extension<Arc<Admitted>>,
    request: WebSocketUpgrade,
) -> Response {
    request.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX).on_upgrade(
        move |socket| async move {
            gateway.serve_tracked(Socket::web_socket(socket), peer).await;
            // Held until here: an upgraded connection counts against the limits like any other.
            drop(admitted);
        },
    )
}

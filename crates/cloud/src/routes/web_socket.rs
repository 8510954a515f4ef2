//! Devices over WebSocket: binary messages that carry Blynk frames (reference/wire-protocol.md 2) or MQTT
//! (reference/mqtt-api.md 1).

use std::sync::Arc;

use axum::extract::State;
use axum::extract::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};

use crate::app::App;
use crate::gateway::{Gateway, Socket};
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::listener::{Admitted, Peer};
use crate::mqtt;

/// A client may put several frames into one message.
const MESSAGE_BYTES_MAX: usize = 4 * FRAME_BODY_BYTES_MAX;

/// Every path that starts with `/websocket`; clients use `/websocket` and `/websockets`.
pub(super) fn routes(app: Arc<App>, gateway: Gateway) -> Router {
    let mqtt = Router::new().route("/mqtt", any(upgrade_mqtt)).with_state((app, gateway.clone()));
    Router::new()
        .route("/websocket", any(upgrade))
        .route("/websockets", any(upgrade))
        .route("/websocket/{*rest}", any(upgrade))
        .route("/websockets/{*rest}", any(upgrade))
        .with_state(gateway)
        .merge(mqtt)
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

async fn upgrade_mqtt(
    State((app, gateway)): State<(Arc<App>, Gateway)>,
    Extension(peer): Extension<Peer>,
    Extension(admitted): Extension<Arc<Admitted>>,
    request: WebSocketUpgrade,
) -> Response {
    let request = request.protocols([mqtt::web_socket::SUBPROTOCOL]);
    request.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX).on_upgrade(
        move |socket| async move {
            let tasks = app.tasks.clone();
            let stop = app.stop.clone();
            let serving = async {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = mqtt::web_socket::serve(app, gateway, socket, peer) => {}
                }
            };
            tasks.track_future(serving).await;
            drop(admitted);
        },
    )
}

//! Orders to a connected device: a sign of life, a restart, a new set-up. Source: reference/mqtt-api.md 4 and 8.

use std::sync::Arc;

use api_types::{CommandDevice, DeviceCommand};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use store::Change;
use wire::{Secret, ServerInternal, ServerMessage};

use super::access::Actor;
use super::devices::find_device;
use super::extract::{ApiJson, ApiPath};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};

/// Sends the order; what the device makes of it shows in its state.
pub(super) async fn command_device(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<CommandDevice>,
) -> Result<StatusCode, ApiError> {
    let device = find_device(&app, &id).await?;
    let offline = || ApiError::new(ProblemKind::DeviceOffline, "Only a connected device takes orders.");
    let link = app.links.get(&device.id).ok_or_else(offline)?;
    if link.is_quarantined() || link.epoch() != Some(device.epoch) {
        let detail = "The device is being released or was released: it takes no orders but that one.";
        return Err(ApiError::new(ProblemKind::DeviceReleased, detail));
    }
    let console =
        |line: &'static [u8]| ServerMessage::Internal(ServerInternal::Dbg { command: Secret(line) });
    let (message, name) = match request.command {
        DeviceCommand::Ping => (ServerMessage::Ping, "ping"),
        DeviceCommand::Reboot => (console(b"reboot"), "reboot"),
        DeviceCommand::Reconfigure => (console(b"config start"), "reconfigure"),
    };
    // Noted first: an order that is not in the audit must not have been given.
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    app.store.record_audit(change, "device.command", device.id.to_string(), name.to_owned()).await?;
    link.send(&message).map_err(|_closed| offline())?;
    Ok(StatusCode::NO_CONTENT)
}

//! The end of a set-up for devices that never log in with the binary protocol. Source: reference/http-api.md 3.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use registry::{DeviceId, Epoch, LoginDecision, LookedUp, TokenRecord, decide_login};
use store::Firmware;
use tracing::{info, warn};

use super::call::{CallError, INVALID_TOKEN, Query, refused_token, take_permit};
use crate::app::App;
use crate::errors::ErrorChain;
use crate::listener::Peer;

/// Characters of one parameter that are kept; as for the info message.
const TEXT_CHARS_MAX: usize = 128;

pub(super) async fn provision(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, CallError> {
    let query = Query::parse(query.as_deref())?;
    let template = query.parameter("templateId").ok_or_else(|| CallError::bad("Wrong templateId."))?;
    let (device, epoch) = claim(&app, peer, &query, template).await?;
    take_permit(&app, &device)?;
    // The first login of a static token owns the device; this call is the first login of a device without one.
    app.store.record_login(device.clone(), epoch, app.clock.now().utc).await.map_err(
        |error| match error {
            store::DeviceError::NotFound => CallError::bad(INVALID_TOKEN),
            error => CallError::storage(&error),
        },
    )?;
    let text = |name: &str| query.parameter(name).map(|value| value.chars().take(TEXT_CHARS_MAX).collect());
    let firmware = Firmware {
        version: text("ver"),
        kind: text("fwType"),
        build: text("build"),
        library: text("blVer"),
        board: text("boType"),
        heartbeat_s: None,
    };
    app.store.record_firmware(device.clone(), firmware).await.map_err(|error| CallError::storage(&error))?;
    app.publish_device(&device, api_types::DeviceChange::Updated);
    Ok(StatusCode::OK)
}

/// Finds the device of a token; claims its provisioning session when that is what the token was made for. A template id
/// that does not fit changes nothing.
async fn claim(app: &App, peer: Peer, query: &Query, template: &str) -> Result<(DeviceId, Epoch), CallError> {
    let looked_up = app.store.look_up_token(query.token());
    let of_session = match &looked_up {
        LookedUp::Found(TokenRecord::Session { session, .. }) => app.store.session(session.clone()).await?,
        _ => None,
    };
    match decide_login(looked_up, app.clock.now().utc) {
        LoginDecision::Accept { device, epoch } => {
            let found = app.store.device(device.clone()).await?;
            let is_of_template = found.is_some_and(|found| found.template_id.as_str() == template);
            if is_of_template { Ok((device, epoch)) } else { Err(wrong_template()) }
        }
        LoginDecision::CompleteClaim { session } => {
            let is_of_template = of_session.is_some_and(|found| found.template_id.as_str() == template);
            if !is_of_template {
                return Err(wrong_template());
            }
            let new = DeviceId::from_random(rand::random());
            let claimed = app.store.complete_claim(session.clone(), new, app.clock.now().utc).await;
            let claimed = claimed.map_err(|failure| {
                warn!(session.id = %session, error = %ErrorChain(&failure), "session {session} could not be claimed");
                CallError::bad(INVALID_TOKEN)
            })?;
            info!(session.id = %session, device.id = %claimed.device, "session {session} was claimed over HTTP");
            app.publish_session(&session).await;
            app.publish_device(&claimed.device, api_types::DeviceChange::Created);
            Ok((claimed.device, claimed.epoch))
        }
        _ => Err(refused_token(app, peer)),
    }
}

fn wrong_template() -> CallError {
    CallError::bad("Wrong templateId.")
}

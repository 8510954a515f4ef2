//! Metadata and events. Source: reference/http-api.md 2.

use std::sync::Arc;

use api_types::DeviceChange;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use metrics::counter;
use store::DeviceError;

use super::call::{Call, CallError, INVALID_TOKEN};
use super::values::plain_text;
use crate::app::App;
use crate::listener::Peer;
use crate::metadata::{self, SetMetadataError};

const WRONG_FIELD: &str = "Wrong metaField format.";
const NO_FIELD: &str = "MetaField doesn't exist.";

/// `metaFieldId=N`, or `metaFieldName=NAME` with the exact name.
pub(super) async fn get_metadata(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Response, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    let field = call.metadata_field(&app).await?;
    let value = metadata::read(&app, &call.device, call.epoch, &field).await?;
    Ok(plain_text(value.ok_or_else(|| CallError::bad(NO_FIELD))?))
}

pub(super) async fn update_metadata(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    let field = call.metadata_field(&app).await?;
    let value = call.parameter("value").ok_or_else(|| CallError::bad("Wrong value"))?;
    metadata::set(&app, "device", &call.device, call.epoch, &field, value).await.map_err(
        |error| match error {
            SetMetadataError::Field => CallError::bad(WRONG_FIELD),
            SetMetadataError::Value => CallError::bad("Wrong value"),
            SetMetadataError::Store(DeviceError::NotFound) => CallError::bad(INVALID_TOKEN),
            SetMetadataError::Store(error) => CallError::storage(&error),
        },
    )?;
    metadata::tell(&app, &call.device, &field, value);
    app.publish_device(&call.device.id, DeviceChange::Updated);
    Ok(StatusCode::OK)
}

/// Templates have no events yet, so no code is known; the answer is the one for a code that the template does not have.
pub(super) async fn log_event(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    counter!("http_events_total").increment(1);
    match call.parameter("code") {
        None | Some("") => Err(CallError::bad("Event code is not provided.")),
        Some(_) => Err(CallError::bad("Can't find Event with this code in Product template")),
    }
}

impl Call {
    async fn metadata_field(&self, app: &App) -> Result<String, CallError> {
        match (self.parameter("metaFieldId"), self.parameter("metaFieldName")) {
            (Some(id), _) => {
                let id = id.parse().map_err(|_source| CallError::bad(WRONG_FIELD))?;
                let name = app.store.metadata_field_name(id).await?;
                name.ok_or_else(|| CallError::bad(NO_FIELD))
            }
            (None, Some(name)) if !name.is_empty() => Ok(name.to_owned()),
            (None, _) => Err(CallError::bad(WRONG_FIELD)),
        }
    }
}

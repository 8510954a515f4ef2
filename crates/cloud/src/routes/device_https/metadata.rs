//! Metadata and events. Source: reference/http-api.md 2.

use std::sync::Arc;

use api_types::DeviceChange;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use metrics::counter;
use store::{DeviceError, LogEventError};

use super::call::{Call, CallError, INVALID_TOKEN};
use super::values::plain_text;
use crate::app::App;
use crate::listener::Peer;
use crate::metadata::{self, SetMetadataError};
use crate::timeline::{self, TakeEventError};

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

pub(super) async fn log_event(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    counter!("http_events_total").increment(1);
    let code = call.parameter("code").filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| CallError::bad("Event code is not provided."))?;
    let description = call.parameter("description");
    timeline::log_event(&app, &call.device, call.epoch, code, description).await.map_err(|refusal| {
        match refusal {
            TakeEventError::UnknownCode => {
                CallError::bad("Can't find Event with this code in Product template")
            }
            TakeEventError::Log(LogEventError::NotOwned) => CallError::bad(INVALID_TOKEN),
            TakeEventError::Log(LogEventError::Quota(quota)) => {
                CallError::new(StatusCode::TOO_MANY_REQUESTS, format!("Event quota: {quota}."))
            }
            failure @ TakeEventError::Log(_) => CallError::storage(&failure),
        }
    })?;
    Ok(StatusCode::OK)
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

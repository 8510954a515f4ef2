//! Last values of virtual pins.

use std::sync::Arc;

use api_types::{Datastream, DatastreamList, DatastreamValue, SetDatastream, StoredValue};
use axum::Json;
use axum::extract::State;
use store::WriteValuesError;
use telemetry::{MakeValueError, Pin, Value};

use super::devices::find_device;
use super::extract::{ApiJson, ApiPath};
use crate::app::App;
use crate::control;
use crate::errors::{ApiError, ProblemKind};
use crate::views::{timestamp, value_view};

pub(super) async fn list_datastreams(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<DatastreamList>, ApiError> {
    let device = find_device(&app, &id).await?;
    let stored = app.store.last_values(device.id).await?;
    let items = stored
        .into_iter()
        .map(|entry| Datastream {
            pin: entry.pin.number(),
            value: value_view(&entry.value),
            at: timestamp(entry.at),
        })
        .collect();
    Ok(Json(DatastreamList { items }))
}

pub(super) async fn get_datastream(
    State(app): State<Arc<App>>,
    ApiPath((id, pin)): ApiPath<(String, String)>,
) -> Result<Json<StoredValue>, ApiError> {
    let device = find_device(&app, &id).await?;
    let pin = parse_pin(&pin)?;
    let nothing =
        || ApiError::new(ProblemKind::DatastreamHasNoValue, format!("{pin} has never been written."));
    let stored = app.store.last_value(device.id, pin).await?.ok_or_else(nothing)?;
    Ok(Json(StoredValue { value: value_view(&stored.value), at: timestamp(stored.at) }))
}

pub(super) async fn set_datastream(
    State(app): State<Arc<App>>,
    ApiPath((id, pin)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<SetDatastream>,
) -> Result<Json<StoredValue>, ApiError> {
    let device = find_device(&app, &id).await?;
    let pin = parse_pin(&pin)?;
    let value = parse_value(&request.value)?;
    if !device.ownership.allows_data() {
        return Err(released());
    }
    let datastreams = app.catalogue.of(&device.template_id);
    let accepted = control::accept_values(&app, &device.id, &datastreams, vec![(pin, value)]);
    let values = accepted.map_err(|rejected| {
        let detail = format!("{} does not take this value: {}.", rejected.pin, rejected.reason);
        ApiError::new(ProblemKind::ValueRejected, detail)
    })?;
    let view = values.first().map(|(_pin, value)| value_view(value)).unwrap_or(request.value);
    let at =
        control::write_values(&app, &device.id, device.epoch, values).await.map_err(|error| match error {
            WriteValuesError::NotOwned => released(),
            error => ApiError::store(&error),
        })?;
    Ok(Json(StoredValue { value: view, at: timestamp(at) }))
}

pub(super) fn released() -> ApiError {
    ApiError::new(
        ProblemKind::DeviceReleased,
        "The device is being released or was released: it takes no values.",
    )
}

pub(super) fn parse_pin(text: &str) -> Result<Pin, ApiError> {
    Pin::parse(text).map_err(|error| {
        ApiError::new(ProblemKind::InvalidRequest, format!("The pin is not valid: {error}."))
    })
}

pub(super) fn parse_value(value: &DatastreamValue) -> Result<Value, ApiError> {
    let parsed: Result<Value, MakeValueError> = match value {
        DatastreamValue::One(text) => Value::from_text(text),
        DatastreamValue::Many(texts) => Value::from_fields(texts.iter().map(String::as_bytes)),
    };
    parsed.map_err(|error| {
        ApiError::new(ProblemKind::InvalidRequest, format!("`value` is not valid: {error}."))
    })
}

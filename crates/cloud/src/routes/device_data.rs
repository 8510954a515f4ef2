//! What a device says besides values: metadata and properties.

use std::sync::Arc;

use api_types::{
    DeviceChange, DeviceProperty, DevicePropertyList, MetadataField, MetadataList, SetMetadata, SetProperty,
};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use store::{DeviceError, WriteValuesError};
use telemetry::is_property;

use super::access::Actor;
use super::datastreams::{parse_pin, parse_value, released};
use super::devices::find_device;
use super::extract::{ApiJson, ApiPath};
use crate::app::App;
use crate::control;
use crate::errors::{ApiError, ProblemKind};
use crate::metadata::{self, DEVICE_NAME, SetMetadataError};
use crate::views::{timestamp, value_view};

pub(super) async fn list_metadata(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<MetadataList>, ApiError> {
    let device = find_device(&app, &id).await?;
    let mut items = vec![MetadataField { id: 1, name: DEVICE_NAME.to_owned(), value: device.name }];
    let stored = app.store.metadata_fields(device.id, device.epoch).await?;
    let others = stored.into_iter().filter(|field| field.name != DEVICE_NAME);
    items.extend(others.map(|field| MetadataField { id: field.id, name: field.name, value: field.value }));
    Ok(Json(MetadataList { items }))
}

pub(super) async fn set_metadata(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((id, field)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<SetMetadata>,
) -> Result<Json<MetadataField>, ApiError> {
    let device = find_device(&app, &id).await?;
    metadata::set(&app, actor.as_str(), &device, device.epoch, &field, &request.value).await.map_err(
        |error| match error {
            SetMetadataError::Field | SetMetadataError::Value => {
                ApiError::new(ProblemKind::InvalidRequest, format!("Not stored: {error}."))
            }
            SetMetadataError::Store(DeviceError::NotFound) => ApiError::new(
                ProblemKind::DeviceReleased,
                "The device is being released or was released: it takes no metadata.",
            ),
            SetMetadataError::Store(error) => ApiError::store(&error),
        },
    )?;
    metadata::tell(&app, &device, &field, &request.value);
    app.publish_device(&device.id, DeviceChange::Updated);
    let stored = app.store.metadata_fields(device.id, device.epoch).await?;
    let id = stored.into_iter().find(|stored| stored.name == field).map_or(1, |stored| stored.id);
    Ok(Json(MetadataField { id, name: field, value: request.value }))
}

pub(super) async fn list_properties(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<DevicePropertyList>, ApiError> {
    let device = find_device(&app, &id).await?;
    let stored = app.store.properties(device.id).await?;
    let items = stored.into_iter().map(|entry| DeviceProperty {
        pin: entry.pin.number(),
        property: entry.property,
        value: value_view(&entry.value),
        at: timestamp(entry.at),
    });
    Ok(Json(DevicePropertyList { items: items.collect() }))
}

pub(super) async fn set_property(
    State(app): State<Arc<App>>,
    ApiPath((id, pin, property)): ApiPath<(String, String, String)>,
    ApiJson(request): ApiJson<SetProperty>,
) -> Result<Json<DeviceProperty>, ApiError> {
    let device = find_device(&app, &id).await?;
    let pin = parse_pin(&pin)?;
    if !is_property(&property) {
        let detail = "There is no property of this name; `label` and `color` are two that there are.";
        return Err(ApiError::new(ProblemKind::InvalidRequest, detail));
    }
    let value = parse_value(&request.value)?;
    let at = control::set_property(&app, &device.id, device.epoch, vec![pin], &property, value).await;
    let at = at.map_err(|error| match error {
        WriteValuesError::NotOwned => released(),
        error => ApiError::store(&error),
    })?;
    let value = request.value;
    Ok(Json(DeviceProperty { pin: pin.number(), property, value, at: timestamp(at) }))
}

pub(super) async fn reset_property(
    State(app): State<Arc<App>>,
    ApiPath((id, pin, property)): ApiPath<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let device = find_device(&app, &id).await?;
    app.store.reset_property(device.id.clone(), parse_pin(&pin)?, property).await?;
    app.publish_device(&device.id, DeviceChange::Updated);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn reset_properties(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let device = find_device(&app, &id).await?;
    app.store.reset_properties(device.id.clone()).await?;
    app.publish_device(&device.id, DeviceChange::Updated);
    Ok(StatusCode::NO_CONTENT)
}

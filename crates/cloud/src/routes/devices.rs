//! Devices and their release.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use registry::{DeviceId, left_behind};
use store::{Change, CreateDeviceError, DeviceError, NewDevice};

use super::access::Actor;
use super::extract::{ApiJson, ApiPath, ApiQuery, checked_name, page_of, page_view};
use super::idempotency::{RequestNonce, new_token};
use super::templates::{template_id, template_not_found};
use crate::app::App;
use crate::control;
use crate::errors::{ApiError, ProblemKind};
use crate::metadata::{self, DEVICE_NAME};
use crate::views::{device_view, release_view};

pub(super) async fn list_devices(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<api_types::PageQuery>,
) -> Result<Json<api_types::Page<api_types::Device>>, ApiError> {
    let listed = app.store.list_devices(page_of(query)?).await?;
    Ok(Json(page_view(listed, |device| {
        let standing = app.links.standing(&device.id);
        device_view(app.as_heard(device), standing)
    })))
}

pub(super) async fn create_device(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    nonce: Option<Extension<RequestNonce>>,
    ApiJson(request): ApiJson<api_types::CreateDevice>,
) -> Result<(StatusCode, Json<api_types::CreatedDevice>), ApiError> {
    let name = checked_name(&request.name)?;
    let token = new_token(&app, nonce.map(|Extension(nonce)| nonce));
    let new = NewDevice {
        id: DeviceId::from_random(rand::random()),
        template_id: template_id(&request.template_id)?,
        name,
        token: token.clone(),
    };
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let device = app.store.create_device(new, change).await.map_err(|error| match error {
        CreateDeviceError::TemplateNotFound => template_not_found(),
        error => ApiError::store(&error),
    })?;
    app.publish_device(&device.id, api_types::DeviceChange::Created);
    let created = api_types::CreatedDevice {
        id: device.id.to_string(),
        token: api_types::SecretText::new(token.expose().to_owned()),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

pub(super) async fn get_device(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<api_types::Device>, ApiError> {
    let device = find_device(&app, &id).await?;
    let standing = app.links.standing(&device.id);
    Ok(Json(device_view(app.as_heard(device), standing)))
}

pub(super) async fn rename_device(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<api_types::RenameDevice>,
) -> Result<Json<api_types::Device>, ApiError> {
    let name = checked_name(&request.name)?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let device = app.store.rename_device(device_id(&id)?, name, change).await?;
    metadata::tell(&app, &device, DEVICE_NAME, &device.name);
    app.publish_device(&device.id, api_types::DeviceChange::Updated);
    let standing = app.links.standing(&device.id);
    Ok(Json(device_view(app.as_heard(device), standing)))
}

pub(super) async fn create_release(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ApiError> {
    release(&app, actor, device_id(&id)?).await
}

pub(super) async fn get_release(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<api_types::Release>, ApiError> {
    let device = find_device(&app, &id).await?;
    let not_released =
        || ApiError::new(ProblemKind::ReleaseNotFound, "Nobody has asked for a release of this device.");
    Ok(Json(device.release.as_ref().map(release_view).ok_or_else(not_released)?))
}

/// Deletes by releasing; with `force` it forgets the device, after a confirmation.
pub(super) async fn delete_device(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<api_types::DeviceQuery>,
) -> Result<Response, ApiError> {
    if !query.force.unwrap_or(false) {
        return release(&app, actor, device_id(&id)?).await;
    }
    let device = app.as_heard(find_device(&app, &id).await?);
    let state = device.release.as_ref().map(|record| record.state);
    let remains = left_behind(device.ownership, state, device.last_seen_at);
    if query.confirm.as_deref() != Some(device.name.as_str()) {
        return Err(ApiError::unconfirmed(remains));
    }
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let device = app.store.force_delete(device.id, change).await?;
    control::forget_device(&app, &device.id).await;
    Ok(Json(api_types::ForcedDelete { left_behind: remains }).into_response())
}

async fn release(app: &App, actor: Actor, device: DeviceId) -> Result<Response, ApiError> {
    let record = control::release_device(app, actor.as_str(), &device).await?;
    Ok((StatusCode::ACCEPTED, Json(release_view(&record))).into_response())
}

pub(super) async fn find_device(app: &App, id: &str) -> Result<store::Device, ApiError> {
    app.store.device(device_id(id)?).await?.ok_or_else(device_not_found)
}

/// Reads a device's id; what cannot be an id names no device.
pub(super) fn device_id(text: &str) -> Result<DeviceId, ApiError> {
    DeviceId::parse(text).map_err(|_source| device_not_found())
}

pub(super) fn device_not_found() -> ApiError {
    ApiError::new(ProblemKind::DeviceNotFound, "No device has this id.")
}

impl From<DeviceError> for ApiError {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::NotFound => device_not_found(),
            error => Self::store(&error),
        }
    }
}

//! Firmware shipments.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use registry::{ATTEMPTS_MAX_DEFAULT, DeviceId, ShipmentId, ShipmentState, TemplateId};
use sha2::{Digest as _, Sha256};
use store::{Change, NewShipment, ShipmentError};

use super::access::Actor;
use super::extract::{ApiJson, ApiPath, ApiQuery, checked_name, page_of, page_view};
use super::firmware::{firmware_id, firmware_not_found};
use super::templates::{template_id, template_not_found};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::views::{apply_rule, delivery_view, shipment_state, shipment_view};

/// A fifth of the devices may fail before a shipment stops by itself, when its owner says nothing.
const FAILURE_PERCENT_MAX_DEFAULT: u8 = 20;

pub(super) async fn list_shipments(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<api_types::PageQuery>,
) -> Result<Json<api_types::Page<api_types::Shipment>>, ApiError> {
    let listed = app.store.list_shipments(page_of(query)?).await?;
    Ok(Json(page_view(listed, shipment_view)))
}

pub(super) async fn create_shipment(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiJson(request): ApiJson<api_types::CreateShipment>,
) -> Result<(StatusCode, Json<api_types::Shipment>), ApiError> {
    let id = ShipmentId::from_random(rand::random());
    let template_id = template_id(&request.template_id)?;
    let devices = chosen_devices(&app, &id, &template_id, &request).await?;
    let canaries = match percentage(request.canary_percent, "canary_percent")? {
        Some(percent) => share(ranked(&id, b"canary", devices.clone()), percent),
        None => Vec::new(),
    };
    let new = NewShipment {
        name: checked_name(&request.name)?,
        firmware_id: firmware_id(&request.firmware_id)?,
        rule: apply_rule(request.rule),
        is_open_ended: request.device_ids.is_none() && request.percent.is_none(),
        failure_percent_max: percent_or(request.failure_percent_max, FAILURE_PERCENT_MAX_DEFAULT)?,
        attempts_max: attempts(request.attempts_max)?,
        id,
        template_id,
        devices,
        canaries,
    };
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let shipment = app.store.create_shipment(new, change).await.map_err(problem)?;
    app.offer(shipment.clone());
    Ok((StatusCode::CREATED, Json(shipment_view(shipment))))
}

pub(super) async fn get_shipment(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<api_types::Shipment>, ApiError> {
    let shipment = app.store.shipment(shipment_id(&id)?).await?.ok_or_else(shipment_not_found)?;
    Ok(Json(shipment_view(shipment)))
}

pub(super) async fn change_shipment(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<api_types::ChangeShipment>,
) -> Result<Json<api_types::Shipment>, ApiError> {
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let state = shipment_state(request.state);
    let shipment = app.store.set_shipment_state(shipment_id(&id)?, state, change).await.map_err(problem)?;
    if shipment.state == ShipmentState::Running {
        app.offer(shipment.clone());
    }
    Ok(Json(shipment_view(shipment)))
}

pub(super) async fn list_deliveries(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<api_types::PageQuery>,
) -> Result<Json<api_types::Page<api_types::Delivery>>, ApiError> {
    let id = shipment_id(&id)?;
    let page = page_of(query)?;
    app.store.shipment(id.clone()).await?.ok_or_else(shipment_not_found)?;
    let listed = app.store.list_deliveries(id, page).await?;
    Ok(Json(page_view(listed, delivery_view)))
}

async fn chosen_devices(
    app: &App,
    id: &ShipmentId,
    template_id: &TemplateId,
    request: &api_types::CreateShipment,
) -> Result<Vec<DeviceId>, ApiError> {
    match (&request.device_ids, percentage(request.percent, "percent")?) {
        (Some(_), Some(_)) => Err(invalid("Give `device_ids` or `percent`, not both.")),
        (Some(ids), None) if ids.is_empty() => {
            Err(invalid("`device_ids` is empty; leave it out to mean all."))
        }
        (Some(ids), None) => ids
            .iter()
            .map(|id| {
                DeviceId::parse(id).map_err(|_source| invalid(&format!("`{id}` is not a device's id.")))
            })
            .collect(),
        (None, percent) => {
            let all = app.store.devices_of_template(template_id.clone()).await?;
            Ok(match percent {
                Some(percent) => share(ranked(id, b"share", all), percent),
                None => all,
            })
        }
    }
}

/// Orders devices by a hash, so that a share of them is spread evenly and is another one in each shipment.
fn ranked(id: &ShipmentId, purpose: &[u8], mut devices: Vec<DeviceId>) -> Vec<DeviceId> {
    devices.sort_by_cached_key(|device| {
        let hash =
            Sha256::new().chain_update(purpose).chain_update(id.as_str()).chain_update(device.as_str());
        <[u8; 32]>::from(hash.finalize())
    });
    devices
}

/// The first `percent` of the devices, at least one of them.
fn share(mut devices: Vec<DeviceId>, percent: u8) -> Vec<DeviceId> {
    let count = devices.len().saturating_mul(usize::from(percent)).div_ceil(100);
    devices.truncate(count);
    devices
}

fn percentage(percent: Option<u8>, name: &str) -> Result<Option<u8>, ApiError> {
    match percent {
        Some(percent) if !(1..=100).contains(&percent) => {
            Err(invalid(&format!("`{name}` must be between 1 and 100.")))
        }
        percent => Ok(percent),
    }
}

fn percent_or(percent: Option<u8>, default: u8) -> Result<u8, ApiError> {
    Some(percent.unwrap_or(default))
        .filter(|percent| *percent <= 100)
        .ok_or_else(|| invalid("`failure_percent_max` must be between 0 and 100."))
}

fn attempts(attempts: Option<u32>) -> Result<u32, ApiError> {
    Some(attempts.unwrap_or(ATTEMPTS_MAX_DEFAULT))
        .filter(|attempts| (1..=100).contains(attempts))
        .ok_or_else(|| invalid("`attempts_max` must be between 1 and 100."))
}

fn shipment_id(text: &str) -> Result<ShipmentId, ApiError> {
    ShipmentId::parse(text).map_err(|_source| shipment_not_found())
}

fn shipment_not_found() -> ApiError {
    ApiError::new(ProblemKind::ShipmentNotFound, "No shipment has this id.")
}

fn invalid(detail: &str) -> ApiError {
    ApiError::new(ProblemKind::InvalidRequest, detail)
}

fn problem(failure: ShipmentError) -> ApiError {
    match failure {
        ShipmentError::TemplateNotFound => template_not_found(),
        ShipmentError::FirmwareNotFound => firmware_not_found(),
        ShipmentError::NotFound => shipment_not_found(),
        ShipmentError::DeviceNotFound { id } => {
            invalid(&format!("`{id}` is no device of this template with an owner. Nothing was made."))
        }
        ShipmentError::NotAllowed { .. } => {
            ApiError::new(ProblemKind::ShipmentStateFixed, format!("{failure}."))
        }
        other => ApiError::store(&other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(count: u8) -> Vec<DeviceId> {
        (0..count).map(|number| DeviceId::from_random([number; 10])).collect()
    }

    #[test]
    fn a_share_has_at_least_one_device_and_never_more_than_there_are() {
        for (count, percent, expected) in [(10, 1, 1), (10, 25, 3), (10, 100, 10), (1, 50, 1), (0, 50, 0)] {
            assert_eq!(share(devices(count), percent).len(), expected, "{percent} % of {count}");
        }
    }

    #[test]
    fn each_shipment_ranks_devices_in_its_own_lasting_order() {
        let (first, second) = (ShipmentId::from_random([1; 10]), ShipmentId::from_random([2; 10]));
        let rank = |id, purpose: &[u8]| ranked(id, purpose, devices(30));
        assert_eq!(rank(&first, b"share"), rank(&first, b"share"));
        assert_ne!(rank(&first, b"share"), rank(&second, b"share"));
        assert_ne!(rank(&first, b"share"), rank(&first, b"canary"));
    }
}

//! Firmware images: upload, list, delete.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use registry::FirmwareId;
use store::{Change, DeleteFirmwareError, FirmwareImage};
use tracing::warn;

use super::access::Actor;
use super::extract::{ApiPath, ApiQuery, checked_name, page_of, page_view};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::firmware_folder::ReceiveImageError;
use crate::views::firmware_image_view;

pub(super) async fn list_firmware(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<api_types::PageQuery>,
) -> Result<Json<api_types::Page<api_types::FirmwareImage>>, ApiError> {
    let listed = app.store.list_firmware(page_of(query)?).await?;
    Ok(Json(page_view(listed, firmware_image_view)))
}

pub(super) async fn upload_firmware(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiQuery(query): ApiQuery<api_types::UploadFirmware>,
    body: Body,
) -> Result<(StatusCode, Json<api_types::FirmwareImage>), ApiError> {
    let file_name = checked_name(&query.file_name)?;
    let received = app.firmware_folder.receive(body).await.map_err(|failure| refusal(&failure))?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let image = FirmwareImage {
        id: FirmwareId::from_random(rand::random()),
        file_name,
        tag: received.tag,
        size_bytes: received.size_bytes,
        sha256: received.sha256,
        md5: received.md5,
        created_at: change.at,
    };
    app.store.add_firmware(image.clone(), change).await?;
    Ok((StatusCode::CREATED, Json(firmware_image_view(image))))
}

pub(super) async fn get_firmware(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<api_types::FirmwareImage>, ApiError> {
    let image = app.store.firmware(firmware_id(&id)?).await?.ok_or_else(firmware_not_found)?;
    Ok(Json(firmware_image_view(image)))
}

pub(super) async fn delete_firmware(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let deleted =
        app.store.delete_firmware(firmware_id(&id)?, change).await.map_err(|failure| match failure {
            DeleteFirmwareError::NotFound => firmware_not_found(),
            DeleteFirmwareError::InUse => ApiError::new(
                ProblemKind::FirmwareInUse,
                "A shipment names this image, so it stays on record.",
            ),
            other => ApiError::store(&other),
        })?;
    if let Some(sha256) = deleted
        && let Err(error) = app.firmware_folder.remove(&sha256).await
    {
        warn!(%error, "the file of a deleted firmware image could not be removed");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Reads an image's id; what cannot be an id names no image.
pub(super) fn firmware_id(text: &str) -> Result<FirmwareId, ApiError> {
    FirmwareId::parse(text).map_err(|_source| firmware_not_found())
}

pub(super) fn firmware_not_found() -> ApiError {
    ApiError::new(ProblemKind::FirmwareNotFound, "No firmware image has this id.")
}

fn refusal(failure: &ReceiveImageError) -> ApiError {
    match failure {
        ReceiveImageError::TooLarge => ApiError::new(ProblemKind::BodyTooLarge, sentence(failure)),
        ReceiveImageError::BrokeOff => ApiError::new(ProblemKind::InvalidRequest, sentence(failure)),
        ReceiveImageError::TooSmall => ApiError::new(ProblemKind::FirmwareNotUsable, sentence(failure)),
        ReceiveImageError::Tag(reason) => ApiError::new(ProblemKind::FirmwareNotUsable, sentence(reason)),
        ReceiveImageError::File(_) => ApiError::store(failure),
    }
}

/// An error's text as a sentence for a page: errors begin small, because they stand in the middle of a line.
fn sentence(reason: &dyn std::fmt::Display) -> String {
    let text = format!("{reason}.");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

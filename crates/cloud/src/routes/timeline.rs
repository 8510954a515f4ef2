//! The timeline and the status of a device.

use std::sync::Arc;

use api_types::{ChangeTimelineEntry, DeviceStatus, TimelineEntry, TimelineQuery, WriteTimelineText};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use registry::UtcTime;
use store::{Change, ChangeEntryError, DeviceError, EntryChange, TimelineFilter};
use telemetry::StatusIndex;

use super::access::Actor;
use super::devices::find_device;
use super::extract::{ApiJson, ApiPath, ApiQuery, page_of, page_view};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::views::timeline::{entry_kind, status_view, timeline_entry_view};

/// 500 characters of a note or a comment.
const TEXT_CHARS_MAX: usize = 500;

pub(super) async fn list_timeline(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<TimelineQuery>,
) -> Result<Json<api_types::Page<TimelineEntry>>, ApiError> {
    let device = find_device(&app, &id).await?;
    let time = |at: api_types::Timestamp| UtcTime::from_unix_ms(at.unix_ms());
    let filter = TimelineFilter {
        kind: query.entry_type.and_then(entry_kind),
        is_resolved: query.resolved,
        is_archived: query.archived.unwrap_or(false),
        from: query.from.map(time),
        to: query.to.map(time),
    };
    let page = page_of(api_types::PageQuery { limit: query.limit, cursor: query.cursor })?;
    let listed = app.store.list_timeline(device.id, filter, page).await?;
    Ok(Json(page_view(listed, timeline_entry_view)))
}

pub(super) async fn create_timeline_note(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<WriteTimelineText>,
) -> Result<(StatusCode, Json<TimelineEntry>), ApiError> {
    let device = find_device(&app, &id).await?;
    let text = checked_text(&request.text)?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let entry =
        app.store.add_note(device.id.clone(), text, change).await.map_err(|failure| match failure {
            DeviceError::NotFound => ApiError::new(
                ProblemKind::DeviceReleased,
                "The device is being released or was released: it has no timeline.",
            ),
            failure => ApiError::store(&failure),
        })?;
    app.publish_entry(device.id.as_str(), entry.clone());
    Ok((StatusCode::CREATED, Json(timeline_entry_view(entry))))
}

pub(super) async fn change_timeline_entry(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((id, entry)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<ChangeTimelineEntry>,
) -> Result<Json<TimelineEntry>, ApiError> {
    let device = find_device(&app, &id).await?;
    let entry_change = EntryChange { resolves: request.resolved, archives: request.archived };
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let changing = app.store.change_entry(device.id.clone(), entry_id(&entry)?, entry_change, change);
    let entry = changing.await.map_err(problem)?;
    app.publish_entry(device.id.as_str(), entry.clone());
    Ok(Json(timeline_entry_view(entry)))
}

pub(super) async fn create_timeline_comment(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((id, entry)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<WriteTimelineText>,
) -> Result<(StatusCode, Json<TimelineEntry>), ApiError> {
    let device = find_device(&app, &id).await?;
    let text = checked_text(&request.text)?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let commenting = app.store.comment_entry(device.id.clone(), entry_id(&entry)?, text, change);
    let entry = commenting.await.map_err(problem)?;
    app.publish_entry(device.id.as_str(), entry.clone());
    Ok((StatusCode::CREATED, Json(timeline_entry_view(entry))))
}

pub(super) async fn get_device_status(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<DeviceStatus>, ApiError> {
    let device = find_device(&app, &id).await?;
    let standing = app.store.standings(vec![device.id]).await?.pop();
    let stored = standing.and_then(|standing| standing.status);
    let shown = stored.map_or(StatusIndex::OFFLINE, |stored| stored.shown);
    let lifecycle = &app.notices.of(&device.template_id).lifecycle;
    Ok(Json(status_view(lifecycle, shown, stored.map(|stored| stored.shown_at))))
}

fn entry_id(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_source| not_found())
}

fn not_found() -> ApiError {
    ApiError::new(ProblemKind::TimelineEntryNotFound, "The device's timeline has no such entry.")
}

fn checked_text(text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    let is_allowed = |c: char| !c.is_control() || c == '\n';
    if (1..=TEXT_CHARS_MAX).contains(&text.chars().count()) && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    let detail = format!("`text` must have 1 to {TEXT_CHARS_MAX} characters.");
    Err(ApiError::new(ProblemKind::InvalidRequest, detail))
}

fn problem(failure: ChangeEntryError) -> ApiError {
    match failure {
        ChangeEntryError::NotFound => not_found(),
        ChangeEntryError::NotResolvable | ChangeEntryError::TooManyComments => {
            ApiError::new(ProblemKind::InvalidRequest, format!("Not changed: {failure}."))
        }
        other => ApiError::store(&other),
    }
}

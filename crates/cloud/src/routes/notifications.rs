//! Notifications that wait or were given up.

use std::sync::Arc;

use api_types::{NotificationQuery, NotificationState};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::extract::{ApiPath, ApiQuery, page_of, page_view};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::views::timeline::notification_view;

pub(super) async fn list_notifications(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<NotificationQuery>,
) -> Result<Json<api_types::Page<api_types::Notification>>, ApiError> {
    let page = page_of(api_types::PageQuery { limit: query.limit, cursor: query.cursor })?;
    let is_dead = query.state.unwrap_or_default() == NotificationState::Dead;
    let listed = app.store.list_notifications(is_dead, page).await?;
    Ok(Json(page_view(listed, notification_view)))
}

pub(super) async fn delete_notification(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let was_there = app.store.delete_notification(number(&id)?).await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(not_found()) }
}

pub(super) async fn retry_notification(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<(StatusCode, Json<api_types::Notification>), ApiError> {
    let retried = app.store.retry_notification(number(&id)?, app.clock.now().utc).await?;
    let notification = retried.ok_or_else(not_found)?;
    app.notifications_queued.notify_one();
    Ok((StatusCode::ACCEPTED, Json(notification_view(notification))))
}

fn number(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_source| not_found())
}

fn not_found() -> ApiError {
    ApiError::new(
        ProblemKind::NotificationNotFound,
        "There is no such notification; it may have been delivered meanwhile.",
    )
}

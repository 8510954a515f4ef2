//! Health, metrics and the API's own description.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};

use metrics::{counter, gauge};
use store::{WriterHealth, WriterStatistics};

use super::access;
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::listener::Peer;

pub(super) async fn get_health() -> &'static str {
    "ok\n"
}

/// Ready means that the store could write when it last tried. Nothing is written here: whoever asks often must not cost a
/// commit each time, and [`crate::jobs::store_watch`] tries again while it fails.
pub(super) async fn get_readiness(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    match app.store.writer_health() {
        WriterHealth::Working => Ok("ready\n"),
        WriterHealth::Failing | WriterHealth::Ended => {
            Err(ApiError::new(ProblemKind::NotReady, "The database does not accept writes."))
        }
    }
}

/// Metrics name no device, but they are nobody else's business: loopback, or the admin key.
pub(super) async fn get_metrics(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !peer.address.ip().to_canonical().is_loopback() {
        access::identify(&app, &Method::GET, &headers).await?;
    }
    let Some(metrics) = &app.metrics else {
        return Err(ApiError::new(
            ProblemKind::NotFound,
            "Metrics are collected by another part of this program.",
        ));
    };
    note_writer(app.store.writer_statistics(), app.store.writer_health());
    let notifications = app.store.notification_counts().await?;
    gauge!("notifications_waiting").set(f64::from(notifications.waiting));
    gauge!("notifications_dead").set(f64::from(notifications.dead));
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
        .into_response())
}

/// Takes over what the store counts by itself.
#[expect(clippy::cast_precision_loss, reason = "a gauge; the queue is far shorter than 2^52")]
fn note_writer(statistics: WriterStatistics, health: WriterHealth) {
    gauge!("store_writes_waiting").set(statistics.waiting_count as f64);
    gauge!("store_writer_healthy").set(if health == WriterHealth::Working { 1.0 } else { 0.0 });
    counter!("store_commits_total").absolute(statistics.commit_count);
    counter!("store_commits_failed_total").absolute(statistics.failed_count);
    counter!("store_commit_microseconds_total").absolute(statistics.commit_us);
    counter!("store_values_total").absolute(statistics.value_count);
}

pub(super) async fn get_openapi() -> Result<Response, ApiError> {
    let document = api_types::openapi::document_json().map_err(|error| {
        tracing::error!(%error, "the API's description could not be written");
        ApiError::new(ProblemKind::Internal, "The description could not be written.")
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response())
}

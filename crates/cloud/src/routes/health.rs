//! Health, metrics and the API's own description.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};

use metrics::{counter, gauge};
use registry::UtcTime;
use store::{WriterHealth, WriterStatistics};

use super::access;
use super::bench_guard::is_from_here;
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::listener::Peer;
use crate::time_zone::Zone;

pub(super) async fn get_health() -> &'static str {
    "ok\n"
}

/// Ready means that the store could write when it last tried. Nothing is written here: whoever asks often must not cost a
/// commit each time, and [`crate::jobs::store_watch`] tries again while it fails.
///
/// A certificate that cannot be renewed is said and is no reason to send people elsewhere: the one in use stays.
pub(super) async fn get_readiness(State(app): State<Arc<App>>) -> Result<String, ApiError> {
    match app.store.writer_health() {
        WriterHealth::Working => Ok(match app.acme.as_ref().and_then(|acme| acme.failing_since()) {
            None => "ready\n".to_owned(),
            Some(since) => {
                let since = Zone::utc().local(since, "%Y-%m-%dT%H:%M:%SZ");
                format!("ready\nno certificate could be obtained since {since}; the log says why\n")
            }
        }),
        WriterHealth::Failing | WriterHealth::Ended => {
            Err(ApiError::new(ProblemKind::NotReady, "The database does not accept writes."))
        }
    }
}

/// Metrics name no device, but they are nobody else's business: loopback, or the admin key. Loopback under a foreign name is
/// a page of another site, or a proxy that passes on what comes from elsewhere.
pub(super) async fn get_metrics(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !is_from_here(&peer, &headers) {
        access::identify(&app, &Method::GET, &headers).await?;
    }
    let Some(metrics) = &app.metrics else {
        return Err(ApiError::new(
            ProblemKind::NotFound,
            "Metrics are collected by another part of this program.",
        ));
    };
    if let Some(expires_at) = app.tls.expires_at() {
        note_expiry(expires_at);
    }
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

/// Prometheus counts in seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "a gauge; seconds since 1970 are far below 2^52")]
fn note_expiry(expires_at: UtcTime) {
    gauge!("tls_certificate_expires_timestamp_seconds").set((expires_at.unix_ms() / 1_000) as f64);
}

/// What an ACME server asks on port 80 to see that a name leads here (RFC 8555, section 8.3).
pub(super) async fn answer_acme_challenge(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, ApiError> {
    let answer = app.challenges.http_answer(&token);
    let answer =
        answer.ok_or_else(|| ApiError::new(ProblemKind::NotFound, "No order asks for this token."))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], answer).into_response())
}

pub(super) async fn get_openapi() -> Result<Response, ApiError> {
    let document = api_types::openapi::document_json().map_err(|error| {
        tracing::error!(%error, "the API's description could not be written");
        ApiError::new(ProblemKind::Internal, "The description could not be written.")
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response())
}

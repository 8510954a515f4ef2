//! Health, metrics and the API's own description.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};

use super::access;
use crate::app::App;
use crate::errors::{ApiError, ErrorChain, ProblemKind};
use crate::listener::Peer;

pub(super) async fn get_health() -> &'static str {
    "ok\n"
}

/// Ready means that the store can write.
pub(super) async fn get_readiness(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    match app.store.check_health().await {
        Ok(()) => Ok("ready\n"),
        Err(failure) => {
            tracing::warn!(error = %ErrorChain(&failure), "the store is not ready");
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
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
        .into_response())
}

pub(super) async fn get_openapi() -> Result<Response, ApiError> {
    let document = api_types::openapi::document_json().map_err(|error| {
        tracing::error!(%error, "the API's description could not be written");
        ApiError::new(ProblemKind::Internal, "The description could not be written.")
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response())
}

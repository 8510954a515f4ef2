//! Tokens that somebody tried and that nobody knows: how a maker learns that he mistyped one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::extract::{ApiQuery, page_of, page_view};
use crate::app::App;
use crate::errors::ApiError;
use crate::views::timestamp;

pub(super) async fn list_unknown_tokens(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<api_types::PageQuery>,
) -> Result<Json<api_types::Page<api_types::UnknownToken>>, ApiError> {
    let listed = app.store.list_unknown_tokens(page_of(query)?).await?;
    Ok(Json(page_view(listed, |token| api_types::UnknownToken {
        fingerprint: token.fingerprint,
        first_seen_at: timestamp(token.first_seen_at),
        last_seen_at: timestamp(token.last_seen_at),
        attempts: token.attempts,
        remote: token.remote,
    })))
}

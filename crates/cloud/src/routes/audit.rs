//! Who did what when.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::extract::{ApiQuery, page_of, page_view};
use crate::app::App;
use crate::errors::ApiError;
use crate::views::timestamp;

pub(super) async fn list_audit_entries(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<api_types::PageQuery>,
) -> Result<Json<api_types::Page<api_types::AuditEntry>>, ApiError> {
    let listed = app.store.list_audit(page_of(query)?).await?;
    Ok(Json(page_view(listed, |entry| api_types::AuditEntry {
        at: timestamp(entry.at),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        detail: entry.detail,
    })))
}

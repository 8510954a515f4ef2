//! Reading requests so that every mistake is answered with a problem document.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query};
use axum::response::{IntoResponse, Response};

use crate::errors::{ApiError, ProblemKind};
use crate::limits::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(Json), rejection(ApiError))]
pub(super) struct ApiJson<T>(pub(super) T);

/// A JSON body that holds a secret: what is wrong with it is said without repeating any of it.
#[derive(FromRequest)]
#[from_request(via(Json), rejection(SecretJsonError))]
pub(super) struct SecretJson<T>(pub(super) T);

/// Why a body with a secret was not taken.
pub(super) struct SecretJsonError(ProblemKind);

impl From<JsonRejection> for SecretJsonError {
    fn from(rejection: JsonRejection) -> Self {
        Self(ApiError::from(rejection).kind())
    }
}

impl IntoResponse for SecretJsonError {
    fn into_response(self) -> Response {
        let detail = "The body must be a JSON object of the form that `/api/openapi.json` describes.";
        ApiError::new(self.0, detail).into_response()
    }
}

/// Query parameters.
#[derive(FromRequestParts)]
#[from_request(via(Query), rejection(ApiError))]
pub(super) struct ApiQuery<T>(pub(super) T);

/// Parameters in the path.
#[derive(FromRequestParts)]
#[from_request(via(Path), rejection(ApiError))]
pub(super) struct ApiPath<T>(pub(super) T);

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let kind = match &rejection {
            JsonRejection::MissingJsonContentType(_) => ProblemKind::UnsupportedMediaType,
            _ => ProblemKind::InvalidRequest,
        };
        Self::new(kind, rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(ProblemKind::InvalidRequest, rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(ProblemKind::InvalidRequest, rejection.body_text())
    }
}

/// Brings a page request into bounds.
pub(super) fn page_of(query: api_types::PageQuery) -> Result<store::Page, ApiError> {
    let limit = query.limit.unwrap_or(PAGE_ITEMS_DEFAULT);
    if !(1..=PAGE_ITEMS_MAX).contains(&limit) {
        let detail = format!("`limit` must be between 1 and {PAGE_ITEMS_MAX}.");
        return Err(ApiError::new(ProblemKind::InvalidRequest, detail));
    }
    Ok(store::Page { limit: u16::try_from(limit).unwrap_or(u16::MAX), cursor: query.cursor })
}

/// Turns a page of the store into a page of the API.
pub(super) fn page_view<T, V>(listed: store::Listed<T>, view: impl FnMut(T) -> V) -> api_types::Page<V> {
    api_types::Page { items: listed.items.into_iter().map(view).collect(), next_cursor: listed.next_cursor }
}

impl From<store::ListError> for ApiError {
    fn from(error: store::ListError) -> Self {
        match error {
            store::ListError::BadCursor => Self::new(ProblemKind::InvalidRequest, error.to_string()),
            error => Self::store(&error),
        }
    }
}

impl From<store::StorageError> for ApiError {
    fn from(error: store::StorageError) -> Self {
        Self::store(&error)
    }
}

/// Checks a name that a person gave: 1 to 80 characters after trimming, none of them a control character.
pub(super) fn checked_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    if (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    let detail = format!("`name` must have 1 to {NAME_CHARS_MAX} characters, without line breaks.");
    Err(ApiError::new(ProblemKind::InvalidRequest, detail))
}

/// 80 characters fit on a label and in a list.
const NAME_CHARS_MAX: usize = 80;

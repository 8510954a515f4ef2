//! Errors as RFC 9457 problem documents.

use axum::Json;
use axum::extract::FromRequest;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::handle::BenchStoppedError;
use crate::world::ChangeBenchError;

/// Why a request failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable machine code.
    pub code: &'static str,
    /// What went wrong, for a person.
    pub detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { kind: "about:blank", title, status: status.as_u16(), code, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}

impl From<ChangeBenchError> for Problem {
    fn from(error: ChangeBenchError) -> Self {
        let (status, code) = match &error {
            ChangeBenchError::BoardNotFound => (StatusCode::NOT_FOUND, "board_not_found"),
            ChangeBenchError::PlaceNotFound => (StatusCode::NOT_FOUND, "place_not_found"),
            ChangeBenchError::NetworkNotFound => (StatusCode::NOT_FOUND, "network_not_found"),
            ChangeBenchError::Full { .. } => (StatusCode::CONFLICT, "bench_full"),
            ChangeBenchError::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_input"),
            ChangeBenchError::NoButton => (StatusCode::CONFLICT, "board_has_no_button"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<BenchStoppedError> for Problem {
    fn from(error: BenchStoppedError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "bench_stopped", error.to_string())
    }
}

/// A JSON body whose refusals are problem documents too.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => {
                Err(Problem::new(rejection.status(), body_code(&rejection), rejection.body_text()))
            }
        }
    }
}

fn body_code(rejection: &JsonRejection) -> &'static str {
    match rejection {
        JsonRejection::JsonDataError(_) => "invalid_input",
        JsonRejection::JsonSyntaxError(_) => "invalid_json",
        JsonRejection::MissingJsonContentType(_) => "json_expected",
        _ => "unreadable_body",
    }
}

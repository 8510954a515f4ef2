//! Bodies: read whole, within a size and a time, before anything is done with them.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::errors::{ApiError, ProblemKind};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_REQUEST_TIME_MAX, IMPORT_BODY_BYTES_MAX};

/// Reads the body; one that is too large or too slow is refused, so that nobody can hold a request open.
pub(super) async fn buffer_body(request: Request, next: Next) -> Response {
    buffer(HTTP_BODY_BYTES_MAX, request, next).await
}

/// As [`buffer_body`], for the file of an import.
pub(super) async fn buffer_import(request: Request, next: Next) -> Response {
    buffer(IMPORT_BODY_BYTES_MAX, request, next).await
}

async fn buffer(bytes_max: usize, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let too_large = || {
        let detail = format!("The body must be complete and at most {bytes_max} bytes.");
        ApiError::new(ProblemKind::BodyTooLarge, detail).into_response()
    };
    // A size that is announced need not arrive first.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|bytes| bytes > bytes_max) {
        return too_large();
    }
    let bytes = match tokio::time::timeout(HTTP_REQUEST_TIME_MAX, to_bytes(body, bytes_max)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return too_large(),
        Err(_elapsed) => {
            return ApiError::new(ProblemKind::InvalidRequest, "The body took too long to arrive.")
                .into_response();
        }
    };
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

//! Bodies: read whole, within a size and a time, before anything is done with them.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::errors::{ApiError, ProblemKind};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_REQUEST_TIME_MAX};

/// Reads the body; one that is too large or too slow is refused, so that nobody can hold a request open.
pub(super) async fn buffer_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let too_large = || {
        let detail = format!("The body must be complete and at most {HTTP_BODY_BYTES_MAX} bytes.");
        ApiError::new(ProblemKind::BodyTooLarge, detail).into_response()
    };
    // A size that is announced need not arrive first.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|bytes| bytes > HTTP_BODY_BYTES_MAX) {
        return too_large();
    }
    let bytes = match tokio::time::timeout(HTTP_REQUEST_TIME_MAX, to_bytes(body, HTTP_BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return too_large(),
        Err(_elapsed) => {
            return ApiError::new(ProblemKind::InvalidRequest, "The body took too long to arrive.")
                .into_response();
        }
    };
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

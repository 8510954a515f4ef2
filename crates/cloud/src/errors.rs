//! From errors inside to problem documents outside: one table of statuses, codes and titles.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What kind of problem a caller is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    BodyTooLarge,
    ConfirmationRequired,
    DatastreamHasNoValue,
    DatastreamNameTaken,
    DeviceNotFound,
    DeviceOffline,
    DeviceReleased,
    FileNotFound,
    FirmwareInUse,
    FirmwareNotFound,
    FirmwareNotUsable,
    Forbidden,
    IdempotencyKeyReused,
    Internal,
    InvalidCredentials,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotReady,
    NotificationNotFound,
    NoReleaseKey,
    RangeNotSatisfiable,
    ReceiptNotProven,
    ReceiptNotReadable,
    ReleaseNotFound,
    ReleaseOver,
    ReportNotFound,
    RequestInProgress,
    SessionNotFound,
    SessionOver,
    ShipmentNotFound,
    ShipmentStateFixed,
    SignInLinkOver,
    StoreUnavailable,
    TemplateInUse,
    TemplateNotFound,
    TimelineEntryNotFound,
    TooManyRequests,
    TooManyWatchers,
    Unauthenticated,
    UnsupportedMediaType,
    ValueRejected,
}

impl ProblemKind {
    /// The table: status, stable machine code, title.
    #[expect(clippy::too_many_lines, reason = "a table has a line for each entry")]
    const fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The request is too large")
            }
            Self::ConfirmationRequired => {
                (StatusCode::CONFLICT, "confirmation_required", "Confirmation is required")
            }
            Self::DatastreamHasNoValue => {
                (StatusCode::NOT_FOUND, "datastream_has_no_value", "The pin has no value yet")
            }
            Self::DatastreamNameTaken => (StatusCode::CONFLICT, "datastream_name_taken", "The name is taken"),
            Self::DeviceNotFound => (StatusCode::NOT_FOUND, "device_not_found", "There is no such device"),
            Self::DeviceOffline => (StatusCode::CONFLICT, "device_offline", "The device is not connected"),
            Self::DeviceReleased => (StatusCode::CONFLICT, "device_released", "The device has been released"),
            Self::FileNotFound => (StatusCode::NOT_FOUND, "file_not_found", "There is no such file"),
            Self::FirmwareInUse => {
                (StatusCode::CONFLICT, "firmware_in_use", "A shipment names the firmware image")
            }
            Self::FirmwareNotFound => {
                (StatusCode::NOT_FOUND, "firmware_not_found", "There is no such firmware image")
            }
            Self::FirmwareNotUsable => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "firmware_not_usable",
                "The file is no firmware that devices would take",
            ),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The idempotency key belongs to another request",
            ),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server made a mistake"),
            Self::InvalidCredentials => (StatusCode::UNAUTHORIZED, "invalid_credentials", "Sign-in failed"),
            Self::InvalidRequest => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", "This cannot be accepted")
            }
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The method does not fit")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing at this address"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The server is not ready"),
            Self::NotificationNotFound => {
                (StatusCode::NOT_FOUND, "notification_not_found", "There is no such notification")
            }
            Self::RangeNotSatisfiable => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range_not_satisfiable",
                "The range lies outside the file",
            ),
            Self::NoReleaseKey => (StatusCode::CONFLICT, "no_release_key", "The device holds no release key"),
            Self::ReceiptNotProven => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "receipt_not_proven",
                "The receipt does not prove this release",
            ),
            Self::ReceiptNotReadable => {
                (StatusCode::UNPROCESSABLE_ENTITY, "receipt_not_readable", "The receipt cannot be read")
            }
            Self::ReleaseOver => (StatusCode::CONFLICT, "release_over", "The release is finished"),
            Self::ReleaseNotFound => {
                (StatusCode::NOT_FOUND, "release_not_found", "The device is not being released")
            }
            Self::ReportNotFound => (StatusCode::NOT_FOUND, "report_not_found", "There is no such report"),
            Self::RequestInProgress => {
                (StatusCode::CONFLICT, "request_in_progress", "The same request is being worked on")
            }
            Self::SessionNotFound => {
                (StatusCode::NOT_FOUND, "provisioning_session_not_found", "There is no such setup")
            }
            Self::SessionOver => (StatusCode::CONFLICT, "provisioning_session_over", "The setup has ended"),
            Self::ShipmentNotFound => {
                (StatusCode::NOT_FOUND, "shipment_not_found", "There is no such shipment")
            }
            Self::ShipmentStateFixed => {
                (StatusCode::CONFLICT, "shipment_state_fixed", "The shipment cannot change like this")
            }
            Self::SignInLinkOver => {
                (StatusCode::UNAUTHORIZED, "sign_in_link_over", "The sign-in link no longer works")
            }
            Self::StoreUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "The database cannot answer now")
            }
            Self::TemplateInUse => (StatusCode::CONFLICT, "template_in_use", "The template is in use"),
            Self::TemplateNotFound => {
                (StatusCode::NOT_FOUND, "template_not_found", "There is no such template")
            }
            Self::TimelineEntryNotFound => {
                (StatusCode::NOT_FOUND, "timeline_entry_not_found", "There is no such entry")
            }
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many attempts")
            }
            Self::TooManyWatchers => {
                (StatusCode::SERVICE_UNAVAILABLE, "too_many_watchers", "Too many clients watch live updates")
            }
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first"),
            Self::ValueRejected => {
                (StatusCode::UNPROCESSABLE_ENTITY, "value_rejected", "The datastream does not take the value")
            }
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is of another type")
            }
        }
    }
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    kind: ProblemKind,
    detail: String,
    retry_after_s: Option<u64>,
    left_behind: Option<Vec<String>>,
}

impl ApiError {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after_s: None, left_behind: None }
    }

    /// A forced delete was not confirmed. The sentences are also a list, for a page that asks in its own words.
    pub(crate) fn unconfirmed(left_behind: Vec<String>) -> Self {
        let detail = format!(
            "This would be left behind: {} To go on, repeat the request with `confirm` set to the device's name.",
            left_behind.join(" ")
        );
        let error = Self::new(ProblemKind::ConfirmationRequired, detail);
        Self { left_behind: Some(left_behind), ..error }
    }

    pub(crate) fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// Too many attempts; try again after `wait_ms`.
    pub(crate) fn too_many(wait_ms: u64) -> Self {
        let seconds = wait_ms.div_ceil(1_000).max(1);
        let detail = format!("Too many attempts from this address. Try again in {seconds} s.");
        let error = Self::new(ProblemKind::TooManyRequests, detail);
        Self { retry_after_s: Some(seconds), ..error }
    }

    /// The store failed; the chain goes to the log, the caller learns that trying again makes sense.
    pub(crate) fn store(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %ErrorChain(error), "the store failed");
        Self::new(
            ProblemKind::StoreUnavailable,
            "The database did not accept the request. Nothing was changed; try again.",
        )
    }
}

/// Prints an error with everything that caused it.
pub(crate) struct ErrorChain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for ErrorChain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(formatter, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, title) = self.kind.row();
        let problem = api_types::Problem {
            kind: format!("urn:rehome:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: self.detail,
            left_behind: self.left_behind,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait_s) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
        }
        response
    }
}

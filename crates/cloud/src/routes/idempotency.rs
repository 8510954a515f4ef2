//! `Idempotency-Key`: the same request gets the same answer for 24 hours.
//!
//! Answers may contain a token or a claim code, and neither is ever stored. Both are derived from a nonce that is stored as long
//! as the key; the stored answer has marks in their place.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use registry::{ClaimCode, Token};
use sha2::{Digest, Sha256};
use store::{IdempotentAnswer, IdempotentStart};
use tracing::warn;

use super::access::Actor;
use crate::app::App;
use crate::errors::{ApiError, ErrorChain, ProblemKind};
use crate::limits::{HTTP_BODY_BYTES_MAX, IMPORT_BODY_BYTES_MAX};
use crate::secret_file::hex;

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// The nonce of the request being worked on, for handlers that make a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestNonce([u8; 16]);

/// Returns a nonce from which token and claim code of a session can be made: the request's when it may be repeated.
pub(super) fn session_nonce(nonce: Option<RequestNonce>) -> [u8; 16] {
    nonce.map_or_else(rand::random, |RequestNonce(nonce)| nonce)
}

/// Returns the token of a new device: derived when the request may be repeated, else random.
pub(super) fn new_token(app: &App, nonce: Option<RequestNonce>) -> Token {
    nonce.map_or_else(
        || Token::from_random(rand::random()),
        |RequestNonce(nonce)| app.store.derive_token(&nonce),
    )
}

pub(super) async fn answer_once(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let key = request.headers().get("idempotency-key").cloned();
    let (Some(key), &Method::POST) = (key, request.method()) else { return next.run(request).await };
    answer_keyed(&app, key, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer_keyed(
    app: &App,
    key: HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let bad_key = || {
        ApiError::new(ProblemKind::InvalidRequest, "`Idempotency-Key` must be 1 to 255 printable characters.")
    };
    let key = key.to_str().ok().filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len())).ok_or_else(bad_key)?;
    // Keys of different callers do not meet.
    let actor = request.extensions().get::<Actor>().map_or("", |actor| actor.as_str());
    let key = format!("{actor}:{key}");
    let (parts, body) = request.into_parts();
    // It was read and bounded before.
    let body = to_bytes(body, IMPORT_BODY_BYTES_MAX)
        .await
        .map_err(|_source| ApiError::new(ProblemKind::BodyTooLarge, "The body could not be read."))?;
    let hash = request_hash(parts.uri.path(), &body);
    let nonce = match app.store.start_request(key.clone(), hash, app.clock.now().utc).await? {
        IdempotentStart::First { nonce } => nonce,
        IdempotentStart::Answered(answer) => return Ok(repeat(app, &answer)),
        IdempotentStart::InProgress => {
            let detail = "The first request with this key is still being worked on. Try again in a second.";
            return Err(ApiError::new(ProblemKind::RequestInProgress, detail));
        }
        IdempotentStart::KeyReused => {
            let detail =
                "This `Idempotency-Key` was used for a different request. Take a new one for each intention.";
            return Err(ApiError::new(ProblemKind::IdempotencyKeyReused, detail));
        }
    };
    let mut request = Request::from_parts(parts, Body::from(body));
    request.extensions_mut().insert(RequestNonce(nonce));
    let response = next.run(request).await;
    finish(app, key, nonce, response).await
}

async fn finish(app: &App, key: String, nonce: [u8; 16], response: Response) -> Result<Response, ApiError> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, HTTP_BODY_BYTES_MAX).await.unwrap_or_default();
    let stored = if parts.status.is_success() {
        let text = String::from_utf8_lossy(&body)
            .replace(app.store.derive_token(&nonce).expose(), &mark(&nonce))
            .replace(&claim_code(app, &nonce), &code_mark(&nonce));
        app.store
            .finish_request(key, parts.status.as_u16(), text)
            .await
            .map_err(|error| ErrorChain(&error).to_string())
    } else {
        // What failed may be tried again with the same key.
        app.store.abandon_request(key).await.map_err(|error| ErrorChain(&error).to_string())
    };
    if let Err(failure) = stored {
        warn!(error = failure, "the answer of an idempotent request could not be stored");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn repeat(app: &App, answer: &IdempotentAnswer) -> Response {
    let body = answer
        .body
        .replace(&mark(&answer.nonce), app.store.derive_token(&answer.nonce).expose())
        .replace(&code_mark(&answer.nonce), &claim_code(app, &answer.nonce));
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let json = HeaderValue::from_static("application/json");
    let replayed = HeaderValue::from_static("true");
    let names =
        [(header::CONTENT_TYPE, json), (header::HeaderName::from_static("idempotent-replayed"), replayed)];
    (status, names, body).into_response()
}

/// What stands in a stored answer in place of the token. The nonce is random, so no name a person gives contains it.
fn mark(nonce: &[u8; 16]) -> String {
    format!("token-of-{}", hex(nonce))
}

/// What stands in a stored answer in place of the claim code.
fn code_mark(nonce: &[u8; 16]) -> String {
    format!("claim-code-of-{}", hex(nonce))
}

fn claim_code(app: &App, nonce: &[u8; 16]) -> String {
    shown_claim_code(app.store.derive_claim_code(nonce))
}

/// Returns a claim code as its owner sees it.
pub(super) fn shown_claim_code(code: ClaimCode) -> String {
    code.shown().map(char::from).into_iter().collect()
}

fn request_hash(path: &str, body: &Bytes) -> [u8; 32] {
    Sha256::new().chain_update(path).chain_update([0]).chain_update(body).finalize().into()
}

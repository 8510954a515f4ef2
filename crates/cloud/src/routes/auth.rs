//! Signing in: one-time link, password, session.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::{Extension, Json};
use registry::Token;
use store::Change;
use tracing::{error, warn};

use super::access::{Actor, Origin, SESSION_COOKIE, require_same_origin, session_cookie};
use super::extract::SecretJson;
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::listener::{Peer, Transport};
use crate::rate_limits::client_of;

/// 30 days: long enough not to annoy, short enough that a forgotten browser does not stay signed in for ever.
const SESSION_LIFETIME_S: i64 = 30 * 24 * 3_600;

/// Shortest and longest password, in bytes; longer ones would only cost hashing time.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 10..=1_024;

type SignedIn = (StatusCode, [(HeaderName, HeaderValue); 1]);

pub(super) async fn sign_in_with_link(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    SecretJson(request): SecretJson<api_types::SignInLink>,
) -> Result<SignedIn, ApiError> {
    require_same_origin(&headers, Origin::WhenPresent)?;
    limit_attempts(&app, peer)?;
    if !app.store.redeem_sign_in_code(request.code.expose(), app.clock.now().utc).await? {
        note_refusal(peer, "link");
        let detail = "It works once and for 15 minutes. The server prints a new one each time it starts; or sign in \
                      with the password.";
        return Err(ApiError::new(ProblemKind::SignInLinkOver, detail));
    }
    sign_in(&app, peer).await
}

pub(super) async fn sign_in_with_password(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    SecretJson(request): SecretJson<api_types::PasswordSignIn>,
) -> Result<SignedIn, ApiError> {
    require_same_origin(&headers, Origin::WhenPresent)?;
    limit_attempts(&app, peer)?;
    let wrong = || {
        note_refusal(peer, "password");
        ApiError::new(ProblemKind::InvalidCredentials, "The password is not right.")
    };
    let stored = app.store.password_hash().await?.ok_or_else(wrong)?;
    let password = request.password;
    let is_right = hash_in_background(&app, move || {
        let stored = PasswordHash::new(&stored).ok();
        stored.is_some_and(|stored| {
            Argon2::default().verify_password(password.expose().as_bytes(), &stored).is_ok()
        })
    })
    .await?;
    if !is_right {
        return Err(wrong());
    }
    sign_in(&app, peer).await
}

pub(super) async fn set_password(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    SecretJson(request): SecretJson<api_types::SetPassword>,
) -> Result<StatusCode, ApiError> {
    let password = request.password;
    if !PASSWORD_BYTES.contains(&password.expose().len()) {
        let detail = "`password` must have at least 10 characters and at most 1024 bytes.";
        return Err(ApiError::new(ProblemKind::InvalidRequest, detail));
    }
    let hash = hash_in_background(&app, move || {
        Argon2::default().hash_password(password.expose().as_bytes()).map(|hash| hash.to_string())
    })
    .await?
    .map_err(|failure| {
        error!(error = %failure, "a password could not be hashed");
        ApiError::new(ProblemKind::Internal, "The password could not be hashed.")
    })?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    app.store.set_password_hash(hash, session_cookie(&headers), change).await?;
    app.live.end_watches();
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn get_owner_session(
    State(app): State<Arc<App>>,
) -> Result<Json<api_types::OwnerSession>, ApiError> {
    let has_password = app.store.password_hash().await?.is_some();
    Ok(Json(api_types::OwnerSession { kind: api_types::SessionKind::Owner, has_password }))
}

pub(super) async fn sign_out(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<SignedIn, ApiError> {
    if let Some(cookie) = session_cookie(&headers) {
        app.store.delete_console_session(cookie).await?;
        app.live.end_watches();
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie_header("", 0, peer)?)]))
}

async fn sign_in(app: &App, peer: Peer) -> Result<SignedIn, ApiError> {
    // A cookie has the same shape as a token: 24 random bytes in 32 characters that need no escaping.
    let cookie = Token::from_random(rand::random());
    let now = app.clock.now().utc;
    let expires_at = now.plus_ms(SESSION_LIFETIME_S * 1_000);
    app.store.create_console_session(cookie.expose(), expires_at, Change::by("owner", now)).await?;
    let header_value = cookie_header(cookie.expose(), SESSION_LIFETIME_S, peer)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, header_value)]))
}

fn cookie_header(value: &str, max_age_s: i64, peer: Peer) -> Result<HeaderValue, ApiError> {
    let secure = if peer.transport == Transport::Tls { "; Secure" } else { "" };
    let text =
        format!("{SESSION_COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}");
    let mut header_value = HeaderValue::from_str(&text)
        .map_err(|_source| ApiError::new(ProblemKind::Internal, "The session could not be started."))?;
    header_value.set_sensitive(true);
    Ok(header_value)
}

fn limit_attempts(app: &App, peer: Peer) -> Result<(), ApiError> {
    let client = client_of(peer.address.ip());
    app.limits.sign_ins.take(client, app.clock.now().mono).map_err(ApiError::too_many)
}

/// Leaves a trace of somebody who may be guessing. [`limit_attempts`] comes before, so it bounds these lines too; nothing of
/// what was sent is in them.
fn note_refusal(peer: Peer, what: &'static str) {
    let address = peer.address.ip().to_canonical();
    warn!(peer.address = %address, "a sign-in from {address} was refused: the {what} is not right");
}

/// Runs password hashing on a thread of its own, few at a time.
async fn hash_in_background<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let busy = || ApiError::new(ProblemKind::Internal, "The server cannot hash passwords now.");
    let place = app.password_places.acquire().await.map_err(|_closed| busy())?;
    let outcome = tokio::task::spawn_blocking(work).await.map_err(|failure| {
        error!(error = %failure, "password hashing ended abnormally");
        busy()
    });
    drop(place);
    outcome
}

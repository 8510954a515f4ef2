//! Provisioning sessions.

use std::sync::Arc;

use api_types::SecretText;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use registry::{SESSION_TOKEN_LIFETIME_MS, SessionId};
use store::{Change, CreateSessionError, NewSession, SessionCode, SessionError};

use super::access::Actor;
use super::extract::{ApiJson, ApiPath, ApiQuery, checked_name, page_of, page_view};
use super::idempotency::{RequestNonce, session_nonce, shown_claim_code};
use super::templates::{template_id, template_not_found};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::views::{session_view, timestamp};

/// The address of every device's own hotspot. Source: reference/edgent-device.md.
const HOTSPOT_ADDRESS: &str = "http://192.168.4.1/";

pub(super) async fn list_provisioning_sessions(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<api_types::PageQuery>,
) -> Result<Json<api_types::Page<api_types::ProvisioningSession>>, ApiError> {
    let listed = app.store.list_sessions(page_of(query)?).await?;
    let now = app.clock.now().utc;
    Ok(Json(page_view(listed, |session| session_view(session, now))))
}

pub(super) async fn create_provisioning_session(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    nonce: Option<Extension<RequestNonce>>,
    ApiJson(request): ApiJson<api_types::CreateProvisioningSession>,
) -> Result<(StatusCode, Json<api_types::CreatedProvisioningSession>), ApiError> {
    let device_name = request.name.as_deref().map(checked_name).transpose()?;
    let nonce = session_nonce(nonce.map(|Extension(nonce)| nonce));
    let token = app.store.derive_token(&nonce);
    let code = app.store.derive_claim_code(&nonce);
    let now = app.clock.now().utc;
    let new = NewSession {
        id: SessionId::from_random(rand::random()),
        template_id: template_id(&request.template_id)?,
        device_name,
        token: token.clone(),
        code: Some(SessionCode { code, nonce }),
        expires_at: now.plus_ms(SESSION_TOKEN_LIFETIME_MS),
    };
    let change = Change::by(actor.as_str(), now);
    let session = app.store.create_session(new, change).await.map_err(|error| match error {
        CreateSessionError::TemplateNotFound => template_not_found(),
        error => ApiError::store(&error),
    })?;
    app.publish_session(&session.id).await;
    let created = api_types::CreatedProvisioningSession {
        id: session.id.to_string(),
        template_id: session.template_id.to_string(),
        token: SecretText::new(token.expose().to_owned()),
        claim_code: session.has_claim_code.then(|| SecretText::new(shown_claim_code(code))),
        host: app.addresses.host.clone(),
        port: app.addresses.tls_port,
        uses_tls: true,
        expires_at: timestamp(session.expires_at),
        deep_link: SecretText::new(deep_link(&app, token.expose())),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

pub(super) async fn get_provisioning_session(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<api_types::ProvisioningSession>, ApiError> {
    let session = app.store.session(session_id(&id)?).await?.ok_or_else(session_not_found)?;
    Ok(Json(session_view(session, app.clock.now().utc)))
}

pub(super) async fn cancel_provisioning_session(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let session = app.store.cancel_session(session_id(&id)?, change).await.map_err(|error| match error {
        SessionError::NotFound => session_not_found(),
        SessionError::State(state) => ApiError::new(ProblemKind::SessionOver, format!("{state}.")),
        error => ApiError::store(&error),
    })?;
    app.publish_session(&session.id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The set-up page of the hotspot with everything filled in; what follows `#` never leaves the phone.
fn deep_link(app: &App, token: &str) -> String {
    let port = app.addresses.tls_port;
    format!("{HOTSPOT_ADDRESS}#blynk={token}&host={}&port_ssl={port}", app.addresses.host)
}

fn session_id(text: &str) -> Result<SessionId, ApiError> {
    SessionId::parse(text).map_err(|_source| session_not_found())
}

fn session_not_found() -> ApiError {
    ApiError::new(ProblemKind::SessionNotFound, "No provisioning session has this id.")
}

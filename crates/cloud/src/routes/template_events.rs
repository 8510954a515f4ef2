//! Events of templates, the statuses of their devices, and who is told. Live updates are in `events.rs`.

use std::sync::Arc;

use api_types::{Recipients, SecretText, TemplateEventList};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use store::{Change, ChangeNoticesError, NewWebhook, WebhookId};
use telemetry::{
    Channels, ConnectionLifecycle, EventCode, EventSettings, EventType, MakeEventError, Notifying,
    StatusSettings, TemplateEvent, check_recipients,
};

use super::access::Actor;
use super::extract::{ApiJson, ApiPath, checked_name};
use super::idempotency::{RequestNonce, session_nonce};
use super::template_datastreams::find_template;
use super::templates::template_not_found;
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::notifier::check_url;
use crate::views::timestamp;

pub(super) async fn list_template_events(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<TemplateEventList>, ApiError> {
    let notices = app.notices.of(&find_template(&app, &id).await?);
    Ok(Json(TemplateEventList { items: notices.events.values().map(event_view).collect() }))
}

pub(super) async fn put_template_event(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((id, code)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<api_types::TemplateEventSettings>,
) -> Result<(StatusCode, Json<api_types::TemplateEvent>), ApiError> {
    let template = find_template(&app, &id).await?;
    let settings = EventSettings {
        name: request.name,
        event_type: event_type(request.event_type),
        description: request.description,
        is_on_timeline: request.show_on_timeline,
        notifying: notifying(&request.notifying),
    };
    let code = EventCode::parse(&code).map_err(invalid)?;
    let event = TemplateEvent::new(code, settings).map_err(invalid)?;
    let view = event_view(&event);
    let putting = app.store.put_event(template.clone(), event, change_by(&app, actor));
    let is_new = app.notices.change(&app.store, &template, putting).await.map_err(problem)?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(view)))
}

pub(super) async fn delete_template_event(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((id, code)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let template = find_template(&app, &id).await?;
    let code = EventCode::parse(&code).map_err(invalid)?;
    let deleting = app.store.delete_event(template.clone(), code, change_by(&app, actor));
    app.notices.change(&app.store, &template, deleting).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn get_connection_lifecycle(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<api_types::ConnectionLifecycle>, ApiError> {
    let notices = app.notices.of(&find_template(&app, &id).await?);
    Ok(Json(lifecycle_view(&notices.lifecycle)?))
}

pub(super) async fn put_connection_lifecycle(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<api_types::ConnectionLifecycle>,
) -> Result<Json<api_types::ConnectionLifecycle>, ApiError> {
    let template = find_template(&app, &id).await?;
    let statuses = [request.online, request.offline].into_iter().chain(request.custom).map(status_settings);
    let lifecycle = ConnectionLifecycle::new(
        statuses.collect(),
        request.offline_ignore_s,
        request.online_when_data_is_reported,
    );
    let lifecycle = lifecycle.map_err(invalid)?;
    let view = lifecycle_view(&lifecycle)?;
    let putting = app.store.put_lifecycle(template.clone(), lifecycle, change_by(&app, actor));
    app.notices.change(&app.store, &template, putting).await.map_err(problem)?;
    Ok(Json(view))
}

pub(super) async fn get_recipients(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<Recipients>, ApiError> {
    let notices = app.notices.of(&find_template(&app, &id).await?);
    Ok(Json(Recipients { email: notices.recipients.clone() }))
}

pub(super) async fn put_recipients(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<Recipients>,
) -> Result<Json<Recipients>, ApiError> {
    let template = find_template(&app, &id).await?;
    check_recipients(&request.email).map_err(invalid)?;
    let putting = app.store.put_recipients(template.clone(), request.email.clone(), change_by(&app, actor));
    app.notices.change(&app.store, &template, putting).await.map_err(problem)?;
    Ok(Json(request))
}

pub(super) async fn list_webhooks(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<api_types::WebhookList>, ApiError> {
    let notices = app.notices.of(&find_template(&app, &id).await?);
    Ok(Json(api_types::WebhookList { items: notices.webhooks.iter().map(webhook_view).collect() }))
}

pub(super) async fn create_webhook(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    nonce: Option<Extension<RequestNonce>>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<api_types::CreateWebhook>,
) -> Result<(StatusCode, Json<api_types::CreatedWebhook>), ApiError> {
    let template = find_template(&app, &id).await?;
    check_url(&request.url, app.config.webhooks_to_private_addresses).map_err(invalid)?;
    let nonce = session_nonce(nonce.map(|Extension(nonce)| nonce));
    let new = NewWebhook { name: checked_name(&request.name)?, url: request.url, nonce };
    let adding = app.store.add_webhook(template.clone(), new, change_by(&app, actor));
    let webhook = app.notices.change(&app.store, &template, adding).await.map_err(problem)?;
    let secret = app.store.derive_token(&webhook.nonce);
    let created = api_types::CreatedWebhook {
        webhook: webhook_view(&webhook),
        secret: SecretText::new(secret.expose().to_owned()),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

pub(super) async fn delete_webhook(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((id, webhook)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let template = find_template(&app, &id).await?;
    // What is no number names no webhook, so there is none.
    if let Ok(number) = webhook.parse() {
        let deleting = app.store.delete_webhook(template.clone(), WebhookId(number), change_by(&app, actor));
        app.notices.change(&app.store, &template, deleting).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn change_by(app: &App, actor: Actor) -> Change {
    Change::by(actor.as_str(), app.clock.now().utc)
}

fn invalid(reason: impl std::fmt::Display) -> ApiError {
    ApiError::new(ProblemKind::InvalidRequest, format!("This cannot be set up: {reason}."))
}

fn problem(failure: ChangeNoticesError) -> ApiError {
    match failure {
        ChangeNoticesError::TemplateNotFound => template_not_found(),
        ChangeNoticesError::TooMany { .. } => invalid(failure),
        other => ApiError::store(&other),
    }
}

const fn event_type(event_type: api_types::EventType) -> EventType {
    match event_type {
        api_types::EventType::Info => EventType::Info,
        api_types::EventType::Warning => EventType::Warning,
        api_types::EventType::Critical => EventType::Critical,
        api_types::EventType::Content => EventType::Content,
    }
}

const fn event_type_view(event_type: EventType) -> api_types::EventType {
    match event_type {
        EventType::Info => api_types::EventType::Info,
        EventType::Warning => api_types::EventType::Warning,
        EventType::Critical => api_types::EventType::Critical,
        EventType::Content => api_types::EventType::Content,
    }
}

const fn notifying(request: &api_types::Notifying) -> Notifying {
    Notifying {
        channels: Channels { email: request.email, webhooks: request.webhooks },
        limit_period_s: request.limit_period_s,
        after_count: request.after_count,
    }
}

const fn notifying_view(notifying: &Notifying) -> api_types::Notifying {
    api_types::Notifying {
        email: notifying.channels.email,
        webhooks: notifying.channels.webhooks,
        limit_period_s: notifying.limit_period_s,
        after_count: notifying.after_count,
    }
}

fn event_view(event: &TemplateEvent) -> api_types::TemplateEvent {
    let settings = event.settings();
    api_types::TemplateEvent {
        code: event.code().as_str().to_owned(),
        settings: api_types::TemplateEventSettings {
            name: settings.name.clone(),
            event_type: event_type_view(settings.event_type),
            description: settings.description.clone(),
            show_on_timeline: settings.is_on_timeline,
            notifying: notifying_view(&settings.notifying),
        },
    }
}

fn status_settings(request: api_types::LifecycleStatus) -> StatusSettings {
    StatusSettings {
        name: request.name,
        color: request.color,
        wait_s: request.wait_s,
        description: request.description,
        is_on_timeline: request.show_on_timeline,
        notifying: notifying(&request.notifying),
    }
}

fn status_view(settings: &StatusSettings) -> api_types::LifecycleStatus {
    api_types::LifecycleStatus {
        name: settings.name.clone(),
        color: settings.color.clone(),
        wait_s: settings.wait_s,
        description: settings.description.clone(),
        show_on_timeline: settings.is_on_timeline,
        notifying: notifying_view(&settings.notifying),
    }
}

fn lifecycle_view(lifecycle: &ConnectionLifecycle) -> Result<api_types::ConnectionLifecycle, ApiError> {
    let [online, offline, custom @ ..] = lifecycle.statuses() else {
        return Err(invalid(MakeEventError::StatusCount));
    };
    Ok(api_types::ConnectionLifecycle {
        online: status_view(online),
        offline: status_view(offline),
        custom: custom.iter().map(status_view).collect(),
        offline_ignore_s: lifecycle.ignore_period_s(),
        online_when_data_is_reported: lifecycle.reports_count(),
    })
}

fn webhook_view(webhook: &store::Webhook) -> api_types::Webhook {
    api_types::Webhook {
        id: webhook.id.0,
        name: webhook.name.clone(),
        url: webhook.url.clone(),
        created_at: timestamp(webhook.created_at),
    }
}

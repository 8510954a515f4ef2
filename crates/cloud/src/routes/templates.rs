//! Templates.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use registry::{ReclaimPolicy, TemplateId};
use store::{Change, DeleteTemplateError, TemplateUse};

use super::access::Actor;
use super::extract::{ApiJson, ApiPath, ApiQuery, checked_name, page_of, page_view};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::views::template_view;

pub(super) async fn list_templates(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<api_types::PageQuery>,
) -> Result<Json<api_types::Page<api_types::Template>>, ApiError> {
    let listed = app.store.list_templates(page_of(query)?).await?;
    Ok(Json(page_view(listed, template_view)))
}

pub(super) async fn create_template(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiJson(request): ApiJson<api_types::CreateTemplate>,
) -> Result<(StatusCode, Json<api_types::Template>), ApiError> {
    let name = checked_name(&request.name)?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let id = TemplateId::from_random(rand::random());
    let mut template = app.store.create_template(id, name, change.clone()).await?;
    let policy = request.reclaim.map(policy_of).filter(|policy| *policy != template.reclaim);
    let gateway_api = request.gateway_api.filter(|is_on| *is_on);
    if policy.is_some() || gateway_api.is_some() {
        template = change_template(&app, template.id, policy, gateway_api, change).await?;
    }
    Ok((StatusCode::CREATED, Json(template_view(template))))
}

pub(super) async fn get_template(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<api_types::Template>, ApiError> {
    let id = template_id(&id)?;
    let template = app.store.template(id).await?.ok_or_else(template_not_found)?;
    Ok(Json(template_view(template)))
}

pub(super) async fn update_template(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<api_types::UpdateTemplate>,
) -> Result<Json<api_types::Template>, ApiError> {
    let id = template_id(&id)?;
    let name = request.name.as_deref().map(checked_name).transpose()?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    if let Some(name) = name {
        let renamed = app.store.rename_template(id.clone(), name, change.clone()).await?;
        renamed.ok_or_else(template_not_found)?;
    }
    let policy = request.reclaim.map(policy_of);
    let template = change_template(&app, id, policy, request.gateway_api, change).await?;
    Ok(Json(template_view(template)))
}

pub(super) async fn delete_template(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let id = template_id(&id)?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    // What is kept in memory of its datastreams and events goes with it.
    let deletion = app.notices.change(&app.store, &id, app.store.delete_template(id.clone(), change));
    app.catalogue.change(&app.store, &id, deletion).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<DeleteTemplateError> for ApiError {
    fn from(error: DeleteTemplateError) -> Self {
        let in_use = match error {
            DeleteTemplateError::NotFound => return template_not_found(),
            DeleteTemplateError::InUse(in_use) => in_use,
            error => return Self::store(&error),
        };
        let detail = match in_use {
            TemplateUse::Device => {
                "Devices are of this template; released ones count too. Release and delete them first."
            }
            TemplateUse::Shipment => "A shipment names this template, so it stays on record.",
            TemplateUse::Session => {
                "A setup for this template is open. Cancel it first, or wait until it ends."
            }
        };
        Self::new(ProblemKind::TemplateInUse, detail)
    }
}

/// Changes what is given, and returns the template.
async fn change_template(
    app: &App,
    id: TemplateId,
    policy: Option<ReclaimPolicy>,
    gateway_api: Option<bool>,
    change: Change,
) -> Result<store::Template, ApiError> {
    if let Some(policy) = policy {
        let set = app.store.set_reclaim_policy(id.clone(), policy, change.clone()).await?;
        set.ok_or_else(template_not_found)?;
    }
    if let Some(is_on) = gateway_api {
        let set = app.store.set_gateway_api(id.clone(), is_on, change).await?;
        set.ok_or_else(template_not_found)?;
    }
    app.store.template(id).await?.ok_or_else(template_not_found)
}

fn policy_of(policy: api_types::ReclaimPolicy) -> ReclaimPolicy {
    match policy {
        api_types::ReclaimPolicy::Open => ReclaimPolicy::Open,
        api_types::ReclaimPolicy::Locked => ReclaimPolicy::Locked,
    }
}

/// Reads a template's id; what cannot be an id names no template.
pub(super) fn template_id(text: &str) -> Result<TemplateId, ApiError> {
    TemplateId::parse(text).map_err(|_source| template_not_found())
}

pub(super) fn template_not_found() -> ApiError {
    ApiError::new(ProblemKind::TemplateNotFound, "No template has this id.")
}

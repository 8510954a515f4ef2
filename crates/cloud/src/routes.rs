//! The HTTP side: every route, with the layers around it.

mod access;
mod audit;
mod auth;
mod bench_guard;
mod body;
mod completion;
mod datastreams;
mod device_commands;
mod device_data;
mod device_https;
mod devices;
mod events;
mod exports;
mod extract;
mod firmware;
mod firmware_download;
mod health;
mod history;
mod idempotency;
mod notifications;
mod offline_release;
mod provisioning;
mod server_info;
mod shipments;
mod template_datastreams;
mod template_events;
mod templates;
mod timeline;
mod unknown_tokens;
mod web_socket;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};

use crate::app::App;
use crate::console;
use crate::errors::{ApiError, ProblemKind};
use crate::gateway::Gateway;
use crate::limits::{HTTP_BODY_BYTES_MAX, IMPORT_BODY_BYTES_MAX};

/// Puts every route together; `bench` is served to this machine alone.
pub(crate) fn router(app: &Arc<App>, gateway: Gateway, bench: Option<Router>) -> Router {
    let owner = owner_routes()
        .layer(from_fn_with_state(Arc::clone(app), idempotency::answer_once))
        .layer(from_fn_with_state(app.tasks.clone(), completion::complete_writes))
        .layer(from_fn(body::buffer_body))
        .layer(from_fn_with_state(Arc::clone(app), access::require_owner));
    let imports = Router::new()
        .route("/api/v1/devices/{id}/history", post(history::import_history).delete(history::erase_history))
        .layer(DefaultBodyLimit::max(IMPORT_BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(app), idempotency::answer_once))
        .layer(from_fn_with_state(app.tasks.clone(), completion::complete_writes))
        .layer(from_fn(body::buffer_import))
        .layer(from_fn_with_state(Arc::clone(app), access::require_owner));
    // Writes by GET: the Device HTTPS API is called by programs that do not always wait for the answer.
    let device_https =
        device_https::routes().layer(from_fn_with_state(app.tasks.clone(), completion::complete));
    // Images are larger than any other body and are written to disk as they arrive.
    let uploads = Router::new()
        .route("/api/v1/firmware", post(firmware::upload_firmware))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(app), access::require_owner));
    let public = public_routes()
        .layer(from_fn_with_state(app.tasks.clone(), completion::complete_writes))
        .layer(from_fn(body::buffer_body));
    let routes = Router::new()
        .merge(owner)
        .merge(imports)
        .merge(uploads)
        .merge(public)
        // Bodies of devices are read by the handlers, once a token was found good.
        .nest("/external/api", device_https)
        .route("/device_uploads/{device}/{file}", get(device_https::get_public_file))
        .merge(firmware_download::routes())
        .route("/device_reports/{file}", get(device_https::get_report))
        .with_state(Arc::clone(app))
        .merge(web_socket::routes(Arc::clone(app), gateway))
        .merge(bench.map(bench_guard::guard).unwrap_or_default());
    routes
        .fallback(console::serve_console)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES_MAX))
        .layer(from_fn(console::add_security_headers))
}

/// Routes for owners: admin key or session cookie.
fn owner_routes() -> Router<Arc<App>> {
    Router::new()
        .merge(event_routes())
        .route("/api/v1/auth/session", get(auth::get_owner_session).delete(auth::sign_out))
        .route("/api/v1/templates", get(templates::list_templates).post(templates::create_template))
        .route(
            "/api/v1/templates/{id}",
            get(templates::get_template).patch(templates::update_template).delete(templates::delete_template),
        )
        .route("/api/v1/templates/{id}/datastreams", get(template_datastreams::list_template_datastreams))
        .route(
            "/api/v1/templates/{id}/datastreams/{pin}",
            put(template_datastreams::put_template_datastream)
                .delete(template_datastreams::delete_template_datastream),
        )
        .route("/api/v1/devices", get(devices::list_devices).post(devices::create_device))
        .route(
            "/api/v1/devices/{id}",
            get(devices::get_device).patch(devices::rename_device).delete(devices::delete_device),
        )
        .route("/api/v1/devices/{id}/release", get(devices::get_release).post(devices::create_release))
        .route("/api/v1/devices/{id}/release/order", get(offline_release::get_release_order))
        .route("/api/v1/devices/{id}/release/receipt", post(offline_release::hand_in_release_receipt))
        .route("/api/v1/devices/{id}/datastreams", get(datastreams::list_datastreams))
        .route(
            "/api/v1/devices/{id}/datastreams/{pin}",
            get(datastreams::get_datastream).put(datastreams::set_datastream),
        )
        .route("/api/v1/devices/{id}/commands", post(device_commands::command_device))
        .route(
            "/api/v1/devices/{id}/datastreams/{pin}/history",
            get(history::list_history).delete(history::erase_pin_history),
        )
        .route(
            "/api/v1/devices/{id}/datastreams/{pin}/properties/{property}",
            put(device_data::set_property).delete(device_data::reset_property),
        )
        .route("/api/v1/devices/{id}/export", get(exports::export_history))
        .route("/api/v1/devices/{id}/metadata", get(device_data::list_metadata))
        .route("/api/v1/devices/{id}/metadata/{field}", put(device_data::set_metadata))
        .route(
            "/api/v1/devices/{id}/properties",
            get(device_data::list_properties).delete(device_data::reset_properties),
        )
        .route("/api/v1/devices/{id}/files", get(device_https::list_files))
        .route(
            "/api/v1/devices/{id}/files/{key}",
            get(device_https::get_file).delete(device_https::delete_file),
        )
        .route(
            "/api/v1/provisioning-sessions",
            get(provisioning::list_provisioning_sessions).post(provisioning::create_provisioning_session),
        )
        .route(
            "/api/v1/provisioning-sessions/{id}",
            get(provisioning::get_provisioning_session).delete(provisioning::cancel_provisioning_session),
        )
        .route("/api/v1/firmware", get(firmware::list_firmware))
        .route("/api/v1/firmware/{id}", get(firmware::get_firmware).delete(firmware::delete_firmware))
        .route("/api/v1/shipments", get(shipments::list_shipments).post(shipments::create_shipment))
        .route("/api/v1/shipments/{id}", get(shipments::get_shipment).patch(shipments::change_shipment))
        .route("/api/v1/shipments/{id}/deliveries", get(shipments::list_deliveries))
        .route("/api/v1/unknown-tokens", get(unknown_tokens::list_unknown_tokens))
        .route("/api/v1/events", get(events::watch_events))
        .route("/api/v1/audit", get(audit::list_audit_entries))
        .route("/api/v1/server", get(server_info::get_server))
        .route("/api/v1/auth/password", put(auth::set_password))
}

/// Routes for owners about events, timelines and notifications.
fn event_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/templates/{id}/events", get(template_events::list_template_events))
        .route(
            "/api/v1/templates/{id}/events/{code}",
            put(template_events::put_template_event).delete(template_events::delete_template_event),
        )
        .route(
            "/api/v1/templates/{id}/lifecycle",
            get(template_events::get_connection_lifecycle).put(template_events::put_connection_lifecycle),
        )
        .route(
            "/api/v1/templates/{id}/recipients",
            get(template_events::get_recipients).put(template_events::put_recipients),
        )
        .route(
            "/api/v1/templates/{id}/webhooks",
            get(template_events::list_webhooks).post(template_events::create_webhook),
        )
        .route("/api/v1/templates/{id}/webhooks/{webhook}", delete(template_events::delete_webhook))
        .route(
            "/api/v1/devices/{id}/timeline",
            get(timeline::list_timeline).post(timeline::create_timeline_note),
        )
        .route("/api/v1/devices/{id}/timeline/{entry}", patch(timeline::change_timeline_entry))
        .route("/api/v1/devices/{id}/timeline/{entry}/comments", post(timeline::create_timeline_comment))
        .route("/api/v1/devices/{id}/status", get(timeline::get_device_status))
        .route("/api/v1/notifications", get(notifications::list_notifications))
        .route("/api/v1/notifications/{notification}", delete(notifications::delete_notification))
        .route("/api/v1/notifications/{notification}/retry", post(notifications::retry_notification))
}

/// Routes that check access by themselves, or need none.
fn public_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/auth/link", post(auth::sign_in_with_link))
        .route("/api/v1/auth/password", post(auth::sign_in_with_password))
        .route("/healthz", get(health::get_health))
        .route("/readyz", get(health::get_readiness))
        .route("/metrics", get(health::get_metrics))
        .route("/.well-known/acme-challenge/{token}", get(health::answer_acme_challenge))
        .route("/api/openapi.json", get(health::get_openapi))
}

async fn method_not_allowed() -> Response {
    ApiError::new(ProblemKind::MethodNotAllowed, "The address exists, but not with this method.")
        .into_response()
}

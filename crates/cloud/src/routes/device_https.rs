//! Blynk's Device HTTPS API: a device is chosen by the token in the query. Source: reference/http-api.md 1 to 7.
//!
//! The query holds the token, so it is never logged. `docs/compatibility.md` lists every call with its test.

mod call;
mod files;
mod history;
mod import;
mod metadata;
mod provision;
mod values;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::app::App;
use crate::limits::UPLOAD_BODY_BYTES_MAX;

pub(super) use files::{delete_file, get_file, get_public_file, list_files};
pub(super) use history::get_report;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/get", get(values::get_value))
        .route("/getAll", get(values::get_all))
        .route("/update", get(values::update))
        .route("/batch/update", get(values::batch_update).post(import::import_points))
        .route("/data/get", get(history::ask_for_report))
        .route("/update/property", get(values::update_property))
        .route("/isHardwareConnected", get(values::is_hardware_connected))
        .route("/isAppConnected", get(values::is_app_connected))
        .route("/logEvent", get(metadata::log_event))
        // The reference writes it both ways.
        .route("/logevent", get(metadata::log_event))
        .route("/device/meta", get(metadata::get_metadata))
        .route("/device/meta/update", get(metadata::update_metadata))
        .route("/provision", get(provision::provision))
        .merge(large_bodies())
}

/// Calls with a body. It is read by the handler, after the token was found good.
fn large_bodies() -> Router<Arc<App>> {
    Router::new().route("/upload", post(files::upload)).layer(DefaultBodyLimit::max(UPLOAD_BODY_BYTES_MAX))
}

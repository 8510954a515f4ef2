//! What the server says about itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::limits::{FIRMWARE_BYTES_MAX, IMPORT_BODY_BYTES_MAX};

pub(super) async fn get_server(State(app): State<Arc<App>>) -> Json<api_types::ServerInfo> {
    Json(api_types::ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: app.addresses.host.clone(),
        plain_port: app.addresses.plain_port,
        tls_port: app.addresses.tls_port,
        ca_certificate_pem: app.tls.ca_certificate_pem().map(str::to_owned),
        time_zone: app.zone.name().to_owned(),
        firmware_bytes_max: FIRMWARE_BYTES_MAX,
        import_bytes_max: IMPORT_BODY_BYTES_MAX as u64,
        bench: app.has_bench,
    })
}

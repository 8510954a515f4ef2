//! What the server says about itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::app::App;

pub(super) async fn get_server(State(app): State<Arc<App>>) -> Json<api_types::ServerInfo> {
    Json(api_types::ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: app.addresses.host.clone(),
        plain_port: app.addresses.plain_port,
        tls_port: app.addresses.tls_port,
        ca_certificate_pem: app.tls.ca_certificate_pem().map(str::to_owned),
        bench: app.has_bench,
    })
}

//! Creates the devices that are played later.

use serde_json::json;
use tokio::task::JoinSet;

use crate::api::{ApiConnection, ApiError, ApiKey};
use crate::target::Target;
use crate::tokens::Token;

/// Requests under way at the same time: enough for the server to join their commits, few enough for its limits.
const IN_FLIGHT: usize = 16;

/// Creates a template and `count` devices of it, and returns the devices' tokens, which the server shows only now.
///
/// # Errors
/// When the API refuses or fails; devices made until then stay.
pub async fn create_devices(target: Target, key: &ApiKey, count: usize) -> Result<Vec<Token>, ApiError> {
    let mut api = ApiConnection::open(target, key.clone()).await?;
    let template_id = api.create("/api/v1/templates", &json!({ "name": "Load" }), "id").await?;
    let mut workers = JoinSet::new();
    for worker_index in 0..IN_FLIGHT.min(count) {
        let mut api = ApiConnection::open(target, key.clone()).await?;
        let template_id = template_id.clone();
        workers.spawn(async move {
            let mut tokens = Vec::new();
            for index in (worker_index..count).step_by(IN_FLIGHT) {
                let body = json!({ "template_id": template_id, "name": format!("Load {index}") });
                let token = api.create(DEVICES, &body, "token").await?;
                tokens.push(
                    Token::parse(&token)
                        .map_err(|_shape| ApiError::Answer { path: DEVICES, field: "token" })?,
                );
            }
            Ok::<_, ApiError>(tokens)
        });
    }
    let mut tokens = Vec::with_capacity(count);
    for made in workers.join_all().await {
        tokens.extend(made?);
    }
    Ok(tokens)
}

const DEVICES: &str = "/api/v1/devices";

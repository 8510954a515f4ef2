//! Blynk's Device HTTPS API: values by token in the query. Source: reference/http-api.md 1, 2.
//!
//! The query holds the token, so it is never logged.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use registry::{DeviceId, Epoch, LookedUp, TokenRecord};
use serde_json::{Map, Value as JsonValue, json};
use store::{StorageError, WriteValuesError};
use telemetry::{Pin, Value};

use crate::app::App;
use crate::control;
use crate::errors::ErrorChain;
use crate::listener::Peer;
use crate::rate_limits::client_of;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/get", get(get_value))
        .route("/getAll", get(get_all))
        .route("/update", get(update))
        .route("/batch/update", get(batch_update))
        .route("/isHardwareConnected", get(is_hardware_connected))
}

/// An error in the shape that callers of this API expect.
struct CallError {
    status: StatusCode,
    message: String,
}

impl CallError {
    fn bad(message: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.to_owned() }
    }

    fn storage(error: &StorageError) -> Self {
        tracing::error!(error = %ErrorChain(error), "the store failed");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "The database cannot answer now.".to_owned(),
        }
    }
}

impl From<StorageError> for CallError {
    fn from(error: StorageError) -> Self {
        Self::storage(&error)
    }
}

impl From<WriteValuesError> for CallError {
    fn from(error: WriteValuesError) -> Self {
        match error {
            WriteValuesError::Storage(error) => Self::storage(&error),
            _ => Self::bad(INVALID_TOKEN),
        }
    }
}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": { "message": self.message } }))).into_response()
    }
}

const INVALID_TOKEN: &str = "Invalid token.";
const WRONG_PIN: &str = "Wrong pin format.";
const WRONG_VALUE: &str = "Value doesn't match the Datastream data type.";

/// A call with its device and what else stood in the query, in order.
struct Call {
    device: DeviceId,
    epoch: Epoch,
    parameters: Vec<(String, String)>,
}

impl Call {
    fn parse(app: &App, peer: Peer, query: Option<&str>) -> Result<Self, CallError> {
        let (tokens, parameters): (Vec<_>, Vec<_>) =
            form_urlencoded::parse(query.unwrap_or_default().as_bytes())
                .into_owned()
                .partition(|(name, _)| name == "token");
        let presented = tokens.first().map(|(_, token)| token.as_str()).unwrap_or_default();
        match app.store.look_up_token(presented.as_bytes()) {
            LookedUp::Found(TokenRecord::Device { device, epoch }) => {
                if app.limits.device_calls.take(device.clone(), app.clock.now().mono).is_err() {
                    let message = "Too many requests.".to_owned();
                    return Err(CallError { status: StatusCode::TOO_MANY_REQUESTS, message });
                }
                Ok(Self { device, epoch, parameters })
            }
            LookedUp::StoreUnavailable => Err(CallError {
                status: StatusCode::SERVICE_UNAVAILABLE,
                message: "Try again later.".to_owned(),
            }),
            _ => {
                let client = client_of(peer.address.ip());
                let taken = app.limits.refused_tokens.take(client, app.clock.now().mono);
                let status =
                    if taken.is_ok() { StatusCode::BAD_REQUEST } else { StatusCode::TOO_MANY_REQUESTS };
                Err(CallError { status, message: INVALID_TOKEN.to_owned() })
            }
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Pins asked for: `&v1&v2`, or `pin=V1`.
    fn pins(&self) -> Result<Vec<Pin>, CallError> {
        let named = self.parameter("pin").map(parse_pin).transpose()?;
        if let Some(pin) = named {
            return Ok(vec![pin]);
        }
        let pins: Vec<Pin> =
            self.parameters.iter().map(|(name, _)| parse_pin(name)).collect::<Result<_, _>>()?;
        if pins.is_empty() { Err(CallError::bad(WRONG_PIN)) } else { Ok(pins) }
    }
}

async fn get_value(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Response, CallError> {
    let call = Call::parse(&app, peer, query.as_deref())?;
    let pins = call.pins()?;
    let stored = app.store.last_values(call.device).await?;
    let value_of = |pin: Pin| stored.iter().find(|entry| entry.pin == pin).map(|entry| &entry.value);
    if let [pin] = pins.as_slice() {
        let missing = || CallError::bad("Requested dataStream doesn't exist in the product");
        return Ok(single_value(value_of(*pin).ok_or_else(missing)?));
    }
    let found = pins.iter().filter_map(|pin| value_of(*pin).map(|value| (pin_name(*pin), json_value(value))));
    Ok(Json(JsonValue::Object(found.collect())).into_response())
}

async fn get_all(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Json<Map<String, JsonValue>>, CallError> {
    let call = Call::parse(&app, peer, query.as_deref())?;
    let stored = app.store.last_values(call.device).await?;
    Ok(Json(stored.iter().map(|entry| (pin_name(entry.pin), json_value(&entry.value))).collect()))
}

/// `v1=VALUE`, or `pin=V1&value=VALUE`; a repeated value makes a multi-value.
async fn update(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, CallError> {
    let call = Call::parse(&app, peer, query.as_deref())?;
    let (pin, value_name) = match (call.parameter("pin"), call.parameters.first()) {
        (Some(pin), _) => (parse_pin(pin)?, "value"),
        (None, Some((name, _))) => (parse_pin(name)?, name.as_str()),
        (None, None) => return Err(CallError::bad(WRONG_PIN)),
    };
    let fields =
        call.parameters.iter().filter(|(name, _)| name == value_name).map(|(_, value)| value.as_bytes());
    let value = Value::from_fields(fields).map_err(|_source| CallError::bad(WRONG_VALUE))?;
    control::write_values(&app, &call.device, call.epoch, vec![(pin, value)]).await?;
    Ok(StatusCode::OK)
}

/// `v1=A&v2=B`: all with one time, all or none.
async fn batch_update(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, CallError> {
    let call = Call::parse(&app, peer, query.as_deref())?;
    let mut values: Vec<(Pin, Value)> = Vec::new();
    for (name, text) in &call.parameters {
        let value = Value::from_text(text).map_err(|_source| CallError::bad(WRONG_VALUE))?;
        values.push((parse_pin(name)?, value));
    }
    if values.is_empty() {
        return Err(CallError::bad(WRONG_PIN));
    }
    control::write_values(&app, &call.device, call.epoch, values).await?;
    Ok(StatusCode::OK)
}

async fn is_hardware_connected(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Json<bool>, CallError> {
    let call = Call::parse(&app, peer, query.as_deref())?;
    Ok(Json(app.links.is_online(&call.device)))
}

/// Only `v` and `V` with a number: a bare number is a pin on the wire, not here.
fn parse_pin(text: &str) -> Result<Pin, CallError> {
    let is_named = text.starts_with(['v', 'V']);
    let pin = if is_named { Pin::parse(text).ok() } else { None };
    pin.ok_or_else(|| CallError::bad(WRONG_PIN))
}

fn pin_name(pin: Pin) -> String {
    format!("v{}", pin.number())
}

/// Numbers as numbers, text as text, several values as a list (reference/http-api.md 2, values).
fn json_value(value: &Value) -> JsonValue {
    let mut fields: Vec<JsonValue> = value.texts().into_iter().map(json_field).collect();
    match (fields.pop(), fields.is_empty()) {
        (Some(only), true) => only,
        (last, _) => fields.into_iter().chain(last).collect(),
    }
}

fn json_field(text: String) -> JsonValue {
    match serde_json::from_str(&text) {
        Ok(JsonValue::Number(number)) => JsonValue::Number(number),
        _ => JsonValue::String(text),
    }
}

/// One value is answered as it is; several as a JSON list.
fn single_value(value: &Value) -> Response {
    let texts = value.texts();
    match texts.as_slice() {
        [text] => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text.clone()).into_response(),
        _ => Json(json_value(value)).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_numbers_and_everything_else_is_text() {
        let json = |fields: &[&str]| {
            json_value(&Value::from_fields(fields.iter().map(|field| field.as_bytes())).unwrap()).to_string()
        };
        assert_eq!(json(&["42"]), "42");
        assert_eq!(json(&["-1.5"]), "-1.5");
        assert_eq!(json(&["true"]), "\"true\"");
        assert_eq!(json(&["007"]), "\"007\"");
        assert_eq!(json(&["a", "1", ""]), "[\"a\",1,\"\"]");
    }

    #[test]
    fn a_bare_number_is_no_pin_name() {
        for text in ["1", "w1", "", "v", "v256", "v-1", "token"] {
            assert!(parse_pin(text).is_err(), "{text}");
        }
        assert_eq!(parse_pin("V255").ok().map(Pin::number), Some(255));
    }
}

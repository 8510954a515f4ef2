//! Values and properties. Source: reference/http-api.md 2, 6.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Map, Value as JsonValue};
use telemetry::{DataType, Pin, Value, is_property};

use super::call::{Call, CallError, Named, WRONG_PIN, WRONG_VALUE};
use crate::app::App;
use crate::control;
use crate::gateway::with_ages;
use crate::listener::Peer;

pub(super) async fn get_value(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Response, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    let named = match call.named_pin()? {
        Some(named) => vec![named],
        None => call.query.parameters.iter().map(|(name, _)| call.pin(name)).collect::<Result<_, _>>()?,
    };
    let stored = app.store.last_values(call.device.id.clone()).await?;
    let current = call.datastreams.current(with_ages(&stored, app.clock.now()));
    match named.as_slice() {
        [] => Err(CallError::bad(WRONG_PIN)),
        [Named::Missing] => Err(call.no_such_datastream()),
        [Named::Pin(pin)] => match (current.get(pin), call.datastreams.on_pin(*pin)) {
            (Some(value), _) => Ok(single_value(value)),
            // Set up, and nothing written yet.
            (None, Some(_)) => Ok(plain_text(String::new())),
            (None, None) => Err(call.no_such_datastream()),
        },
        several => {
            let pins = several.iter().filter_map(|named| match named {
                Named::Pin(pin) => Some(*pin),
                Named::Missing => None,
            });
            let found =
                pins.filter_map(|pin| Some((pin_name(pin), call.json_value(pin, current.get(&pin)?))));
            Ok(Json(JsonValue::Object(found.collect())).into_response())
        }
    }
}

pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Json<Map<String, JsonValue>>, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    let stored = app.store.last_values(call.device.id.clone()).await?;
    let current = call.datastreams.current(with_ages(&stored, app.clock.now()));
    let is_shown =
        |pin: Pin| call.datastreams.on_pin(pin).is_none_or(|found| !found.settings().is_hidden_from_http);
    let shown = current.into_iter().filter(|(pin, _)| is_shown(*pin));
    Ok(Json(shown.map(|(pin, value)| (pin_name(pin), call.json_value(pin, value))).collect()))
}

/// `v1=VALUE`, `pin=V1&value=VALUE` or `dataStreamId=N&value=VALUE`; a repeated value makes a multi-value.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    let (named, value_name) = match (call.named_pin()?, call.query.parameters.first()) {
        (Some(named), _) => (named, "value"),
        (None, Some((name, _))) => (call.pin(name)?, name.as_str()),
        (None, None) => return Err(CallError::bad(WRONG_PIN)),
    };
    let pin = named.writable()?;
    let value = Value::from_fields(call.query.values(value_name).map(str::as_bytes))
        .map_err(|_source| CallError::bad(WRONG_VALUE))?;
    call.write(&app, vec![(pin, value)]).await
}

/// `v1=A&v2=B`: all with one time, all or none.
pub(super) async fn batch_update(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    let mut values: Vec<(Pin, Value)> = Vec::new();
    for (name, text) in &call.query.parameters {
        let value = Value::from_text(text).map_err(|_source| CallError::bad(WRONG_VALUE))?;
        values.push((call.pin(name)?.writable()?, value));
    }
    if values.is_empty() {
        return Err(CallError::bad(WRONG_PIN));
    }
    call.write(&app, values).await
}

/// `pin=V1&PROPERTY=VALUE`; a repeated property has several values, as `labels` needs them.
pub(super) async fn update_property(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    let pin = call.named_pin()?.ok_or_else(|| CallError::bad(WRONG_PIN))?.writable()?;
    let is_pin = |name: &str| matches!(name, "pin" | "dataStreamId");
    let names = call.query.parameters.iter().map(|(name, _)| name.as_str());
    let properties: Vec<&str> = names.filter(|name| !is_pin(name)).collect();
    if properties.is_empty() || !properties.iter().all(|name| is_property(name)) {
        return Err(CallError::bad(WRONG_VALUE));
    }
    let mut set: Vec<(&str, Value)> = Vec::new();
    for name in properties {
        if set.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let value = Value::from_fields(call.query.values(name).map(str::as_bytes));
        set.push((name, value.map_err(|_source| CallError::bad(WRONG_VALUE))?));
    }
    for (name, value) in set {
        control::set_property(&app, &call.device.id, call.epoch, vec![pin], name, value).await?;
    }
    Ok(StatusCode::OK)
}

pub(super) async fn is_hardware_connected(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Json<bool>, CallError> {
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    Ok(Json(app.links.is_online(&call.device.id)))
}

/// Whether somebody looks: a console that follows live updates is what an app was to the old server.
pub(super) async fn is_app_connected(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Json<bool>, CallError> {
    Call::parse(&app, peer, query.as_deref()).await?;
    Ok(Json(app.live.is_watched()))
}

impl Call {
    async fn write(&self, app: &App, values: Vec<(Pin, Value)>) -> Result<StatusCode, CallError> {
        let values = control::accept_values(app, &self.device.id, &self.datastreams, values)?;
        control::write_values(app, &self.device.id, self.epoch, values).await?;
        self.note_report(app);
        Ok(StatusCode::OK)
    }

    /// Numbers as numbers, text as text, several values as a list (reference/http-api.md 2, values).
    fn json_value(&self, pin: Pin, value: &Value) -> JsonValue {
        let data_type = self.datastreams.on_pin(pin).map(|datastream| &datastream.settings().data_type);
        json_value(value, data_type == Some(&DataType::Text))
    }
}

fn pin_name(pin: Pin) -> String {
    format!("v{}", pin.number())
}

/// A pin without a datastream says by its text whether it is a number; a datastream of texts never is.
fn json_value(value: &Value, is_text: bool) -> JsonValue {
    let field = |text: String| if is_text { JsonValue::String(text) } else { json_field(text) };
    let mut fields: Vec<JsonValue> = value.texts().into_iter().map(field).collect();
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
        [text] => plain_text(text.clone()),
        _ => Json(json_value(value, false)).into_response(),
    }
}

pub(super) fn plain_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_numbers_and_everything_else_is_text() {
        let json = |fields: &[&str], is_text: bool| {
            let value = Value::from_fields(fields.iter().map(|field| field.as_bytes())).unwrap();
            json_value(&value, is_text).to_string()
        };
        assert_eq!(json(&["42"], false), "42");
        assert_eq!(json(&["42"], true), "\"42\"");
        assert_eq!(json(&["-1.5"], false), "-1.5");
        assert_eq!(json(&["true"], false), "\"true\"");
        assert_eq!(json(&["007"], false), "\"007\"");
        assert_eq!(json(&["a", "1", ""], false), "[\"a\",1,\"\"]");
    }
}

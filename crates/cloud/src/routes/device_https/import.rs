//! Points with times of their own. Source: reference/http-api.md 5.

use std::sync::Arc;

use axum::Extension;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use registry::UtcTime;
use serde_json::Value as JsonValue;
use store::{DATED_PAST_MAX_MS, NewValue};
use telemetry::{DataType, Pin, Value};

use super::call::{Call, CallError, WRONG_PIN, WRONG_VALUE};
use super::values::plain_text;
use crate::app::App;
use crate::control;
use crate::limits::{HTTP_REQUEST_TIME_MAX, IMPORT_BODY_BYTES_MAX, IMPORT_POINTS_MAX};
use crate::listener::Peer;

/// `[[ms, value], ...]` for the datastream that `pin` names; all or none.
pub(super) async fn import_points(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, CallError> {
    let call = Call::parse(&app, peer, request.uri().query()).await?;
    let pin = call.named_pin()?.ok_or_else(|| CallError::bad(WRONG_PIN))?.writable()?;
    if !is_json(&request) {
        return Err(CallError::bad("Unknown content type."));
    }
    let _place = app.large_bodies.enter(&call.device.id).ok_or_else(CallError::busy)?;
    let now = app.clock.now();
    let points = call.points(pin, &read_body(request).await?, now.utc)?;
    let count = u32::try_from(points.len()).unwrap_or(u32::MAX);
    let taken = app.limits.imported_points.take_many(call.device.id.clone(), count, now.mono);
    taken.map_err(|_wait| CallError::new(StatusCode::TOO_MANY_REQUESTS, "Too many points today."))?;
    let times: Vec<UtcTime> = points.iter().map(|point| point.at).collect();
    let values = points.into_iter().map(|point| (pin, point.value)).collect();
    let accepted = control::accept_values(&app, &call.device.id, &call.datastreams, values)?;
    let newest = times.iter().copied().zip(&accepted).max_by_key(|(at, _)| *at);
    let newest = newest.map(|(at, (_pin, value))| (at, value.clone()));
    let dated = times.iter().zip(accepted).map(|(at, (pin, value))| NewValue::dated(pin, value, *at));
    let new = dated.collect();
    app.store.write_new_values(call.device.id.clone(), call.epoch, new, now.utc).await?;
    call.note_report(&app);
    if let Some((at, value)) = newest {
        control::publish_value(&app, &call.device.id, pin, &value, at);
    }
    Ok(plain_text("OK".to_owned()))
}

fn is_json(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

async fn read_body(request: Request) -> Result<Vec<(i64, JsonValue)>, CallError> {
    let reading = to_bytes(request.into_body(), IMPORT_BODY_BYTES_MAX);
    let body = match tokio::time::timeout(HTTP_REQUEST_TIME_MAX, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(_too_large)) => {
            return Err(CallError::new(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large."));
        }
        Err(_elapsed) => {
            return Err(CallError::new(StatusCode::REQUEST_TIMEOUT, "The request took too long."));
        }
    };
    let points: Vec<(i64, JsonValue)> =
        serde_json::from_slice(&body).map_err(|_source| CallError::bad(WRONG_VALUE))?;
    if points.len() > IMPORT_POINTS_MAX {
        let message = format!("Too much data in batch. Maximum batch size is {IMPORT_POINTS_MAX} points.");
        return Err(CallError::bad(message));
    }
    Ok(points)
}

/// A value with its time.
struct Point {
    at: UtcTime,
    value: Value,
}

impl Call {
    fn points(&self, pin: Pin, points: &[(i64, JsonValue)], now: UtcTime) -> Result<Vec<Point>, CallError> {
        let data_type = self.datastreams.on_pin(pin).map(|datastream| &datastream.settings().data_type);
        let oldest_at = now.plus_ms(-DATED_PAST_MAX_MS);
        let point = |(unix_ms, value): &(i64, JsonValue)| {
            // A time in the future would hide the values that come after it.
            let at = UtcTime::from_unix_ms(*unix_ms).min(now);
            if at < oldest_at {
                return Err(CallError::bad("A point is older than 3 months."));
            }
            let value = value_of(value, data_type).ok_or_else(|| CallError::bad(WRONG_VALUE))?;
            Ok(Point { at, value })
        };
        points.iter().map(point).collect()
    }
}

/// A JSON value as a device would have sent it.
fn value_of(value: &JsonValue, data_type: Option<&DataType>) -> Option<Value> {
    let texts = match value {
        JsonValue::Array(fields) => {
            fields.iter().map(|field| text_of(field, data_type)).collect::<Option<Vec<_>>>()?
        }
        only => vec![text_of(only, data_type)?],
    };
    Value::from_fields(texts.iter().map(String::as_bytes)).ok()
}

fn text_of(value: &JsonValue, data_type: Option<&DataType>) -> Option<String> {
    match value {
        JsonValue::String(text) => Some(text.clone()),
        JsonValue::Number(number) => Some(number.to_string()),
        // Numbers have no truth values of their own, and a boolean is kept as one.
        JsonValue::Bool(is_true) => match data_type {
            None | Some(DataType::Text) => Some(is_true.to_string()),
            Some(_) => Some(u8::from(*is_true).to_string()),
        },
        JsonValue::Null | JsonValue::Array(_) | JsonValue::Object(_) => None,
    }
}

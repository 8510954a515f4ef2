//! One call: whose it is, what it asks, and errors in the shape that callers of this API expect.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use registry::{DeviceId, Epoch, LookedUp, TokenRecord};
use serde_json::json;
use store::{Device, StorageError, WriteValuesError};
use telemetry::{DatastreamId, DatastreamSet, Pin};

use crate::app::App;
use crate::control::RejectedValue;
use crate::errors::ErrorChain;
use crate::listener::Peer;
use crate::rate_limits::client_of;

pub(super) const INVALID_TOKEN: &str = "Invalid token.";
pub(super) const WRONG_PIN: &str = "Wrong pin format.";
pub(super) const WRONG_VALUE: &str = "Value doesn't match the Datastream data type.";
pub(super) const NO_DATASTREAM: &str = "No datastream setup for that pin.";
const WRONG_DATASTREAM_ID: &str = "Wrong dataStreamId format.";

/// Parameters of one call; real ones have a handful, `batch/update` one for each pin.
const PARAMETERS_MAX: usize = 300;

/// An error as `{"error":{"message":"..."}}`.
#[derive(Debug)]
pub(super) struct CallError {
    status: StatusCode,
    message: String,
}

impl CallError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The device sends something large already, or too many others do.
    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Try again later.")
    }

    pub(super) fn storage(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %ErrorChain(error), "the store failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The database cannot answer now.")
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
            WriteValuesError::NotOwned => Self::bad(INVALID_TOKEN),
            error => Self::storage(&error),
        }
    }
}

impl From<RejectedValue> for CallError {
    fn from(_rejected: RejectedValue) -> Self {
        Self::bad(WRONG_VALUE)
    }
}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": { "message": self.message } }))).into_response()
    }
}

/// The query of a call: the token apart from everything else, which keeps its order.
pub(super) struct Query {
    token: String,
    pub(super) parameters: Vec<(String, String)>,
}

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, CallError> {
        let mut token = None;
        let mut parameters = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned() {
            if name == "token" {
                token.get_or_insert(value);
            } else if parameters.len() < PARAMETERS_MAX {
                parameters.push((name, value));
            } else {
                return Err(CallError::bad("Too many parameters."));
            }
        }
        Ok(Self { token: token.unwrap_or_default(), parameters })
    }

    /// The query without the token.
    pub(super) fn written(&self) -> String {
        let mut written = form_urlencoded::Serializer::new(String::new());
        written.extend_pairs(&self.parameters).finish()
    }

    pub(super) fn token(&self) -> &[u8] {
        self.token.as_bytes()
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.parameters.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// A call with the device whose token it carries.
pub(super) struct Call {
    pub(super) query: Query,
    pub(super) device: Device,
    pub(super) epoch: Epoch,
    pub(super) datastreams: Arc<DatastreamSet>,
}

impl Call {
    pub(super) async fn parse(app: &App, peer: Peer, query: Option<&str>) -> Result<Self, CallError> {
        let query = Query::parse(query)?;
        let (device, epoch) = match app.store.look_up_token(query.token()) {
            LookedUp::Found(TokenRecord::Device { device, epoch }) => (device, epoch),
            LookedUp::StoreUnavailable => {
                return Err(CallError::new(StatusCode::SERVICE_UNAVAILABLE, "Try again later."));
            }
            _ => return Err(refused_token(app, peer)),
        };
        take_permit(app, &device)?;
        let device = app.store.device(device).await?.ok_or_else(|| CallError::bad(INVALID_TOKEN))?;
        let datastreams = app.catalogue.of(&device.template_id);
        Ok(Self { query, device, epoch, datastreams })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.parameter(name)
    }

    /// Notes that the device reported data, where that counts as being online.
    pub(super) fn note_report(&self, app: &App) {
        if app.notices.counts_reports(&self.device.template_id) {
            app.contacts.reported(&self.device.id, self.epoch, app.clock.now().mono);
        }
    }

    /// The one pin that `pin` or `dataStreamId` names; `None` when neither is there.
    pub(super) fn named_pin(&self) -> Result<Option<Named>, CallError> {
        if let Some(text) = self.parameter("dataStreamId") {
            let id = text.parse().map_err(|_source| CallError::bad(WRONG_DATASTREAM_ID))?;
            let found = self.datastreams.with_id(DatastreamId(id));
            return Ok(Some(
                found.map_or(Named::Missing, |datastream| self.shown(datastream.settings().pin)),
            ));
        }
        self.parameter("pin").map(|text| self.pin(text)).transpose()
    }

    /// A pin as it is written here: `v1` or `V1`. Pins of the chip exist in the format and never in a template.
    pub(super) fn pin(&self, text: &str) -> Result<Named, CallError> {
        let mut rest = text.chars();
        let letter = rest.next().map(|letter| letter.to_ascii_lowercase());
        // A bare number is a pin on the wire, not here.
        let number = Pin::parse(&format!("V{}", rest.as_str()));
        match (letter, number) {
            (Some('v'), Ok(pin)) => Ok(self.shown(pin)),
            (Some('a' | 'd'), Ok(_)) => Ok(Named::Missing),
            _ => Err(CallError::bad(WRONG_PIN)),
        }
    }

    fn shown(&self, pin: Pin) -> Named {
        let is_hidden =
            self.datastreams.on_pin(pin).is_some_and(|found| found.settings().is_hidden_from_http);
        if is_hidden { Named::Missing } else { Named::Pin(pin) }
    }

    pub(super) fn no_such_datastream(&self) -> CallError {
        let product = &self.device.template_name;
        CallError::bad(format!("Requested dataStream doesn't exist in the product {product}"))
    }
}

/// What a well-formed name of a pin leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Pin(Pin),
    /// Nothing that this API shows.
    Missing,
}

impl Named {
    /// The pin, to write to it.
    pub(super) fn writable(self) -> Result<Pin, CallError> {
        match self {
            Self::Pin(pin) => Ok(pin),
            Self::Missing => Err(CallError::bad(NO_DATASTREAM)),
        }
    }
}

/// One of the 50 calls a second that a device may make.
pub(super) fn take_permit(app: &App, device: &DeviceId) -> Result<(), CallError> {
    let taken = app.limits.device_calls.take(device.clone(), app.clock.now().mono);
    taken.map_err(|_wait| CallError::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests."))
}

/// A token that is not valid: always the same words; too many from one address are counted against it.
pub(super) fn refused_token(app: &App, peer: Peer) -> CallError {
    let taken = app.limits.refused_tokens.take(client_of(peer.address.ip()), app.clock.now().mono);
    let status = if taken.is_ok() { StatusCode::BAD_REQUEST } else { StatusCode::TOO_MANY_REQUESTS };
    CallError::new(status, INVALID_TOKEN)
}

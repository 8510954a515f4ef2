//! From topics to the messages of a Blynk device. Source: reference/mqtt-api.md 3.

use serde_json::Value as Json;
use telemetry::{Datastream, DatastreamSet};
use wire::{
    DeviceInternal, DeviceMessage, EncodeMessageError, Group, Info, PinList, PinWrite, Property, Secret,
    Sync, Values, VirtualPin,
};

use super::packet::Message;

/// Points in one `timestamped_batch`: what fits into a packet, at 8 bytes for the shortest.
const BATCH_POINTS_MAX: usize = 2_048;

/// What a published message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Uplink {
    /// Whole frames for the gateway.
    Frames(Vec<u8>),
    /// Everything about the time, as JSON.
    Time,
    /// The last value of a datastream is to be forgotten.
    EraseValue(u8),
}

/// Why a message is not understood; the text goes back to the device on `downlink/diag`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UplinkError {
    #[error("there is no such topic")]
    Topic,
    #[error("the template has no datastream named `{name}`")]
    Datastream { name: String },
    #[error("the payload must be text in UTF-8")]
    Text,
    #[error("the payload must be {expected}")]
    Payload { expected: &'static str },
    #[error("the message is too long")]
    TooLong,
}

impl From<EncodeMessageError> for UplinkError {
    fn from(_source: EncodeMessageError) -> Self {
        Self::TooLong
    }
}

/// Translates one message. `next_id` gives the ids of frames.
pub(super) fn translate(
    message: &Message,
    datastreams: &DatastreamSet,
    next_id: &mut dyn FnMut() -> u16,
) -> Result<Uplink, UplinkError> {
    let mut frames = Frames { bytes: Vec::new(), next_id };
    let (area, rest) = message.topic.split_once('/').unwrap_or((message.topic.as_str(), ""));
    match (area, rest) {
        ("ds", rest) => return write_datastream(frames, rest, &message.payload, datastreams),
        ("batch_ds", "") => write_batch(&mut frames, &message.payload, datastreams)?,
        ("event", code) if !code.is_empty() => {
            let description = (!message.payload.is_empty()).then_some(message.payload.as_ref());
            frames.push(&DeviceMessage::EventLog { code, description })?;
        }
        ("meta", field) if !field.is_empty() => {
            frames.push(&DeviceMessage::Internal(DeviceInternal::MetaSet {
                field,
                value: Secret(&message.payload),
            }))?;
        }
        ("info", "mcu") => write_info(&mut frames, &message.payload)?,
        ("get", "ds/all") => frames.push(&DeviceMessage::Sync(Sync::All))?,
        ("get", "ds") => {
            let pins = names(&message.payload)?
                .map(|name| named(datastreams, name).map(pin_of))
                .collect::<Result<Vec<_>, _>>()?;
            if !pins.is_empty() {
                frames.push(&DeviceMessage::Sync(Sync::Pins(PinList::new(&pins))))?;
            }
        }
        ("get", "meta") => {
            for field in names(&message.payload)? {
                frames.push(&DeviceMessage::Internal(DeviceInternal::MetaGet { field }))?;
            }
        }
        ("get", "utc/all/json") => return Ok(Uplink::Time),
        _ => return Err(UplinkError::Topic),
    }
    Ok(Uplink::Frames(frames.bytes))
}

fn write_datastream(
    mut frames: Frames<'_>,
    rest: &str,
    payload: &[u8],
    datastreams: &DatastreamSet,
) -> Result<Uplink, UplinkError> {
    // Names may hold spaces and slashes, so the longest name that exists is looked for first.
    if let Ok(datastream) = named(datastreams, rest) {
        frames.write(datastream, payload)?;
        return Ok(Uplink::Frames(frames.bytes));
    }
    if let Some(datastream) = rest.strip_suffix("/erase").and_then(|name| datastreams.named(name)) {
        return Ok(Uplink::EraseValue(datastream.settings().pin.number()));
    }
    if let Some(name) = rest.strip_suffix("/timestamped_batch") {
        write_points(&mut frames, named(datastreams, name)?, payload)?;
        return Ok(Uplink::Frames(frames.bytes));
    }
    let Some((name, property)) = rest.split_once("/prop/") else {
        return Err(UplinkError::Datastream { name: rest.to_owned() });
    };
    let (property, payload) =
        property.strip_suffix("/erase").map_or((property, payload), |name| (name, b"".as_slice()));
    let pins = [pin_of(named(datastreams, name)?)];
    let property = Property { pins: PinList::new(&pins), property, values: Values::new(payload) };
    frames.push(&DeviceMessage::Property(property))?;
    Ok(Uplink::Frames(frames.bytes))
}

fn write_batch(
    frames: &mut Frames<'_>,
    payload: &[u8],
    datastreams: &DatastreamSet,
) -> Result<(), UplinkError> {
    const EXPECTED: UplinkError = UplinkError::Payload { expected: "a JSON object of names and values" };
    let Ok(Json::Object(batch)) = serde_json::from_slice(payload) else { return Err(EXPECTED) };
    for (name, value) in &batch {
        frames.write(named(datastreams, name)?, &value_bytes(value).ok_or(EXPECTED)?)?;
    }
    Ok(())
}

fn write_points(frames: &mut Frames<'_>, datastream: &Datastream, payload: &[u8]) -> Result<(), UplinkError> {
    const EXPECTED: UplinkError = UplinkError::Payload { expected: "a JSON list of `[milliseconds, value]`" };
    let points: Vec<(u64, Json)> = serde_json::from_slice(payload).map_err(|_source| EXPECTED)?;
    if points.len() > BATCH_POINTS_MAX {
        return Err(UplinkError::TooLong);
    }
    for (unix_ms, value) in points {
        frames.push(&DeviceMessage::Group(Group::BeginAt { unix_ms }))?;
        frames.write(datastream, &value_bytes(&value).ok_or(EXPECTED)?)?;
        frames.push(&DeviceMessage::Group(Group::End))?;
    }
    Ok(())
}

fn write_info(frames: &mut Frames<'_>, payload: &[u8]) -> Result<(), UplinkError> {
    let Ok(Json::Object(info)) = serde_json::from_slice(payload) else {
        return Err(UplinkError::Payload { expected: "a JSON object" });
    };
    let field = |name: &str| info.get(name).and_then(Json::as_str);
    let rxbuff = info.get("rxbuff").and_then(Json::as_u64).and_then(|bytes| u32::try_from(bytes).ok());
    frames.push(&DeviceMessage::Internal(DeviceInternal::Info(Info {
        mcu: field("ver"),
        fw_type: field("type").or(field("tmpl")),
        build: field("build"),
        tmpl: field("tmpl"),
        con: Some("MQTT"),
        declared_buffer_bytes: Some(rxbuff.unwrap_or(super::device_side::CLIENT_BUFFER_BYTES)),
        ..Info::default()
    })))
}

/// The value of a JSON field as it travels: multi-values joined by NUL, `true` and `false` as 1 and 0.
fn value_bytes(value: &Json) -> Option<Vec<u8>> {
    match value {
        Json::String(text) => Some(text.clone().into_bytes()),
        Json::Number(number) => Some(number.to_string().into_bytes()),
        Json::Bool(is_on) => Some(if *is_on { b"1".to_vec() } else { b"0".to_vec() }),
        Json::Array(parts) => {
            let parts: Option<Vec<Vec<u8>>> = parts.iter().map(value_bytes).collect();
            parts.filter(|parts| !parts.is_empty()).map(|parts| parts.join(&0))
        }
        Json::Null | Json::Object(_) => None,
    }
}

fn pin_of(datastream: &Datastream) -> VirtualPin {
    VirtualPin(datastream.settings().pin.number())
}

fn named<'a>(datastreams: &'a DatastreamSet, name: &str) -> Result<&'a Datastream, UplinkError> {
    datastreams.named(name).ok_or_else(|| UplinkError::Datastream { name: name.to_owned() })
}

fn names(payload: &[u8]) -> Result<impl Iterator<Item = &str>, UplinkError> {
    Ok(text(payload)?.split(',').map(str::trim).filter(|name| !name.is_empty()))
}

fn text(payload: &[u8]) -> Result<&str, UplinkError> {
    std::str::from_utf8(payload).map_err(|_source| UplinkError::Text)
}

/// Frames that are put together for the gateway.
struct Frames<'a> {
    bytes: Vec<u8>,
    next_id: &'a mut dyn FnMut() -> u16,
}

impl Frames<'_> {
    fn write(&mut self, datastream: &Datastream, payload: &[u8]) -> Result<(), UplinkError> {
        let pin = pin_of(datastream);
        self.push(&DeviceMessage::Hardware(PinWrite::Virtual { pin, values: Values::new(payload) }))
    }

    fn push(&mut self, message: &DeviceMessage<'_>) -> Result<(), UplinkError> {
        let start = self.bytes.len();
        self.bytes.resize(start + message.encoded_bytes()?, 0);
        let out = self.bytes.get_mut(start..).unwrap_or_default();
        message.encode((self.next_id)(), out)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

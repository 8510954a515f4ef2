//! From what the gateway sends a device to topics. Source: reference/mqtt-api.md 4.

use bytes::Bytes;
use telemetry::{DatastreamSet, Pin};
use wire::{PinWrite, Secret, ServerHardware, ServerInternal, ServerMessage};

use super::packet::Message;

/// What a frame from the gateway means for the client.
#[derive(PartialEq, Eq)]
pub(super) enum Downlink {
    /// A message; the second field says whether it goes out without a subscription too.
    Message(Message, Reach),
    /// A message that the client must acknowledge.
    Ping,
    /// An order to fetch a firmware image from this address.
    Firmware(String),
    /// Nothing that MQTT has a topic for.
    Nothing,
}

/// Whom a message reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Whoever subscribed to the topic.
    Subscribers,
    /// Everybody: redirect, update and diagnosis arrive without a subscription.
    Everybody,
}

/// Translates one message of the gateway; responses are the connection's matter.
pub(super) fn translate(
    message: &ServerMessage<'_>,
    is_over_tls: bool,
    datastreams: &DatastreamSet,
) -> Downlink {
    match message {
        ServerMessage::Hardware(ServerHardware::Write(PinWrite::Virtual { pin, values })) => {
            match datastreams.on_pin(Pin::new(pin.0)) {
                Some(datastream) => {
                    to_subscribers(&format!("ds/{}", datastream.settings().name), values.raw())
                }
                None => Downlink::Nothing,
            }
        }
        ServerMessage::Internal(ServerInternal::Meta { field, value: Secret(value) }) => {
            to_subscribers(&format!("meta/{field}"), value)
        }
        ServerMessage::Internal(ServerInternal::Ota { url: Secret(url) }) => {
            Downlink::Firmware(String::from_utf8_lossy(url).into_owned())
        }
        ServerMessage::Internal(ServerInternal::Dbg { command: Secret(command) }) => match *command {
            b"reboot" => to_subscribers("reboot", b""),
            // There is no order to erase; the nearest one opens the device's own set-up, which ends with new settings.
            b"config erase" | b"config start" => to_subscribers("reconfigure", b""),
            _ => Downlink::Nothing,
        },
        ServerMessage::Redirect { host, port } => {
            let (scheme, usual_port) = if is_over_tls { ("mqtts", 8883) } else { ("mqtt", 1883) };
            let address = format!("{scheme}://{host}:{}", port.unwrap_or(usual_port));
            to_everybody("redirect", address.as_bytes())
        }
        ServerMessage::DebugPrint { text } => to_everybody("diag", text),
        ServerMessage::Ping => Downlink::Ping,
        _ => Downlink::Nothing,
    }
}

/// Puts a message on a `downlink/` topic.
pub(super) fn message(topic: &str, payload: &[u8]) -> Message {
    Message { topic: format!("downlink/{topic}"), payload: Bytes::copy_from_slice(payload) }
}

fn to_subscribers(topic: &str, payload: &[u8]) -> Downlink {
    Downlink::Message(message(topic, payload), Reach::Subscribers)
}

fn to_everybody(topic: &str, payload: &[u8]) -> Downlink {
    Downlink::Message(message(topic, payload), Reach::Everybody)
}

/// The filters of one client: only inside `downlink/`, only `#` at the end (reference/mqtt-api.md 2).
#[derive(Debug, Default)]
pub(super) struct Filters(Vec<String>);

/// 64 filters: the API has nine downlink topics, and a device may name its datastreams one by one.
const FILTERS_MAX: usize = 64;

impl Filters {
    /// Adds a filter; false when it is not allowed.
    pub(super) fn add(&mut self, filter: String) -> bool {
        let is_inside = filter.strip_prefix("downlink/").is_some_and(|rest| !rest.is_empty());
        let before_end = filter.strip_suffix("/#").unwrap_or(&filter);
        if !is_inside || before_end.contains(['+', '#', '\0']) {
            return false;
        }
        if self.0.contains(&filter) {
            return true;
        }
        let has_room = self.0.len() < FILTERS_MAX;
        if has_room {
            self.0.push(filter);
        }
        has_room
    }

    pub(super) fn remove(&mut self, filter: &str) {
        self.0.retain(|kept| kept != filter);
    }

    /// Says whether a topic is subscribed to.
    pub(super) fn cover(&self, topic: &str) -> bool {
        self.0.iter().any(|filter| match filter.strip_suffix("/#") {
            // `a/#` also covers `a` itself (MQTT 5, section 4.7.1.2).
            Some(prefix) => {
                topic == prefix || topic.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
            }
            None => filter == topic,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_filters_inside_downlink_with_one_hash_at_the_end_are_taken() {
        let mut filters = Filters::default();
        for filter in ["downlink/#", "downlink/ds/#", "downlink/ds/Power", "downlink/ds/Set Temperature"] {
            assert!(filters.add(filter.to_owned()), "{filter}");
        }
        for filter in
            ["#", "downlink", "downlink/", "uplink/#", "downlink/+/x", "downlink/#/x", "downlink/ds#", ""]
        {
            assert!(!filters.add(filter.to_owned()), "{filter}");
        }
    }

    #[test]
    fn a_filter_covers_what_lies_below_it() {
        let mut filters = Filters::default();
        assert!(!filters.cover("downlink/ds/Power"));
        assert!(filters.add("downlink/ds/#".to_owned()));
        assert!(filters.cover("downlink/ds/Power"));
        assert!(filters.cover("downlink/ds"));
        assert!(!filters.cover("downlink/dsx"));
        assert!(!filters.cover("downlink/meta/SN"));
        filters.remove("downlink/ds/#");
        assert!(!filters.cover("downlink/ds/Power"));
    }

    #[test]
    fn filters_are_bounded() {
        let mut filters = Filters::default();
        let taken = (0..200).filter(|number| filters.add(format!("downlink/ds/{number}"))).count();
        assert_eq!(taken, FILTERS_MAX);
    }
}

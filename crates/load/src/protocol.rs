//! What is said on a connection, in either protocol.

use bytes::{Buf as _, BytesMut};
use wire::{
    BODY_BYTES_MAX, DeviceMessage, Frame, HEADER_BYTES, Parsed, PinWrite, Secret, ServerHardware,
    ServerMessage, Status, Values, VirtualPin,
};

use crate::mqtt;
use crate::tokens::Token;

/// Message ids: one each for what expects an answer, so that an answer tells what it belongs to.
const LOGIN_ID: u16 = 1;
const PING_ID: u16 = 2;
const VALUE_ID: u16 = 3;

/// The virtual pin that values go to.
const PIN: VirtualPin = VirtualPin(1);

/// Bytes of a value: a number with leading zeros, so that every message has the same size.
const VALUE_DIGITS: usize = 8;

/// Room for one message of ours; a login is 37 bytes, a value 20.
const MESSAGE_BYTES_MAX: usize = 64;

/// The protocol of the devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Blynk's binary protocol.
    Blynk,
    /// MQTT 3.1.1 with `QoS` 0.
    Mqtt,
}

/// What a server said, as far as load is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The login is accepted.
    LoggedIn,
    /// The login is refused with this status, or reason code.
    Refused(u16),
    /// The ping is answered: everything before it is safe, if the server promises that.
    Pong,
    /// The subscription stands.
    Subscribed,
    /// A value, `None` when it is none of ours.
    Value(Option<u64>),
    /// The server did not take a message, with this status.
    NotTaken(u16),
    /// Nothing to act on.
    Other,
}

/// The server's bytes make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent something that is not in this protocol")]
pub struct MalformedAnswer;

impl Protocol {
    /// Returns the name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blynk => "blynk",
            Self::Mqtt => "mqtt",
        }
    }

    pub(crate) fn login(self, token: &Token, out: &mut Vec<u8>) {
        match self {
            Self::Blynk => {
                let token = Secret(token.expose().as_bytes());
                frame(LOGIN_ID, &DeviceMessage::Login { token }, out);
            }
            Self::Mqtt => mqtt::connect(token.expose(), out),
        }
    }

    pub(crate) fn ping(self, out: &mut Vec<u8>) {
        match self {
            Self::Blynk => frame(PING_ID, &DeviceMessage::Ping, out),
            Self::Mqtt => mqtt::ping(out),
        }
    }

    pub(crate) fn value(self, sequence: u64, out: &mut Vec<u8>) {
        let value = format!("{sequence:0>VALUE_DIGITS$}");
        match self {
            Self::Blynk => {
                let values = Values::new(value.as_bytes());
                frame(VALUE_ID, &DeviceMessage::Hardware(PinWrite::Virtual { pin: PIN, values }), out);
            }
            Self::Mqtt => mqtt::publish_value(value.as_bytes(), out),
        }
    }

    /// Appends what a watcher says after its login; nothing where the login is enough.
    pub(crate) fn watch(self, out: &mut Vec<u8>) {
        match self {
            Self::Blynk => {}
            Self::Mqtt => mqtt::subscribe_to_values(out),
        }
    }

    /// Takes the first whole answer out of `buffer`; `None` when more must arrive.
    pub(crate) fn take_answer(self, buffer: &mut BytesMut) -> Result<Option<Answer>, MalformedAnswer> {
        match self {
            Self::Blynk => take_frame(buffer),
            Self::Mqtt => {
                let packet = mqtt::take_packet(buffer).map_err(|mqtt::Malformed| MalformedAnswer)?;
                Ok(packet.map(|packet| match packet {
                    mqtt::Packet::Connected { code: 0 } => Answer::LoggedIn,
                    mqtt::Packet::Connected { code } => Answer::Refused(u16::from(code)),
                    mqtt::Packet::Subscribed => Answer::Subscribed,
                    mqtt::Packet::Value { sequence } => Answer::Value(sequence),
                    mqtt::Packet::Pong => Answer::Pong,
                    mqtt::Packet::Other => Answer::Other,
                }))
            }
        }
    }
}

/// Reads a value of ours back: decimal digits.
pub(crate) fn sequence_of(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn frame(message_id: u16, message: &DeviceMessage<'_>, out: &mut Vec<u8>) {
    let mut bytes = [0_u8; MESSAGE_BYTES_MAX];
    // Every message of ours fits; one that did not would be missing, and the scenario would say so.
    if let Ok(count) = message.encode(message_id, &mut bytes) {
        out.extend(bytes.iter().take(count));
    }
}

fn take_frame(buffer: &mut BytesMut) -> Result<Option<Answer>, MalformedAnswer> {
    let (answer, consumed_bytes) = match Frame::parse(buffer, BODY_BYTES_MAX) {
        Ok(Parsed::Complete { frame, consumed_bytes }) => (meaning(&frame), consumed_bytes),
        Ok(Parsed::Incomplete { .. }) => return Ok(None),
        Err(_malformed) => return Err(MalformedAnswer),
    };
    debug_assert!(consumed_bytes >= HEADER_BYTES, "a frame has a header");
    buffer.advance(consumed_bytes);
    Ok(Some(answer))
}

fn meaning(frame: &Frame<'_>) -> Answer {
    match *frame {
        Frame::Response { message_id: LOGIN_ID, status: Status::Success } => Answer::LoggedIn,
        Frame::Response { message_id: LOGIN_ID, status } => Answer::Refused(status.code()),
        Frame::Response { message_id: PING_ID, status: Status::Success } => Answer::Pong,
        Frame::Response { status: Status::Success, .. } => Answer::Other,
        Frame::Response { status, .. } => Answer::NotTaken(status.code()),
        Frame::Message { .. } => match ServerMessage::parse(frame) {
            Ok(ServerMessage::Hardware(ServerHardware::Write(PinWrite::Virtual { values, .. }))) => {
                Answer::Value(sequence_of(values.raw()))
            }
            _ => Answer::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Tokens;

    fn answers(protocol: Protocol, bytes: &[u8]) -> Vec<Answer> {
        let mut buffer = BytesMut::from(bytes);
        let mut answers = Vec::new();
        while let Some(answer) = protocol.take_answer(&mut buffer).unwrap() {
            answers.push(answer);
        }
        answers
    }

    #[test]
    fn a_blynk_answer_is_told_by_its_id() {
        let bytes = [0, 0, 1, 0, 200, 0, 0, 2, 0, 200, 0, 0, 3, 0, 1, 0, 0, 1, 0, 9];
        let expected = [Answer::LoggedIn, Answer::Pong, Answer::NotTaken(1), Answer::Refused(9)];
        assert_eq!(answers(Protocol::Blynk, &bytes), expected);
    }

    #[test]
    fn a_value_reaches_a_watcher_with_its_number_in_both_protocols() {
        for protocol in [Protocol::Blynk, Protocol::Mqtt] {
            let mut bytes = Vec::new();
            protocol.value(42, &mut bytes);
            assert_eq!(answers(protocol, &bytes), [Answer::Value(Some(42))], "{protocol:?}");
        }
    }

    #[test]
    fn messages_are_as_a_device_sends_them() {
        let token = Tokens::made_up(1).of(0).clone();
        let mut bytes = Vec::new();
        Protocol::Blynk.login(&token, &mut bytes);
        Protocol::Blynk.ping(&mut bytes);
        Protocol::Blynk.value(7, &mut bytes);
        let expected = [
            &[29, 0, 1, 0, 32][..],
            token.expose().as_bytes(),
            &[6, 0, 2, 0, 0, 20, 0, 3, 0, 13],
            b"vw\x001\x0000000007",
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn half_an_answer_waits_and_nonsense_is_refused() {
        let mut half = BytesMut::from(&[0, 0, 1][..]);
        assert_eq!(Protocol::Blynk.take_answer(&mut half), Ok(None));
        let mut nonsense = BytesMut::from(&[0, 0, 0, 0, 200][..]);
        assert_eq!(Protocol::Blynk.take_answer(&mut nonsense), Err(MalformedAnswer));
    }
}

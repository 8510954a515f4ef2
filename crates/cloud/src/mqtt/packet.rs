//! MQTT packets without their version: what a device's client sends, and what it is sent.
//!
//! The bytes are the codec's matter (decision 0047); versions 3.1.1 and 5 differ here in reason codes only.

use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};
use rmqtt_codec::error::{DecodeError, EncodeError};
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::{DisconnectReasonCode, ToReasonCode as _};
use rmqtt_codec::version::{ProtocolVersion, VersionCodec};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder as _, Encoder as _};

/// Largest packet from a client, in bytes. The reference allows 1,024 and says that servers may raise it; batches of values are
/// longer.
pub(super) const PACKET_BYTES_MAX: u32 = 16 * 1024;

/// A CONNECT.
pub(super) struct Connect {
    pub(super) username: Option<String>,
    /// The device's token; never printed.
    pub(super) password: Option<Bytes>,
    /// Seconds; 0 for none.
    pub(super) keep_alive_s: u16,
    pub(super) last_will: Option<Message>,
    /// Whether the client gave itself a name.
    pub(super) has_client_id: bool,
    /// Messages with quality of service 1 that the client takes before it has acknowledged the first.
    pub(super) receive_max: u16,
}

impl From<v3::Connect> for Connect {
    fn from(connect: v3::Connect) -> Self {
        Self {
            username: connect.username.map(|name| name.to_string()),
            password: connect.password,
            keep_alive_s: connect.keep_alive,
            last_will: connect
                .last_will
                .map(|will| Message { topic: will.topic.to_string(), payload: will.message }),
            has_client_id: !connect.client_id.is_empty(),
            receive_max: u16::MAX,
        }
    }
}

impl From<v5::Connect> for Connect {
    fn from(connect: v5::Connect) -> Self {
        Self {
            username: connect.username.map(|name| name.to_string()),
            password: connect.password,
            keep_alive_s: connect.keep_alive,
            last_will: connect
                .last_will
                .map(|will| Message { topic: will.topic.to_string(), payload: will.message }),
            has_client_id: !connect.client_id.is_empty(),
            receive_max: connect.receive_max.map_or(u16::MAX, NonZeroU16::get),
        }
    }
}

/// A message on a topic.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
}

/// What a client sends once it is connected.
pub(super) enum ClientPacket {
    /// With a packet id when it wants to know that the message was taken (quality of service 1).
    Publish(Message, Option<NonZeroU16>),
    Subscribe(NonZeroU16, Vec<String>),
    Unsubscribe(NonZeroU16, Vec<String>),
    PublishAck(NonZeroU16),
    Ping,
    Disconnect,
    /// A good-bye after which the last will is published all the same.
    DisconnectWithWill,
    /// Something for which the connection ends.
    Refused(Cut),
}

/// Why the server ends a connection; clients of version 5 are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The client was silent for too long.
    KeepAlive,
    /// Quality of service 2.
    QualityOfService,
    /// A topic alias, of which the server takes none.
    TopicAlias,
    /// A second CONNECT, or something that only servers send.
    Unexpected,
    /// Another connection of the device took its place.
    TakenOver,
    /// The gateway ended the connection.
    ByGateway,
}

impl Cut {
    /// A name for metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep_alive",
            Self::QualityOfService | Self::TopicAlias | Self::Unexpected => "unsupported",
            Self::TakenOver => "taken_over",
            Self::ByGateway => "gateway",
        }
    }

    /// The reason for people.
    fn reason(self) -> &'static str {
        match self {
            Self::KeepAlive => "nothing came for one and a half times the keep-alive",
            Self::QualityOfService => "quality of service 2 is not supported",
            Self::TopicAlias => "topic aliases are not supported",
            Self::Unexpected => "the packet was not expected",
            Self::TakenOver => "another connection of the device took the place of this one",
            Self::ByGateway => "the device is not served any more",
        }
    }

    fn reason_code(self) -> DisconnectReasonCode {
        match self {
            Self::KeepAlive => DisconnectReasonCode::KeepAliveTimeout,
            Self::QualityOfService => DisconnectReasonCode::QosNotSupported,
            Self::TopicAlias => DisconnectReasonCode::TopicAliasInvalid,
            Self::Unexpected => DisconnectReasonCode::ProtocolError,
            Self::TakenOver => DisconnectReasonCode::SessionTakenOver,
            Self::ByGateway => DisconnectReasonCode::UnspecifiedError,
        }
    }
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token is not valid, or the user is not known.
    BadCredentials,
    /// A client without a name that wants its session kept (MQTT 3.1.1, section 3.1.3.1).
    NoClientId,
    /// The device may not speak for others.
    NotAllowed,
    /// The server cannot say now; the client is to come back.
    Unavailable,
}

/// Whether a message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// The topic is not one of the API, or names no datastream.
    NoSuchTopic,
    /// The payload does not fit the topic.
    BadPayload,
    /// The device that the topic names cannot be spoken for.
    NotAllowed,
}

/// Reads and writes packets of one connection.
pub(super) enum Codec {
    V3(v3::Codec),
    V5(v5::Codec),
}

/// Why bytes are not MQTT, or not as it may be used here.
#[derive(Debug, thiserror::Error)]
pub(super) enum PacketError {
    #[error("the bytes are not MQTT")]
    Decode(#[from] DecodeError),
    #[error("a packet cannot be written")]
    Encode(#[from] EncodeError),
    #[error("the first packet is not CONNECT")]
    NotConnect,
}

impl PacketError {
    /// Says whether the client is to be told that its name is missing.
    pub(super) fn is_missing_client_id(&self) -> bool {
        matches!(self, Self::Decode(DecodeError::InvalidClientId))
    }

    fn reason_code(&self) -> DisconnectReasonCode {
        match self {
            Self::Decode(error) => error.to_reason_code(),
            Self::Encode(error) => error.to_reason_code(),
            Self::NotConnect => DisconnectReasonCode::ProtocolError,
        }
    }
}

impl Codec {
    /// Reads the version from the start of a CONNECT; none until enough has arrived.
    pub(super) fn detect(buffer: &mut BytesMut) -> Result<Option<Self>, PacketError> {
        Ok(match VersionCodec.decode(buffer)? {
            None => None,
            Some(ProtocolVersion::MQTT3) => Some(Self::V3(v3::Codec::new(PACKET_BYTES_MAX))),
            Some(ProtocolVersion::MQTT5) => {
                let is_whole = start_clean(buffer);
                is_whole.then(|| Self::V5(v5::Codec::new(PACKET_BYTES_MAX, 0)))
            }
        })
    }

    /// Reads the CONNECT; none until it has arrived whole.
    pub(super) fn read_connect(&mut self, buffer: &mut BytesMut) -> Result<Option<Connect>, PacketError> {
        match self {
            Self::V3(codec) => match codec.decode(buffer)? {
                None => Ok(None),
                Some((v3::Packet::Connect(connect), _)) => Ok(Some((*connect).into())),
                Some(_) => Err(PacketError::NotConnect),
            },
            Self::V5(codec) => match codec.decode(buffer)? {
                None => Ok(None),
                Some((v5::Packet::Connect(connect), _)) => {
                    if let Some(bytes_max) = connect.max_packet_size {
                        codec.set_max_outbound_size(bytes_max.get());
                    }
                    Ok(Some((*connect).into()))
                }
                Some(_) => Err(PacketError::NotConnect),
            },
        }
    }

    /// Reads the next packet; none until it has arrived whole.
    pub(super) fn read(&mut self, buffer: &mut BytesMut) -> Result<Option<ClientPacket>, PacketError> {
        match self {
            Self::V3(codec) => Ok(codec.decode(buffer)?.map(|(packet, _)| from_v3(packet))),
            Self::V5(codec) => Ok(codec.decode(buffer)?.map(|(packet, _)| from_v5(packet))),
        }
    }

    /// Lets the client in, or says why not; a client that has no name is told the one given here.
    pub(super) fn answer_connect(
        &mut self,
        refusal: Option<Refusal>,
        assigned_id: Option<&str>,
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        match self {
            Self::V3(codec) => {
                let return_code = match refusal {
                    None => v3::ConnectAckReason::ConnectionAccepted,
                    Some(Refusal::BadCredentials) => v3::ConnectAckReason::BadUserNameOrPassword,
                    Some(Refusal::NoClientId) => v3::ConnectAckReason::IdentifierRejected,
                    Some(Refusal::NotAllowed) => v3::ConnectAckReason::NotAuthorized,
                    Some(Refusal::Unavailable) => v3::ConnectAckReason::ServiceUnavailable,
                };
                let ack = v3::ConnectAck { return_code, session_present: false };
                codec.encode(v3::Packet::ConnectAck(ack), out)?;
            }
            Self::V5(codec) => {
                let reason_code = match refusal {
                    None => v5::ConnectAckReason::Success,
                    Some(Refusal::BadCredentials) => v5::ConnectAckReason::BadUserNameOrPassword,
                    Some(Refusal::NoClientId) => v5::ConnectAckReason::ClientIdentifierNotValid,
                    Some(Refusal::NotAllowed) => v5::ConnectAckReason::NotAuthorized,
                    Some(Refusal::Unavailable) => v5::ConnectAckReason::ServerUnavailable,
                };
                let ack = v5::ConnectAck {
                    reason_code,
                    // Nothing is kept for a device while it is away (reference/mqtt-api.md 1).
                    session_expiry_interval_secs: Some(0),
                    max_qos: QoS::AtLeastOnce,
                    max_packet_size: Some(PACKET_BYTES_MAX),
                    assigned_client_id: assigned_id.map(Into::into),
                    shared_subscription_available: false,
                    subscription_identifiers_available: false,
                    ..v5::ConnectAck::default()
                };
                codec.encode(v5::Packet::ConnectAck(Box::new(ack)), out)?;
            }
        }
        Ok(())
    }

    /// Sends a message to the client; with a packet id it is to be acknowledged. Returns whether the client takes messages of
    /// this length; one that is too long is dropped (MQTT 5, section 3.1.2.11.4).
    pub(super) fn write_message(
        &mut self,
        message: Message,
        packet_id: Option<NonZeroU16>,
        out: &mut BytesMut,
    ) -> Result<bool, PacketError> {
        let publish = Box::new(Publish {
            dup: false,
            retain: false,
            qos: if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
            topic: message.topic.into(),
            packet_id,
            payload: message.payload,
            properties: matches!(self, Self::V5(_)).then(v5::PublishProperties::default),
        });
        let written = match self {
            Self::V3(codec) => codec.encode(v3::Packet::Publish(publish), out),
            Self::V5(codec) => codec.encode(v5::Packet::Publish(publish), out),
        };
        match written {
            Ok(()) => Ok(true),
            Err(EncodeError::OverMaxPacketSize { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Says whether a message was taken. In 3.1.1 there is no way to say no.
    pub(super) fn write_publish_ack(
        &mut self,
        packet_id: NonZeroU16,
        taken: Taken,
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        match self {
            Self::V3(codec) => codec.encode(v3::Packet::PublishAck { packet_id }, out)?,
            Self::V5(codec) => {
                let reason_code = match taken {
                    Taken::Yes => v5::PublishAckReason::Success,
                    Taken::NoSuchTopic => v5::PublishAckReason::TopicNameInvalid,
                    Taken::BadPayload => v5::PublishAckReason::PayloadFormatInvalid,
                    Taken::NotAllowed => v5::PublishAckReason::NotAuthorized,
                };
                let ack =
                    v5::PublishAck { packet_id, reason_code, properties: Vec::new(), reason_string: None };
                codec.encode(v5::Packet::PublishAck(ack), out)?;
            }
        }
        Ok(())
    }

    /// Answers a SUBSCRIBE: for each filter whether it is granted.
    pub(super) fn write_subscribe_ack(
        &mut self,
        packet_id: NonZeroU16,
        granted: &[bool],
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        match self {
            Self::V3(codec) => {
                let status = granted
                    .iter()
                    .map(|granted| match granted {
                        true => v3::SubscribeReturnCode::Success(QoS::AtMostOnce),
                        false => v3::SubscribeReturnCode::Failure,
                    })
                    .collect();
                codec.encode(v3::Packet::SubscribeAck { packet_id, status }, out)?;
            }
            Self::V5(codec) => {
                let status = granted
                    .iter()
                    .map(|granted| match granted {
                        true => v5::SubscribeAckReason::GrantedQos0,
                        // The code that 3.1.1 has too: clients that speak both look for it.
                        false => v5::SubscribeAckReason::UnspecifiedError,
                    })
                    .collect();
                let ack = v5::SubscribeAck { packet_id, properties: Vec::new(), reason_string: None, status };
                codec.encode(v5::Packet::SubscribeAck(ack), out)?;
            }
        }
        Ok(())
    }

    /// Answers an UNSUBSCRIBE of `count` filters.
    pub(super) fn write_unsubscribe_ack(
        &mut self,
        packet_id: NonZeroU16,
        count: usize,
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        match self {
            Self::V3(codec) => codec.encode(v3::Packet::UnsubscribeAck { packet_id }, out)?,
            Self::V5(codec) => {
                let status = vec![v5::UnsubscribeAckReason::Success; count];
                let ack =
                    v5::UnsubscribeAck { packet_id, properties: Vec::new(), reason_string: None, status };
                codec.encode(v5::Packet::UnsubscribeAck(ack), out)?;
            }
        }
        Ok(())
    }

    /// Tells a client of version 5 why the server ends the connection; 3.1.1 has no way to.
    pub(super) fn write_cut(&mut self, cut: Cut, out: &mut BytesMut) -> Result<(), PacketError> {
        self.write_disconnect(cut.reason_code(), cut.reason(), out)
    }

    /// As [`Codec::write_cut`], after something that could not be read.
    pub(super) fn write_failure(
        &mut self,
        failure: &PacketError,
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        self.write_disconnect(failure.reason_code(), &failure.to_string(), out)
    }

    fn write_disconnect(
        &mut self,
        reason_code: DisconnectReasonCode,
        reason: &str,
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        if let Self::V5(codec) = self {
            let reason_string = Some(reason.into());
            codec.encode(
                v5::Packet::Disconnect(v5::Disconnect { reason_code, reason_string, ..Default::default() }),
                out,
            )?;
        }
        Ok(())
    }

    pub(super) fn write_ping_answer(&mut self, out: &mut BytesMut) -> Result<(), PacketError> {
        match self {
            Self::V3(codec) => codec.encode(v3::Packet::PingResponse, out)?,
            Self::V5(codec) => codec.encode(v5::Packet::PingResponse, out)?,
        }
        Ok(())
    }
}

/// Sets "clean start" in a CONNECT of version 5; false while its flags have not arrived.
///
/// No session is ever kept, so it changes nothing, but for the codec: without it, it refuses clients that have no name, which
/// only 3.1.1 tells it to (MQTT 5, section 3.1.3.1).
fn start_clean(buffer: &mut BytesMut) -> bool {
    // The packet type, its length in up to four bytes (MQTT 5, section 1.5.5), the name `MQTT` after its own length, the version.
    let length_bytes = 1 + buffer.iter().skip(1).take(3).take_while(|byte| **byte & 0x80 != 0).count();
    let flags = buffer.get_mut(1 + length_bytes + 2 + 4 + 1);
    flags.map(|flags| *flags |= 0x02).is_some()
}

fn from_v3(packet: v3::Packet) -> ClientPacket {
    match packet {
        v3::Packet::Publish(publish) => from_publish(*publish),
        v3::Packet::Subscribe { packet_id, topic_filters } => ClientPacket::Subscribe(
            packet_id,
            topic_filters.iter().map(|(filter, _)| filter.to_string()).collect(),
        ),
        v3::Packet::Unsubscribe { packet_id, topic_filters } => {
            ClientPacket::Unsubscribe(packet_id, topic_filters.iter().map(ToString::to_string).collect())
        }
        v3::Packet::PublishAck { packet_id } => ClientPacket::PublishAck(packet_id),
        v3::Packet::PingRequest => ClientPacket::Ping,
        v3::Packet::Disconnect => ClientPacket::Disconnect,
        _ => ClientPacket::Refused(Cut::Unexpected),
    }
}

fn from_v5(packet: v5::Packet) -> ClientPacket {
    match packet {
        v5::Packet::Publish(publish) => from_publish(*publish),
        v5::Packet::Subscribe(subscribe) => ClientPacket::Subscribe(
            subscribe.packet_id,
            subscribe.topic_filters.iter().map(|(filter, _)| filter.to_string()).collect(),
        ),
        v5::Packet::Unsubscribe(unsubscribe) => ClientPacket::Unsubscribe(
            unsubscribe.packet_id,
            unsubscribe.topic_filters.iter().map(ToString::to_string).collect(),
        ),
        v5::Packet::PublishAck(ack) => ClientPacket::PublishAck(ack.packet_id),
        v5::Packet::PingRequest => ClientPacket::Ping,
        v5::Packet::Disconnect(disconnect) => match disconnect.reason_code {
            DisconnectReasonCode::NormalDisconnection => ClientPacket::Disconnect,
            // "Disconnect with will message" and every error: as if the connection had broken.
            _ => ClientPacket::DisconnectWithWill,
        },
        _ => ClientPacket::Refused(Cut::Unexpected),
    }
}

fn from_publish(publish: Publish) -> ClientPacket {
    if publish.qos == QoS::ExactlyOnce {
        return ClientPacket::Refused(Cut::QualityOfService);
    }
    if publish.properties.as_ref().is_some_and(|properties| properties.topic_alias.is_some()) {
        return ClientPacket::Refused(Cut::TopicAlias);
    }
    let message = Message { topic: publish.topic.to_string(), payload: publish.payload };
    ClientPacket::Publish(message, publish.packet_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A CONNECT of version 5 without a name and without "clean start".
    fn nameless() -> Vec<u8> {
        [b"\x10\x0d\0\x04MQTT\x05".as_slice(), b"\0\0\x3c", b"\0", b"\0\0"].concat()
    }

    #[test]
    fn a_nameless_client_of_version_5_may_ask_for_its_session_whatever_arrives_first() {
        let bytes = nameless();
        for first in 0..=bytes.len() {
            let mut buffer = BytesMut::from(&bytes[..first]);
            let mut codec = Codec::detect(&mut buffer).unwrap();
            if let Some(codec) = &mut codec {
                assert_eq!(codec.read_connect(&mut buffer).unwrap().is_some(), first == bytes.len());
            }
            buffer.extend_from_slice(&bytes[first..]);
            let mut codec = codec.or_else(|| Codec::detect(&mut buffer).unwrap()).unwrap();
            if first < bytes.len() {
                assert!(!codec.read_connect(&mut buffer).unwrap().unwrap().has_client_id, "{first}");
            }
        }
    }

    #[test]
    fn a_nameless_client_of_version_3_may_not() {
        let bytes = b"\x10\x0c\0\x04MQTT\x04\0\0\x3c\0\0";
        let mut buffer = BytesMut::from(bytes.as_slice());
        let mut codec = Codec::detect(&mut buffer).unwrap().unwrap();
        let Err(failure) = codec.read_connect(&mut buffer) else { panic!("it was taken") };
        assert!(failure.is_missing_client_id());
    }

    #[test]
    fn quality_of_service_2_and_aliases_end_a_connection_and_version_5_hears_why() {
        let mut codec = Codec::V5(v5::Codec::new(PACKET_BYTES_MAX, 0));
        let publish = |head: u8, rest: &[u8]| [&[head, u8::try_from(rest.len()).unwrap()], rest].concat();
        for (packet, expected) in [
            (publish(0x34, b"\0\x01t\0\x01\0"), Cut::QualityOfService),
            (publish(0x30, b"\0\x01t\x03\x23\0\x01"), Cut::TopicAlias),
        ] {
            let read = codec.read(&mut BytesMut::from(packet.as_slice())).unwrap();
            assert!(matches!(read, Some(ClientPacket::Refused(cut)) if cut == expected));
        }
        let mut out = BytesMut::new();
        codec.write_cut(Cut::QualityOfService, &mut out).unwrap();
        assert_eq!((out[0], out[2]), (0xe0, 0x9b));
        let mut nothing = BytesMut::new();
        Codec::V3(v3::Codec::new(0)).write_cut(Cut::QualityOfService, &mut nothing).unwrap();
        assert!(nothing.is_empty());
    }

    #[test]
    fn a_message_that_is_longer_than_the_client_takes_is_dropped() {
        let mut codec = Codec::V5(v5::Codec::new(PACKET_BYTES_MAX, 64));
        let message = |bytes: usize| Message { topic: "t".to_owned(), payload: vec![b'x'; bytes].into() };
        let mut out = BytesMut::new();
        assert!(codec.write_message(message(32), None, &mut out).unwrap());
        let written = out.len();
        assert!(!codec.write_message(message(65), None, &mut out).unwrap());
        assert_eq!(out.len(), written);
    }
}

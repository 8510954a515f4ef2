//! MQTT packets without their version: what a device's client sends, and what it is sent.
//!
//! The bytes are the codec's matter (decision 0047); versions 3.1.1 and 5 differ here in reason codes only.

use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};
use rmqtt_codec::types::{Publish, QoS};
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
}

impl Connect {
    fn new(
        username: Option<impl ToString>,
        password: Option<Bytes>,
        keep_alive_s: u16,
        last_will: Option<(impl ToString, Bytes)>,
    ) -> Self {
        Self {
            username: username.map(|name| name.to_string()),
            password,
            keep_alive_s,
            last_will: last_will.map(|(topic, payload)| Message { topic: topic.to_string(), payload }),
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
    PublishAck,
    Ping,
    Disconnect,
    /// Quality of service 2, a second CONNECT, or something that only servers send.
    Unsupported,
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token is not valid, or the user is not `device`.
    BadCredentials,
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
    Decode(#[from] rmqtt_codec::error::DecodeError),
    #[error("a packet cannot be written")]
    Encode(#[from] rmqtt_codec::error::EncodeError),
    #[error("the first packet is not CONNECT")]
    NotConnect,
}

impl Codec {
    /// Reads the version from the start of a CONNECT; none until enough has arrived.
    pub(super) fn detect(buffer: &mut BytesMut) -> Result<Option<Self>, PacketError> {
        Ok(VersionCodec.decode(buffer)?.map(|version| match version {
            ProtocolVersion::MQTT3 => Self::V3(v3::Codec::new(PACKET_BYTES_MAX)),
            ProtocolVersion::MQTT5 => Self::V5(v5::Codec::new(PACKET_BYTES_MAX, 0)),
        }))
    }

    /// Reads the CONNECT; none until it has arrived whole.
    pub(super) fn read_connect(&mut self, buffer: &mut BytesMut) -> Result<Option<Connect>, PacketError> {
        match self {
            Self::V3(codec) => match codec.decode(buffer)? {
                None => Ok(None),
                Some((v3::Packet::Connect(connect), _)) => Ok(Some(Connect::new(
                    connect.username,
                    connect.password,
                    connect.keep_alive,
                    connect.last_will.map(|will| (will.topic, will.message)),
                ))),
                Some(_) => Err(PacketError::NotConnect),
            },
            Self::V5(codec) => match codec.decode(buffer)? {
                None => Ok(None),
                Some((v5::Packet::Connect(connect), _)) => Ok(Some(Connect::new(
                    connect.username,
                    connect.password,
                    connect.keep_alive,
                    connect.last_will.map(|will| (will.topic, will.message)),
                ))),
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

    /// Lets the client in, or says why not.
    pub(super) fn answer_connect(
        &mut self,
        refusal: Option<Refusal>,
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        match self {
            Self::V3(codec) => {
                let return_code = match refusal {
                    None => v3::ConnectAckReason::ConnectionAccepted,
                    Some(Refusal::BadCredentials) => v3::ConnectAckReason::BadUserNameOrPassword,
                    Some(Refusal::Unavailable) => v3::ConnectAckReason::ServiceUnavailable,
                };
                let ack = v3::ConnectAck { return_code, session_present: false };
                codec.encode(v3::Packet::ConnectAck(ack), out)?;
            }
            Self::V5(codec) => {
                let reason_code = match refusal {
                    None => v5::ConnectAckReason::Success,
                    Some(Refusal::BadCredentials) => v5::ConnectAckReason::BadUserNameOrPassword,
                    Some(Refusal::Unavailable) => v5::ConnectAckReason::ServerUnavailable,
                };
                let ack = v5::ConnectAck {
                    reason_code,
                    // Nothing is kept for a device while it is away (reference/mqtt-api.md 1).
                    session_expiry_interval_secs: Some(0),
                    max_qos: QoS::AtLeastOnce,
                    max_packet_size: Some(PACKET_BYTES_MAX),
                    shared_subscription_available: false,
                    subscription_identifiers_available: false,
                    ..v5::ConnectAck::default()
                };
                codec.encode(v5::Packet::ConnectAck(Box::new(ack)), out)?;
            }
        }
        Ok(())
    }

    /// Sends a message to the client; with a packet id it is to be acknowledged.
    pub(super) fn write_message(
        &mut self,
        message: Message,
        packet_id: Option<NonZeroU16>,
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        let publish = Box::new(Publish {
            dup: false,
            retain: false,
            qos: if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
            topic: message.topic.into(),
            packet_id,
            payload: message.payload,
            properties: matches!(self, Self::V5(_)).then(v5::PublishProperties::default),
        });
        match self {
            Self::V3(codec) => codec.encode(v3::Packet::Publish(publish), out)?,
            Self::V5(codec) => codec.encode(v5::Packet::Publish(publish), out)?,
        }
        Ok(())
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
                        false => v5::SubscribeAckReason::TopicFilterInvalid,
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

    pub(super) fn write_ping_answer(&mut self, out: &mut BytesMut) -> Result<(), PacketError> {
        match self {
            Self::V3(codec) => codec.encode(v3::Packet::PingResponse, out)?,
            Self::V5(codec) => codec.encode(v5::Packet::PingResponse, out)?,
        }
        Ok(())
    }
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
        v3::Packet::PublishAck { .. } => ClientPacket::PublishAck,
        v3::Packet::PingRequest => ClientPacket::Ping,
        v3::Packet::Disconnect => ClientPacket::Disconnect,
        _ => ClientPacket::Unsupported,
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
        v5::Packet::PublishAck(_) => ClientPacket::PublishAck,
        v5::Packet::PingRequest => ClientPacket::Ping,
        v5::Packet::Disconnect(disconnect) => match disconnect.reason_code {
            v5::DisconnectReasonCode::NormalDisconnection => ClientPacket::Disconnect,
            // "Disconnect with will message" and every error: as if the connection had broken.
            _ => ClientPacket::Unsupported,
        },
        _ => ClientPacket::Unsupported,
    }
}

fn from_publish(publish: Publish) -> ClientPacket {
    if publish.qos == QoS::ExactlyOnce {
        return ClientPacket::Unsupported;
    }
    let message = Message { topic: publish.topic.to_string(), payload: publish.payload };
    ClientPacket::Publish(message, publish.packet_id)
}

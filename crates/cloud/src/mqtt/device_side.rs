//! One device as the translator knows it: its side of the gateway, its datastreams, and what it waits for.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU16;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use metrics::counter;
use registry::{DeviceId, Epoch, LookedUp, ShipmentId, TokenRecord};
use serde_json::json;
use telemetry::{DatastreamSet, Pin};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tracing::debug;
use wire::{DeviceMessage, EncodeMessageError, Frame, Parsed, Secret, ServerMessage, Status};

use super::downlink::{self, Downlink, Filters, Reach};
use super::packet::{Message, Refusal, Taken};
use super::uplink::{self, Uplink, UplinkError};
use crate::app::App;
use crate::errors::ErrorChain;
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::listener::{Peer, Transport};
use crate::metadata;
use crate::time_zone::Zone;

/// What a client takes in one message when it says nothing. Source: reference/mqtt-api.md 1, "largest message".
pub(super) const CLIENT_BUFFER_BYTES: u32 = 1_024;

/// Answers of the gateway that a client may have to wait for at a time.
const AWAITED_MAX: usize = 1_024;

/// The id of the login; devices count on from there.
const LOGIN_ID: u16 = 1;

/// Why a device cannot be served any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeDeviceError {
    #[error("the gateway cannot be reached")]
    Io(#[from] io::Error),
    #[error("a frame for the gateway cannot be written")]
    Encode(#[from] EncodeMessageError),
    #[error("the gateway sent something that cannot be read")]
    Gateway,
    #[error("the client waits for more answers than are kept")]
    TooManyAwaited,
}

/// What becomes of a login.
pub(super) enum LogIn {
    /// The device is in; this came with it.
    In(Vec<Answer>),
    Refused(Refusal),
}

/// What the client is to get.
pub(super) enum Answer {
    Message(Message),
    /// A ping of the gateway, with its id there; the client acknowledges it.
    Ping(u16),
    PublishAck(NonZeroU16, Taken),
    /// The answer to a ping of the client.
    Pong,
}

/// What an answer of the gateway is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    PublishAck(NonZeroU16),
    PingAnswer,
    /// A ping of our own.
    Nothing,
}

/// A device's connection to the gateway, in this process.
pub(super) struct DeviceSide {
    app: Arc<App>,
    gateway: DuplexStream,
    is_over_tls: bool,
    from_gateway: BytesMut,
    /// The device and its ownership, once they are known.
    device: Option<(DeviceId, Epoch)>,
    datastreams: Arc<DatastreamSet>,
    filters: Filters,
    next_frame_id: u16,
    /// Ids of our pings to the gateway, oldest first, with what each answer is for.
    awaited: VecDeque<(u16, Awaited)>,
}

impl DeviceSide {
    /// Takes one end of a pipe whose other end the gateway serves.
    pub(super) fn new(app: Arc<App>, gateway: DuplexStream, peer: Peer) -> Self {
        let datastreams = app.catalogue.nothing();
        Self {
            app,
            gateway,
            is_over_tls: peer.transport == Transport::Tls,
            from_gateway: BytesMut::new(),
            device: None,
            datastreams,
            filters: Filters::default(),
            next_frame_id: LOGIN_ID,
            awaited: VecDeque::new(),
        }
    }

    pub(super) fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref().map(|(device, _epoch)| device)
    }

    pub(super) fn filters(&mut self) -> &mut Filters {
        &mut self.filters
    }

    /// Logs in at the gateway.
    pub(super) async fn log_in(&mut self, token: &[u8]) -> Result<LogIn, ServeDeviceError> {
        self.send_frame(&DeviceMessage::Login { token: Secret(token) }).await?;
        let mut held = Vec::new();
        loop {
            let Some(bytes) = self.read_frame().await? else {
                return Ok(LogIn::Refused(Refusal::Unavailable));
            };
            match parse(&bytes)? {
                (LOGIN_ID, ServerMessage::Response(Status::Success)) => break,
                (LOGIN_ID, ServerMessage::Response(Status::InvalidToken)) => {
                    return Ok(LogIn::Refused(Refusal::BadCredentials));
                }
                (LOGIN_ID, ServerMessage::Response(_)) => return Ok(LogIn::Refused(Refusal::Unavailable)),
                // Let in, told to go elsewhere, and then the gateway closes.
                (_, ServerMessage::Redirect { .. }) => {
                    held.push(bytes);
                    break;
                }
                _ => held.push(bytes),
            }
        }
        self.know_device(token).await;
        let mut answers = Vec::new();
        for bytes in held {
            self.take_frame(&bytes, &mut answers).await?;
        }
        answers.extend(self.answers().await?);
        Ok(LogIn::In(answers))
    }

    /// Finds out whose datastreams the topics name, and how much the client takes.
    async fn know_device(&mut self, token: &[u8]) {
        let LookedUp::Found(TokenRecord::Device { device, epoch }) = self.app.store.look_up_token(token)
        else {
            return;
        };
        match self.app.store.device(device.clone()).await {
            Ok(Some(record)) => self.datastreams = self.app.catalogue.of(&record.template_id),
            Ok(None) => {}
            Err(failure) => debug!(error = %ErrorChain(&failure), "a device could not be read"),
        }
        if let Some(link) = self.app.links.get(&device) {
            link.set_body_bytes_max(usize::try_from(CLIENT_BUFFER_BYTES).unwrap_or(usize::MAX));
            link.set_follows_metadata();
        }
        self.device = Some((device, epoch));
    }

    /// Takes a message; with a packet id it is acknowledged once everything before it is on disk.
    pub(super) async fn take_publish(
        &mut self,
        message: &Message,
        packet_id: Option<NonZeroU16>,
    ) -> Result<Vec<Answer>, ServeDeviceError> {
        let mut answers = Vec::new();
        let next_frame_id = &mut self.next_frame_id;
        let translated = uplink::translate(message, &self.datastreams, &mut || next_id(next_frame_id));
        match translated {
            Ok(Uplink::Frames(frames)) => {
                counter!("mqtt_messages_total").increment(1);
                self.gateway.write_all(&frames).await?;
            }
            Ok(Uplink::Time) => answers.extend(self.time().await),
            Ok(Uplink::EraseValue(pin)) => self.erase_value(pin).await,
            Err(refusal) => return Ok(refuse(&refusal, packet_id)),
        }
        if let Some(packet_id) = packet_id {
            self.ping(Awaited::PublishAck(packet_id)).await?;
        }
        Ok(answers)
    }

    /// Passes on that the client acknowledged a ping of the gateway.
    pub(super) async fn acknowledge_ping(&mut self, id: u16) -> Result<(), ServeDeviceError> {
        let mut frame = [0; wire::HEADER_BYTES];
        let written = DeviceMessage::Response(Status::Success).encode(id, &mut frame)?;
        Ok(self.gateway.write_all(frame.get(..written).unwrap_or_default()).await?)
    }

    /// Asks the gateway for a sign of life, which comes once everything before it is on disk.
    pub(super) async fn ping(&mut self, awaited: Awaited) -> Result<(), ServeDeviceError> {
        if self.awaited.len() >= AWAITED_MAX {
            return Err(ServeDeviceError::TooManyAwaited);
        }
        let id = self.send_frame(&DeviceMessage::Ping).await?;
        self.awaited.push_back((id, awaited));
        Ok(())
    }

    /// Reads what the gateway sent; 0 is its end.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        self.gateway.read_buf(&mut self.from_gateway).await
    }

    /// As [`DeviceSide::read`].
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        pin!(self.read()).poll(context)
    }

    /// Acts on what was read.
    pub(super) async fn answers(&mut self) -> Result<Vec<Answer>, ServeDeviceError> {
        let mut answers = Vec::new();
        while let Some(bytes) = self.buffered_frame()? {
            self.take_frame(&bytes, &mut answers).await?;
        }
        Ok(answers)
    }

    async fn take_frame(&mut self, bytes: &[u8], answers: &mut Vec<Answer>) -> Result<(), ServeDeviceError> {
        let (id, message) = parse(bytes)?;
        if let ServerMessage::Response(_) = message {
            self.take_response(id, answers);
            return Ok(());
        }
        match downlink::translate(&message, self.is_over_tls, &self.datastreams) {
            Downlink::Message(message, reach) => {
                if reach == Reach::Everybody || self.filters.cover(&message.topic) {
                    answers.push(Answer::Message(message));
                }
            }
            Downlink::Ping => answers.push(Answer::Ping(id)),
            Downlink::Firmware(url) => answers.push(Answer::Message(self.firmware(url).await)),
            Downlink::Nothing => {}
        }
        Ok(())
    }

    /// Answers of the gateway come in the order of the questions; one that was left out stands for those before it.
    fn take_response(&mut self, id: u16, answers: &mut Vec<Answer>) {
        let Some(position) = self.awaited.iter().position(|(asked, _)| *asked == id) else { return };
        answers.extend(self.awaited.drain(..=position).filter_map(|(_, awaited)| match awaited {
            Awaited::PublishAck(packet_id) => Some(Answer::PublishAck(packet_id, Taken::Yes)),
            Awaited::PingAnswer => Some(Answer::Pong),
            Awaited::Nothing => None,
        }));
    }

    async fn time(&self) -> Option<Answer> {
        let (device, epoch) = self.device.as_ref()?;
        let zone = metadata::zone_of(&self.app, device, *epoch).await.unwrap_or_else(|failure| {
            debug!(error = %ErrorChain(&failure), "the time zone of a device could not be read");
            Zone::utc()
        });
        let now = self.app.clock.now().utc;
        let (offset, dst) = zone.offsets(now);
        let answer = json!({
            "tz_name": zone.name(),
            "tz_rule": zone.rule(),
            "tz_offset": offset,
            "dst_offset": dst,
            "time": now.unix_ms(),
            "iso8601": zone.iso(now),
        });
        let message = downlink::message("utc/all/json", answer.to_string().as_bytes());
        self.filters.cover(&message.topic).then_some(Answer::Message(message))
    }

    async fn erase_value(&mut self, pin: u8) {
        let Some((device, _)) = self.device.clone() else { return };
        if self.app.links.get(&device).is_none_or(|link| link.is_quarantined()) {
            return;
        }
        if let Err(failure) = self.app.store.erase_value(device, Pin::new(pin)).await {
            debug!(error = %ErrorChain(&failure), "a value could not be erased");
        }
    }

    /// Describes a firmware image to fetch, with what its tag says. Source: reference/mqtt-api.md 6.
    async fn firmware(&self, url: String) -> Message {
        let shipment = url.split('/').find_map(|part| ShipmentId::parse(part).ok());
        let mut order = json!({ "url": url });
        if let Some(shipment) = shipment
            && let Ok(Some(shipment)) = self.app.store.shipment(shipment).await
            && let Some(fields) = order.as_object_mut()
        {
            let image = shipment.image;
            fields.insert("size".to_owned(), image.size_bytes.into());
            fields.insert("type".to_owned(), image.tag.kind.into());
            fields.insert("ver".to_owned(), image.tag.version.into());
            fields.extend(image.tag.build.map(|build| ("build".to_owned(), build.into())));
        }
        downlink::message("ota/json", order.to_string().as_bytes())
    }

    async fn send_frame(&mut self, message: &DeviceMessage<'_>) -> Result<u16, ServeDeviceError> {
        let id = next_id(&mut self.next_frame_id);
        let mut frame = vec![0; message.encoded_bytes()?];
        message.encode(id, &mut frame)?;
        self.gateway.write_all(&frame).await?;
        Ok(id)
    }

    async fn read_frame(&mut self) -> Result<Option<Vec<u8>>, ServeDeviceError> {
        loop {
            if let Some(bytes) = self.buffered_frame()? {
                return Ok(Some(bytes));
            }
            if self.gateway.read_buf(&mut self.from_gateway).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn buffered_frame(&mut self) -> Result<Option<Vec<u8>>, ServeDeviceError> {
        match Frame::parse(&self.from_gateway, FRAME_BODY_BYTES_MAX) {
            Ok(Parsed::Complete { consumed_bytes, .. }) => {
                Ok(Some(self.from_gateway.split_to(consumed_bytes).to_vec()))
            }
            Ok(Parsed::Incomplete { .. }) => Ok(None),
            Err(_source) => Err(ServeDeviceError::Gateway),
        }
    }
}

/// Says what is wrong with a message; in 3.1.1 an acknowledgement cannot.
fn refuse(refusal: &UplinkError, packet_id: Option<NonZeroU16>) -> Vec<Answer> {
    counter!("mqtt_messages_refused_total").increment(1);
    let taken = match refusal {
        UplinkError::Topic | UplinkError::Datastream { .. } => Taken::NoSuchTopic,
        UplinkError::Text | UplinkError::Payload { .. } | UplinkError::TooLong => Taken::BadPayload,
    };
    not_taken(&refusal.to_string(), taken, packet_id)
}

/// What a client gets for a message that was not taken.
pub(super) fn not_taken(text: &str, taken: Taken, packet_id: Option<NonZeroU16>) -> Vec<Answer> {
    let mut answers = vec![Answer::Message(downlink::message("diag", text.as_bytes()))];
    answers.extend(packet_id.map(|packet_id| Answer::PublishAck(packet_id, taken)));
    answers
}

fn parse(bytes: &[u8]) -> Result<(u16, ServerMessage<'_>), ServeDeviceError> {
    let Ok(Parsed::Complete { frame, .. }) = Frame::parse(bytes, FRAME_BODY_BYTES_MAX) else {
        return Err(ServeDeviceError::Gateway);
    };
    let message = ServerMessage::parse(&frame).map_err(|_source| ServeDeviceError::Gateway)?;
    Ok((frame.message_id(), message))
}

/// Returns the next id; 0 is never one.
fn next_id(next: &mut u16) -> u16 {
    let id = *next;
    *next = next.checked_add(1).unwrap_or(LOGIN_ID + 1);
    id
}

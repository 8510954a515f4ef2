//! One MQTT connection: the client on one side, the gateway on the other.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use metrics::counter;
use registry::{DeviceId, Epoch, LookedUp, ShipmentId, TokenRecord};
use serde_json::json;
use telemetry::{DatastreamSet, Pin};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;
use tracing::debug;
use wire::{DeviceMessage, EncodeMessageError, Frame, Parsed, Secret, ServerMessage, Status};

use super::downlink::{self, Downlink, Filters, Reach};
use super::packet::{ClientPacket, Codec, Connect, Message, PacketError, Refusal, Taken};
use super::uplink::{self, Uplink, UplinkError};
use crate::app::App;
use crate::errors::ErrorChain;
use crate::gateway::{Gateway, Socket};
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::listener::{Peer, Transport};
use crate::metadata;
use crate::time_zone::Zone;

/// The user name of every device. Source: reference/mqtt-api.md 1.
const USERNAME: &str = "device";

/// What a client takes in one message when it says nothing. Source: reference/mqtt-api.md 1, "largest message".
pub(super) const CLIENT_BUFFER_BYTES: u32 = 1_024;

/// Bytes between this module and the gateway in each direction; whoever is faster waits.
const PIPE_BYTES: usize = 16 * 1024;

/// 20 s between pings to the gateway, which knows nothing of MQTT's own keep-alive: well below the shortest time after which it
/// takes a silent device for gone.
const GATEWAY_PING_EVERY: Duration = Duration::from_secs(20);

/// Answers of the gateway that a client may have to wait for at a time.
const AWAITED_MAX: usize = 1_024;

/// The id of the login; devices count on from there.
const LOGIN_ID: u16 = 1;

/// Why a connection ended, beyond what is usual.
#[derive(Debug, thiserror::Error)]
enum EndConnectionError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the client does not speak MQTT as it may be spoken here")]
    Packet(#[from] PacketError),
    #[error("a frame for the gateway cannot be written")]
    Encode(#[from] EncodeMessageError),
    #[error("the gateway sent something that cannot be read")]
    Gateway,
    #[error("the client waits for more answers than are kept")]
    TooManyAwaited,
}

/// Serves one client until it leaves; `first_bytes` were read from the stream already.
pub(crate) async fn serve<S>(app: Arc<App>, gateway: Gateway, stream: S, first_bytes: &[u8], peer: Peer)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (ours, gateways) = tokio::io::duplex(PIPE_BYTES);
    let serving = gateway.serve(Socket::stream(Box::new(gateways), &[]), peer);
    let translating = async {
        if let Err(failure) = Connection::new(app, stream, first_bytes, ours, peer).run().await {
            let reason = match failure {
                EndConnectionError::Packet(_) => Some("malformed"),
                EndConnectionError::TooManyAwaited => Some("too_many_awaited"),
                _ => None,
            };
            if let Some(reason) = reason {
                counter!("mqtt_connections_cut_total", "reason" => reason).increment(1);
            }
            debug!(error = %ErrorChain(&failure), "an MQTT connection ended early");
        }
    };
    // The gateway learns of the end by its side of the pipe, and is waited for: it notes when the device was last heard.
    tokio::join!(serving, translating);
}

/// What an answer of the gateway is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    PublishAck(NonZeroU16),
    PingAnswer,
    /// A ping of our own.
    Nothing,
}

struct Connection<S, G> {
    app: Arc<App>,
    client: S,
    gateway: G,
    peer: Peer,
    codec: Option<Codec>,
    from_client: BytesMut,
    from_gateway: BytesMut,
    /// The device and its ownership, once they are known.
    device: Option<(DeviceId, Epoch)>,
    datastreams: Arc<DatastreamSet>,
    filters: Filters,
    last_will: Option<Message>,
    next_frame_id: u16,
    next_packet_id: u16,
    /// Ids of our pings to the gateway, oldest first, with what each answer is for.
    awaited: VecDeque<(u16, Awaited)>,
    /// Ids of the gateway's pings that the client has not acknowledged yet.
    unacknowledged_pings: VecDeque<u16>,
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    End,
}

impl<S, G> Connection<S, G>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
    G: AsyncRead + AsyncWrite + Send + Unpin,
{
    fn new(app: Arc<App>, client: S, first_bytes: &[u8], gateway: G, peer: Peer) -> Self {
        let datastreams = app.catalogue.nothing();
        Self {
            app,
            client,
            gateway,
            peer,
            codec: None,
            from_client: BytesMut::from(first_bytes),
            from_gateway: BytesMut::new(),
            device: None,
            datastreams,
            filters: Filters::default(),
            last_will: None,
            next_frame_id: LOGIN_ID,
            next_packet_id: 0,
            awaited: VecDeque::new(),
            unacknowledged_pings: VecDeque::new(),
        }
    }

    async fn run(mut self) -> Result<(), EndConnectionError> {
        let reading = tokio::time::timeout(self.app.config.timings.first_bytes(), self.read_connect());
        let Ok(connect) = reading.await else {
            counter!("mqtt_connects_total", "outcome" => "timeout").increment(1);
            return Ok(());
        };
        let Some(connect) = connect? else { return Ok(()) };
        let keep_alive_s = connect.keep_alive_s;
        if !self.log_in(connect).await? {
            return Ok(());
        }
        let ended = self.translate_until_closed(keep_alive_s).await;
        if let Some(will) = self.last_will.take() {
            // The device is gone without a good-bye; what it left is taken as if it had just published it.
            self.take_publish(will, None).await?;
        }
        ended
    }

    async fn read_connect(&mut self) -> Result<Option<Connect>, EndConnectionError> {
        loop {
            if self.codec.is_none() {
                self.codec = Codec::detect(&mut self.from_client)?;
            }
            if let Some(codec) = &mut self.codec
                && let Some(connect) = codec.read_connect(&mut self.from_client)?
            {
                return Ok(Some(connect));
            }
            if self.client.read_buf(&mut self.from_client).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Logs in at the gateway with the password and lets the client in, or not.
    async fn log_in(&mut self, connect: Connect) -> Result<bool, EndConnectionError> {
        let (Some(USERNAME), Some(token)) = (connect.username.as_deref(), connect.password) else {
            counter!("mqtt_connects_total", "outcome" => "not_a_device").increment(1);
            self.answer_connect(Some(Refusal::BadCredentials)).await?;
            return Ok(false);
        };
        self.send_frame(&DeviceMessage::Login { token: Secret(&token) }).await?;
        let mut held = Vec::new();
        let refusal = loop {
            let Some(bytes) = self.read_frame().await? else { break Some(Refusal::Unavailable) };
            match parse(&bytes)? {
                (LOGIN_ID, ServerMessage::Response(Status::Success)) => break None,
                (LOGIN_ID, ServerMessage::Response(Status::InvalidToken)) => {
                    break Some(Refusal::BadCredentials);
                }
                (LOGIN_ID, ServerMessage::Response(_)) => break Some(Refusal::Unavailable),
                // Let in, told to go elsewhere, and then the gateway closes.
                (_, ServerMessage::Redirect { .. }) => {
                    held.push(bytes);
                    break None;
                }
                _ => held.push(bytes),
            }
        };
        let outcome = match refusal {
            None => "accepted",
            Some(Refusal::BadCredentials) => "refused",
            Some(Refusal::Unavailable) => "try_later",
        };
        counter!("mqtt_connects_total", "outcome" => outcome).increment(1);
        self.answer_connect(refusal).await?;
        if refusal.is_some() {
            return Ok(false);
        }
        self.last_will = connect.last_will;
        self.know_device(&token).await;
        for bytes in held {
            self.take_frame(&bytes).await?;
        }
        Ok(true)
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
        }
        self.device = Some((device, epoch));
    }

    async fn translate_until_closed(&mut self, keep_alive_s: u16) -> Result<(), EndConnectionError> {
        // One and a half times the keep-alive (MQTT 3.1.1, section 3.1.2.10).
        let silence_max = (keep_alive_s > 0).then(|| Duration::from_millis(u64::from(keep_alive_s) * 1_500));
        let mut heard_at = Instant::now();
        let mut ping_at = Instant::now() + GATEWAY_PING_EVERY;
        loop {
            while let Some(packet) = self.next_packet()? {
                if self.take_packet(packet).await? == Flow::End {
                    return Ok(());
                }
            }
            while let Some(bytes) = self.buffered_frame()? {
                self.take_frame(&bytes).await?;
            }
            let silent_at = silence_max.map(|max| heard_at + max);
            tokio::select! {
                count = self.client.read_buf(&mut self.from_client) => {
                    if count? == 0 {
                        return Ok(());
                    }
                    heard_at = Instant::now();
                }
                count = self.gateway.read_buf(&mut self.from_gateway) => {
                    if count? == 0 {
                        return Ok(());
                    }
                }
                () = wait_until(silent_at) => {
                    counter!("mqtt_connections_cut_total", "reason" => "keep_alive").increment(1);
                    return Ok(());
                }
                () = tokio::time::sleep_until(ping_at) => {
                    ping_at = Instant::now() + GATEWAY_PING_EVERY;
                    self.ping_gateway(Awaited::Nothing).await?;
                }
            }
        }
    }

    fn next_packet(&mut self) -> Result<Option<ClientPacket>, EndConnectionError> {
        match &mut self.codec {
            Some(codec) => Ok(codec.read(&mut self.from_client)?),
            None => Ok(None),
        }
    }

    async fn take_packet(&mut self, packet: ClientPacket) -> Result<Flow, EndConnectionError> {
        match packet {
            ClientPacket::Publish(message, packet_id) => self.take_publish(message, packet_id).await?,
            ClientPacket::Subscribe(packet_id, filters) => {
                let granted: Vec<bool> = filters.into_iter().map(|filter| self.filters.add(filter)).collect();
                self.write(|codec, out| codec.write_subscribe_ack(packet_id, &granted, out)).await?;
            }
            ClientPacket::Unsubscribe(packet_id, filters) => {
                for filter in &filters {
                    self.filters.remove(filter);
                }
                self.write(|codec, out| codec.write_unsubscribe_ack(packet_id, filters.len(), out)).await?;
            }
            ClientPacket::PublishAck => {
                if let Some(id) = self.unacknowledged_pings.pop_front() {
                    let mut frame = [0; wire::HEADER_BYTES];
                    let written = DeviceMessage::Response(Status::Success).encode(id, &mut frame)?;
                    self.gateway.write_all(frame.get(..written).unwrap_or_default()).await?;
                }
            }
            ClientPacket::Ping => self.ping_gateway(Awaited::PingAnswer).await?,
            ClientPacket::Disconnect => {
                // A good-bye: the will is not published (MQTT 3.1.1, section 3.14.4).
                self.last_will = None;
                return Ok(Flow::End);
            }
            ClientPacket::Unsupported => {
                counter!("mqtt_connections_cut_total", "reason" => "unsupported").increment(1);
                return Ok(Flow::End);
            }
        }
        Ok(Flow::GoOn)
    }

    /// Takes a message; with a packet id it is acknowledged once everything before it is on disk.
    async fn take_publish(
        &mut self,
        message: Message,
        packet_id: Option<NonZeroU16>,
    ) -> Result<(), EndConnectionError> {
        let datastreams = Arc::clone(&self.datastreams);
        let next_frame_id = &mut self.next_frame_id;
        let translated = uplink::translate(&message, &datastreams, &mut || next_id(next_frame_id));
        match translated {
            Ok(Uplink::Frames(frames)) => {
                counter!("mqtt_messages_total").increment(1);
                self.gateway.write_all(&frames).await?;
            }
            Ok(Uplink::Time) => self.send_time().await?,
            Ok(Uplink::EraseValue(pin)) => self.erase_value(pin).await,
            Err(refusal) => return self.refuse(&refusal, packet_id).await,
        }
        match packet_id {
            Some(packet_id) => self.ping_gateway(Awaited::PublishAck(packet_id)).await,
            None => Ok(()),
        }
    }

    async fn refuse(
        &mut self,
        refusal: &UplinkError,
        packet_id: Option<NonZeroU16>,
    ) -> Result<(), EndConnectionError> {
        counter!("mqtt_messages_refused_total").increment(1);
        let taken = match refusal {
            UplinkError::Topic | UplinkError::Datastream { .. } => Taken::NoSuchTopic,
            UplinkError::Text | UplinkError::Payload { .. } | UplinkError::TooLong => Taken::BadPayload,
        };
        let text = refusal.to_string();
        self.publish(downlink::message("diag", text.as_bytes())).await?;
        match packet_id {
            Some(packet_id) => self.write(|codec, out| codec.write_publish_ack(packet_id, taken, out)).await,
            None => Ok(()),
        }
    }

    async fn send_time(&mut self) -> Result<(), EndConnectionError> {
        let Some((device, epoch)) = &self.device else { return Ok(()) };
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
        if self.filters.cover(&message.topic) { self.publish(message).await } else { Ok(()) }
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

    /// Acts on one frame of the gateway.
    async fn take_frame(&mut self, bytes: &[u8]) -> Result<(), EndConnectionError> {
        let (id, message) = parse(bytes)?;
        if let ServerMessage::Response(_) = message {
            return self.take_response(id).await;
        }
        let datastreams = Arc::clone(&self.datastreams);
        match downlink::translate(&message, self.peer.transport == Transport::Tls, &datastreams) {
            Downlink::Message(message, reach) => {
                if reach == Reach::Everybody || self.filters.cover(&message.topic) {
                    self.publish(message).await?;
                }
            }
            Downlink::Ping => {
                self.unacknowledged_pings.push_back(id);
                self.next_packet_id = self.next_packet_id.wrapping_add(1).max(1);
                let packet_id = NonZeroU16::new(self.next_packet_id);
                let ping = downlink::message("ping", b"");
                self.write(|codec, out| codec.write_message(ping, packet_id, out)).await?;
            }
            Downlink::Firmware(url) => self.send_firmware(url).await?,
            Downlink::Nothing => {}
        }
        Ok(())
    }

    /// Answers of the gateway come in the order of the questions; one that was left out stands for those before it.
    async fn take_response(&mut self, id: u16) -> Result<(), EndConnectionError> {
        let Some(position) = self.awaited.iter().position(|(asked, _)| *asked == id) else { return Ok(()) };
        let answered: Vec<Awaited> = self.awaited.drain(..=position).map(|(_, awaited)| awaited).collect();
        for awaited in answered {
            match awaited {
                Awaited::PublishAck(packet_id) => {
                    self.write(|codec, out| codec.write_publish_ack(packet_id, Taken::Yes, out)).await?;
                }
                Awaited::PingAnswer => self.write(Codec::write_ping_answer).await?,
                Awaited::Nothing => {}
            }
        }
        Ok(())
    }

    /// Tells the client of a firmware image, with what its tag says. Source: reference/mqtt-api.md 6.
    async fn send_firmware(&mut self, url: String) -> Result<(), EndConnectionError> {
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
        self.publish(downlink::message("ota/json", order.to_string().as_bytes())).await
    }

    async fn publish(&mut self, message: Message) -> Result<(), EndConnectionError> {
        self.write(|codec, out| codec.write_message(message, None, out)).await
    }

    async fn answer_connect(&mut self, refusal: Option<Refusal>) -> Result<(), EndConnectionError> {
        self.write(|codec, out| codec.answer_connect(refusal, out)).await
    }

    async fn write(
        &mut self,
        encode: impl FnOnce(&mut Codec, &mut BytesMut) -> Result<(), PacketError>,
    ) -> Result<(), EndConnectionError> {
        let Some(codec) = &mut self.codec else { return Ok(()) };
        let mut out = BytesMut::new();
        encode(codec, &mut out)?;
        let writing = async {
            self.client.write_all(&out).await?;
            self.client.flush().await
        };
        match tokio::time::timeout(self.app.config.timings.write(), writing).await {
            Ok(written) => Ok(written?),
            Err(_elapsed) => {
                counter!("mqtt_connections_cut_total", "reason" => "slow_reader").increment(1);
                Err(io::Error::from(io::ErrorKind::TimedOut).into())
            }
        }
    }

    async fn ping_gateway(&mut self, awaited: Awaited) -> Result<(), EndConnectionError> {
        if self.awaited.len() >= AWAITED_MAX {
            return Err(EndConnectionError::TooManyAwaited);
        }
        let id = self.send_frame(&DeviceMessage::Ping).await?;
        self.awaited.push_back((id, awaited));
        Ok(())
    }

    async fn send_frame(&mut self, message: &DeviceMessage<'_>) -> Result<u16, EndConnectionError> {
        let id = next_id(&mut self.next_frame_id);
        let mut frame = vec![0; message.encoded_bytes()?];
        message.encode(id, &mut frame)?;
        self.gateway.write_all(&frame).await?;
        Ok(id)
    }

    async fn read_frame(&mut self) -> Result<Option<Vec<u8>>, EndConnectionError> {
        loop {
            if let Some(bytes) = self.buffered_frame()? {
                return Ok(Some(bytes));
            }
            if self.gateway.read_buf(&mut self.from_gateway).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn buffered_frame(&mut self) -> Result<Option<Vec<u8>>, EndConnectionError> {
        match Frame::parse(&self.from_gateway, FRAME_BODY_BYTES_MAX) {
            Ok(Parsed::Complete { consumed_bytes, .. }) => {
                Ok(Some(self.from_gateway.split_to(consumed_bytes).to_vec()))
            }
            Ok(Parsed::Incomplete { .. }) => Ok(None),
            Err(_source) => Err(EndConnectionError::Gateway),
        }
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn parse(bytes: &[u8]) -> Result<(u16, ServerMessage<'_>), EndConnectionError> {
    let Ok(Parsed::Complete { frame, .. }) = Frame::parse(bytes, FRAME_BODY_BYTES_MAX) else {
        return Err(EndConnectionError::Gateway);
    };
    let message = ServerMessage::parse(&frame).map_err(|_source| EndConnectionError::Gateway)?;
    Ok((frame.message_id(), message))
}

/// Returns the next id; 0 is never one.
fn next_id(next: &mut u16) -> u16 {
    let id = *next;
    *next = next.checked_add(1).unwrap_or(LOGIN_ID + 1);
    id
}

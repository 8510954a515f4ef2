//! One MQTT connection: the client on one side, the gateway on the other.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use metrics::counter;
use registry::Token;
use store::StorageError;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;
use tracing::debug;

use super::device_side::{Answer, Awaited, DeviceSide, LogIn, ServeDeviceError, not_taken};
use super::downlink;
use super::gateway_api::{self, Opened, Others};
use super::packet::{ClientPacket, Codec, Connect, Cut, Message, PacketError, Refusal, Taken};
use crate::app::App;
use crate::errors::ErrorChain;
use crate::gateway::{Gateway, Socket};
use crate::listener::Peer;

/// The user name of every device. Source: reference/mqtt-api.md 1.
const USERNAME: &str = "device";

/// The user name of a device that speaks for others. Source: reference/mqtt-api.md 9, login B.
const GATEWAY_USERNAME: &str = "mgmt_device";

/// Bytes between this module and the gateway in each direction; whoever is faster waits.
const PIPE_BYTES: usize = 16 * 1024;

/// 20 s between pings to the gateway, which knows nothing of MQTT's own keep-alive: well below the shortest time after which it
/// takes a silent device for gone.
const GATEWAY_PING_EVERY: Duration = Duration::from_secs(20);

/// Pings of the gateway that the client has not acknowledged; further ones are not sent.
const UNACKNOWLEDGED_MAX: u16 = 64;

/// 1 s for the client to hear why the connection ends, and to end it.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that are read meanwhile.
const LINGER_BYTES_MAX: u64 = 64 * 1024;

/// Why a connection ended, beyond what is usual.
#[derive(Debug, thiserror::Error)]
enum EndConnectionError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the client does not speak MQTT as it may be spoken here")]
    Packet(#[from] PacketError),
    #[error("the device cannot be served")]
    Device(#[from] ServeDeviceError),
    #[error("the database cannot say who may speak for others")]
    Store(#[from] StorageError),
}

impl EndConnectionError {
    /// Why the connection was cut, for counters; none where it failed by itself.
    const fn cut_reason(&self) -> Option<&'static str> {
        match self {
            Self::Packet(_) => Some("malformed"),
            Self::Device(ServeDeviceError::TooManyAwaited) => Some("too_many_awaited"),
            _ => None,
        }
    }
}

/// Serves one client until it leaves; `first_bytes` were read from the stream already.
pub(crate) async fn serve<S>(app: Arc<App>, gateway: Gateway, stream: S, first_bytes: &[u8], peer: Peer)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (pipe, socket) = open_pipe();
    let serving = gateway.serve(socket, peer.over_mqtt());
    let translating = async {
        let connection = Connection::new(app, gateway.clone(), stream, first_bytes, pipe, peer);
        if let Err(failure) = connection.run().await {
            if let Some(reason) = failure.cut_reason() {
                counter!("mqtt_connections_cut_total", "reason" => reason).increment(1);
            }
            debug!(error = %ErrorChain(&failure), "an MQTT connection ended early");
        }
    };
    // The gateway learns of the end by its side of the pipe, and is waited for: it notes when the device was last heard.
    tokio::join!(serving, translating);
}

/// A connection to the gateway in this process, and what the gateway serves of it.
pub(super) fn open_pipe() -> (DuplexStream, Socket) {
    let (ours, gateways) = tokio::io::duplex(PIPE_BYTES);
    (ours, Socket::stream(Box::new(gateways), &[]))
}

/// Which device something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The one that logged in.
    Own,
    /// One that it speaks for, by its number on this connection.
    Other(u64),
}

/// How a connection ends, as far as the protocol is kept to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The client said good-bye.
    GoodBye,
    /// The client is gone, or asked for its last will.
    Gone,
    Cut(Cut),
}

struct Connection<S> {
    app: Arc<App>,
    client: S,
    codec: Option<Codec>,
    from_client: BytesMut,
    own: DeviceSide,
    others: Others,
    may_speak_for_others: bool,
    last_will: Option<Message>,
    next_packet_id: u16,
    unacknowledged_max: usize,
    /// Pings that the client has not acknowledged yet: its id for it, the device, and the gateway's id.
    unacknowledged: VecDeque<(NonZeroU16, Whose, u16)>,
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    fn new(
        app: Arc<App>,
        gateway: Gateway,
        client: S,
        first_bytes: &[u8],
        pipe: DuplexStream,
        peer: Peer,
    ) -> Self {
        Self {
            own: DeviceSide::new(Arc::clone(&app), pipe, peer),
            others: Others::new(Arc::clone(&app), gateway, peer),
            app,
            client,
            codec: None,
            from_client: BytesMut::from(first_bytes),
            may_speak_for_others: false,
            last_will: None,
            next_packet_id: 0,
            unacknowledged_max: 0,
            unacknowledged: VecDeque::new(),
        }
    }

    async fn run(mut self) -> Result<(), EndConnectionError> {
        let reading = tokio::time::timeout(self.app.config.timings.first_bytes(), self.read_connect());
        let Ok(connect) = reading.await else {
            counter!("mqtt_connects_total", "outcome" => "timeout").increment(1);
            return Ok(());
        };
        let connect = match connect {
            Ok(Some(connect)) => connect,
            Ok(None) => return Ok(()),
            Err(EndConnectionError::Packet(failure)) if failure.is_missing_client_id() => {
                return self.refuse(Refusal::NoClientId).await;
            }
            Err(failure) => return Err(failure),
        };
        let keep_alive_s = connect.keep_alive_s;
        if !self.log_in(connect).await? {
            return Ok(());
        }
        let ended = self.translate_until_closed(keep_alive_s).await;
        let told = self.tell_end(&ended).await;
        if let Some(will) = self.last_will.take() {
            // The device is gone without a good-bye; what it left is taken as if it had just published it.
            self.take_publish(will, None).await?;
        }
        ended.and(told)
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
        let Some(token) = connect.password else {
            self.refuse(Refusal::BadCredentials).await?;
            return Ok(false);
        };
        match connect.username.as_deref() {
            Some(USERNAME) => {}
            Some(GATEWAY_USERNAME) => match gateway_api::may_speak_for_others(&self.app, &token).await? {
                Some(false) => {
                    self.refuse(Refusal::NotAllowed).await?;
                    return Ok(false);
                }
                // An unknown token gets the answer that every device with one gets.
                allowed => self.may_speak_for_others = allowed == Some(true),
            },
            _ => {
                self.refuse(Refusal::BadCredentials).await?;
                return Ok(false);
            }
        }
        let answers = match self.own.log_in(&token).await? {
            LogIn::In(answers) => answers,
            LogIn::Refused(refusal) => {
                self.refuse(refusal).await?;
                return Ok(false);
            }
        };
        counter!("mqtt_connects_total", "outcome" => "accepted").increment(1);
        // A client without a name gets one, which in version 5 it must be told (MQTT 5, section 3.1.3.1).
        let assigned_id = match self.own.device() {
            Some(device) if !connect.has_client_id => Some(device.to_string()),
            _ => None,
        };
        self.write(|codec, out| codec.answer_connect(None, assigned_id.as_deref(), out)).await?;
        self.last_will = connect.last_will;
        self.unacknowledged_max = usize::from(connect.receive_max.min(UNACKNOWLEDGED_MAX));
        self.write_answers(Whose::Own, answers).await?;
        Ok(true)
    }

    async fn refuse(&mut self, refusal: Refusal) -> Result<(), EndConnectionError> {
        let outcome = match refusal {
            Refusal::BadCredentials | Refusal::NoClientId | Refusal::NotAllowed => "refused",
            Refusal::Unavailable => "try_later",
        };
        counter!("mqtt_connects_total", "outcome" => outcome).increment(1);
        self.write(|codec, out| codec.answer_connect(Some(refusal), None, out)).await
    }

    async fn translate_until_closed(&mut self, keep_alive_s: u16) -> Result<Ending, EndConnectionError> {
        // One and a half times the keep-alive (MQTT 3.1.1, section 3.1.2.10).
        let silence_max = (keep_alive_s > 0).then(|| Duration::from_millis(u64::from(keep_alive_s) * 1_500));
        let mut heard_at = Instant::now();
        let mut ping_at = Instant::now() + GATEWAY_PING_EVERY;
        loop {
            while let Some(packet) = self.next_packet()? {
                if let Some(ending) = self.take_packet(packet).await? {
                    return Ok(ending);
                }
            }
            let silent_at = silence_max.map(|max| heard_at + max);
            tokio::select! {
                count = self.client.read_buf(&mut self.from_client) => {
                    if count? == 0 {
                        return Ok(Ending::Gone);
                    }
                    heard_at = Instant::now();
                }
                count = self.own.read() => {
                    if count? == 0 {
                        return Ok(Ending::Cut(self.why_gateway_ended()));
                    }
                    let answers = self.own.answers().await?;
                    self.write_answers(Whose::Own, answers).await?;
                }
                (number, count) = self.others.read() => self.answer_other(number, count).await?,
                () = wait_until(silent_at) => return Ok(Ending::Cut(Cut::KeepAlive)),
                () = tokio::time::sleep_until(ping_at) => {
                    ping_at = Instant::now() + GATEWAY_PING_EVERY;
                    self.ping_gateway().await?;
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

    /// Acts on one packet; some of them end the connection.
    async fn take_packet(&mut self, packet: ClientPacket) -> Result<Option<Ending>, EndConnectionError> {
        match packet {
            ClientPacket::Publish(message, packet_id) => self.take_publish(message, packet_id).await?,
            ClientPacket::Subscribe(packet_id, filters) => self.subscribe(packet_id, filters).await?,
            ClientPacket::Unsubscribe(packet_id, filters) => {
                for filter in &filters {
                    self.unsubscribe(filter);
                }
                self.write(|codec, out| codec.write_unsubscribe_ack(packet_id, filters.len(), out)).await?;
            }
            ClientPacket::PublishAck(packet_id) => self.take_publish_ack(packet_id).await?,
            ClientPacket::Ping => self.own.ping(Awaited::PingAnswer).await?,
            ClientPacket::Disconnect => {
                // A good-bye: the will is not published (MQTT 3.1.1, section 3.14.4).
                self.last_will = None;
                return Ok(Some(Ending::GoodBye));
            }
            ClientPacket::DisconnectWithWill => return Ok(Some(Ending::Gone)),
            ClientPacket::Refused(cut) => return Ok(Some(Ending::Cut(cut))),
        }
        Ok(None)
    }

    /// Takes a message; with a packet id it is acknowledged once everything before it is on disk.
    async fn take_publish(
        &mut self,
        message: Message,
        packet_id: Option<NonZeroU16>,
    ) -> Result<(), EndConnectionError> {
        let Some((token, rest)) = self.target(&message.topic) else {
            let answers = self.own.take_publish(&message, packet_id).await?;
            return self.write_answers(Whose::Own, answers).await;
        };
        let number = match self.open_other(&token).await? {
            Ok(number) => number,
            Err(reason) => {
                let answers = not_taken(reason, Taken::NotAllowed, packet_id);
                return self.write_answers_of(Some(&token), Whose::Own, answers).await;
            }
        };
        let message = Message { topic: rest, payload: message.payload };
        let Some((_, side)) = self.others.get(number) else { return Ok(()) };
        let answers = side.take_publish(&message, packet_id).await;
        self.write_other(number, answers).await
    }

    async fn subscribe(
        &mut self,
        packet_id: NonZeroU16,
        filters: Vec<String>,
    ) -> Result<(), EndConnectionError> {
        let mut granted = Vec::with_capacity(filters.len());
        for filter in filters {
            granted.push(match self.target(&filter) {
                None => self.own.filters().add(filter),
                Some((token, rest)) => match self.open_other(&token).await? {
                    Ok(number) => self
                        .others
                        .get(number)
                        .is_some_and(|(_, side)| side.filters().add(gateway_api::filter_of(&rest))),
                    Err(_reason) => false,
                },
            });
        }
        self.write(|codec, out| codec.write_subscribe_ack(packet_id, &granted, out)).await
    }

    fn unsubscribe(&mut self, filter: &str) {
        match self.target(filter) {
            None => self.own.filters().remove(filter),
            Some((token, rest)) => {
                let number = self.others.number_of(&token);
                if let Some((_, side)) = number.and_then(|number| self.others.get(number)) {
                    side.filters().remove(&gateway_api::filter_of(&rest));
                }
            }
        }
    }

    /// The device that a topic is about, if it is another one that may be spoken for, and the topic for that device alone.
    fn target(&self, topic: &str) -> Option<(Token, String)> {
        if !self.may_speak_for_others {
            return None;
        }
        gateway_api::target(topic).map(|(token, rest)| (token, rest.to_owned()))
    }

    /// Logs another device in unless it is; returns its number, or why it cannot be spoken for.
    async fn open_other(&mut self, token: &Token) -> Result<Result<u64, &'static str>, EndConnectionError> {
        match self.others.open(token).await {
            Ok(Opened::In(number, answers)) => {
                self.write_answers(Whose::Other(number), answers).await?;
                Ok(Ok(number))
            }
            Ok(Opened::Refused(reason)) => Ok(Err(reason)),
            Err(failure) => {
                debug!(error = %ErrorChain(&failure), "a device could not be spoken for");
                Ok(Err("the server cannot serve the device now; try again later"))
            }
        }
    }

    async fn answer_other(
        &mut self,
        number: u64,
        count: io::Result<usize>,
    ) -> Result<(), EndConnectionError> {
        if !matches!(count, Ok(1..)) {
            self.others.remove(number);
            return Ok(());
        }
        let Some((_, side)) = self.others.get(number) else { return Ok(()) };
        let answers = side.answers().await;
        self.write_other(number, answers).await
    }

    /// Writes what another device's side says; when it fails, only that device is given up.
    async fn write_other(
        &mut self,
        number: u64,
        answers: Result<Vec<Answer>, ServeDeviceError>,
    ) -> Result<(), EndConnectionError> {
        match answers {
            Ok(answers) => self.write_answers(Whose::Other(number), answers).await,
            Err(failure) => {
                debug!(error = %ErrorChain(&failure), "a device that is spoken for is given up");
                self.others.remove(number);
                Ok(())
            }
        }
    }

    async fn take_publish_ack(&mut self, packet_id: NonZeroU16) -> Result<(), EndConnectionError> {
        let position = self.unacknowledged.iter().position(|(waiting, ..)| *waiting == packet_id);
        let Some((_, whose, id)) = position.and_then(|position| self.unacknowledged.remove(position)) else {
            return Ok(());
        };
        match whose {
            Whose::Own => self.own.acknowledge_ping(id).await?,
            Whose::Other(number) => {
                if let Some((_, side)) = self.others.get(number)
                    && side.acknowledge_ping(id).await.is_err()
                {
                    self.others.remove(number);
                }
            }
        }
        Ok(())
    }

    async fn ping_gateway(&mut self) -> Result<(), EndConnectionError> {
        for number in self.others.numbers() {
            if let Some((_, side)) = self.others.get(number)
                && side.ping(Awaited::Nothing).await.is_err()
            {
                self.others.remove(number);
            }
        }
        Ok(self.own.ping(Awaited::Nothing).await?)
    }

    /// The gateway closes a connection without a word; that another one came is the usual reason.
    fn why_gateway_ended(&self) -> Cut {
        let is_elsewhere = self.own.device().is_some_and(|device| self.app.links.get(device).is_some());
        if is_elsewhere { Cut::TakenOver } else { Cut::ByGateway }
    }

    /// Tells the client why the server ends the connection, where it does.
    async fn tell_end(
        &mut self,
        ended: &Result<Ending, EndConnectionError>,
    ) -> Result<(), EndConnectionError> {
        match ended {
            Ok(Ending::Cut(cut)) => {
                counter!("mqtt_connections_cut_total", "reason" => cut.as_str()).increment(1);
                self.write(|codec, out| codec.write_cut(*cut, out)).await?;
                self.linger().await
            }
            Err(EndConnectionError::Packet(failure)) => {
                self.write(|codec, out| codec.write_failure(failure, out)).await?;
                self.linger().await
            }
            Ok(Ending::GoodBye | Ending::Gone) | Err(_) => Ok(()),
        }
    }

    /// Reads on for a moment after the last word: closed with something unread, a system takes that word back.
    async fn linger(&mut self) -> Result<(), EndConnectionError> {
        let reading = async {
            self.client.shutdown().await?;
            let mut rest = (&mut self.client).take(LINGER_BYTES_MAX);
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
        };
        match tokio::time::timeout(LINGER, reading).await {
            Ok(read) => Ok(read.map(drop)?),
            Err(_elapsed) => Ok(()),
        }
    }

    async fn write_answers(&mut self, whose: Whose, answers: Vec<Answer>) -> Result<(), EndConnectionError> {
        let token = match whose {
            Whose::Own => None,
            Whose::Other(number) => self.others.get(number).map(|(token, _side)| token.clone()),
        };
        self.write_answers_of(token.as_ref(), whose, answers).await
    }

    /// Writes answers; with a token they are about that other device.
    async fn write_answers_of(
        &mut self,
        other: Option<&Token>,
        whose: Whose,
        answers: Vec<Answer>,
    ) -> Result<(), EndConnectionError> {
        let addressed = |mut message: Message| {
            if let Some(token) = other {
                message.topic = gateway_api::topic_of(token, &message.topic);
            }
            message
        };
        for answer in answers {
            match answer {
                Answer::Message(message) => {
                    self.write(|codec, out| codec.write_message(addressed(message), None, out).map(drop))
                        .await?;
                }
                Answer::Ping(id) => {
                    self.write_ping(addressed(downlink::message("ping", b"")), whose, id).await?;
                }
                Answer::PublishAck(packet_id, taken) => {
                    self.write(|codec, out| codec.write_publish_ack(packet_id, taken, out)).await?;
                }
                Answer::Pong => self.write(Codec::write_ping_answer).await?,
            }
        }
        Ok(())
    }

    /// Sends a ping of the gateway, which the client acknowledges, unless too many are waiting for that already.
    async fn write_ping(
        &mut self,
        message: Message,
        whose: Whose,
        id: u16,
    ) -> Result<(), EndConnectionError> {
        if self.unacknowledged.len() >= self.unacknowledged_max {
            return Ok(());
        }
        self.next_packet_id = self.next_packet_id.wrapping_add(1).max(1);
        let Some(packet_id) = NonZeroU16::new(self.next_packet_id) else { return Ok(()) };
        self.unacknowledged.push_back((packet_id, whose, id));
        self.write(|codec, out| codec.write_message(message, Some(packet_id), out).map(drop)).await
    }

    async fn write(
        &mut self,
        encode: impl FnOnce(&mut Codec, &mut BytesMut) -> Result<(), PacketError>,
    ) -> Result<(), EndConnectionError> {
        let Some(codec) = &mut self.codec else { return Ok(()) };
        let mut out = BytesMut::new();
        encode(codec, &mut out)?;
        if out.is_empty() {
            return Ok(());
        }
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
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

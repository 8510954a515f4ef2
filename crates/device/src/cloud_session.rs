//! The conversation with the cloud: login, info, keep-alive, and what the frames mean.

use core::time::Duration;

use home_store::{Epoch, ReleaseKey, Token};
use lifecycle::{CloudError, HomeSource, Input, Instant};
use wire::{
    ClaimRequest, DeviceInternal, DeviceMessage, FINGERPRINT_DIGITS, Frame, HEADER_BYTES, Info, NoToken,
    ParseFrameError, PinWrite, REHOME_PROTOCOL_VERSION, Secret, ServerHardware, ServerInternal,
    ServerMessage, Status, Values,
};

use crate::application::{Application, OutgoingWrite};
use crate::console::ConsoleCommand;
use crate::firmware_update::OrderedUrl;
use crate::homes::redirect_host;
use crate::identity::DeviceConfig;
use crate::platform::{Platform, SendError};
use crate::release::{OwedReceipt, ReceivedClaim, ReceivedOrder};

/// Largest body the device accepts, declared as `buff-in`.
pub const CLOUD_BODY_BYTES_MAX: usize = 1024;
/// Largest frame the device sends.
const SEND_FRAME_BYTES_MAX: usize = 512;
/// The login's id is fixed. Source: observed-clients.md, "Login and session".
const LOGIN_MESSAGE_ID: u16 = 1;
/// How long the login's answer may take. Source: wire-protocol.md, section 4.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(6);
/// How long beyond the keep-alive nothing may come in. Source: wire-protocol.md, section 8.
const SILENCE_MARGIN: Duration = Duration::from_secs(18);
/// Pings are never closer together than this. Source: wire-protocol.md, section 8.
const PING_GAP_MIN: Duration = Duration::from_secs(6);
/// Redirects followed in one attempt.
const REDIRECT_COUNT_MAX: u8 = 3;
/// Values sent in one go; the rest follows after other events had their turn.
pub(crate) const WRITES_PER_TURN_MAX: usize = 8;
/// Version of the Blynk protocol library whose behaviour the agent offers.
const LIBRARY_VERSION: &str = "1.3.2";

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    Dialing {
        source: HomeSource,
        redirect_count: u8,
    },
    LoggingIn {
        source: HomeSource,
        redirect_count: u8,
        is_verified_tls: bool,
        answer_due_at: Instant,
    },
    /// A claim code was sent in place of the login; only a home on trial has one.
    Exchanging {
        redirect_count: u8,
        is_verified_tls: bool,
        answer_due_at: Instant,
    },
    Online {
        heard_at: Instant,
        spoke_at: Instant,
        pinged_at: Instant,
    },
}

impl Phase {
    pub(crate) const fn is_connected(&self) -> bool {
        matches!(self, Self::LoggingIn { .. } | Self::Exchanging { .. } | Self::Online { .. })
    }
}

/// What the shell must do after the conversation went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    None,
    /// Tell the lifecycle; close the connection first unless it goes on.
    Tell(Input),
    /// Connect to the host in [`CloudSession::redirect`].
    Follow(HomeSource),
    /// Run a command of the console.
    Console(ConsoleCommand),
    /// The token came that the claim code stood for; the connection goes on.
    Token(Token),
    /// The claim code was not exchanged.
    NoToken { reason: NoToken, is_verified_tls: bool },
    /// A release key came.
    Claim(ReceivedClaim),
    /// A release order came; nothing about it is proven.
    Release(ReceivedOrder),
    /// An order to install a firmware came; its address is in [`CloudSession::ordered_url`].
    Update,
}

/// One conversation after the other.
#[derive(Debug)]
pub(crate) struct CloudSession {
    pub(crate) phase: Phase,
    /// Where the last redirect of this attempt leads.
    pub(crate) redirect: Option<(heapless::String<{ home_store::HOST_BYTES_MAX }>, u16)>,
    next_message_id: u16,
    heartbeat: Duration,
    was_introduced: bool,
    /// The present connection is TLS whose certificate and name were checked.
    is_verified_tls: bool,
    /// Address of the newest update order; `None` when it was too long.
    pub(crate) ordered_url: Option<OrderedUrl>,
    /// Id of the receipt that waits for its answer.
    receipt_message_id: Option<u16>,
}

/// What the info message says of the release key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ownership<'a> {
    pub(crate) epoch: Epoch,
    pub(crate) release_key: Option<&'a ReleaseKey>,
    /// The home is in RAM only.
    pub(crate) is_on_bench: bool,
}

impl CloudSession {
    pub(crate) fn new(heartbeat_s: u16) -> Self {
        Self {
            phase: Phase::Idle,
            redirect: None,
            next_message_id: LOGIN_MESSAGE_ID,
            heartbeat: Duration::from_secs(u64::from(heartbeat_s)),
            was_introduced: false,
            is_verified_tls: false,
            ordered_url: None,
            receipt_message_id: None,
        }
    }

    pub(crate) fn begin(&mut self, source: HomeSource) {
        self.redirect = None;
        // The record of a new home knows nothing of the device yet.
        self.was_introduced &= source == HomeSource::Stored;
        self.phase = Phase::Dialing { source, redirect_count: 0 };
    }

    pub(crate) fn end(&mut self) {
        self.phase = Phase::Idle;
        self.redirect = None;
    }

    /// Returns when [`CloudSession::handle_time`] is due.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle | Phase::Dialing { .. } => None,
            Phase::LoggingIn { answer_due_at, .. } | Phase::Exchanging { answer_due_at, .. } => {
                Some(answer_due_at)
            }
            Phase::Online { heard_at, spoke_at, pinged_at } => {
                Some(self.ping_due_at(heard_at, spoke_at, pinged_at).min(self.silence_ends_at(heard_at)))
            }
        }
    }

    /// Nothing came in, or nothing went out, for a keep-alive. An application that writes all the time keeps the way
    /// out busy, but only an answer shows that the cloud is still there.
    fn ping_due_at(&self, heard_at: Instant, spoke_at: Instant, pinged_at: Instant) -> Instant {
        heard_at.min(spoke_at).after(self.heartbeat).max(pinged_at.after(PING_GAP_MIN))
    }

    fn silence_ends_at(&self, heard_at: Instant) -> Instant {
        heard_at.after(self.heartbeat).after(SILENCE_MARGIN)
    }

    /// The connection stands: logs in.
    pub(crate) fn log_in<P: Platform>(
        &mut self,
        platform: &mut P,
        token: &[u8],
        is_verified_tls: bool,
    ) -> Step {
        let Phase::Dialing { source, redirect_count } = self.phase else {
            return Step::None;
        };
        self.next_message_id = LOGIN_MESSAGE_ID;
        self.is_verified_tls = is_verified_tls;
        self.receipt_message_id = None;
        let answer_due_at = platform.now().after(LOGIN_TIMEOUT);
        self.phase = Phase::LoggingIn { source, redirect_count, is_verified_tls, answer_due_at };
        match self.send(platform, &DeviceMessage::Login { token: Secret(token) }) {
            Ok(()) => Step::None,
            Err(SendError) => self.fail(CloudError::Other),
        }
    }

    /// The connection stands: asks for the token that a claim code stands for.
    pub(crate) fn exchange_code<P: Platform>(
        &mut self,
        platform: &mut P,
        request: ClaimRequest<'_>,
        is_verified_tls: bool,
    ) -> Step {
        let Phase::Dialing { redirect_count, .. } = self.phase else {
            return Step::None;
        };
        self.next_message_id = LOGIN_MESSAGE_ID;
        let answer_due_at = platform.now().after(LOGIN_TIMEOUT);
        self.phase = Phase::Exchanging { redirect_count, is_verified_tls, answer_due_at };
        match self.send(platform, &DeviceMessage::Internal(DeviceInternal::ClaimCode(request))) {
            Ok(()) => Step::None,
            Err(SendError) => self.fail(CloudError::Other),
        }
    }

    /// Logs in over the connection on which the token came.
    pub(crate) fn log_in_after_exchange<P: Platform>(&mut self, platform: &mut P, token: &[u8]) -> Step {
        let Phase::Exchanging { redirect_count, is_verified_tls, .. } = self.phase else {
            return Step::None;
        };
        self.phase = Phase::Dialing { source: HomeSource::Candidate, redirect_count };
        self.log_in(platform, token, is_verified_tls)
    }

    /// Does what time asks for: the login's answer is overdue, a keep-alive is due, the cloud fell silent.
    pub(crate) fn handle_time<P: Platform>(&mut self, platform: &mut P) -> Step {
        let now = platform.now();
        match self.phase {
            Phase::LoggingIn { answer_due_at, .. } | Phase::Exchanging { answer_due_at, .. }
                if now >= answer_due_at =>
            {
                self.fail(CloudError::Timeout)
            }
            Phase::Online { heard_at, .. } if now >= self.silence_ends_at(heard_at) => {
                self.fail(CloudError::Timeout)
            }
            Phase::Online { heard_at, spoke_at, pinged_at }
                if now >= self.ping_due_at(heard_at, spoke_at, pinged_at) =>
            {
                self.phase = Phase::Online { heard_at, spoke_at, pinged_at: now };
                match self.send(platform, &DeviceMessage::Ping) {
                    Ok(()) => Step::None,
                    Err(SendError) => self.fail(CloudError::Other),
                }
            }
            _ => Step::None,
        }
    }

    /// The connection ended, or could not be made.
    pub(crate) fn fail(&mut self, error: CloudError) -> Step {
        let phase = core::mem::replace(&mut self.phase, Phase::Idle);
        match phase {
            Phase::Idle => Step::None,
            Phase::Dialing { .. } | Phase::LoggingIn { .. } | Phase::Exchanging { .. } => {
                Step::Tell(Input::CloudFailed(error))
            }
            Phase::Online { .. } => Step::Tell(Input::CloudLost),
        }
    }

    /// The bytes are no frames.
    pub(crate) fn fail_on_garbage(&mut self, error: ParseFrameError) -> Step {
        // `HTTP` read as a header announces a body of 20 527 bytes: a captive portal talks over everything.
        let is_captive_portal = matches!(error, ParseFrameError::BodyTooLarge { body_bytes, .. }
            if body_bytes == usize::from(u16::from_be_bytes(*b"P/")));
        self.fail(if is_captive_portal { CloudError::CaptivePortal } else { CloudError::Other })
    }

    /// Takes one frame from the cloud.
    pub(crate) fn handle_frame<P: Platform, A: Application>(
        &mut self,
        frame: &Frame<'_>,
        platform: &mut P,
        application: &mut A,
    ) -> Step {
        match self.phase {
            Phase::Idle | Phase::Dialing { .. } => Step::None,
            Phase::LoggingIn { source, redirect_count, is_verified_tls, .. } => {
                let answer =
                    self.handle_login_answer(frame, platform, source, redirect_count, is_verified_tls);
                if answer == Step::Tell(Input::LoginAccepted) {
                    application.on_online(platform.now());
                }
                answer
            }
            Phase::Exchanging { is_verified_tls, .. } => {
                self.handle_exchange_answer(frame, platform, is_verified_tls)
            }
            Phase::Online { spoke_at, pinged_at, .. } => {
                self.phase = Phase::Online { heard_at: platform.now(), spoke_at, pinged_at };
                self.handle_online_frame(frame, platform, application)
            }
        }
    }

    /// Sends one value of the application.
    pub(crate) fn write<P: Platform>(
        &mut self,
        platform: &mut P,
        write: &OutgoingWrite,
    ) -> Result<(), SendError> {
        let values = Values::new(write.value.as_bytes());
        self.send(platform, &DeviceMessage::Hardware(PinWrite::Virtual { pin: write.pin, values }))
    }

    fn handle_login_answer<P: Platform>(
        &mut self,
        frame: &Frame<'_>,
        platform: &mut P,
        source: HomeSource,
        redirect_count: u8,
        is_verified_tls: bool,
    ) -> Step {
        match ServerMessage::parse(frame) {
            Ok(ServerMessage::Response(status)) if frame.message_id() == LOGIN_MESSAGE_ID => {
                self.handle_login_status(status, platform, is_verified_tls)
            }
            Ok(ServerMessage::Redirect { host, port }) if redirect_count < REDIRECT_COUNT_MAX => {
                let port = port.unwrap_or(wire::REDIRECT_PORT_DEFAULT);
                platform.log(format_args!("[{}] Redirecting to {host}:{port}", platform.now().as_millis()));
                self.redirect = redirect_host(host).map(|host| (host, port));
                self.phase = Phase::Dialing { source, redirect_count: redirect_count.saturating_add(1) };
                Step::Follow(source)
            }
            Ok(ServerMessage::Redirect { .. }) => self.fail(CloudError::Other),
            Ok(ServerMessage::DebugPrint { text }) => {
                log_text(platform, text);
                Step::None
            }
            // Anything else before the login's answer is not for us yet.
            Ok(_) | Err(_) => Step::None,
        }
    }

    fn handle_exchange_answer<P: Platform>(
        &mut self,
        frame: &Frame<'_>,
        platform: &mut P,
        is_verified_tls: bool,
    ) -> Step {
        match ServerMessage::parse(frame) {
            Ok(ServerMessage::Internal(ServerInternal::Token { token })) => {
                Token::parse(token.0).map_or_else(|_| self.fail(CloudError::Other), Step::Token)
            }
            Ok(ServerMessage::Internal(ServerInternal::NoToken(reason))) => {
                Step::NoToken { reason, is_verified_tls }
            }
            // A server that knows no claim codes answers with a status, if at all; whichever, it says nothing about a token.
            Ok(ServerMessage::Response(_)) => self.fail(CloudError::Other),
            Ok(ServerMessage::DebugPrint { text }) => {
                log_text(platform, text);
                Step::None
            }
            Ok(_) | Err(_) => Step::None,
        }
    }

    fn handle_login_status<P: Platform>(
        &mut self,
        status: Status,
        platform: &mut P,
        is_verified_tls: bool,
    ) -> Step {
        let now = platform.now();
        if status.accepts_login() {
            self.phase = Phase::Online { heard_at: now, spoke_at: now, pinged_at: now };
            return Step::Tell(Input::LoginAccepted);
        }
        if status == Status::InvalidToken {
            platform.log(format_args!("[{}] Invalid auth token", now.as_millis()));
            self.phase = Phase::Idle;
            return Step::Tell(Input::LoginRefused { verified_tls: is_verified_tls });
        }
        platform.log(format_args!("[{}] Login answered {}, trying later", now.as_millis(), status.code()));
        self.fail(CloudError::Other)
    }

    pub(crate) const fn is_verified_tls(&self) -> bool {
        self.is_verified_tls
    }

    /// Sends what the cloud should know first.
    pub(crate) fn introduce<P: Platform>(
        &mut self,
        platform: &mut P,
        config: &DeviceConfig<'_>,
        hotspot_name: &str,
        ownership: Ownership<'_>,
    ) {
        self.send_info(platform, config, ownership);
        // Once per boot and home; new Edgent restarts between two homes. Source: edgent-device.md, section 8.
        if !core::mem::replace(&mut self.was_introduced, true) {
            for (field, value) in [("Device UID", config.identity.uid), ("Hotspot Name", hotspot_name)] {
                let value = Secret(value.as_bytes());
                self.send_or_log(
                    platform,
                    &DeviceMessage::Internal(DeviceInternal::MetaSet { field, value }),
                );
            }
        }
    }

    /// Sends the info message. Sent again after a claim was stored, it is the acknowledgement of the claim.
    pub(crate) fn send_info<P: Platform>(
        &mut self,
        platform: &mut P,
        config: &DeviceConfig<'_>,
        ownership: Ownership<'_>,
    ) {
        let identity = &config.identity;
        let mut fingerprint = [0; FINGERPRINT_DIGITS];
        let key = ownership.release_key;
        let info = Info {
            mcu: Some(identity.firmware_version),
            fw_type: Some(identity.firmware_type),
            build: Some(identity.firmware_build),
            blynk: Some(LIBRARY_VERSION),
            declared_heartbeat_s: Some(u32::from(config.heartbeat_s)),
            declared_buffer_bytes: u32::try_from(CLOUD_BODY_BYTES_MAX).ok(),
            dev: Some(identity.board),
            tmpl: Some(identity.template_id),
            rehome: Some(REHOME_PROTOCOL_VERSION),
            epoch: Some(ownership.epoch.0),
            uid: Some(identity.uid).filter(|uid| !uid.is_empty()),
            release_key: key.map(|key| wire::key_fingerprint(&key.public_key, &mut fingerprint)),
            bench: ownership.is_on_bench.then_some(1),
            ..Info::default()
        };
        self.send_or_log(platform, &DeviceMessage::Internal(DeviceInternal::Info(info)));
    }

    /// Sends the receipt of a release; its answer is told as [`Input::ReceiptAcknowledged`].
    pub(crate) fn send_receipt<P: Platform>(
        &mut self,
        platform: &mut P,
        receipt: &OwedReceipt,
    ) -> Result<(), SendError> {
        let receipt = receipt.as_receipt().ok_or(SendError)?;
        self.receipt_message_id = Some(self.next_message_id);
        self.send(platform, &DeviceMessage::Internal(DeviceInternal::Released(receipt)))
    }

    /// Records an event of the device.
    pub(crate) fn log_event<P: Platform>(&mut self, platform: &mut P, code: &str, description: &str) {
        let description = Some(description.as_bytes());
        self.send_or_log(platform, &DeviceMessage::EventLog { code, description });
    }

    fn send_or_log<P: Platform>(&mut self, platform: &mut P, message: &DeviceMessage<'_>) {
        if self.send(platform, message).is_err() {
            let now = platform.now().as_millis();
            platform.log(format_args!("[{now}] Could not send {:?}", message.command()));
        }
    }

    fn handle_online_frame<P: Platform, A: Application>(
        &mut self,
        frame: &Frame<'_>,
        platform: &mut P,
        application: &mut A,
    ) -> Step {
        let message_id = frame.message_id();
        match ServerMessage::parse(frame) {
            Ok(ServerMessage::Response(Status::NotAuthenticated) | ServerMessage::Unknown { .. }) => {
                self.fail(CloudError::Other)
            }
            Ok(ServerMessage::Response(_)) if self.receipt_message_id == Some(message_id) => {
                self.receipt_message_id = None;
                Step::Tell(Input::ReceiptAcknowledged)
            }
            Ok(ServerMessage::Ping) => self.respond(platform, message_id, Status::Success),
            Ok(ServerMessage::Hardware(hardware) | ServerMessage::Bridge(hardware)) => match hardware {
                ServerHardware::Write(PinWrite::Virtual { pin, values }) => {
                    application.on_write(platform.now(), pin, values);
                    Step::None
                }
                // Like new Edgent, built without the physical pins.
                _ => self.respond(platform, message_id, Status::IllegalCommand),
            },
            Ok(ServerMessage::Internal(ServerInternal::Ota { url: Secret(url) })) => {
                self.ordered_url = OrderedUrl::copy(url);
                Step::Update
            }
            Ok(ServerMessage::Internal(internal)) => handle_internal(&internal, platform),
            Ok(ServerMessage::DebugPrint { text }) => {
                log_text(platform, text);
                Step::None
            }
            Ok(ServerMessage::Response(_) | ServerMessage::Redirect { .. }) => Step::None,
            Err(error) => match error.reply_status() {
                Some(status) => self.respond(platform, message_id, status),
                None => Step::None,
            },
        }
    }

    fn respond<P: Platform>(&mut self, platform: &mut P, message_id: u16, status: Status) -> Step {
        let mut bytes = [0; HEADER_BYTES];
        let sent = match (Frame::Response { message_id, status }).encode(&mut bytes) {
            Ok(_) => platform.send(&bytes),
            Err(_) => Err(SendError),
        };
        match sent {
            Ok(()) => Step::None,
            Err(SendError) => self.fail(CloudError::Other),
        }
    }

    fn send<P: Platform>(&mut self, platform: &mut P, message: &DeviceMessage<'_>) -> Result<(), SendError> {
        let mut bytes = [0; SEND_FRAME_BYTES_MAX];
        let message_id = self.next_message_id;
        self.next_message_id = message_id.checked_add(1).unwrap_or(LOGIN_MESSAGE_ID + 1);
        let frame_bytes = message.encode(message_id, &mut bytes).or(Err(SendError))?;
        platform.send(bytes.get(..frame_bytes).ok_or(SendError)?)?;
        if let Phase::Online { heard_at, pinged_at, .. } = self.phase {
            self.phase = Phase::Online { heard_at, spoke_at: platform.now(), pinged_at };
        }
        Ok(())
    }
}

fn handle_internal<P: Platform>(internal: &ServerInternal<'_>, platform: &mut P) -> Step {
    match internal {
        ServerInternal::Dbg { command } => match ConsoleCommand::parse(command.0) {
            Ok(command) => command.map_or(Step::None, Step::Console),
            Err(error) => {
                platform.log(format_args!("{error}"));
                Step::None
            }
        },
        ServerInternal::Claim(claim) => ReceivedClaim::copy(claim).map_or(Step::None, Step::Claim),
        ServerInternal::Release(order) => ReceivedOrder::copy(order).map_or(Step::None, Step::Release),
        _ => {
            let now = platform.now().as_millis();
            platform.log(format_args!("[{now}] Nothing to do for an internal message"));
            Step::None
        }
    }
}

fn log_text<P: Platform>(platform: &mut P, text: &[u8]) {
    let now = platform.now().as_millis();
    platform.log(format_args!("[{now}] Cloud says: {}", text.escape_ascii()));
}

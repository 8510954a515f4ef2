//! The cloud link of the emulated Edgent boards: login, info, heartbeat, and what the server orders.

mod incoming;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::{
    DeviceInternal, DeviceMessage, FrameBuffer, HEADER_BYTES, Info, PinWrite, Secret, Status, Values,
};

use crate::board::{BoardHandle, DialError, DialSecurity};
use crate::edgent_board::{BOARD_NAME, firmware_build, firmware_version, say, wall_clock_text};
use crate::edgent_sketch::{DemoSketch, PinValue};
use crate::link::LinkPipe;
use incoming::Incoming;

/// Largest body that the device accepts, in bytes; declared as `buff-in`. Source: wire-protocol.md §1, limits.
const BODY_BYTES_MAX: usize = 256;
/// Largest frame that the emulation sends, in bytes.
const SEND_BYTES_MAX: usize = 512;
/// Time for the answer to a login. Source: wire-protocol.md §4, `BLYNK_TIMEOUT_MS`.
const LOGIN_TIMEOUT_MS: u64 = 6_000;
/// Shortest time between two login attempts. Source: wire-protocol.md §4.
pub(crate) const ATTEMPT_PERIOD_MS: u64 = 5_000;
/// Time after which a write that does not get away is given up. Source: default of the chip's TCP client.
const WRITE_TIMEOUT_MS: u64 = 5_000;
/// Seconds without anything sent or received until a ping. Source: wire-protocol.md §8.
const HEARTBEAT_S: u32 = 40;
/// Seconds without anything received until the link is dropped: heartbeat + 18. Source: wire-protocol.md §8.
const SILENCE_LIMIT_MS: u64 = 58_000;
/// Shortest time between two pings. Source: wire-protocol.md §8.
const PING_PERIOD_MS: u64 = 6_000;
/// Redirects followed in one attempt, so that two servers cannot keep a device busy for ever.
const REDIRECTS_MAX: usize = 5;
/// Id of the login; everything later counts up from 2. Source: wire-protocol.md §11.
const LOGIN_ID: u16 = 1;

/// In what the generations differ on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkProfile {
    /// Version of the library, `blynk` in the info message.
    pub(crate) library_version: &'static str,
    /// Ports that are tried whatever was configured; `None` uses the configured one.
    pub(crate) fixed_ports: Option<[u16; 2]>,
    /// Whether pins of the chip can be read and written.
    pub(crate) has_physical_pins: bool,
}

/// Where to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Why a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LogInError {
    /// No connection.
    #[error("no connection")]
    Dial(#[from] DialError),
    /// The server does not know the token.
    #[error("the token was refused")]
    InvalidToken,
    /// Another answer, a closed connection or none in time.
    #[error("the login was not answered as it should be")]
    NoSession,
}

/// What the firmware has to act on.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum LinkEvent {
    /// The session is over.
    Lost,
    /// A command line for the console; may hold credentials.
    Console(String),
    /// Install the firmware of this address; it may carry a download token.
    OtaOrdered(String),
}

/// A session with the server.
#[derive(Debug)]
pub(crate) struct EdgentLink {
    board: BoardHandle,
    profile: LinkProfile,
    pipe: LinkPipe,
    frames: FrameBuffer<{ BODY_BYTES_MAX + HEADER_BYTES }>,
    received: Vec<u8>,
    last_id: u16,
    last_in_ms: u64,
    last_out_ms: u64,
    last_ping_ms: u64,
}

impl EdgentLink {
    /// Connects, logs in and sends the info message; follows redirects.
    ///
    /// # Errors
    /// [`LogInError`]; the caller waits [`ATTEMPT_PERIOD_MS`] from the start before the next attempt.
    pub(crate) async fn log_in(
        board: &BoardHandle,
        profile: LinkProfile,
        server: &Server,
        token: &[u8],
    ) -> Result<Self, LogInError> {
        let mut server = server.clone();
        say(board, &format!("Current time: {}", wall_clock_text(board.utc_ms())));
        for _ in 0..=REDIRECTS_MAX {
            let mut link = Self::new(board, profile, dial(board, profile, &server).await?);
            link.send(LOGIN_ID, &DeviceMessage::Login { token: Secret(token) }).await?;
            let answer = tokio::select! {
                answer = link.next_login_answer() => answer?,
                () = board.sleep_ms(LOGIN_TIMEOUT_MS) => {
                    say(board, "Login timeout");
                    return Err(LogInError::NoSession);
                }
            };
            match answer {
                LoginAnswer::Accepted => {
                    link.send_info().await?;
                    return Ok(link);
                }
                LoginAnswer::InvalidToken => {
                    say(board, "Invalid auth token");
                    return Err(LogInError::InvalidToken);
                }
                LoginAnswer::Refused => return Err(LogInError::NoSession),
                LoginAnswer::Redirect(target) => {
                    say(board, &format!("Redirecting to {}:{}", target.host, target.port));
                    server = target;
                }
            }
        }
        Err(LogInError::NoSession)
    }

    /// Waits for the next thing the firmware has to act on; serves everything else meanwhile.
    pub(crate) async fn next_event(&mut self, sketch: &mut DemoSketch) -> LinkEvent {
        let board = self.board.clone();
        loop {
            let wake_ms = self.next_heartbeat_ms().min(sketch.next_report_ms());
            let handled = tokio::select! {
                incoming = self.next_incoming() => match incoming {
                    Ok(incoming) => self.handle(incoming, sketch).await,
                    Err(error) => Err(error),
                },
                () = board.link_lost() => Err(LogInError::NoSession),
                () = board.sleep_until_uptime_ms(wake_ms) => self.handle_timer(sketch).await.map(|()| None),
            };
            match handled {
                Ok(None) => {}
                Ok(Some(event)) => return event,
                Err(_) => return LinkEvent::Lost,
            }
        }
    }

    /// Sets a metadata field of the device.
    ///
    /// # Errors
    /// When the connection broke.
    pub(crate) async fn set_metadata(&mut self, field: &str, value: &str) -> Result<(), LogInError> {
        let message = DeviceInternal::MetaSet { field, value: Secret(value.as_bytes()) };
        self.send_next(&DeviceMessage::Internal(message)).await
    }

    /// Records an event.
    ///
    /// # Errors
    /// When the connection broke.
    pub(crate) async fn log_event(&mut self, code: &str, description: &str) -> Result<(), LogInError> {
        let description = Some(description.as_bytes());
        self.send_next(&DeviceMessage::EventLog { code, description }).await
    }
}

enum LoginAnswer {
    Accepted,
    InvalidToken,
    Refused,
    Redirect(Server),
}

async fn dial(board: &BoardHandle, profile: LinkProfile, server: &Server) -> Result<LinkPipe, DialError> {
    let fixed = profile.fixed_ports.unwrap_or([server.port; 2]);
    let tries = if profile.fixed_ports.is_some() { 2 } else { 1 };
    let mut failure = DialError::Timeout;
    for port in fixed.into_iter().take(tries) {
        say(board, &format!("Connecting to {}:{port}", server.host));
        match board.dial(&server.host, port, DialSecurity::VerifiedTls).await {
            Ok(pipe) => return Ok(pipe),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl EdgentLink {
    fn new(board: &BoardHandle, profile: LinkProfile, pipe: LinkPipe) -> Self {
        let now_ms = board.uptime_ms();
        Self {
            board: board.clone(),
            profile,
            pipe,
            frames: FrameBuffer::new(),
            received: Vec::new(),
            last_id: LOGIN_ID,
            last_in_ms: now_ms,
            last_out_ms: now_ms,
            last_ping_ms: now_ms,
        }
    }

    async fn next_login_answer(&mut self) -> Result<LoginAnswer, LogInError> {
        loop {
            match self.next_incoming().await? {
                Incoming::Response { message_id: LOGIN_ID, status } => {
                    return Ok(match status {
                        Status::Success | Status::AlreadyRegistered => LoginAnswer::Accepted,
                        Status::InvalidToken => LoginAnswer::InvalidToken,
                        _ => LoginAnswer::Refused,
                    });
                }
                Incoming::Redirect { host, port } => return Ok(LoginAnswer::Redirect(Server { host, port })),
                Incoming::Unacceptable => return Err(LogInError::NoSession),
                _ => {}
            }
        }
    }

    async fn send_info(&mut self) -> Result<(), LogInError> {
        let board = self.board.clone();
        let template_id = board.identity().template_id.as_str();
        let (version, build) = (firmware_version(&board), firmware_build(&board));
        let info = Info {
            mcu: Some(&version),
            fw_type: Some(template_id),
            build: Some(&build),
            blynk: Some(self.profile.library_version),
            declared_heartbeat_s: Some(HEARTBEAT_S),
            declared_buffer_bytes: u32::try_from(BODY_BYTES_MAX).ok(),
            dev: Some(BOARD_NAME),
            tmpl: Some(template_id),
            ..Info::default()
        };
        self.send_next(&DeviceMessage::Internal(DeviceInternal::Info(info))).await
    }

    async fn handle(
        &mut self,
        incoming: Incoming,
        sketch: &mut DemoSketch,
    ) -> Result<Option<LinkEvent>, LogInError> {
        match incoming {
            // After a late redirect Edgent starts over at its stored host. Source: wire-protocol.md §10.
            Incoming::Response { status: Status::NotAuthenticated, .. }
            | Incoming::Redirect { .. }
            | Incoming::Unacceptable => return Err(LogInError::NoSession),
            Incoming::Response { .. } | Incoming::Ignored => {}
            Incoming::Ping { message_id } => {
                self.send(message_id, &DeviceMessage::Response(Status::Success)).await?;
            }
            Incoming::UnknownOperation { message_id } => self.refuse(message_id).await?,
            Incoming::VirtualWrite { message_id, pin, value } => {
                // While it handles a message, all that a device sends carries its id. Source: wire-protocol.md §11.
                if let Some(echo) = sketch.write(pin, &value) {
                    self.send(message_id, &hardware(&echo)).await?;
                }
            }
            Incoming::PinWrite { message_id, .. } | Incoming::PinRead { message_id, .. }
                if !self.profile.has_physical_pins =>
            {
                self.refuse(message_id).await?;
            }
            Incoming::PinWrite { pin, value, .. } => sketch.set_level(pin, &value),
            Incoming::PinRead { message_id, pin, is_analog } => {
                let value = sketch.level(pin);
                let write = if is_analog {
                    PinWrite::Analog { pin, value }
                } else {
                    PinWrite::Digital { pin, value }
                };
                self.send(message_id, &DeviceMessage::Hardware(write)).await?;
            }
            Incoming::Console { line } => return Ok(Some(LinkEvent::Console(line))),
            Incoming::Ota { url } => return Ok(Some(LinkEvent::OtaOrdered(url))),
            Incoming::Print { text } => say(&self.board, &text),
        }
        Ok(None)
    }

    async fn refuse(&mut self, message_id: u16) -> Result<(), LogInError> {
        self.send(message_id, &DeviceMessage::Response(Status::IllegalCommand)).await
    }

    async fn handle_timer(&mut self, sketch: &mut DemoSketch) -> Result<(), LogInError> {
        let now_ms = self.board.uptime_ms();
        if now_ms >= self.last_in_ms.saturating_add(SILENCE_LIMIT_MS) {
            say(&self.board, "Heartbeat timeout");
            return Err(LogInError::NoSession);
        }
        for value in sketch.take_report() {
            self.send_next(&hardware(&value)).await?;
        }
        if now_ms >= self.ping_due_ms() {
            self.last_ping_ms = now_ms;
            self.send_next(&DeviceMessage::Ping).await?;
        }
        Ok(())
    }

    fn next_heartbeat_ms(&self) -> u64 {
        self.ping_due_ms().min(self.last_in_ms.saturating_add(SILENCE_LIMIT_MS))
    }

    /// Nothing came in, or nothing went out, for a heartbeat; but not more often than the shortest period.
    fn ping_due_ms(&self) -> u64 {
        let idle_since_ms = self.last_in_ms.min(self.last_out_ms);
        let heartbeat_ms = u64::from(HEARTBEAT_S) * 1000;
        idle_since_ms.saturating_add(heartbeat_ms).max(self.last_ping_ms.saturating_add(PING_PERIOD_MS))
    }

    async fn send_next(&mut self, message: &DeviceMessage<'_>) -> Result<(), LogInError> {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.send(self.last_id, message).await
    }

    async fn send(&mut self, message_id: u16, message: &DeviceMessage<'_>) -> Result<(), LogInError> {
        let mut frame = [0_u8; SEND_BYTES_MAX];
        let Some(frame) = message.encode(message_id, &mut frame).ok().and_then(|bytes| frame.get(..bytes))
        else {
            // The library leaves out silently what does not fit its buffer. Source: wire-protocol.md §1.
            return Ok(());
        };
        let sent = tokio::select! {
            sent = self.pipe.write_all(frame) => sent.is_ok(),
            () = self.board.sleep_ms(WRITE_TIMEOUT_MS) => false,
        };
        self.last_out_ms = self.board.uptime_ms();
        if sent { Ok(()) } else { Err(LogInError::NoSession) }
    }

    /// Cancel-safe: what was received is kept.
    async fn next_incoming(&mut self) -> Result<Incoming, LogInError> {
        loop {
            let accepted_bytes = self.frames.push(&self.received);
            self.received.drain(..accepted_bytes);
            match self.frames.next_frame() {
                Ok(Some(frame)) => return Ok(Incoming::read(&frame)),
                Ok(None) => {}
                Err(error) => {
                    say(&self.board, &format!("Packet refused: {error}"));
                    return Err(LogInError::NoSession);
                }
            }
            let mut chunk = [0_u8; BODY_BYTES_MAX];
            let Ok(count @ 1..) = self.pipe.read(&mut chunk).await else {
                return Err(LogInError::NoSession);
            };
            self.last_in_ms = self.board.uptime_ms();
            self.received.extend(chunk.iter().take(count));
        }
    }
}

fn hardware(value: &PinValue) -> DeviceMessage<'_> {
    DeviceMessage::Hardware(PinWrite::Virtual { pin: value.pin, values: Values::new(value.text.as_bytes()) })
}

#[cfg(test)]
mod tests;

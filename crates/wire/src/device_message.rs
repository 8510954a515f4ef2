//! Messages from the device to the server.

use crate::body::{BodyWriter, EncodeMessageError, ParseBodyError, encode_frame, measure};
use crate::command::Command;
use crate::device_internal::DeviceInternal;
use crate::fields::{Fields, Values, decimal, split_field, text};
use crate::frame::{Frame, HEADER_BYTES};
use crate::hardware::PinWrite;
use crate::pin::PinList;
use crate::status::Status;
use crate::token::{Secret, TOKEN_BYTES, is_token_shaped, trim_token};

/// What a device says to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "read and acted on in place; without allocation there is no box"
)]
pub enum DeviceMessage<'a> {
    /// An answer: status 2 to an operation the device does not know, 200 to a ping.
    Response(Status),
    /// The login. [`DeviceMessage::parse`] trims the token and refuses one that has not the shape of a token.
    Login {
        /// The token.
        token: Secret<'a>,
    },
    /// The same with command 2, from old clients.
    LoginOld {
        /// The token.
        token: Secret<'a>,
    },
    /// Answer with status 200.
    Ping,
    /// A value of a pin; no answer when it is accepted.
    Hardware(PinWrite<'a>),
    /// Asks for last values; answer with HARDWARE `vw` messages of the same id.
    Sync(Sync<'a>),
    /// Info, time, metadata.
    Internal(DeviceInternal<'a>),
    /// Changes how a datastream is shown.
    Property(Property<'a>),
    /// Records an event.
    EventLog {
        /// Code of the event.
        code: &'a str,
        /// Text; the hosted service discards more than 300 characters.
        description: Option<&'a [u8]>,
    },
    /// Resolves events.
    EventClear {
        /// Code of the event.
        code: &'a str,
        /// Which of them.
        scope: EventScope,
    },
    /// Groups writes under one time.
    Group(Group),
    /// Writes to another device.
    Bridge(Bridge<'a>),
    /// Notifications that libraries before 1.2.0 could send.
    Legacy(Legacy<'a>),
    /// A command that devices do not send; see [`Command::closes_device_connection`].
    Unknown {
        /// The command.
        command: Command,
        /// Its body.
        body: Secret<'a>,
    },
}

/// Which values a device asks for. Source: reference §7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync<'a> {
    /// All datastreams that are marked for it.
    All,
    /// These pins, marked or not.
    Pins(PinList<'a>),
}

/// A change of how datastreams are shown. Source: reference §7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property<'a> {
    /// Whose; mostly one.
    pub pins: PinList<'a>,
    /// Name of the property, never a number.
    pub property: &'a str,
    /// The new value or values.
    pub values: Values<'a>,
}

/// Which events of a code are resolved. Source: reference §7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventScope {
    /// The newest.
    Newest,
    /// Every one.
    All,
}

/// Start and end of a group of writes. Source: reference §7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// `b`: the time is that of arrival.
    Begin,
    /// `t`: the time is given.
    BeginAt {
        /// Milliseconds since 1970.
        unix_ms: u64,
    },
    /// `e`
    End,
}

/// What a device wants from another one. Source: reference §9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bridge<'a> {
    /// Names the other device for later writes.
    Bind {
        /// Number of the binding.
        slot: u8,
        /// Token of the other device.
        token: Secret<'a>,
    },
    /// Writes to the device bound before.
    Forward {
        /// Number of the binding.
        slot: u8,
        /// What to hand on.
        write: PinWrite<'a>,
    },
}

/// Notifications of old libraries. Source: reference §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Legacy<'a> {
    /// Command 12.
    Tweet(&'a [u8]),
    /// Command 13.
    Email {
        /// Address; the account's own when missing.
        to: Option<&'a [u8]>,
        /// Subject.
        subject: &'a [u8],
        /// Text.
        text: &'a [u8],
    },
    /// Command 14.
    Notify(&'a [u8]),
    /// Command 18.
    Sms(&'a [u8]),
}

/// Why a frame from a device makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDeviceMessageError {
    /// The login carries something that cannot be a token.
    #[error("login does not carry 32 characters of a token")]
    LoginTokenShape,
    /// The bridge names another device by something that cannot be a token.
    #[error("bridge does not carry 32 characters of a token")]
    BridgeTokenShape,
    /// The body does not fit the command.
    #[error("{command} body is malformed")]
    Body {
        /// The command.
        command: Command,
        /// What is wrong.
        #[source]
        source: ParseBodyError,
    },
}

impl ParseDeviceMessageError {
    /// Returns the status to answer with, under the id of the message.
    ///
    /// From the reference: 9 for logins (§4), 2 for HARDWARE, SYNC, INTERNAL and BRIDGE, 6 for a bridge's token, 11 for
    /// PROPERTY, 13 for notifications (§7, §9, §12). It is silent about events and groups; they get 11 as well, which
    /// devices ignore.
    #[must_use]
    pub const fn reply_status(&self) -> Status {
        match self {
            Self::LoginTokenShape => Status::InvalidToken,
            Self::BridgeTokenShape => Status::NotAllowed,
            Self::Body { command, .. } => match command {
                Command::Property | Command::EventLog | Command::EventClear | Command::Group => {
                    Status::IllegalCommandBody
                }
                Command::Tweet | Command::Email | Command::Notify | Command::Sms => {
                    Status::NotificationInvalidBody
                }
                _ => Status::IllegalCommand,
            },
        }
    }
}

impl<'a> DeviceMessage<'a> {
    /// Reads what a device's frame means.
    ///
    /// # Errors
    ///
    /// When the body is malformed; see [`ParseDeviceMessageError::reply_status`].
    pub fn parse(frame: &Frame<'a>) -> Result<Self, ParseDeviceMessageError> {
        let (command, body) = match *frame {
            Frame::Response { status, .. } => return Ok(Self::Response(status)),
            Frame::Message { command, body, .. } => (command, body),
        };
        match command {
            Command::Login => parse_token(body).map(|token| Self::Login { token }),
            Command::LoginOld => parse_token(body).map(|token| Self::LoginOld { token }),
            Command::Bridge => parse_bridge(body).map(Self::Bridge),
            _ => Self::parse_body(command, body)
                .map_err(|source| ParseDeviceMessageError::Body { command, source }),
        }
    }

    /// Returns the command under which the message travels.
    #[must_use]
    pub const fn command(&self) -> Command {
        match self {
            Self::Response(_) => Command::Response,
            Self::Login { .. } => Command::Login,
            Self::LoginOld { .. } => Command::LoginOld,
            Self::Ping => Command::Ping,
            Self::Hardware(_) => Command::Hardware,
            Self::Sync(_) => Command::HardwareSync,
            Self::Internal(_) => Command::Internal,
            Self::Property(_) => Command::Property,
            Self::EventLog { .. } => Command::EventLog,
            Self::EventClear { .. } => Command::EventClear,
            Self::Group(_) => Command::Group,
            Self::Bridge(_) => Command::Bridge,
            Self::Legacy(Legacy::Tweet(_)) => Command::Tweet,
            Self::Legacy(Legacy::Email { .. }) => Command::Email,
            Self::Legacy(Legacy::Notify(_)) => Command::Notify,
            Self::Legacy(Legacy::Sms(_)) => Command::Sms,
            Self::Unknown { command, .. } => *command,
        }
    }

    /// Returns the size of the body in bytes.
    ///
    /// # Errors
    ///
    /// When the message cannot be encoded at all.
    pub fn body_bytes(&self) -> Result<usize, EncodeMessageError> {
        measure(|writer| self.write_body(writer))
    }

    /// Returns the size of the whole frame in bytes.
    ///
    /// # Errors
    ///
    /// When the message cannot be encoded at all.
    pub fn encoded_bytes(&self) -> Result<usize, EncodeMessageError> {
        Ok(HEADER_BYTES.saturating_add(self.body_bytes()?))
    }

    /// Writes the whole frame to the start of `out` and returns its size in bytes. Send it with one write.
    ///
    /// A login's token is written as it is, so that a mistyped one can be sent.
    ///
    /// # Errors
    ///
    /// Nothing has been written then.
    pub fn encode(&self, message_id: u16, out: &mut [u8]) -> Result<usize, EncodeMessageError> {
        match *self {
            Self::Response(status) => Ok(Frame::Response { message_id, status }.encode(out)?),
            _ => encode_frame(self.command(), message_id, out, |writer| self.write_body(writer)),
        }
    }

    fn parse_body(command: Command, body: &'a [u8]) -> Result<Self, ParseBodyError> {
        match command {
            Command::Ping => Ok(Self::Ping),
            Command::Hardware => PinWrite::parse(body).map(Self::Hardware),
            Command::HardwareSync => parse_sync(body).map(Self::Sync),
            Command::Internal => DeviceInternal::parse(body).map(Self::Internal),
            Command::Property => Property::parse(body).map(Self::Property),
            Command::EventLog => parse_event_log(body),
            Command::EventClear => parse_event_clear(body),
            Command::Group => parse_group(body).map(Self::Group),
            Command::Tweet => parse_notification(body).map(|text| Self::Legacy(Legacy::Tweet(text))),
            Command::Notify => parse_notification(body).map(|text| Self::Legacy(Legacy::Notify(text))),
            Command::Sms => parse_notification(body).map(|text| Self::Legacy(Legacy::Sms(text))),
            Command::Email => parse_email(body).map(Self::Legacy),
            _ => Ok(Self::Unknown { command, body: Secret(body) }),
        }
    }

    fn write_body(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        match self {
            Self::Response(_) | Self::Ping | Self::Sync(Sync::All) => Ok(()),
            Self::Login { token: Secret(token) } | Self::LoginOld { token: Secret(token) } => {
                writer.raw(token)
            }
            Self::Hardware(write) => write.write(writer),
            Self::Sync(Sync::Pins(pins)) => {
                writer.raw(b"vr")?;
                pins.write(writer)
            }
            Self::Internal(internal) => internal.write(writer),
            Self::Property(property) => property.write(writer),
            Self::EventLog { code, description } => {
                writer.name(code, "event code")?;
                description.map_or(Ok(()), |description| writer.field(description))
            }
            Self::EventClear { code, scope } => {
                writer.name(code, "event code")?;
                match scope {
                    EventScope::Newest => Ok(()),
                    EventScope::All => writer.raw(b"all"),
                }
            }
            Self::Group(Group::Begin) => writer.raw(b"b"),
            Self::Group(Group::BeginAt { unix_ms }) => {
                writer.raw(b"t")?;
                writer.display(format_args!("{unix_ms}"))
            }
            Self::Group(Group::End) => writer.raw(b"e"),
            Self::Bridge(bridge) => bridge.write(writer),
            Self::Legacy(legacy) => legacy.write(writer),
            Self::Unknown { command, body: Secret(body) } => match Command::from(command.code()) {
                Command::Unknown(_) | Command::Redirect | Command::DebugPrint => writer.raw(body),
                _ => Err(EncodeMessageError::Ambiguous { name: "command" }),
            },
        }
    }
}

impl<'a> Property<'a> {
    /// The leading numbers are pins, the first field that is none is the property.
    fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let mut rest = body;
        let mut pins_bytes = 0_usize;
        loop {
            let (field, after) = split_field(rest);
            let after = after.ok_or(ParseBodyError::MissingField { name: "value" })?;
            if !field.is_empty() && field.iter().all(u8::is_ascii_digit) {
                pins_bytes = pins_bytes.saturating_add(field.len()).saturating_add(1);
                rest = after;
            } else {
                let pins = PinList::parse(body.get(..pins_bytes).unwrap_or_default())?;
                return Ok(Self { pins, property: text(field, "property")?, values: Values::new(after) });
            }
        }
    }

    fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        if self.property.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EncodeMessageError::Ambiguous { name: "property" });
        }
        self.pins.write(writer)?;
        writer.name(self.property, "property")?;
        writer.raw(self.values.raw())
    }
}

impl Bridge<'_> {
    fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        match self {
            Self::Bind { slot, token: Secret(token) } => {
                writer.integer((*slot).into())?;
                writer.raw(b"i")?;
                writer.field(token)
            }
            Self::Forward { slot, write } => {
                writer.integer((*slot).into())?;
                write.write(writer)
            }
        }
    }
}

impl Legacy<'_> {
    fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        match self {
            Self::Tweet([]) | Self::Notify([]) | Self::Sms([]) => {
                Err(EncodeMessageError::MissingField { name: "text" })
            }
            Self::Tweet(text) | Self::Notify(text) | Self::Sms(text) => writer.field(text),
            Self::Email { to, subject, text } => {
                if text.is_empty() {
                    return Err(EncodeMessageError::MissingField { name: "text" });
                }
                to.map_or(Ok(()), |to| writer.field(to))?;
                writer.field(subject)?;
                writer.field(text)
            }
        }
    }
}

fn parse_token(body: &[u8]) -> Result<Secret<'_>, ParseDeviceMessageError> {
    let token = trim_token(body);
    if is_token_shaped(token) { Ok(Secret(token)) } else { Err(ParseDeviceMessageError::LoginTokenShape) }
}

fn parse_sync(body: &[u8]) -> Result<Sync<'_>, ParseBodyError> {
    if body.is_empty() {
        return Ok(Sync::All);
    }
    let (operation, rest) = split_field(body);
    match operation {
        [b'v', b'r', ..] => PinList::parse(rest.unwrap_or_default()).map(Sync::Pins),
        _ => Err(ParseBodyError::Unknown { name: "operation" }),
    }
}

fn parse_event_log(body: &[u8]) -> Result<DeviceMessage<'_>, ParseBodyError> {
    let (code, rest) = split_field(body);
    let description = rest.map(|rest| split_field(rest).0);
    Ok(DeviceMessage::EventLog { code: text(code, "event code")?, description })
}

fn parse_event_clear(body: &[u8]) -> Result<DeviceMessage<'_>, ParseBodyError> {
    let (code, rest) = split_field(body);
    let scope = match split_field(rest.unwrap_or_default()).0 {
        b"" => EventScope::Newest,
        b"all" => EventScope::All,
        _ => return Err(ParseBodyError::Unknown { name: "scope" }),
    };
    Ok(DeviceMessage::EventClear { code: text(code, "event code")?, scope })
}

fn parse_group(body: &[u8]) -> Result<Group, ParseBodyError> {
    let (operation, rest) = split_field(body);
    match operation {
        b"b" => Ok(Group::Begin),
        b"t" => {
            let unix_ms = decimal(split_field(rest.unwrap_or_default()).0, "group time")?;
            Ok(Group::BeginAt { unix_ms })
        }
        b"e" => Ok(Group::End),
        _ => Err(ParseBodyError::Unknown { name: "operation" }),
    }
}

fn parse_bridge(body: &[u8]) -> Result<Bridge<'_>, ParseDeviceMessageError> {
    let malformed = |source| ParseDeviceMessageError::Body { command: Command::Bridge, source };
    let (slot, rest) = split_field(body);
    let slot = decimal(slot, "slot").map_err(malformed)?;
    let rest = rest.unwrap_or_default();
    let (operation, argument) = split_field(rest);
    if operation != b"i" {
        let write = PinWrite::parse(rest).map_err(malformed)?;
        return Ok(Bridge::Forward { slot, write });
    }
    let missing = ParseBodyError::MissingField { name: "token" };
    let token = split_field(argument.ok_or(malformed(missing))?).0;
    if token.len() == TOKEN_BYTES {
        Ok(Bridge::Bind { slot, token: Secret(token) })
    } else {
        Err(ParseDeviceMessageError::BridgeTokenShape)
    }
}

fn parse_notification(body: &[u8]) -> Result<&[u8], ParseBodyError> {
    match split_field(body).0 {
        b"" => Err(ParseBodyError::MissingField { name: "text" }),
        text => Ok(text),
    }
}

/// Two fields are subject and text, three start with the address.
fn parse_email(body: &[u8]) -> Result<Legacy<'_>, ParseBodyError> {
    let mut fields = Fields::new(body);
    match (fields.next(), fields.next(), fields.next()) {
        (Some(to), Some(subject), Some(text)) if !text.is_empty() => {
            Ok(Legacy::Email { to: Some(to), subject, text })
        }
        (Some(subject), Some(text), None) if !text.is_empty() => {
            Ok(Legacy::Email { to: None, subject, text })
        }
        _ => Err(ParseBodyError::MissingField { name: "text" }),
    }
}

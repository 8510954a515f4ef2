//! Messages from the server to the device.

use crate::body::{BodyWriter, EncodeMessageError, ParseBodyError, encode_frame, measure};
use crate::command::Command;
use crate::fields::{decimal, split_field, text};
use crate::frame::{Frame, HEADER_BYTES};
use crate::hardware::ServerHardware;
use crate::server_internal::ServerInternal;
use crate::status::Status;
use crate::token::Secret;

/// Longest host a device keeps of a redirect, in bytes; it would cut a longer one. Source: reference §10.
pub const REDIRECT_HOST_BYTES_MAX: usize = 63;

/// Port that stock devices use when a redirect names none, even over TLS. Source: reference §10.
pub const REDIRECT_PORT_DEFAULT: u16 = 80;

/// What a server says to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// The answer to the device's message with the same id.
    Response(Status),
    /// Answer with status 200.
    Ping,
    /// Pin writes, reads and modes.
    Hardware(ServerHardware<'a>),
    /// What another device sent; a device treats it as [`ServerMessage::Hardware`].
    Bridge(ServerHardware<'a>),
    /// Time, metadata, firmware update, console command.
    Internal(ServerInternal<'a>),
    /// Close, and log in at another host with the same token and transport. Not to be stored.
    Redirect {
        /// Name or address, 1..=63 bytes.
        host: &'a str,
        /// `None`: stock devices use [`REDIRECT_PORT_DEFAULT`]. Never 0.
        port: Option<u16>,
    },
    /// Text for the local log.
    DebugPrint {
        /// The text.
        text: &'a [u8],
    },
    /// A command that servers do not send; a stock device reconnects.
    Unknown {
        /// The command.
        command: Command,
        /// Its body.
        body: Secret<'a>,
    },
}

/// Why a frame from the server makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{command} body is malformed")]
#[non_exhaustive]
pub struct ParseServerMessageError {
    /// The command of the frame.
    pub command: Command,
    /// What is wrong.
    pub source: ParseBodyError,
}

impl ParseServerMessageError {
    /// Returns what a device answers: status 2 to an operation it does not know, else nothing. Source: reference §5.
    #[must_use]
    pub fn reply_status(&self) -> Option<Status> {
        let is_pin_command = matches!(self.command, Command::Hardware | Command::Bridge);
        let is_unknown_operation = matches!(self.source, ParseBodyError::Unknown { name: "operation" });
        (is_pin_command && is_unknown_operation).then_some(Status::IllegalCommand)
    }
}

impl<'a> ServerMessage<'a> {
    /// Reads what a server's frame means.
    ///
    /// # Errors
    ///
    /// When the body is malformed; see [`ParseServerMessageError::reply_status`].
    pub fn parse(frame: &Frame<'a>) -> Result<Self, ParseServerMessageError> {
        match *frame {
            Frame::Response { status, .. } => Ok(Self::Response(status)),
            Frame::Message { command, body, .. } => {
                Self::parse_body(command, body).map_err(|source| ParseServerMessageError { command, source })
            }
        }
    }

    /// Returns the command under which the message travels.
    #[must_use]
    pub const fn command(&self) -> Command {
        match self {
            Self::Response(_) => Command::Response,
            Self::Ping => Command::Ping,
            Self::Hardware(_) => Command::Hardware,
            Self::Bridge(_) => Command::Bridge,
            Self::Internal(_) => Command::Internal,
            Self::Redirect { .. } => Command::Redirect,
            Self::DebugPrint { .. } => Command::DebugPrint,
            Self::Unknown { command, .. } => *command,
        }
    }

    /// Returns the size of the body in bytes, to compare with what the device accepts.
    ///
    /// # Errors
    ///
    /// When the message cannot be encoded at all.
    pub fn body_bytes(&self) -> Result<usize, EncodeMessageError> {
        measure(|writer| self.write_body(writer))
    }

    /// Writes the whole frame to the start of `out` and returns its size in bytes.
    ///
    /// Send the result with one write. To keep a device's body limit, give it
    /// [`HEADER_BYTES`] plus that many bytes of `out`.
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

    /// Returns the size of the whole frame in bytes.
    ///
    /// # Errors
    ///
    /// When the message cannot be encoded at all.
    pub fn encoded_bytes(&self) -> Result<usize, EncodeMessageError> {
        Ok(HEADER_BYTES.saturating_add(self.body_bytes()?))
    }

    fn parse_body(command: Command, body: &'a [u8]) -> Result<Self, ParseBodyError> {
        match command {
            Command::Ping => Ok(Self::Ping),
            Command::Hardware => ServerHardware::parse(body).map(Self::Hardware),
            Command::Bridge => ServerHardware::parse(body).map(Self::Bridge),
            Command::Internal => ServerInternal::parse(body).map(Self::Internal),
            Command::Redirect => parse_redirect(body),
            Command::DebugPrint => Ok(Self::DebugPrint { text: split_field(body).0 }),
            _ => Ok(Self::Unknown { command, body: Secret(body) }),
        }
    }

    fn write_body(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        match self {
            Self::Response(_) | Self::Ping => Ok(()),
            Self::Hardware(hardware) | Self::Bridge(hardware) => hardware.write(writer),
            Self::Internal(internal) => internal.write(writer),
            Self::Redirect { host, port } => write_redirect(writer, host, *port),
            Self::DebugPrint { text } => writer.field(text),
            Self::Unknown { command, body: Secret(body) } => {
                match Self::parse_body(Command::from(command.code()), body) {
                    Ok(Self::Unknown { .. }) => writer.raw(body),
                    _ => Err(EncodeMessageError::Ambiguous { name: "command" }),
                }
            }
        }
    }
}

fn parse_redirect(body: &[u8]) -> Result<ServerMessage<'_>, ParseBodyError> {
    let (host, rest) = split_field(body);
    if host.len() > REDIRECT_HOST_BYTES_MAX {
        return Err(ParseBodyError::TooLong { name: "host" });
    }
    let host = text(host, "host")?;
    let port = match split_field(rest.unwrap_or_default()).0 {
        b"" => None,
        digits => Some(decimal(digits, "port")?),
    };
    if port == Some(0) {
        return Err(ParseBodyError::NotANumber { name: "port" });
    }
    Ok(ServerMessage::Redirect { host, port })
}

fn write_redirect(
    writer: &mut BodyWriter<'_>,
    host: &str,
    port: Option<u16>,
) -> Result<(), EncodeMessageError> {
    if host.len() > REDIRECT_HOST_BYTES_MAX {
        return Err(EncodeMessageError::TooLong { name: "host" });
    }
    writer.name(host, "host")?;
    match port {
        None => Ok(()),
        Some(0) => Err(EncodeMessageError::MissingField { name: "port" }),
        Some(port) => writer.integer(port.into()),
    }
}

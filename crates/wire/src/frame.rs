//! Framing: five header bytes, then the body.

use core::fmt;

use crate::command::Command;
use crate::status::Status;

/// Bytes before the body: command, message id, and length or status. Source: reference §1.
pub const HEADER_BYTES: usize = 5;

/// Largest body the format can carry, in bytes: the length field has 16 bits. Source: reference §1, limits.
pub const BODY_BYTES_MAX: usize = 65_535;

/// One message as it travels.
///
/// The message id is 1..=65535; 0 is refused in both directions because a device disconnects on it (reference §11).
/// `Debug` shows the size of the body only: a login's body is a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The answer to the message that had this id; it has no body.
    Response {
        /// Id of the message that is answered.
        message_id: u16,
        /// What became of it.
        status: Status,
    },
    /// Anything else.
    Message {
        /// Id of this message.
        message_id: u16,
        /// What the body is about; never [`Command::Response`].
        command: Command,
        /// At most [`BODY_BYTES_MAX`] bytes.
        body: &'a [u8],
    },
}

/// What [`Frame::parse`] found at the start of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// The frame is not all there yet.
    Incomplete {
        /// At least this many more bytes are needed; the rest of the header may ask for more.
        missing_bytes_min: usize,
    },
    /// A whole frame.
    Complete {
        /// The frame; its body borrows from the input.
        frame: Frame<'a>,
        /// Bytes of the input that belong to it.
        consumed_bytes: usize,
    },
}

/// Why bytes are not a frame. The stream cannot be read any further: close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseFrameError {
    /// Message id 0 is never valid (reference §11).
    #[error("message id is 0")]
    ZeroMessageId,
    /// The header announces more than the caller accepts; known before the body arrives.
    #[error("body of {body_bytes} bytes is larger than the {body_bytes_max} accepted")]
    BodyTooLarge {
        /// Announced size.
        body_bytes: usize,
        /// What the caller accepts.
        body_bytes_max: usize,
    },
}

/// Why a frame was not written. The output buffer is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeFrameError {
    /// Message id 0 is never valid (reference §11).
    #[error("message id is 0")]
    ZeroMessageId,
    /// Command 0 is a response, which cannot have a body.
    #[error("a response has no body")]
    ResponseWithBody,
    /// The length field cannot say this.
    #[error("body of {body_bytes} bytes is larger than the format allows")]
    BodyTooLarge {
        /// Size of the body.
        body_bytes: usize,
    },
    /// The frame does not fit the output buffer as a whole.
    #[error("frame of {needed_bytes} bytes does not fit a buffer of {buffer_bytes}")]
    BufferTooSmall {
        /// Size of the frame.
        needed_bytes: usize,
        /// Size of the buffer.
        buffer_bytes: usize,
    },
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `input`.
    ///
    /// # Errors
    ///
    /// As soon as the header shows that the frame is not acceptable, without waiting for its body.
    pub fn parse(input: &'a [u8], body_bytes_max: usize) -> Result<Parsed<'a>, ParseFrameError> {
        let Some((header, rest)) = input.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(Parsed::Incomplete { missing_bytes_min: HEADER_BYTES.saturating_sub(input.len()) });
        };
        let [command, id_high, id_low, length_high, length_low] = *header;
        let command = Command::from(command);
        let message_id = u16::from_be_bytes([id_high, id_low]);
        let length_or_status = u16::from_be_bytes([length_high, length_low]);
        if message_id == 0 {
            return Err(ParseFrameError::ZeroMessageId);
        }
        if command == Command::Response {
            let frame = Self::Response { message_id, status: Status::from(length_or_status) };
            return Ok(Parsed::Complete { frame, consumed_bytes: HEADER_BYTES });
        }
        let body_bytes = usize::from(length_or_status);
        if body_bytes > body_bytes_max {
            return Err(ParseFrameError::BodyTooLarge { body_bytes, body_bytes_max });
        }
        let Some(body) = rest.get(..body_bytes) else {
            return Ok(Parsed::Incomplete { missing_bytes_min: body_bytes.saturating_sub(rest.len()) });
        };
        let frame = Self::Message { message_id, command, body };
        Ok(Parsed::Complete { frame, consumed_bytes: HEADER_BYTES.saturating_add(body_bytes) })
    }

    /// Returns the id that the frame carries.
    #[must_use]
    pub const fn message_id(&self) -> u16 {
        match self {
            Self::Response { message_id, .. } | Self::Message { message_id, .. } => *message_id,
        }
    }

    /// Returns how many bytes [`Frame::encode`] writes.
    #[must_use]
    pub const fn encoded_bytes(&self) -> usize {
        match self {
            Self::Response { .. } => HEADER_BYTES,
            Self::Message { body, .. } => HEADER_BYTES.saturating_add(body.len()),
        }
    }

    /// Writes the whole frame to the start of `out` and returns its size in bytes.
    ///
    /// Send the result with one write: some devices disconnect when the body arrives later than its header.
    ///
    /// # Errors
    ///
    /// Nothing has been written then.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeFrameError> {
        match *self {
            Self::Response { message_id, status } => {
                let (header, _) = split_output(message_id, 0, out)?;
                write_header(header, Command::Response, message_id, status.code());
                Ok(HEADER_BYTES)
            }
            Self::Message { message_id, command, body } => {
                let length = body_length(command, body.len())?;
                let (header, body_out) = split_output(message_id, body.len(), out)?;
                write_header(header, command, message_id, length);
                body_out.copy_from_slice(body);
                Ok(self.encoded_bytes())
            }
        }
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response { message_id, status } => {
                f.debug_struct("Response").field("message_id", message_id).field("status", status).finish()
            }
            Self::Message { message_id, command, body } => f
                .debug_struct("Message")
                .field("message_id", message_id)
                .field("command", command)
                .field("body_bytes", &body.len())
                .finish(),
        }
    }
}

/// Returns the value of the length field of a message with a body.
pub(crate) fn body_length(command: Command, body_bytes: usize) -> Result<u16, EncodeFrameError> {
    if command.code() == Command::Response.code() {
        return Err(EncodeFrameError::ResponseWithBody);
    }
    u16::try_from(body_bytes).or(Err(EncodeFrameError::BodyTooLarge { body_bytes }))
}

/// Cuts `out` into room for the header and room for exactly the body.
pub(crate) fn split_output(
    message_id: u16,
    body_bytes: usize,
    out: &mut [u8],
) -> Result<(&mut [u8; HEADER_BYTES], &mut [u8]), EncodeFrameError> {
    if message_id == 0 {
        return Err(EncodeFrameError::ZeroMessageId);
    }
    let too_small = EncodeFrameError::BufferTooSmall {
        needed_bytes: HEADER_BYTES.saturating_add(body_bytes),
        buffer_bytes: out.len(),
    };
    let (header, rest) = out.split_first_chunk_mut::<HEADER_BYTES>().ok_or(too_small)?;
    let body = rest.get_mut(..body_bytes).ok_or(too_small)?;
    Ok((header, body))
}

/// Fills the header; the last field is the length, or the status of a response.
pub(crate) fn write_header(
    header: &mut [u8; HEADER_BYTES],
    command: Command,
    message_id: u16,
    length_or_status: u16,
) {
    let [id_high, id_low] = message_id.to_be_bytes();
    let [length_high, length_low] = length_or_status.to_be_bytes();
    *header = [command.code(), id_high, id_low, length_high, length_low];
}

#[cfg(test)]
mod tests;

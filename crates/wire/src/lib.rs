//! The Blynk binary protocol: frames to bytes and back, both directions, without allocation.
//!
//! [`Frame`] is the framing: five header bytes and a body. [`DeviceMessage`] and [`ServerMessage`] are what the
//! bodies mean, one type per direction. Everything borrows from the input; nothing is copied except into the
//! caller's output buffer, and an `encode` either writes one whole frame or leaves the buffer as it was.
//!
//! The crate refuses to know sockets, clocks, sessions and policy: whether a login is accepted, or what an unknown
//! command leads to, is decided by the caller. Errors of parsing carry the status that the protocol reference gives
//! for them (`reply_status`).
//!
//! Read [`Frame`] first, then [`DeviceMessage`]. "The reference" in comments is the project's protocol reference,
//! with its section numbers.

#![no_std]

#[cfg(test)]
extern crate std;

mod body;
mod claim_code;
mod command;
mod device_internal;
mod device_message;
mod fields;
mod frame;
mod frame_buffer;
mod hardware;
mod info;
mod pin;
mod release;
mod release_text;
mod server_internal;
mod server_message;
mod status;
mod token;
mod utc;

pub use body::{BodyWriter, EncodeMessageError, ParseBodyError};
pub use claim_code::{
    CLAIM_CODE_CHARS, CLAIM_CODE_RANDOM_CHARS, ClaimCode, ClaimRequest, NoToken, ParseClaimCodeError,
    UID_BYTES_MAX,
};
pub use command::Command;
pub use device_internal::DeviceInternal;
pub use device_message::{
    Bridge, DeviceMessage, EventScope, Group, Legacy, ParseDeviceMessageError, Property, Sync,
};
pub use fields::{Fields, Values};
pub use frame::{BODY_BYTES_MAX, EncodeFrameError, Frame, HEADER_BYTES, ParseFrameError, Parsed};
pub use frame_buffer::FrameBuffer;
pub use hardware::{PinMode, PinModes, PinWrite, ServerHardware};
pub use info::{BUFFER_BYTES_UNDECLARED, HEARTBEAT_S_MAX, HEARTBEAT_S_MIN, Info};
pub use pin::{PhysicalPin, PinList, VirtualPin};
pub use release::{
    CanonicalBytes, Claim, DEVICE_ID_BYTES_MAX, DeviceId, FINGERPRINT_DIGITS, KEY_BYTES, NONCE_BYTES,
    REHOME_PROTOCOL_VERSION, Receipt, ReceiptSecret, ReleaseOrder, ReleaseTerms, SIGNATURE_BYTES,
    key_fingerprint, receipt_bytes,
};
pub use release_text::{RELEASE_TEXT_BYTES_MAX, ReadReleaseTextError, ReleaseText};
pub use server_internal::ServerInternal;
pub use server_message::{
    ParseServerMessageError, REDIRECT_HOST_BYTES_MAX, REDIRECT_PORT_DEFAULT, ServerMessage,
};
pub use status::Status;
pub use token::{Secret, TOKEN_BYTES, is_token_shaped, trim_token};
pub use utc::{DstChange, UtcAnswer, UtcQuery};

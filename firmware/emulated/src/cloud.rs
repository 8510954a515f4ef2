//! A cloud that knows tokens and answers as the real one does: whole frames of the same wire format.

use alloc::vec::Vec;

use wire::{DeviceMessage, Frame, HEADER_BYTES, Parsed, Secret, ServerInternal, ServerMessage, Status};

/// Bytes of a token.
const TOKEN_BYTES: usize = 32;
const FRAME_BYTES_MAX: usize = 256;
/// Ids of messages that the cloud begins.
const ORDER_MESSAGE_ID: u16 = 7;

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    Valid,
    /// Given away: whoever logs in with it is let in only to be wiped.
    Releasing,
    /// Wiped and gone.
    Refused,
}

/// The cloud.
#[derive(Debug, Default)]
pub(crate) struct Cloud {
    tokens: Vec<([u8; TOKEN_BYTES], Worth)>,
    session: Option<[u8; TOKEN_BYTES]>,
    /// Values written by the device since somebody looked.
    pub(crate) write_count: u32,
}

impl Cloud {
    pub(crate) fn set_worth(&mut self, token: &str, worth: Worth) {
        let token: [u8; TOKEN_BYTES] = token.as_bytes().try_into().expect("32 characters");
        self.tokens.retain(|(known, _)| *known != token);
        self.tokens.push((token, worth));
    }

    fn worth(&self, token: &[u8]) -> Worth {
        let known = self.tokens.iter().find(|(known, _)| known == token);
        known.map_or(Worth::Refused, |(_, worth)| *worth)
    }

    pub(crate) fn is_in_session(&self) -> bool {
        self.session.is_some()
    }

    pub(crate) fn end_session(&mut self) {
        self.session = None;
    }

    /// The order that stock firmware and ours understand.
    pub(crate) fn erase_order() -> Vec<u8> {
        let order = ServerMessage::Internal(ServerInternal::Dbg { command: Secret(b"config erase") });
        let mut out = [0; FRAME_BYTES_MAX];
        let frame_bytes = order.encode(ORDER_MESSAGE_ID, &mut out).expect("it fits");
        out[..frame_bytes].to_vec()
    }

    /// Takes one frame of the device and returns the bytes of the answer; empty when there is none.
    pub(crate) fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(Parsed::Complete { frame, consumed_bytes }) = Frame::parse(bytes, FRAME_BYTES_MAX * 4) else {
            panic!("the device sends whole frames only: {bytes:02X?}");
        };
        assert_eq!(consumed_bytes, bytes.len(), "one frame at a time");
        let message_id = frame.message_id();
        match DeviceMessage::parse(&frame) {
            Ok(DeviceMessage::Login { token }) => self.log_in(message_id, token.0),
            Ok(DeviceMessage::Ping | DeviceMessage::Internal(_)) => response(message_id, Status::Success),
            Ok(DeviceMessage::Hardware(_)) => {
                self.write_count += 1;
                Vec::new()
            }
            Ok(_) => Vec::new(),
            Err(error) => panic!("the device sent nonsense: {error}"),
        }
    }

    fn log_in(&mut self, message_id: u16, token: &[u8]) -> Vec<u8> {
        let worth = self.worth(token);
        if worth == Worth::Refused {
            return response(message_id, Status::InvalidToken);
        }
        self.session = token.try_into().ok();
        let mut answer = response(message_id, Status::Success);
        if worth == Worth::Releasing {
            answer.extend(Self::erase_order());
        }
        answer
    }
}

fn response(message_id: u16, status: Status) -> Vec<u8> {
    let mut out = [0; HEADER_BYTES];
    let frame_bytes = Frame::Response { message_id, status }.encode(&mut out).expect("a header fits");
    out[..frame_bytes].to_vec()
}

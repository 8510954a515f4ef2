//! Tests of framing and of the device's frame buffer.

extern crate std;

use std::format;

use super::{EncodeFrameError, Frame, ParseFrameError, Parsed};
use crate::command::Command;
use crate::frame_buffer::FrameBuffer;
use crate::status::Status;

const PING: [u8; 5] = [6, 0, 7, 0, 0];

#[test]
fn a_body_over_the_limit_is_refused_before_it_arrives() {
    let refused = Err(ParseFrameError::BodyTooLarge { body_bytes: 257, body_bytes_max: 256 });
    assert_eq!(Frame::parse(&[20, 0, 1, 1, 1], 256), refused);
    let awaited = Ok(Parsed::Incomplete { missing_bytes_min: 256 });
    assert_eq!(Frame::parse(&[20, 0, 1, 1, 0], 256), awaited);
}

#[test]
fn the_status_of_a_response_is_not_taken_for_a_length() {
    let parsed = Frame::parse(&[0, 0, 1, 0xFF, 0xFF, 6], 0);
    let frame = Frame::Response { message_id: 1, status: Status::Other(65_535) };
    assert_eq!(parsed, Ok(Parsed::Complete { frame, consumed_bytes: 5 }));
}

#[test]
fn a_frame_that_cannot_be_written_leaves_the_buffer_as_it_was() {
    let body = std::vec![7; 65_536];
    let message = |message_id, command, body| Frame::Message { message_id, command, body };
    let cases = [
        (message(0, Command::Ping, &body[..0]), EncodeFrameError::ZeroMessageId),
        (Frame::Response { message_id: 0, status: Status::Success }, EncodeFrameError::ZeroMessageId),
        (message(1, Command::Response, &body[..0]), EncodeFrameError::ResponseWithBody),
        (message(1, Command::Unknown(0), &body[..1]), EncodeFrameError::ResponseWithBody),
        (message(1, Command::Hardware, &body), EncodeFrameError::BodyTooLarge { body_bytes: 65_536 }),
        (
            message(1, Command::Hardware, &body[..4]),
            EncodeFrameError::BufferTooSmall { needed_bytes: 9, buffer_bytes: 8 },
        ),
    ];
    for (frame, error) in cases {
        let mut out = [0xAA; 8];
        assert_eq!(frame.encode(&mut out), Err(error), "{frame:?}");
        assert_eq!(out, [0xAA; 8], "{frame:?}");
    }
}

#[test]
fn a_token_does_not_show_in_the_debug_output_of_its_frame() {
    let frame = Frame::Message { message_id: 1, command: Command::Login, body: b"AbCdEfGhIjKl" };
    assert_eq!(format!("{frame:?}"), "Message { message_id: 1, command: Login, body_bytes: 12 }");
}

#[test]
fn a_full_frame_buffer_makes_room_as_frames_are_taken() {
    let mut buffer = FrameBuffer::<8>::new();
    assert_eq!(buffer.push(&PING), 5);
    assert_eq!(buffer.push(&PING), 3);
    assert!(buffer.next_frame().unwrap().is_some());
    assert_eq!(buffer.next_frame(), Ok(None));
    assert_eq!(buffer.push(&PING[3..]), 2);
    assert!(buffer.next_frame().unwrap().is_some());
    assert_eq!(buffer.next_frame(), Ok(None));
}

#[test]
fn a_broken_stream_stays_broken_until_the_buffer_is_cleared() {
    let mut buffer = FrameBuffer::<8>::new();
    buffer.push(&[20, 0, 1, 0, 4]);
    let error = Err(ParseFrameError::BodyTooLarge { body_bytes: 4, body_bytes_max: 3 });
    assert_eq!(buffer.next_frame(), error);
    buffer.push(&PING);
    assert_eq!(buffer.next_frame(), error);
    buffer.clear();
    buffer.push(&PING);
    assert!(buffer.next_frame().unwrap().is_some());
}

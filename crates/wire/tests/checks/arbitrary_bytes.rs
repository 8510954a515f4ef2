//! What must hold for any bytes at all. Shared by the property tests, the corpus test and the fuzz targets.

use wire::{
    DeviceInternal, DeviceMessage, Fields, Frame, FrameBuffer, Info, ParseFrameError, Parsed, ServerMessage,
};

/// Size of the frame buffer in the checks, in bytes: small, so that inputs reach its limits.
const BUFFER_BYTES: usize = 64;

/// Largest body in the checks, in bytes: what the frame buffer takes.
const BODY_BYTES_MAX: usize = FrameBuffer::<BUFFER_BYTES>::BODY_BYTES_MAX;

/// Reads a stream of frames at once, and in pieces of the sizes that the first bytes give.
///
/// Panics when the frames differ, or when one is not written back with the same bytes.
pub(crate) fn check_frames(data: &[u8]) {
    let (piece_sizes, stream) = data.split_at(data.len().min(4));
    let whole = frames_at_once(stream);
    assert_eq!(whole, frames_in_pieces(piece_sizes, stream));
    assert!(stream.starts_with(&whole.encoded));
}

/// Reads each frame of a stream as a message of both directions.
///
/// Panics when a message that was understood is not understood the same way after it is written.
pub(crate) fn check_messages(stream: &[u8]) {
    let mut rest = stream;
    while let Ok(Parsed::Complete { frame, consumed_bytes }) = Frame::parse(rest, BODY_BYTES_MAX * 16) {
        check_device_message(&frame);
        check_server_message(&frame);
        rest = &rest[consumed_bytes..];
    }
    Fields::new(stream).for_each(|field| assert!(!field.contains(&0)));
    if let Some(info) = Info::parse(stream) {
        assert!((1..=65_535).contains(&info.body_bytes_max()));
        assert!(info.heartbeat_s().is_none_or(|seconds| (10..=3600).contains(&seconds)));
    }
}

/// Checks what a server makes of the frame.
pub(crate) fn check_device_message(frame: &Frame<'_>) {
    let Ok(message) = DeviceMessage::parse(frame) else {
        return;
    };
    // A device may declare nothing usable; there is nothing to write then.
    if message == DeviceMessage::Internal(DeviceInternal::Info(Info::default())) {
        return;
    }
    let mut out = vec![0; message.encoded_bytes().unwrap()];
    let encoded_bytes = message.encode(frame.message_id(), &mut out).unwrap();
    assert_eq!(encoded_bytes, out.len());
    let again = parse_whole(&out);
    assert_eq!(again.message_id(), frame.message_id());
    assert_eq!(DeviceMessage::parse(&again), Ok(message));
}

/// Checks what a device makes of the frame.
pub(crate) fn check_server_message(frame: &Frame<'_>) {
    let Ok(message) = ServerMessage::parse(frame) else {
        return;
    };
    let mut out = vec![0; message.encoded_bytes().unwrap()];
    let encoded_bytes = message.encode(frame.message_id(), &mut out).unwrap();
    assert_eq!(encoded_bytes, out.len());
    let again = parse_whole(&out);
    assert_eq!(again.message_id(), frame.message_id());
    assert_eq!(ServerMessage::parse(&again), Ok(message));
}

/// Reads bytes that are exactly one frame.
pub(crate) fn parse_whole(bytes: &[u8]) -> Frame<'_> {
    match Frame::parse(bytes, wire::BODY_BYTES_MAX) {
        Ok(Parsed::Complete { frame, consumed_bytes }) if consumed_bytes == bytes.len() => frame,
        other => panic!("not one whole frame: {other:?}"),
    }
}

/// What became of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    /// The frames, written again.
    encoded: Vec<u8>,
    frame_count: usize,
    broken_by: Option<ParseFrameError>,
}

impl Reading {
    fn add(&mut self, frame: &Frame<'_>) {
        let mut out = vec![0; frame.encoded_bytes()];
        assert_eq!(frame.encode(&mut out), Ok(out.len()));
        self.encoded.append(&mut out);
        self.frame_count += 1;
    }
}

fn frames_at_once(stream: &[u8]) -> Reading {
    let mut rest = stream;
    let mut reading = Reading::default();
    loop {
        match Frame::parse(rest, BODY_BYTES_MAX) {
            Ok(Parsed::Complete { frame, consumed_bytes }) => {
                reading.add(&frame);
                rest = &rest[consumed_bytes..];
            }
            Ok(Parsed::Incomplete { missing_bytes_min }) => {
                assert!(missing_bytes_min > 0);
                return reading;
            }
            Err(error) => {
                reading.broken_by = Some(error);
                return reading;
            }
        }
    }
}

fn frames_in_pieces(piece_sizes: &[u8], stream: &[u8]) -> Reading {
    let mut buffer = FrameBuffer::<BUFFER_BYTES>::new();
    let mut reading = Reading::default();
    let mut rest = stream;
    let mut sizes = piece_sizes.iter().cycle();
    while !rest.is_empty() {
        let piece_bytes = usize::from(*sizes.next().unwrap_or(&1)).max(1).min(rest.len());
        let (mut piece, after) = rest.split_at(piece_bytes);
        rest = after;
        while !piece.is_empty() {
            let accepted_bytes = buffer.push(piece);
            assert!(accepted_bytes > 0, "the buffer is stuck");
            piece = &piece[accepted_bytes..];
            loop {
                match buffer.next_frame() {
                    Ok(Some(frame)) => reading.add(&frame),
                    Ok(None) => break,
                    Err(error) => {
                        reading.broken_by = Some(error);
                        return reading;
                    }
                }
            }
        }
    }
    reading
}

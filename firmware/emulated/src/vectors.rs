//! Every vector of the wire format in both directions.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use wire::{DeviceMessage, Frame, Parsed, ServerMessage, Status};

use crate::{Transcript, describe};

include!(concat!(env!("OUT_DIR"), "/vectors.rs"));

/// The body limit that the vectors of malformed frames are written for, in bytes.
const BODY_BYTES_MAX: usize = 1024;
/// An empty folder must not pass.
const VECTOR_COUNT_MIN: usize = 116;

struct Vector {
    name: String,
    is_from_device: bool,
    bytes: Vec<u8>,
    expect: String,
    is_what_we_write: bool,
}

pub(crate) fn run(transcript: &mut Transcript<'_>) {
    let mut vector_count = 0;
    let mut written_count = 0;
    for vector in VECTOR_FILES.iter().flat_map(|text| load_file(text)) {
        vector_count += 1;
        assert_eq!(meaning(&vector), vector.expect, "{}", vector.name);
        if vector.expect.starts_with("error") {
            continue;
        }
        let is_same = written(&vector) == vector.bytes;
        assert_eq!(is_same, vector.is_what_we_write, "{}", vector.name);
        written_count += usize::from(is_same);
    }
    assert!(vector_count >= VECTOR_COUNT_MIN, "only {vector_count} vectors were found");
    transcript.line(format_args!(
        "ok wire: {vector_count} vectors read, {written_count} written with the same bytes"
    ));
}

fn load_file(text: &str) -> Vec<Vector> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).filter(|entry| !entry.is_empty()).map(load).collect()
}

fn load(lines: &[&str]) -> Vector {
    let value = |key: &str| lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let required = |key: &str| value(key).unwrap_or_else(|| panic!("no {key} in {lines:?}"));
    let byte = |digits: &str| u8::from_str_radix(digits, 16).expect("two hexadecimal digits");
    Vector {
        name: required("name").to_owned(),
        is_from_device: required("direction") == "D>S",
        bytes: required("hex").split(' ').map(byte).collect(),
        expect: required("expect").to_owned(),
        is_what_we_write: value("encodes").is_none(),
    }
}

fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
    match Frame::parse(bytes, BODY_BYTES_MAX).ok()? {
        Parsed::Complete { frame, consumed_bytes } => {
            assert_eq!(consumed_bytes, bytes.len(), "a vector is one whole frame");
            Some(frame)
        }
        Parsed::Incomplete { .. } => panic!("a vector is one whole frame: {bytes:02X?}"),
    }
}

fn meaning(vector: &Vector) -> String {
    let Some(frame) = parse(&vector.bytes) else {
        return "error frame".into();
    };
    if vector.is_from_device {
        return match DeviceMessage::parse(&frame) {
            Ok(message) => describe::device_message(&message),
            Err(error) => format!("error reply={}", error.reply_status().code()),
        };
    }
    match ServerMessage::parse(&frame) {
        Ok(message) => describe::server_message(&message),
        Err(error) => {
            let reply = error.reply_status().map(Status::code);
            format!("error reply={}", reply.map_or("none".into(), |code| code.to_string()))
        }
    }
}

fn written(vector: &Vector) -> Vec<u8> {
    let frame = parse(&vector.bytes).expect("it was parsed before");
    let mut out = [0; 512];
    let written_bytes = if vector.is_from_device {
        DeviceMessage::parse(&frame).expect("it has a meaning").encode(frame.message_id(), &mut out)
    } else {
        ServerMessage::parse(&frame).expect("it has a meaning").encode(frame.message_id(), &mut out)
    };
    out[..written_bytes.expect("it fits")].to_vec()
}

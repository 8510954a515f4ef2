//! Every vector of `docs/vectors/wire` in both directions: bytes to meaning, and meaning to the same bytes.

#![cfg(test)]

#[path = "vectors/describe.rs"]
mod describe;

use std::fs;
use std::path::Path;

use wire::{DeviceMessage, Frame, Parsed, ServerMessage, Status};

/// The body limit that the vectors of malformed frames are written for, in bytes.
const BODY_BYTES_MAX: usize = 1024;

struct Vector {
    name: String,
    direction: String,
    bytes: Vec<u8>,
    expect: String,
    is_what_we_write: bool,
}

#[test]
fn every_vector_means_what_it_says() {
    for vector in load_vectors() {
        let meaning = match vector.direction.as_str() {
            "D>S" => read_device(&vector.bytes),
            "S>D" => read_server(&vector.bytes),
            other => panic!("{}: no direction {other}", vector.name),
        };
        assert_eq!(meaning, vector.expect, "{}", vector.name);
    }
}

#[test]
fn every_vector_that_is_not_a_variant_is_written_with_the_same_bytes() {
    let mut written_count = 0;
    for vector in load_vectors() {
        if vector.expect.starts_with("error") {
            continue;
        }
        let frame = parse(&vector.bytes).unwrap();
        let mut out = [0; 512];
        let written = match vector.direction.as_str() {
            "D>S" => DeviceMessage::parse(&frame).unwrap().encode(frame.message_id(), &mut out),
            _ => ServerMessage::parse(&frame).unwrap().encode(frame.message_id(), &mut out),
        };
        let written = &out[..written.unwrap()];
        assert_eq!(written == vector.bytes, vector.is_what_we_write, "{}: {written:02X?}", vector.name);
        written_count += usize::from(vector.is_what_we_write);
    }
    assert!(written_count >= 80, "only {written_count} vectors were written");
}

#[test]
fn no_beginning_of_a_vector_is_a_frame() {
    for vector in load_vectors().iter().filter(|vector| vector.expect != "error frame") {
        for cut in 0..vector.bytes.len() {
            let parsed = Frame::parse(&vector.bytes[..cut], BODY_BYTES_MAX).unwrap();
            let Parsed::Incomplete { missing_bytes_min } = parsed else {
                panic!("{} is complete after {cut} bytes", vector.name);
            };
            assert!((1..=vector.bytes.len() - cut).contains(&missing_bytes_min), "{}", vector.name);
        }
    }
}

fn read_device(bytes: &[u8]) -> String {
    let Some(frame) = parse(bytes) else {
        return "error frame".into();
    };
    match DeviceMessage::parse(&frame) {
        Ok(message) => describe::device_message(&message),
        Err(error) => format!("error reply={}", error.reply_status().code()),
    }
}

fn read_server(bytes: &[u8]) -> String {
    let Some(frame) = parse(bytes) else {
        return "error frame".into();
    };
    match ServerMessage::parse(&frame) {
        Ok(message) => describe::server_message(&message),
        Err(error) => {
            let reply = error.reply_status().map(Status::code);
            format!("error reply={}", reply.map_or("none".into(), |code| code.to_string()))
        }
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

fn load_vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors/wire");
    let mut vectors = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let entries = lines.split(|line| line.trim().is_empty()).filter(|entry| !entry.is_empty());
        vectors.extend(entries.map(load_vector));
    }
    assert!(vectors.len() >= 116, "only {} vectors were found", vectors.len());
    vectors
}

fn load_vector(lines: &[&str]) -> Vector {
    let value = |key: &str| {
        let found = lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        found.map(str::to_owned)
    };
    let required = |key: &str| value(key).unwrap_or_else(|| panic!("no {key} in {lines:?}"));
    let hex = required("hex");
    Vector {
        name: required("name"),
        direction: required("direction"),
        bytes: hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect(),
        expect: required("expect"),
        is_what_we_write: value("encodes").is_none(),
    }
}

//! Properties of framing: frames survive the way to bytes and back, in any split, and no bytes make a reader panic.

#![cfg(test)]

#[path = "checks/arbitrary_bytes.rs"]
mod arbitrary_bytes;

use proptest::prelude::*;
use wire::{Command, Frame, HEADER_BYTES, Parsed, Status};

fn any_frame() -> impl Strategy<Value = (u16, u8, u16, Vec<u8>)> {
    (1..=u16::MAX, any::<u8>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..59))
}

fn frame(parts: &(u16, u8, u16, Vec<u8>)) -> Frame<'_> {
    let (message_id, command, status, body) = parts;
    match Command::from(*command) {
        Command::Response => Frame::Response { message_id: *message_id, status: Status::from(*status) },
        command => Frame::Message { message_id: *message_id, command, body },
    }
}

/// Bytes that look like frames often enough to reach the bodies.
fn framelike_bytes() -> impl Strategy<Value = Vec<u8>> {
    let commands = vec![0_u8, 2, 6, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 29, 41, 55, 64, 65, 99, 100];
    let words = prop::sample::select(vec![
        "",
        "vw",
        "dw",
        "aw",
        "dr",
        "ar",
        "pm",
        "vr",
        "1",
        "255",
        "256",
        "A0",
        "-60",
        "+1",
        "in",
        "pwm",
        "rtc",
        "sync",
        "utc",
        "time",
        "iso",
        "tz",
        "tz_name",
        "tz_rule",
        "dst_next",
        "meta",
        "get",
        "set",
        "SN",
        "ota",
        "dbg",
        "acon",
        "adis",
        "vfs",
        "mcu",
        "h-beat",
        "buff-in",
        "tmpl",
        "b",
        "t",
        "e",
        "i",
        "all",
        "color",
        "64",
        "\u{e9}",
        "AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    ]);
    let field = prop_oneof![
        8 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let body = prop::collection::vec(field, 0..6).prop_map(|fields| fields.join(&0));
    (prop::sample::select(commands), 1..=u16::MAX, body).prop_map(|(command, message_id, body)| {
        let mut bytes = vec![command];
        bytes.extend(message_id.to_be_bytes());
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    })
}

proptest! {
    // The smallest failing input is printed; it becomes a named test, not a file of seeds.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_frame_survives_the_way_to_bytes_and_back(parts in any_frame()) {
        let frame = frame(&parts);
        let mut out = [0; HEADER_BYTES + 60];
        let encoded_bytes = frame.encode(&mut out).unwrap();
        prop_assert_eq!(encoded_bytes, frame.encoded_bytes());
        let parsed = Frame::parse(&out, 59).unwrap();
        prop_assert_eq!(parsed, Parsed::Complete { frame, consumed_bytes: encoded_bytes });
    }

    #[test]
    fn any_split_gives_the_same_frames(
        all in prop::collection::vec(any_frame(), 1..12),
        piece_sizes in prop::array::uniform4(0_u8..90),
    ) {
        let mut data = piece_sizes.to_vec();
        for parts in &all {
            let start = data.len();
            data.resize(start + frame(parts).encoded_bytes(), 0);
            frame(parts).encode(&mut data[start..]).unwrap();
        }
        arbitrary_bytes::check_frames(&data);
    }

    #[test]
    fn no_bytes_break_the_framing(data in prop::collection::vec(any::<u8>(), 0..300)) {
        arbitrary_bytes::check_frames(&data);
        arbitrary_bytes::check_messages(&data);
    }

    #[test]
    fn whatever_is_understood_is_understood_the_same_after_writing(
        frames in prop::collection::vec(framelike_bytes(), 1..4),
    ) {
        arbitrary_bytes::check_messages(&frames.concat());
    }
}

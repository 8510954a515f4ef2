use std::vec::Vec;

use super::*;
use crate::{DeviceInternal, DeviceMessage, Frame, Parsed, ServerInternal, ServerMessage};

fn code(seed: u8) -> ClaimCode {
    ClaimCode::from_random(core::array::from_fn(|index| {
        seed.wrapping_mul(37).wrapping_add(u8::try_from(index).unwrap().wrapping_mul(11))
    }))
}

#[test]
fn a_code_is_read_in_either_case_with_or_without_hyphen() {
    let code = code(5);
    let shown = code.shown();
    let plain: Vec<u8> = shown.iter().copied().filter(|byte| *byte != b'-').collect();
    let spaced: Vec<u8> = shown.iter().map(|byte| if *byte == b'-' { b' ' } else { *byte }).collect();
    for typed in
        [shown.to_vec(), shown.to_ascii_lowercase(), plain.clone(), plain.to_ascii_lowercase(), spaced]
    {
        assert_eq!(ClaimCode::parse(&typed), Ok(code), "{}", typed.escape_ascii());
    }
}

#[test]
fn every_single_mistake_and_every_swap_is_noticed() {
    for seed in 0..=255 {
        let right = *code(seed).expose();
        for at in 0..CLAIM_CODE_CHARS {
            for other in ALPHABET {
                let mut typed = right;
                typed[at] = *other;
                let expected =
                    if *other == right[at] { Ok(code(seed)) } else { Err(ParseClaimCodeError::Check) };
                assert_eq!(ClaimCode::parse(&typed), expected);
            }
            for second in 0..CLAIM_CODE_CHARS {
                let mut typed = right;
                typed.swap(at, second);
                assert_eq!(ClaimCode::parse(&typed).is_ok(), typed == right);
            }
        }
    }
}

#[test]
fn the_check_character_is_that_of_the_committed_vectors() {
    // The characters of a code are its random values, in order.
    let counting = ClaimCode::from_random([0, 1, 2, 3, 4, 5, 6]);
    let text = core::str::from_utf8(counting.expose()).unwrap();
    assert_eq!(text.get(..7), Some("ABCDEFG"));
    for line in include_str!("../../../../docs/vectors/claim_code.txt").lines() {
        if let Some(valid) = line.strip_prefix("valid ") {
            assert!(ClaimCode::parse(valid.as_bytes()).is_ok(), "{line}");
        } else if let Some(mistaken) = line.strip_prefix("mistake ") {
            assert_eq!(ClaimCode::parse(mistaken.as_bytes()), Err(ParseClaimCodeError::Check), "{line}");
        }
    }
}

#[test]
fn look_alikes_and_other_lengths_are_refused_in_words() {
    for (typed, expected) in [
        ("", ParseClaimCodeError::Length),
        ("ABCD-234", ParseClaimCodeError::Length),
        ("ABCD-23456", ParseClaimCodeError::Length),
        ("ABCD-234O", ParseClaimCodeError::Alphabet),
        ("ABCD-2341", ParseClaimCodeError::Alphabet),
        ("ABCD-23\u{e9}", ParseClaimCodeError::Alphabet),
    ] {
        assert_eq!(ClaimCode::parse(typed.as_bytes()), Err(expected), "{typed}");
    }
}

#[test]
fn a_code_never_shows_in_debug_output() {
    let request = ClaimRequest { code: code(1), uid: "4C11" };
    let shown = std::format!("{request:?}");
    assert!(shown.contains("[redacted]") && !shown.contains(core::str::from_utf8(code(1).expose()).unwrap()));
}

#[test]
fn the_exchange_survives_the_wire() {
    let mut bytes = [0; 128];
    let request = ClaimRequest { code: code(9), uid: "4C11AE0D41DE" };
    let message = DeviceMessage::Internal(DeviceInternal::ClaimCode(request));
    let length = message.encode(1, &mut bytes).unwrap();
    let Ok(Parsed::Complete { frame, .. }) = Frame::parse(&bytes[..length], 128) else { panic!() };
    assert_eq!(DeviceMessage::parse(&frame), Ok(message));
    let answers = NoToken::ALL.map(ServerInternal::NoToken);
    for answer in answers.into_iter().chain([ServerInternal::Token { token: Secret(&[b'a'; 32]) }]) {
        let message = ServerMessage::Internal(answer);
        let length = message.encode(1, &mut bytes).unwrap();
        let Ok(Parsed::Complete { frame, .. }) = Frame::parse(&bytes[..length], 128) else { panic!() };
        assert_eq!(ServerMessage::parse(&frame), Ok(message));
    }
}

#[test]
fn a_request_that_is_not_whole_is_no_request() {
    let mut bodies: Vec<Vec<u8>> =
        [&b"claim-code"[..], b"claim-code\0", b"claim-code\0ABCD2345\0x"].map(Vec::from).to_vec();
    let good = code(3);
    let with_uid = |uid: &[u8]| [b"claim-code\0", &good.expose()[..], b"\0", uid].concat();
    bodies.extend([with_uid(b""), with_uid(&[b'a'; 65]), with_uid(b"a\0b"), with_uid(&[0xFF])]);
    for body in bodies {
        assert!(DeviceInternal::parse(&body).is_err(), "{}", body.escape_ascii());
    }
}

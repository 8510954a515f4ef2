//! Which answers are taken and why others are not.

use std::string::String;

use ed25519_dalek::{Signer as _, SigningKey};

use super::{Answer, Demands, Offer, judge_answer, signed_bytes};
use crate::firmware_update::error::UpdateError;
use crate::firmware_update::response_head::{ContentRange, ResponseHead};

const DEMANDS: Demands<'_> = Demands { firmware_type: "TMPLtest", slot_bytes: 65_536, firmware_key: None };

fn good_head() -> ResponseHead<'static> {
    ResponseHead {
        status: 200,
        content_bytes: Some(4096),
        etag: Some("\"v2\""),
        sha256: Some([7; 32]),
        firmware_type: Some("TMPLtest"),
        firmware_version: Some("2.0.0"),
        ..ResponseHead::default()
    }
}

fn offer() -> Offer {
    match judge_answer(&good_head(), None, DEMANDS) {
        Ok(Answer::Whole(offer)) => offer,
        other => panic!("{other:?}"),
    }
}

fn rest(first_byte: u64) -> ResponseHead<'static> {
    let range = ContentRange { first_byte, last_byte: 4095, whole_bytes: 4096 };
    ResponseHead { status: 206, content_bytes: Some(4096 - first_byte), range: Some(range), ..good_head() }
}

#[test]
fn a_whole_image_is_taken_with_everything_that_is_known_of_it() {
    let offer = offer();
    assert_eq!((offer.image.image_bytes, offer.image.sha256), (4096, [7; 32]));
    assert_eq!((offer.image.version.as_str(), offer.etag.as_deref()), ("2.0.0", Some("\"v2\"")));
}

#[test]
fn every_missing_or_wrong_fact_has_its_own_reason() {
    let cases: [(ResponseHead<'_>, UpdateError); 13] = [
        (ResponseHead { content_bytes: None, ..good_head() }, UpdateError::NoLength),
        (ResponseHead { is_chunked: true, ..good_head() }, UpdateError::Chunked),
        (ResponseHead { is_compressed: true, ..good_head() }, UpdateError::Compressed),
        (
            ResponseHead { content_bytes: Some(1023), ..good_head() },
            UpdateError::TooShort { image_bytes: 1023 },
        ),
        (
            ResponseHead { content_bytes: Some(65_537), ..good_head() },
            UpdateError::TooLong { image_bytes: 65_537, slot_bytes: 65_536 },
        ),
        (
            ResponseHead { content_bytes: Some(u64::MAX), ..good_head() },
            UpdateError::TooLong { image_bytes: u64::MAX, slot_bytes: 65_536 },
        ),
        (ResponseHead { sha256: None, ..good_head() }, UpdateError::NoDigest),
        (ResponseHead { firmware_type: None, ..good_head() }, UpdateError::NoType),
        (ResponseHead { firmware_type: Some("TMPLother"), ..good_head() }, UpdateError::OtherType),
        (ResponseHead { firmware_version: None, ..good_head() }, UpdateError::NoVersion),
        (ResponseHead { status: 302, ..good_head() }, UpdateError::Redirected),
        (ResponseHead { status: 404, ..good_head() }, UpdateError::Status(404)),
        (ResponseHead { status: 206, ..good_head() }, UpdateError::Status(206)),
    ];
    for (head, error) in cases {
        assert_eq!(judge_answer(&head, None, DEMANDS), Err(error), "{head:?}");
    }
}

#[test]
fn the_smallest_and_the_largest_image_fit() {
    for image_bytes in [1024, 65_536] {
        let head = ResponseHead { content_bytes: Some(image_bytes), ..good_head() };
        assert!(matches!(judge_answer(&head, None, DEMANDS), Ok(Answer::Whole(_))), "{image_bytes}");
    }
}

#[test]
fn the_rest_of_the_known_image_is_taken_and_no_other_rest() {
    let offer = offer();
    let known = Some((&offer, 2048));
    assert_eq!(judge_answer(&rest(2048), known, DEMANDS), Ok(Answer::Rest));
    let others = [
        rest(1024),
        ResponseHead { content_bytes: Some(2047), ..rest(2048) },
        ResponseHead { range: None, ..rest(2048) },
        ResponseHead { sha256: Some([8; 32]), ..rest(2048) },
        ResponseHead { firmware_version: Some("2.0.1"), ..rest(2048) },
    ];
    for other in others {
        assert_eq!(judge_answer(&other, known, DEMANDS), Err(UpdateError::OtherImage), "{other:?}");
    }
    let whole = judge_answer(&good_head(), known, DEMANDS);
    assert!(matches!(whole, Ok(Answer::Whole(_))), "200 instead of 206 starts over");
}

#[test]
fn what_a_signature_covers_is_fixed_to_the_byte() {
    let signed = signed_bytes("TMPLtest", &offer().image).unwrap();
    let digest: String = "07".repeat(32);
    assert_eq!(signed.as_str(), std::format!("rehome-firmware-1\nTMPLtest\n2.0.0\n4096\n{digest}\n"));
}

#[test]
fn a_device_with_a_key_takes_what_that_key_signed_and_nothing_else() {
    let key = SigningKey::from_bytes(&[3; 32]);
    let demands = Demands { firmware_key: Some(key.verifying_key().to_bytes()), ..DEMANDS };
    assert_eq!(judge_answer(&good_head(), None, demands), Err(UpdateError::NotSigned));
    let signature = key.sign(signed_bytes("TMPLtest", &offer().image).unwrap().as_bytes()).to_bytes();
    let signed = ResponseHead { signature: Some(signature), ..good_head() };
    assert!(matches!(judge_answer(&signed, None, demands), Ok(Answer::Whole(_))));
    let altered = [
        ResponseHead { sha256: Some([8; 32]), ..signed.clone() },
        ResponseHead { content_bytes: Some(4097), ..signed.clone() },
        ResponseHead { firmware_version: Some("2.0.1"), ..signed.clone() },
    ];
    for head in altered {
        assert_eq!(judge_answer(&head, None, demands), Err(UpdateError::Signature), "{head:?}");
    }
    for bit in 0..512 {
        let mut wrong = signature;
        wrong[bit / 8] ^= 1 << (bit % 8);
        let head = ResponseHead { signature: Some(wrong), ..good_head() };
        assert_eq!(judge_answer(&head, None, demands), Err(UpdateError::Signature), "bit {bit}");
    }
}

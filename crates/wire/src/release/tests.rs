extern crate std;

use std::vec::Vec;

use super::{
    Claim, DeviceId, FINGERPRINT_DIGITS, ReceiptSecret, ReleaseOrder, ReleaseTerms, key_fingerprint,
    receipt_bytes,
};
use crate::body::BodyWriter;

fn terms(id: &str) -> ReleaseTerms<'_> {
    ReleaseTerms { device_id: DeviceId::parse(id).unwrap(), epoch: 0x0102_0304, nonce: [0xAB; 16] }
}

fn order_fields() -> Vec<u8> {
    let order = ReleaseOrder {
        terms: terms("DEV1"),
        signature: core::array::from_fn(|index| u8::try_from(index).unwrap()),
    };
    let mut out = [0; 512];
    let mut writer = BodyWriter::new(&mut out);
    order.write(&mut writer).unwrap();
    writer.finish().unwrap().strip_prefix(b"release\0").unwrap().to_vec()
}

#[test]
fn the_signed_bytes_of_an_order_are_domain_id_epoch_and_nonce() {
    let mut expected = b"rehome release order v1\0\x04DEV1\x01\x02\x03\x04".to_vec();
    expected.extend([0xAB; 16]);
    assert_eq!(terms("DEV1").canonical_bytes().as_bytes(), expected);
}

#[test]
fn the_longest_id_fits_both_forms() {
    let id = "D".repeat(32);
    assert_eq!(terms(&id).canonical_bytes().as_bytes().len(), 24 + 1 + 32 + 4 + 16);
    let receipt = receipt_bytes(DeviceId::parse(&id).unwrap(), &[7; 32]);
    assert_eq!(receipt.as_bytes().len(), 26 + 1 + 32 + 32);
    assert!(receipt.as_bytes().ends_with(&[7; 32]));
}

#[test]
fn no_two_orders_have_the_same_signed_bytes() {
    let first = terms("DEV1").canonical_bytes();
    for other in [
        terms("DEV2"),
        terms("DEV11"),
        ReleaseTerms { epoch: 0x0102_0305, ..terms("DEV1") },
        ReleaseTerms { nonce: [0xAC; 16], ..terms("DEV1") },
    ] {
        assert_ne!(other.canonical_bytes(), first, "{other:?}");
    }
}

#[test]
fn a_shortened_or_lengthened_order_is_no_order() {
    let whole = order_fields();
    assert!(ReleaseOrder::parse(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(ReleaseOrder::parse(&whole[..length]).is_err(), "{length} bytes");
    }
    for more in [&b"0"[..], b"\0x", b"\0\0"] {
        assert!(ReleaseOrder::parse(&[&whole, more].concat()).is_err(), "{more:?}");
    }
}

#[test]
fn digits_have_one_form() {
    let whole = order_fields();
    for (from, to) in [(b'a', b'A'), (b'1', b'g'), (b'1', b' '), (b'1', b'+')] {
        let at = whole.iter().rposition(|byte| *byte == from).unwrap();
        let mut odd = whole.clone();
        odd[at] = to;
        assert!(
            ReleaseOrder::parse(&odd).is_err(),
            "{:?} in place of {:?}",
            char::from(to),
            char::from(from)
        );
    }
}

#[test]
fn ids_of_another_shape_are_refused() {
    for id in ["", "DEV-1", "DEV 1", "D\u{e9}", &"D".repeat(33)] {
        assert_eq!(DeviceId::parse(id), None, "{id:?}");
    }
}

#[test]
fn a_claim_shows_no_secret() {
    let claim = Claim {
        device_id: DeviceId::parse("DEV1").unwrap(),
        epoch: 1,
        release_key: [1; 32],
        receipt_secret: ReceiptSecret([222; 32]),
    };
    assert!(!std::format!("{claim:?}").contains("222"));
}

#[test]
fn a_fingerprint_is_the_beginning_of_the_key() {
    let mut out = [0; FINGERPRINT_DIGITS];
    assert_eq!(
        key_fingerprint(
            &core::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(17)),
            &mut out
        ),
        "0011223344556677"
    );
}

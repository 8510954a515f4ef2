use std::format;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::{CRC_OFFSET, FactoryImage, IMAGE_BYTES, ParseFactoryImageError, Pop, RECORD_BYTES, Uid, crc32};

fn image(uid: &str, pop: Option<&str>) -> FactoryImage {
    FactoryImage {
        uid: Uid::parse(uid.as_bytes()).unwrap(),
        pop: pop.map(|pop| Pop::parse(pop.as_bytes()).unwrap()),
    }
}

/// Changes one byte and makes the checksum right again.
fn with_byte(mut bytes: [u8; IMAGE_BYTES], offset: usize, value: u8) -> [u8; IMAGE_BYTES] {
    bytes[offset] = value;
    let crc = crc32(&bytes[..CRC_OFFSET]).to_le_bytes();
    bytes[CRC_OFFSET..RECORD_BYTES].copy_from_slice(&crc);
    bytes
}

#[test]
fn image_has_the_documented_bytes() {
    let bytes = image("AM-0042", Some("k7fh-2mqx-99tz")).encode();
    assert_eq!(&bytes[..8], b"RHFI\x01\x07\x0E\x00");
    assert_eq!(&bytes[8..15], b"AM-0042");
    assert_eq!(&bytes[40..54], b"k7fh-2mqx-99tz");
    assert!(bytes[RECORD_BYTES..].iter().all(|&byte| byte == 0xFF));
    // The check value of CRC-32. Source: ISO 3309, catalogue of parametrised CRC algorithms.
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn board_without_pop_is_read_without_pop() {
    let bytes = image("AM-0042", None).encode();
    assert_eq!(FactoryImage::parse(&bytes), Ok(image("AM-0042", None)));
}

#[test]
fn unwritten_and_foreign_partitions_are_told_apart() {
    assert_eq!(FactoryImage::parse(&[0xFF; IMAGE_BYTES]), Err(ParseFactoryImageError::Empty));
    assert_eq!(FactoryImage::parse(&[0; IMAGE_BYTES]), Err(ParseFactoryImageError::NotFactoryImage));
    assert_eq!(FactoryImage::parse(&[0xFF; 127]), Err(ParseFactoryImageError::TooShort));
}

#[test]
fn any_changed_bit_of_the_record_is_noticed() {
    let good = image("AM-0042", Some("k7fh-2mqx-99tz")).encode();
    for index in 0..RECORD_BYTES {
        for bit in 0..8 {
            let mut bytes = good;
            bytes[index] ^= 1 << bit;
            assert!(FactoryImage::parse(&bytes).is_err(), "byte {index}, bit {bit}");
        }
    }
}

#[test]
fn newer_layout_and_impossible_lengths_are_refused() {
    let good = image("AM-0042", Some("k7fh-2mqx-99tz")).encode();
    let newer = FactoryImage::parse(&with_byte(good, 4, 2));
    assert_eq!(newer, Err(ParseFactoryImageError::NewerVersion { found: 2 }));
    assert_eq!(FactoryImage::parse(&with_byte(good, 5, 200)), Err(ParseFactoryImageError::Damaged));
    assert!(matches!(FactoryImage::parse(&with_byte(good, 5, 0)), Err(ParseFactoryImageError::Uid(_))));
    assert!(matches!(FactoryImage::parse(&with_byte(good, 6, 7)), Err(ParseFactoryImageError::Pop(_))));
}

#[test]
fn pop_is_never_printed() {
    let image = image("AM-0042", Some("k7fh-2mqx-99tz"));
    assert!(!format!("{image:?}").contains("k7fh"));
    let texts: Vec<String> = [&b"short"[..], b"with a space", b"\xFFnot-ascii\xFF"]
        .iter()
        .map(|bytes| format!("{}", Pop::parse(bytes).unwrap_err()))
        .collect();
    assert!(texts.iter().all(|text| !text.contains("space")));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(uid in "[A-Za-z0-9_-]{1,32}", pop in proptest::option::of("[!-~]{8,63}")) {
        let image = image(&uid, pop.as_deref());
        prop_assert_eq!(FactoryImage::parse(&image.encode()), Ok(image));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(FactoryImage::parse(&bytes).is_err());
    }
}

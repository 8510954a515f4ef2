use proptest::prelude::*;

use super::{ConfigRecord, RECORD_BYTES};

const TOKEN: &str = "AbCdEfGhIjKlMnOpQrStUvWxYz012345";

fn text_at(record: &[u8; RECORD_BYTES], offset: usize, text: &str) -> bool {
    record[offset..].starts_with(text.as_bytes()) && record[offset + text.len()] == 0
}

#[test]
fn every_field_of_an_empty_record_stands_at_its_offset() {
    let record = ConfigRecord::default().encode();
    assert_eq!(record.len(), 212);
    assert_eq!(record[0..4], [0x6B, 0x6E, 0x6C, 0x62]);
    assert!(text_at(&record, 4, "1.0.0"));
    assert_eq!(record[19], 0);
    assert_eq!(record[20..118], [0; 98]);
    assert!(text_at(&record, 118, "invalid token"));
    assert!(text_at(&record, 152, "blynk.cloud"));
    assert_eq!(record[186..188], [0xBB, 0x01]);
    assert_eq!(record[188..212], [0; 24]);
}

#[test]
fn every_field_of_a_full_record_stands_at_its_offset() {
    let mut full = ConfigRecord::from_console(TOKEN, "Home", "password1");
    full.host = b"cloud.example".to_vec();
    full.port = 9443;
    full.addresses = [[192, 168, 1, 50], [255, 255, 255, 0], [192, 168, 1, 1], [8, 8, 8, 8], [1, 1, 1, 1]];
    full.flags = 0x03;
    full.set_last_error(701);
    let record = full.encode();
    assert_eq!(record[19], 0x03);
    assert!(text_at(&record, 20, "Home"));
    assert!(text_at(&record, 54, "password1"));
    assert!(text_at(&record, 118, TOKEN));
    assert!(text_at(&record, 152, "cloud.example"));
    assert_eq!(record[186..188], [0xE3, 0x24]);
    assert_eq!(record[188..192], [192, 168, 1, 50]);
    assert_eq!(record[192..196], [255, 255, 255, 0]);
    assert_eq!(record[196..200], [192, 168, 1, 1]);
    assert_eq!(record[200..204], [8, 8, 8, 8]);
    assert_eq!(record[204..208], [1, 1, 1, 1]);
    assert_eq!(record[208..212], [0xBD, 0x02, 0, 0]);
    assert_eq!(ConfigRecord::decode(&record), Some(full));
}

#[test]
fn what_is_too_long_is_cut_as_stock_firmware_cuts_it() {
    let long = ConfigRecord::from_console(&"t".repeat(60), &"s".repeat(60), &"p".repeat(64));
    assert_eq!(long.token.len(), 33);
    assert_eq!(long.ssid.len(), 33);
    // A raw key of 64 digits does not survive.
    assert_eq!(long.password.len(), 63);
    assert_eq!(ConfigRecord::decode(&long.encode()), Some(long));
}

#[test]
fn debug_output_holds_no_secret() {
    let shown = format!("{:?}", ConfigRecord::from_console(TOKEN, "Home", "password1"));
    assert!(!shown.contains(TOKEN) && !shown.contains("password1"));
}

proptest! {
    #[test]
    fn arbitrary_flash_never_panics_and_a_wrong_magic_is_no_record(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let has_magic = bytes.starts_with(&[0x6B, 0x6E, 0x6C, 0x62]) && bytes.len() >= RECORD_BYTES;
        prop_assert_eq!(ConfigRecord::decode(&bytes).is_some(), has_magic);
    }

    #[test]
    fn any_record_is_read_back_as_it_was_written(mut bytes in proptest::collection::vec(any::<u8>(), RECORD_BYTES)) {
        bytes[..4].copy_from_slice(&[0x6B, 0x6E, 0x6C, 0x62]);
        let record = ConfigRecord::decode(&bytes).unwrap();
        prop_assert_eq!(ConfigRecord::decode(&record.encode()), Some(record));
    }
}

use std::vec::Vec;

use super::*;
use crate::dialect::Access;

const OWN: PortalMode<'_> = PortalMode::new(Dialect::Rehome, Access::Recovery);
const STOCK: PortalMode<'_> = PortalMode::new(Dialect::EdgentOld, Access::Provisioning);

/// A query with id 0x1234 and "recursion desired".
fn query(name: &str, kind: u16, class: u16) -> Vec<u8> {
    let mut query = std::vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend(encoded(name));
    query.extend(kind.to_be_bytes());
    query.extend(class.to_be_bytes());
    query
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn with_options(mut query: Vec<u8>, version: u8) -> Vec<u8> {
    query[11] += 1;
    query.extend([0, 0, 41, 0x10, 0x00, 0, version, 0, 0, 0, 0]);
    query
}

fn answer(mode: &PortalMode<'_>, query: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0xEE; DNS_MESSAGE_BYTES_MAX];
    answer_dns(query, mode, &mut out).map(|bytes| out[..bytes].to_vec())
}

/// Response code, and how many addresses there are.
fn verdict(mode: &PortalMode<'_>, query: &[u8]) -> (u8, u8) {
    let answer = answer(mode, query).expect("an answer");
    (answer[3] & 0xF, answer[7])
}

#[test]
fn every_name_is_this_device_for_a_moment() {
    for name in ["captive.apple.com", "blynk.setup", "a", "", "localhost", "x.y.z.example"] {
        let query = query(name, 1, 1);
        let answer = answer(&OWN, &query).unwrap();
        let mut expected = query.clone();
        expected[2..4].copy_from_slice(&[0x85, 0x80]);
        expected[7] = 1;
        expected.extend([0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 2, 0, 4, 192, 168, 4, 1]);
        assert_eq!(answer, expected, "{name}");
    }
}

#[test]
fn the_letter_case_of_the_question_comes_back() {
    let query = query("cApTiVe.ApPlE.cOm", 1, 1);
    assert_eq!(answer(&OWN, &query).unwrap()[12..query.len()], query[12..]);
}

#[test]
fn other_types_exist_but_are_empty_and_may_not_be_cached() {
    // AAAA, PTR, MX, TXT, SRV, HTTPS, AXFR and one that nobody has defined.
    for kind in [28, 12, 15, 16, 33, 65, 252, 0xFF42] {
        let query = query("example.com", kind, 1);
        let answer = answer(&OWN, &query).unwrap();
        assert_eq!((answer[3] & 0xF, &answer[6..12], answer.len()), (0, &[0; 6][..], query.len()), "{kind}");
    }
    assert_eq!(verdict(&OWN, &query("example.com", 255, 1)), (0, 1));
}

#[test]
fn other_classes_are_refused() {
    for (class, expected) in
        [(1, (0, 1)), (255, (0, 1)), (3, (5, 0)), (4, (5, 0)), (0, (5, 0)), (254, (5, 0))]
    {
        assert_eq!(verdict(&OWN, &query("version.bind", 1, class)), expected, "{class}");
    }
}

#[test]
fn stock_firmware_knows_only_its_own_name() {
    for (name, expected) in [
        ("blynk.setup", (0, 1)),
        ("BLYNK.Setup", (0, 1)),
        ("captive.apple.com", (2, 0)),
        ("blynk", (2, 0)),
        ("blynk.setup.lan", (2, 0)),
        ("xblynk.setup", (2, 0)),
        ("", (2, 0)),
    ] {
        assert_eq!(verdict(&STOCK, &query(name, 1, 1)), expected, "{name}");
    }
    assert_eq!(answer(&STOCK, &query("blynk.setup", 1, 1)).unwrap()[35..39], [0, 0, 1, 44], "TTL 300");
    let unnamed = PortalMode { host_name: "", ..STOCK };
    assert_eq!(verdict(&unnamed, &query("", 1, 1)), (2, 0));
}

#[test]
fn answers_and_fragments_of_a_header_get_silence() {
    let mut response = query("example.com", 1, 1);
    response[2] |= 0x80;
    assert_eq!(answer(&OWN, &response), None);
    let query = query("example.com", 1, 1);
    for cut in 0..12 {
        assert_eq!(answer(&OWN, &query[..cut]), None, "{cut}");
    }
}

#[test]
fn a_query_cut_anywhere_behind_its_header_is_malformed() {
    let query = with_options(query("example.com", 1, 1), 0);
    for cut in 12..query.len() {
        assert_eq!(
            answer(&OWN, &query[..cut]).unwrap(),
            [0x12, 0x34, 0x85, 0x81, 0, 0, 0, 0, 0, 0, 0, 0],
            "{cut}"
        );
    }
    let mut longer = query;
    longer.push(0);
    assert_eq!(verdict(&OWN, &longer), (1, 0), "bytes that belong to nothing");
}

#[test]
fn none_or_several_questions_are_malformed() {
    let one = query("a.example", 1, 1);
    for count in [0, 2, 0xFF] {
        let mut several = one.clone();
        several[5] = count;
        assert_eq!(verdict(&OWN, &several), (1, 0), "{count}, of which one is there");
        several.extend(&one[12..]);
        assert_eq!(verdict(&OWN, &several), (1, 0), "{count}");
    }
}

#[test]
fn a_question_with_a_pointer_or_a_reserved_label_is_malformed() {
    // Pointers to itself, to the header and to behind the end; the two reserved kinds of label.
    for name in [&[0xC0, 12][..], &[0xC0, 0], &[0xFF, 0xFF], &[1, b'a', 0xC0, 12], &[0x40, 0], &[0x80, 0]] {
        let mut query = query("", 1, 1);
        query.splice(12..13, name.iter().copied());
        assert_eq!(verdict(&OWN, &query), (1, 0), "{name:?}");
    }
}

#[test]
fn a_name_may_have_255_bytes_and_no_more() {
    let label = "a".repeat(63);
    // Three labels of 64 bytes with their length, one of 62, and the end: 255.
    let longest = std::format!("{label}.{label}.{label}.{}", "a".repeat(61));
    let answer = answer(&OWN, &with_options(query(&longest, 1, 1), 0)).unwrap();
    assert_eq!((answer[3] & 0xF, answer[7], answer.len()), (0, 1, 12 + 255 + 4 + 16 + 11));
    assert_eq!(verdict(&OWN, &query(&std::format!("{longest}a"), 1, 1)), (1, 0));
    assert_eq!(verdict(&OWN, &query(&std::format!("{label}.{label}.{label}.{label}"), 1, 1)), (1, 0));
}

#[test]
fn a_query_longer_than_a_datagram_of_old_is_malformed() {
    let mut padded = with_options(query("example.com", 1, 1), 0);
    let room = DNS_MESSAGE_BYTES_MAX - padded.len();
    let data_at = padded.len() - 2;
    padded[data_at..].copy_from_slice(&u16::try_from(room).unwrap().to_be_bytes());
    padded.resize(DNS_MESSAGE_BYTES_MAX, 0);
    assert_eq!(verdict(&OWN, &padded), (0, 1));
    let room = u16::try_from(room + 1).unwrap();
    padded[data_at..data_at + 2].copy_from_slice(&room.to_be_bytes());
    padded.push(0);
    assert_eq!(verdict(&OWN, &padded), (1, 0));
}

#[test]
fn extended_queries_get_an_extended_answer() {
    let plain = query("example.com", 1, 1);
    let reply = answer(&OWN, &with_options(plain.clone(), 0)).unwrap();
    assert_eq!((reply[3] & 0xF, reply[7], reply[11]), (0, 1, 1));
    assert_eq!(reply[reply.len() - 11..], [0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 0]);
    let newer = answer(&OWN, &with_options(plain.clone(), 1)).unwrap();
    // BADVERS is 16: its upper bits are in the OPT record.
    assert_eq!((newer[3] & 0xF, newer[7]), (0, 0));
    assert_eq!(newer[newer.len() - 11..], [0, 0, 41, 2, 0, 1, 0, 0, 0, 0, 0]);
    let twice = with_options(with_options(plain.clone(), 0), 0);
    assert_eq!(verdict(&OWN, &twice), (1, 0));
    let mut named = with_options(plain.clone(), 0);
    let at = plain.len();
    named.splice(at..=at, [1, b'a', 0]);
    assert_eq!(verdict(&OWN, &named), (1, 0), "an OPT record has no name");
    let mut misplaced = with_options(plain, 0);
    misplaced.swap(7, 11);
    assert_eq!(verdict(&OWN, &misplaced), (1, 0), "OPT among the answers");
}

#[test]
fn other_records_are_stepped_over_with_their_pointers() {
    let mut query = query("example.com", 1, 1);
    query[7] = 1;
    query.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 1, 2, 3, 4]);
    assert_eq!(verdict(&OWN, &query), (0, 1));
}

#[test]
fn other_operations_are_not_implemented() {
    for operation in 1..16_u8 {
        let mut query = query("example.com", 1, 1);
        query[2] = operation << 3;
        let answer = answer(&OWN, &query).unwrap();
        assert_eq!((answer[2], answer[3] & 0xF, answer.len()), (0x84 | operation << 3, 4, 12));
    }
}

#[test]
fn an_answer_that_does_not_fit_is_left_out() {
    let query = query("example.com", 1, 1);
    let bytes = answer(&OWN, &query).unwrap().len();
    let mut out = [0; DNS_MESSAGE_BYTES_MAX];
    for room in 0..bytes {
        assert_eq!(answer_dns(&query, &OWN, &mut out[..room]), None, "{room}");
    }
    assert_eq!(answer_dns(&query, &OWN, &mut out[..bytes]), Some(bytes));
}

//! Heads of good, odd and hostile servers.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::{ContentRange, HEAD_BYTES_MAX, ReadHeadError, ResponseHead, read_response_head};

const DIGEST: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn answer(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n")
}

fn head(text: &str) -> Result<ResponseHead<'_>, ReadHeadError> {
    let (head, head_bytes) = read_response_head(text.as_bytes())?.expect("a whole head");
    assert_eq!(head_bytes, text.len());
    Ok(head)
}

#[test]
fn the_head_of_a_firmware_download_is_read() {
    let signature = "A".repeat(86) + "==";
    let text = answer(&format!(
        "content-length: 4096\r\nETag: \"v2\"\r\nX-SHA256: {DIGEST}\r\nX-Rehome-Signature: {signature}\r\n\
         X-FW-Type: TMPLtest\r\nX-FW-Ver: 2.0.0\r\nX-FW-Build: Mar 05 2024 18:29:27\r\nServer: any\r\n"
    ));
    let head = head(&text).unwrap();
    assert_eq!((head.status, head.content_bytes), (200, Some(4096)));
    assert_eq!(head.etag, Some("\"v2\""));
    assert_eq!(head.sha256.map(|digest| digest[..4].to_vec()), Some(std::vec![0xE3, 0xB0, 0xC4, 0x42]));
    assert_eq!(head.signature, Some([0; 64]));
    assert_eq!((head.firmware_type, head.firmware_version), (Some("TMPLtest"), Some("2.0.0")));
    assert_eq!(head.firmware_build, Some("Mar 05 2024 18:29:27"));
    assert!(!head.is_chunked && !head.is_compressed && head.range.is_none());
}

#[test]
fn what_follows_the_head_and_how_it_was_split_changes_nothing() {
    let head_text = answer("Content-Length: 5\r\n");
    let whole = format!("{head_text}hello");
    for split in 0..whole.len() {
        let so_far = read_response_head(&whole.as_bytes()[..split]).unwrap();
        assert_eq!(so_far.is_some(), split >= head_text.len(), "{split}");
    }
    assert_eq!(read_response_head(whole.as_bytes()).unwrap().unwrap().1, head_text.len());
}

#[test]
fn a_range_must_be_a_part_of_a_known_whole() {
    let text = answer("Content-Range: bytes 100-199/200\r\n");
    assert_eq!(
        head(&text).unwrap().range,
        Some(ContentRange { first_byte: 100, last_byte: 199, whole_bytes: 200 })
    );
    for value in
        ["bytes 100-199/*", "bytes */200", "bytes 9-8/10", "bytes 0-10/10", "lines 0-1/2", "bytes=0-1/2"]
    {
        let text = answer(&format!("Content-Range: {value}\r\n"));
        assert_eq!(head(&text), Err(ReadHeadError::Value { name: "Content-Range" }), "{value}");
    }
}

#[test]
fn a_length_that_two_readers_could_read_differently_is_refused() {
    for value in ["", "-1", "+1", "0x10", "1e3", "1, 2", "18446744073709551616"] {
        let text = answer(&format!("Content-Length: {value}\r\n"));
        assert_eq!(head(&text), Err(ReadHeadError::Value { name: "Content-Length" }), "{value}");
    }
    let twice = answer("Content-Length: 1\r\nContent-Length: 2\r\n");
    assert_eq!(head(&twice), Err(ReadHeadError::Twice { name: "Content-Length" }));
    let same = answer("Content-Length: 1\r\nContent-Length: 1\r\n");
    assert_eq!(head(&same).unwrap().content_bytes, Some(1));
}

#[test]
fn a_digest_or_a_signature_of_another_length_or_alphabet_is_refused() {
    for value in
        ["", "47DEQpj8HBSa", "47DEQpj8HBSa-_TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", DIGEST.trim_end_matches('=')]
    {
        let text = answer(&format!("X-SHA256: {value}\r\n"));
        assert_eq!(head(&text), Err(ReadHeadError::Value { name: "X-SHA256" }), "{value}");
    }
    let text = answer(&format!("X-Rehome-Signature: {DIGEST}\r\n"));
    assert_eq!(head(&text), Err(ReadHeadError::Value { name: "X-Rehome-Signature" }));
}

#[test]
fn a_weak_or_broken_entity_tag_is_as_good_as_none() {
    for value in ["W/\"v2\"", "v2", "\"", "\"a\"b\"", &format!("\"{}\"", "a".repeat(100))] {
        let text = answer(&format!("ETag: {value}\r\n"));
        assert_eq!(head(&text).unwrap().etag, None, "{value}");
    }
}

#[test]
fn encodings_of_the_body_are_noticed() {
    let text = answer("Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n");
    let head = head(&text).unwrap();
    assert!(head.is_chunked && head.is_compressed);
}

#[test]
fn a_head_without_end_is_given_up_and_other_protocols_are_no_heads() {
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_BYTES_MAX));
    assert_eq!(read_response_head(endless.as_bytes()), Err(ReadHeadError::TooLong));
    let lines = "A: b\r\n".repeat(41);
    assert_eq!(read_response_head(answer(&lines).as_bytes()), Err(ReadHeadError::TooLong));
    let others: [&[u8]; 3] = [b"SSH-2.0-x\r\n\r\n", b"\x00\x00\x01\x00\xC8", b"HTTP/2.0 200 OK\r\n\r\n"];
    for other in others {
        assert_eq!(read_response_head(other), Err(ReadHeadError::Malformed), "{other:?}");
    }
    let all_bytes: Vec<u8> = (0..=255).collect();
    assert!(read_response_head(&all_bytes).is_err());
}

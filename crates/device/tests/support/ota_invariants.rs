//! What must hold for any update order and any answer to it. Shared by the replayed corpus and the fuzz target.

use device::ota::{
    Answer, Demands, FirmwareUrl, IMAGE_BYTES_MIN, Offer, Resumption, URL_BYTES_MAX, judge_answer,
    request_text,
};
use device::{ContentRange, ETAG_BYTES_MAX, ResponseHead, is_version, read_response_head};

const FIRMWARE_TYPE: &str = "TMPLtest";
const SLOT_BYTES: u32 = 65_536;
/// The public half of the key with which the signed answers of the corpus were signed: `SigningKey` of 32 times 3.
const FIRMWARE_KEY: [u8; 32] = [
    0xED, 0x49, 0x28, 0xC6, 0x28, 0xD1, 0xC2, 0xC6, 0xEA, 0xE9, 0x03, 0x38, 0x90, 0x59, 0x95, 0x61, 0x29,
    0x59, 0x27, 0x3A, 0x5C, 0x63, 0xF9, 0x36, 0x36, 0xC1, 0x46, 0x14, 0xAC, 0x87, 0x37, 0xD1,
];

/// The first line is the address of an order, the second line a number of bytes that are in the slot already; what
/// follows is the server's answer.
pub(crate) fn check_update(input: &[u8]) {
    let (address, rest) = split_line(input);
    let (written, answer) = split_line(rest);
    if let Ok(address) = std::str::from_utf8(address) {
        check_address(address);
    }
    let written_bytes = std::str::from_utf8(written).ok().and_then(|digits| digits.trim().parse().ok());
    if let Ok(Some((head, _head_bytes))) = read_response_head(answer) {
        check_answer(&head, written_bytes.unwrap_or(0));
    }
}

fn split_line(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}

fn check_address(text: &str) {
    let Ok(url) = FirmwareUrl::parse(text) else { return };
    assert!(text.len() <= URL_BYTES_MAX);
    assert!((1..=home_store::HOST_BYTES_MAX).contains(&url.host.len()) && url.port > 0);
    assert!(!url.host.contains(['@', '/', '?', '#', ':', '[', '\\']), "{}", url.host);
    let (slash, target) = url.target();
    assert!(slash.len() + target.len() >= 1 && format!("{slash}{target}").starts_with('/'));
    // The address that is dialled and the one that is asked for are the same place, read by whomever.
    let scheme = if url.is_https { "https" } else { "http" };
    let written = format!("{scheme}://{}:{}{slash}{target}", url.host, url.port);
    if written.len() <= URL_BYTES_MAX {
        let again = FirmwareUrl::parse(&written).expect("what was understood can be said");
        assert_eq!((again.is_https, again.host, again.port), (url.is_https, url.host, url.port));
        let (again_slash, again_target) = again.target();
        assert_eq!(format!("{again_slash}{again_target}"), format!("{slash}{target}"));
    }
    assert!(!format!("{url:?}").contains(target) || target.len() < 8, "an address carries a token");
    let etag = "\"x\"";
    for resumption in [None, Some(Resumption { written_bytes: u32::MAX, etag })] {
        let request = request_text(&url, "1.0.0", resumption).expect("a checked address fits");
        check_request(&request, if resumption.is_some() { 8 } else { 6 });
    }
}

/// A request has as many lines as it should have, so nothing in the address added one.
fn check_request(request: &str, line_count: usize) {
    let lines = request.strip_suffix("\r\n\r\n").expect("an end");
    assert_eq!(lines.split("\r\n").count(), line_count, "{request}");
    let mut words = lines.split("\r\n").next().unwrap_or_default().split(' ');
    assert_eq!((words.next(), words.nth(1), words.next()), (Some("GET"), Some("HTTP/1.1"), None));
    assert!(request.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n')));
}

fn check_answer(head: &ResponseHead<'_>, written_bytes: u32) {
    let demands = Demands { firmware_type: FIRMWARE_TYPE, slot_bytes: SLOT_BYTES, firmware_key: None };
    let signed = Demands { firmware_key: Some(FIRMWARE_KEY), ..demands };
    if let Ok(answer) = judge_answer(head, None, demands) {
        let Answer::Whole(offer) = &answer else { panic!("the rest of an image that nobody knows") };
        assert_eq!(head.status, 200);
        check_offer(offer, head);
        check_other_devices(head, demands);
        check_rest(offer, head, written_bytes, demands);
        if let Ok(trusted) = judge_answer(head, None, signed) {
            assert_eq!(trusted, answer, "a key demands more and changes nothing");
            check_every_signed_fact(head, signed);
        }
    } else {
        assert!(judge_answer(head, None, signed).is_err(), "a key makes nothing acceptable");
    }
}

fn check_offer(offer: &Offer, head: &ResponseHead<'_>) {
    let image = &offer.image;
    assert!((IMAGE_BYTES_MIN..=u64::from(SLOT_BYTES)).contains(&u64::from(image.image_bytes)));
    assert_eq!(head.content_bytes, Some(u64::from(image.image_bytes)));
    assert_eq!(head.sha256, Some(image.sha256));
    assert!(is_version(&image.version), "{:?}", image.version);
    assert!(!head.is_chunked && !head.is_compressed);
    if let Some(etag) = &offer.etag {
        assert!(etag.len() <= ETAG_BYTES_MAX);
        let url = FirmwareUrl::parse("https://h/f").expect("an address");
        let request = request_text(&url, "1.0.0", Some(Resumption { written_bytes: 1, etag }));
        check_request(&request.expect("a tag fits"), 8);
    }
}

/// The same answer is none for another type of device and for a smaller slot.
fn check_other_devices(head: &ResponseHead<'_>, demands: Demands<'_>) {
    assert!(judge_answer(head, None, Demands { firmware_type: "TMPLother", ..demands }).is_err());
    let slot_bytes = u32::try_from(head.content_bytes.unwrap_or_default()).unwrap_or(u32::MAX) - 1;
    assert!(judge_answer(head, None, Demands { slot_bytes, ..demands }).is_err());
}

/// The rest of the offered image is taken from the byte that is missing, and from no other.
fn check_rest(offer: &Offer, head: &ResponseHead<'_>, written_bytes: u32, demands: Demands<'_>) {
    let whole_bytes = u64::from(offer.image.image_bytes);
    let first_byte = u64::from(written_bytes);
    if first_byte == 0 || first_byte >= whole_bytes {
        return;
    }
    let range = ContentRange { first_byte, last_byte: whole_bytes - 1, whole_bytes };
    let rest = ResponseHead {
        status: 206,
        range: Some(range),
        content_bytes: Some(whole_bytes - first_byte),
        ..head.clone()
    };
    assert_eq!(judge_answer(&rest, Some((offer, written_bytes)), demands), Ok(Answer::Rest));
    for other in [written_bytes - 1, written_bytes + 1] {
        assert!(judge_answer(&rest, Some((offer, other)), demands).is_err(), "{other}");
    }
    let mut another = offer.clone();
    another.image.sha256[0] ^= 1;
    assert!(judge_answer(&rest, Some((&another, written_bytes)), demands).is_err());
}

/// A signature covers size, digest and version: none of them can be another.
fn check_every_signed_fact(head: &ResponseHead<'_>, demands: Demands<'_>) {
    let mut sha256 = head.sha256.unwrap_or_default();
    sha256[31] ^= 1;
    let content_bytes =
        head.content_bytes.map(|bytes| if bytes == IMAGE_BYTES_MIN { bytes + 1 } else { bytes - 1 });
    let altered = [
        ResponseHead { sha256: Some(sha256), ..head.clone() },
        ResponseHead { content_bytes, ..head.clone() },
        ResponseHead { firmware_version: Some("another"), ..head.clone() },
        ResponseHead { signature: None, ..head.clone() },
    ];
    for head in altered {
        assert!(judge_answer(&head, None, demands).is_err(), "{head:?}");
    }
}

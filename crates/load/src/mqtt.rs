//! The few packets of MQTT 3.1.1 that are needed to measure a broker beside the server. No general client.
//!
//! Section numbers are those of the OASIS standard "MQTT Version 3.1.1".

use bytes::{Buf as _, BytesMut};

/// CONNACK, SUBACK, PUBLISH and PINGRESP in the high half of the first byte. Source: §2.2.1.
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const SUBACK: u8 = 9;
const PINGRESP: u8 = 13;

/// 300 s without a message before the broker may close. Source: §3.1.2.10.
const KEEP_ALIVE_S: u16 = 300;

/// Largest number of bytes of the remaining-length field. Source: §2.2.3.
const LENGTH_BYTES_MAX: usize = 4;

/// One packet from the broker, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet {
    /// The answer to CONNECT; 0 is "accepted".
    Connected { code: u8 },
    /// The answer to SUBSCRIBE.
    Subscribed,
    /// A value, `None` when its payload is no number.
    Value { sequence: Option<u64> },
    /// The answer to PINGREQ.
    Pong,
    /// Anything else.
    Other,
}

/// A packet whose length field never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Appends CONNECT, the token as client id and as password. Source: §3.1.
pub(crate) fn connect(token: &str, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    text("MQTT", &mut body);
    // Level 4; user name, password, clean session.
    body.extend([4, 0b1100_0010]);
    body.extend(KEEP_ALIVE_S.to_be_bytes());
    text(token, &mut body);
    text("device", &mut body);
    text(token, &mut body);
    packet(0x10, &body, out);
}

/// Appends SUBSCRIBE to every value. Source: §3.8.
pub(crate) fn subscribe_to_values(out: &mut Vec<u8>) {
    let mut body = vec![0, 1];
    text("ds/+", &mut body);
    body.push(0);
    packet(0x82, &body, out);
}

/// Appends PUBLISH with `QoS` 0 of one value. Source: §3.3; the topic is that of Blynk's MQTT API.
pub(crate) fn publish_value(value: &[u8], out: &mut Vec<u8>) {
    let mut body = Vec::new();
    text("ds/load", &mut body);
    body.extend(value);
    packet(0x30, &body, out);
}

/// Appends PINGREQ. Source: §3.12.
pub(crate) fn ping(out: &mut Vec<u8>) {
    packet(0xC0, &[], out);
}

/// Takes the first whole packet out of `buffer`; `None` when more must arrive.
pub(crate) fn take_packet(buffer: &mut BytesMut) -> Result<Option<Packet>, Malformed> {
    let Some((first, rest)) = buffer.split_first() else { return Ok(None) };
    let mut body_bytes = 0_usize;
    let mut length_bytes = 0_usize;
    for (index, byte) in rest.iter().enumerate() {
        if index >= LENGTH_BYTES_MAX {
            return Err(Malformed);
        }
        body_bytes |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            length_bytes = index + 1;
            break;
        }
    }
    let head_bytes = 1 + length_bytes;
    if length_bytes == 0 || buffer.len() < head_bytes + body_bytes {
        return Ok(None);
    }
    let kind = first >> 4;
    buffer.advance(head_bytes);
    let body = buffer.split_to(body_bytes);
    Ok(Some(match kind {
        CONNACK => Packet::Connected { code: body.get(1).copied().unwrap_or(u8::MAX) },
        PUBLISH => Packet::Value { sequence: published(&body).and_then(super::protocol::sequence_of) },
        SUBACK => Packet::Subscribed,
        PINGRESP => Packet::Pong,
        _ => Packet::Other,
    }))
}

/// Returns the payload behind the topic of a PUBLISH with `QoS` 0.
fn published(body: &[u8]) -> Option<&[u8]> {
    let (length, rest) = body.split_first_chunk::<2>()?;
    rest.get(usize::from(u16::from_be_bytes(*length))..)
}

fn text(text: &str, out: &mut Vec<u8>) {
    // Every text here is short; one that is not would be cut, never written with a wrong length.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(text.bytes().take(usize::from(length)));
}

fn packet(first: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    let mut remaining = body.len();
    loop {
        let low = u8::try_from(remaining & 0x7F).unwrap_or(0);
        remaining >>= 7;
        if remaining == 0 {
            out.push(low);
            break;
        }
        out.push(low | 0x80);
    }
    out.extend(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_value_comes_back_out_of_any_split() {
        let mut bytes = Vec::new();
        publish_value(b"00001234", &mut bytes);
        let mut buffer = BytesMut::new();
        for byte in &bytes[..bytes.len() - 1] {
            buffer.extend_from_slice(&[*byte]);
            assert_eq!(take_packet(&mut buffer), Ok(None));
        }
        buffer.extend_from_slice(&bytes[bytes.len() - 1..]);
        assert_eq!(take_packet(&mut buffer), Ok(Some(Packet::Value { sequence: Some(1_234) })));
        assert!(buffer.is_empty());
    }

    #[test]
    fn answers_of_a_broker_are_told_apart() {
        let mut buffer = BytesMut::from(&[0x20, 2, 0, 5, 0xD0, 0, 0x90, 3, 0, 1, 0, 0x40, 2, 0, 1][..]);
        let mut packets = Vec::new();
        while let Some(packet) = take_packet(&mut buffer).unwrap() {
            packets.push(packet);
        }
        let expected = [Packet::Connected { code: 5 }, Packet::Pong, Packet::Subscribed, Packet::Other];
        assert_eq!(packets, expected);
    }

    #[test]
    fn a_long_body_has_a_length_of_two_bytes_and_an_endless_one_is_refused() {
        let mut bytes = Vec::new();
        publish_value(&[b'1'; 300], &mut bytes);
        // 309 = 2 * 128 + 53, and 53 is 0x35 with the bit that says "more": 0xB5.
        assert_eq!(&bytes[..3], [0x30, 0xB5, 2]);
        let mut endless = BytesMut::from(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF][..]);
        assert_eq!(take_packet(&mut endless), Err(Malformed));
    }

    #[test]
    fn connect_says_level_4_and_carries_the_token_as_password() {
        let mut bytes = Vec::new();
        connect("secret", &mut bytes);
        assert_eq!(&bytes[..10], [0x10, 34, 0, 4, b'M', b'Q', b'T', b'T', 4, 0xC2]);
        assert!(bytes.ends_with(b"\x00\x06device\x00\x06secret"));
        assert_eq!(bytes.len(), 36);
    }
}

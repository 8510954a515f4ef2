//! What must hold for any packets that reach the DHCP server. Shared by the property tests, the replay and the fuzz target.

#![expect(clippy::indexing_slicing, reason = "a broken invariant must stop the run")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use portal::{DHCP_REPLY_BYTES_MAX, DhcpDestination, DhcpReply, DhcpServer, LEASE_TIME_S};

/// Who may use an address, and until when, by what the server has acknowledged.
type Promises = BTreeMap<Ipv4Addr, ([u8; 6], u64)>;

/// Hands a stream of packets to one server: seconds since the last (1 byte), length (2 bytes), packet; the last may be cut.
pub(crate) fn check_dhcp(mut stream: &[u8]) {
    let mut server = DhcpServer::new();
    let mut promises = Promises::new();
    let mut now_s = 0;
    while let Some((&[pause_s, high, low], rest)) = stream.split_first_chunk::<3>() {
        now_s += u64::from(pause_s);
        let bytes = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        check_packet(&mut server, &mut promises, &rest[..bytes], now_s);
        stream = &rest[bytes..];
    }
}

fn check_packet(server: &mut DhcpServer, promises: &mut Promises, packet: &[u8], now_s: u64) {
    let mut out = [0; DHCP_REPLY_BYTES_MAX];
    let before = server.clone();
    let reply = server.handle(packet, Duration::from_secs(now_s), &mut out);
    let Some(reply) = reply else {
        // Silent messages are refused ones, or a client that gives something back.
        if *server != before {
            let mac: [u8; 6] = packet[28..34].try_into().unwrap_or_default();
            promises.retain(|_, (owner, _)| *owner != mac);
        }
        return;
    };
    assert!((300..=DHCP_REPLY_BYTES_MAX).contains(&reply.written_bytes));
    let bytes = &out[..reply.written_bytes];
    assert_eq!(bytes[..4], [2, 1, 6, 0]);
    assert_eq!((&bytes[4..8], &bytes[28..44]), (&packet[4..8], &[&packet[28..34], &[0; 10]].concat()[..]));
    check_destination(&reply, packet);
    let address = Ipv4Addr::new(bytes[16], bytes[17], bytes[18], bytes[19]);
    let mac: [u8; 6] = packet[28..34].try_into().unwrap_or_default();
    // The message type is written first.
    assert_eq!(bytes[240..242], [53, 1]);
    match bytes[242] {
        2 => check_given(promises, address, mac, now_s),
        5 if address.is_unspecified() => {}
        5 => {
            check_given(promises, address, mac, now_s);
            promises.retain(|_, (owner, _)| *owner != mac);
            promises.insert(address, (mac, now_s + u64::from(LEASE_TIME_S)));
        }
        6 => assert!(address.is_unspecified()),
        other => unreachable!("message type {other}"),
    }
}

/// Nobody outside the link ever gets a packet because somebody asked for it.
fn check_destination(reply: &DhcpReply, packet: &[u8]) {
    match reply.destination {
        DhcpDestination::Broadcast => {}
        DhcpDestination::Address(address) => assert!(is_host(address), "{address}"),
        DhcpDestination::Hardware { mac, address } => {
            assert!(is_host(address), "{address}");
            assert_eq!(mac[..], packet[28..34]);
            assert_eq!(mac[0] & 1, 0, "not a group");
        }
    }
}

fn check_given(promises: &Promises, address: Ipv4Addr, mac: [u8; 6], now_s: u64) {
    assert!((2..18).contains(&address.octets()[3]) && is_host(address), "{address}");
    if let Some((owner, until_s)) = promises.get(&address) {
        assert!(*owner == mac || *until_s <= now_s, "{address} belongs to somebody else");
    }
}

fn is_host(address: Ipv4Addr) -> bool {
    let [a, b, c, host] = address.octets();
    [a, b, c] == [192, 168, 4] && !matches!(host, 0 | 1 | 255)
}

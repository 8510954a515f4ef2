use std::vec::Vec;

use super::*;

/// What the tests vary in a packet.
struct Ask {
    kind: u8,
    client: u8,
    client_address: Ipv4Addr,
    options: Vec<u8>,
}

impl Ask {
    fn new(kind: u8, client: u8) -> Self {
        Self { kind, client, client_address: Ipv4Addr::UNSPECIFIED, options: Vec::new() }
    }

    fn from(self, client_address: Ipv4Addr) -> Self {
        Self { client_address, ..self }
    }

    fn option(mut self, code: u8, value: &[u8]) -> Self {
        self.options.extend([code, u8::try_from(value.len()).unwrap()]);
        self.options.extend(value);
        self
    }

    fn wanting(self, address: Ipv4Addr) -> Self {
        self.option(50, &address.octets())
    }

    fn of_server(self, server: Ipv4Addr) -> Self {
        self.option(54, &server.octets())
    }

    fn packet(&self) -> Vec<u8> {
        let mut packet = std::vec![0; 236];
        packet[..8].copy_from_slice(&[1, 1, 6, 0, 0xAA, 0xBB, 0xCC, self.client]);
        packet[12..16].copy_from_slice(&self.client_address.octets());
        packet[28..34].copy_from_slice(&mac(self.client));
        packet.extend([99, 130, 83, 99, 53, 1, self.kind]);
        packet.extend(&self.options);
        packet.push(255);
        packet
    }
}

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const RELEASE: u8 = 7;
const INFORM: u8 = 8;
const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

const fn mac(client: u8) -> [u8; 6] {
    [0x02, 0, 0, 0, 0, client]
}

const fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 4, last)
}

struct Answer {
    bytes: Vec<u8>,
    destination: DhcpDestination,
}

impl Answer {
    fn kind(&self) -> u8 {
        self.option(53).expect("a message type")[0]
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.bytes[16], self.bytes[17], self.bytes[18], self.bytes[19])
    }

    fn option(&self, code: u8) -> Option<&[u8]> {
        let mut at = 240;
        while self.bytes[at] != 255 {
            let length = usize::from(self.bytes[at + 1]);
            if self.bytes[at] == code {
                return Some(&self.bytes[at + 2..at + 2 + length]);
            }
            at += 2 + length;
        }
        None
    }
}

fn handle(server: &mut DhcpServer, packet: &[u8], now_s: u64) -> Option<Answer> {
    let mut out = [0xEE; DHCP_REPLY_BYTES_MAX];
    let reply = server.handle(packet, Duration::from_secs(now_s), &mut out)?;
    Some(Answer { bytes: out[..reply.written_bytes].to_vec(), destination: reply.destination })
}

fn ask(server: &mut DhcpServer, ask: &Ask, now_s: u64) -> Option<Answer> {
    handle(server, &ask.packet(), now_s)
}

/// Runs the four messages of a client that joins, and returns its address.
fn join(server: &mut DhcpServer, client: u8, now_s: u64) -> Option<Ipv4Addr> {
    let offer = ask(server, &Ask::new(DISCOVER, client), now_s)?;
    assert_eq!(offer.kind(), OFFER);
    let request = Ask::new(REQUEST, client).wanting(offer.address()).of_server(HOTSPOT_ADDRESS);
    let ack = ask(server, &request, now_s)?;
    assert_eq!((ack.kind(), ack.address()), (ACK, offer.address()));
    Some(ack.address())
}

#[test]
fn a_phone_that_joins_gets_an_address_and_everything_that_goes_with_it() {
    let mut server = DhcpServer::new();
    let discover = Ask::new(DISCOVER, 1).option(55, &[1, 3, 6, 15, 51, 114]);
    let offer = ask(&mut server, &discover, 0).unwrap();
    let address = offer.address();
    assert!((2..18).contains(&address.octets()[3]), "{address}");
    assert_eq!(offer.destination, DhcpDestination::Hardware { mac: mac(1), address });
    let request = Ask::new(REQUEST, 1)
        .option(55, &[114])
        .wanting(address)
        .of_server(HOTSPOT_ADDRESS)
        .option(61, &[1, 2, 0, 0, 0, 0, 1]);
    let ack = ask(&mut server, &request, 1).unwrap();
    assert_eq!((offer.kind(), ack.kind(), ack.address()), (OFFER, ACK, address));
    assert_eq!(ack.bytes[..8], [2, 1, 6, 0, 0xAA, 0xBB, 0xCC, 1]);
    assert_eq!(ack.bytes[28..34], mac(1));
    for (code, value) in [
        (54, &[192, 168, 4, 1][..]),
        (51, &[0, 0, 2, 88]),
        (1, &[255, 255, 255, 0]),
        (3, &[192, 168, 4, 1]),
        (6, &[192, 168, 4, 1]),
        (114, CAPTIVE_API_URI.as_bytes()),
        (61, &[1, 2, 0, 0, 0, 0, 1]),
    ] {
        assert_eq!(ack.option(code), Some(value), "option {code}");
    }
    assert!(ack.bytes.len() >= 300, "{}", ack.bytes.len());
}

#[test]
fn the_portal_address_goes_only_to_those_who_ask_for_it() {
    let mut server = DhcpServer::new();
    assert_eq!(ask(&mut server, &Ask::new(DISCOVER, 1), 0).unwrap().option(114), None);
    let asking = Ask::new(DISCOVER, 1).option(55, &[114]);
    let mut silent = DhcpServer::new().with_captive_uri(None);
    assert_eq!(ask(&mut silent, &asking, 0).unwrap().option(114), None);
    let longest =
        "http://a.setup/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert_eq!(longest.len(), CAPTIVE_URI_BYTES_MAX);
    let mut other = DhcpServer::new().with_captive_uri(Some(longest));
    let with_long_id = Ask::new(DISCOVER, 1).option(55, &[114]).option(61, &[7; 160]);
    let offer = ask(&mut other, &with_long_id, 0).unwrap();
    assert_eq!(offer.option(114), Some(longest.as_bytes()));
    assert_eq!(offer.option(61), Some(&[7; 160][..]), "the longest of everything fits");
}

#[test]
fn a_client_keeps_its_address_over_discovery_renewal_release_and_expiry() {
    let mut server = DhcpServer::new();
    // Not the one that would follow from its hardware address, so that the table has to remember.
    let address = host(9);
    assert_ne!(join(&mut DhcpServer::new(), 1, 0), Some(address));
    assert_eq!(ask(&mut server, &Ask::new(REQUEST, 1).wanting(address), 0).unwrap().kind(), ACK);
    assert_eq!(join(&mut server, 1, 1), Some(address));
    let renewal = ask(&mut server, &Ask::new(REQUEST, 1).from(address), 300).unwrap();
    assert_eq!((renewal.kind(), renewal.address()), (ACK, address));
    assert_eq!(renewal.destination, DhcpDestination::Address(address));
    let release = Ask::new(RELEASE, 1).from(address).of_server(HOTSPOT_ADDRESS);
    assert!(ask(&mut server, &release, 310).is_none());
    assert_eq!(join(&mut server, 1, 320), Some(address));
    assert_eq!(join(&mut server, 1, 320 + u64::from(LEASE_TIME_S) + 1), Some(address));
}

#[test]
fn an_address_that_follows_from_the_client_outlives_a_restart_of_the_device() {
    for client in 0..=255 {
        let first = join(&mut DhcpServer::new(), client, 0);
        assert_eq!(join(&mut DhcpServer::new(), client, 9), first);
        // And a client that asks at once for what it had gets it from a server that has forgotten everything.
        let mut forgetful = DhcpServer::new();
        let reboot = Ask::new(REQUEST, client).wanting(host(9));
        let ack = ask(&mut forgetful, &reboot, 0).unwrap();
        assert_eq!((ack.kind(), ack.address()), (ACK, host(9)));
    }
}

#[test]
fn nobody_gets_an_address_that_another_has() {
    let mut server = DhcpServer::new();
    let address = join(&mut server, 1, 0).unwrap();
    for request in [
        Ask::new(REQUEST, 2).wanting(address),
        Ask::new(REQUEST, 2).wanting(address).of_server(HOTSPOT_ADDRESS),
        Ask::new(REQUEST, 2).from(address),
    ] {
        let nak = ask(&mut server, &request, 1).unwrap();
        assert_eq!((nak.kind(), nak.destination), (NAK, DhcpDestination::Broadcast));
        assert_eq!((nak.address(), nak.bytes[10] & 0x80), (Ipv4Addr::UNSPECIFIED, 0x80));
        assert_eq!((nak.option(51), nak.option(3), nak.option(114)), (None, None, None));
    }
    let offer = ask(&mut server, &Ask::new(DISCOVER, 2).wanting(address), 1).unwrap();
    assert_ne!(offer.address(), address);
    // When the lease has run out it may.
    let ack = ask(&mut server, &Ask::new(REQUEST, 2).wanting(address), u64::from(LEASE_TIME_S)).unwrap();
    assert_eq!(ack.kind(), ACK);
}

#[test]
fn addresses_outside_the_table_are_refused() {
    let mut server = DhcpServer::new();
    for address in [host(0), host(1), host(18), host(255), Ipv4Addr::new(192, 168, 5, 2), Ipv4Addr::BROADCAST]
    {
        assert_eq!(ask(&mut server, &Ask::new(REQUEST, 1).wanting(address), 0).unwrap().kind(), NAK);
        assert_eq!(ask(&mut server, &Ask::new(REQUEST, 1).from(address), 0).unwrap().kind(), NAK);
        let offer = ask(&mut server, &Ask::new(DISCOVER, 1).wanting(address), 0).unwrap();
        assert_ne!(offer.address(), address);
    }
    assert!(ask(&mut server, &Ask::new(REQUEST, 1), 0).is_none(), "a request for nothing");
}

#[test]
fn two_phones_that_join_at_once_get_two_addresses() {
    let mut server = DhcpServer::new();
    let first = ask(&mut server, &Ask::new(DISCOVER, 1), 0).unwrap().address();
    // 17 is 1 + 16: both prefer the same place.
    let second = ask(&mut server, &Ask::new(DISCOVER, 17), 0).unwrap().address();
    assert_ne!(first, second);
    assert_eq!(join(&mut server, 17, 1), Some(second));
    assert_eq!(join(&mut server, 1, 1), Some(first));
}

#[test]
fn a_flood_of_invented_clients_does_not_keep_a_phone_out() {
    let mut server = DhcpServer::new();
    for client in 100..=255 {
        ask(&mut server, &Ask::new(DISCOVER, client), 0).expect("an offer");
    }
    assert!(join(&mut server, 1, 0).is_some(), "an offer that nobody took up makes way");
    // Invented clients that go all the way hold the table until their leases end, and no longer.
    let mut server = DhcpServer::new();
    for client in 100..116 {
        join(&mut server, client, 0).expect("an address");
    }
    assert_eq!(join(&mut server, 1, u64::from(LEASE_TIME_S) - 1), None);
    assert!(join(&mut server, 1, u64::from(LEASE_TIME_S)).is_some());
}

#[test]
fn the_address_that_was_left_first_is_given_away_first() {
    let mut server = DhcpServer::new();
    let addresses: Vec<_> =
        (100..116).map(|client| join(&mut server, client, u64::from(client)).unwrap()).collect();
    let late = u64::from(LEASE_TIME_S) + 200;
    assert_eq!(join(&mut server, 1, late), Some(addresses[0]));
    assert_eq!(join(&mut server, 2, late), Some(addresses[1]));
    assert_eq!(join(&mut server, 115, late), Some(addresses[15]), "the others find theirs again");
}

#[test]
fn a_declined_address_rests_for_a_minute() {
    let mut server = DhcpServer::new();
    let address = join(&mut server, 1, 0).unwrap();
    // Only its own client can say so.
    let foreign = Ask::new(DECLINE, 2).wanting(address).of_server(HOTSPOT_ADDRESS);
    assert!(ask(&mut server, &foreign, 1).is_none());
    assert_eq!(join(&mut server, 1, 1), Some(address));
    let decline = Ask::new(DECLINE, 1).wanting(address).of_server(HOTSPOT_ADDRESS);
    assert!(ask(&mut server, &decline, 2).is_none());
    let other = join(&mut server, 1, 3).unwrap();
    assert_ne!(other, address);
    assert_eq!(ask(&mut server, &Ask::new(REQUEST, 2).wanting(address), 61).unwrap().kind(), NAK);
    assert_eq!(ask(&mut server, &Ask::new(REQUEST, 2).wanting(address), 62).unwrap().kind(), ACK);
}

#[test]
fn a_release_counts_only_from_its_client_at_its_address() {
    let mut server = DhcpServer::new();
    let address = join(&mut server, 1, 0).unwrap();
    for release in [
        Ask::new(RELEASE, 2).from(address).of_server(HOTSPOT_ADDRESS),
        Ask::new(RELEASE, 1).from(host(3)).of_server(HOTSPOT_ADDRESS),
        Ask::new(RELEASE, 1).from(address).of_server(host(77)),
    ] {
        assert!(ask(&mut server, &release, 1).is_none());
        assert_eq!(ask(&mut server, &Ask::new(REQUEST, 3).wanting(address), 1).unwrap().kind(), NAK);
    }
    ask(&mut server, &Ask::new(RELEASE, 1).from(address), 2);
    assert_eq!(ask(&mut server, &Ask::new(REQUEST, 3).wanting(address), 2).unwrap().kind(), ACK);
}

#[test]
fn a_client_that_chose_another_server_gives_its_offer_back_and_keeps_a_lease() {
    let mut server = DhcpServer::new();
    let offered = ask(&mut server, &Ask::new(DISCOVER, 1), 0).unwrap().address();
    let elsewhere = Ask::new(REQUEST, 1).wanting(host(50)).of_server(host(77));
    assert!(ask(&mut server, &elsewhere, 0).is_none());
    assert_eq!(ask(&mut server, &Ask::new(REQUEST, 2).wanting(offered), 0).unwrap().kind(), ACK);
    let bound = join(&mut server, 3, 0).unwrap();
    let elsewhere = Ask::new(REQUEST, 3).wanting(host(50)).of_server(host(77));
    assert!(ask(&mut server, &elsewhere, 0).is_none());
    assert_eq!(ask(&mut server, &Ask::new(REQUEST, 4).wanting(bound), 0).unwrap().kind(), NAK);
}

#[test]
fn a_client_that_moves_to_another_address_leaves_its_first() {
    let mut server = DhcpServer::new();
    let first = join(&mut server, 1, 0).unwrap();
    let second = if first == host(9) { host(10) } else { host(9) };
    assert_eq!(ask(&mut server, &Ask::new(REQUEST, 1).wanting(second), 1).unwrap().kind(), ACK);
    assert_eq!(ask(&mut server, &Ask::new(REQUEST, 2).wanting(first), 1).unwrap().kind(), ACK);
}

#[test]
fn inform_gets_the_facts_without_an_address_and_only_on_our_network() {
    let mut server = DhcpServer::new();
    let ack = ask(&mut server, &Ask::new(INFORM, 1).from(host(200)).option(55, &[114]), 0).unwrap();
    assert_eq!((ack.kind(), ack.address(), ack.option(51)), (ACK, Ipv4Addr::UNSPECIFIED, None));
    assert_eq!(ack.destination, DhcpDestination::Address(host(200)));
    assert!(ack.option(6).is_some() && ack.option(114).is_some());
    for address in
        [host(0), host(1), host(255), Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::BROADCAST]
    {
        assert!(ask(&mut server, &Ask::new(INFORM, 1).from(address), 0).is_none(), "{address}");
    }
}

#[test]
fn the_broadcast_flag_is_the_highest_bit_and_no_other() {
    let mut server = DhcpServer::new();
    for (flags, is_broadcast) in [([0x80, 0], true), ([0, 0x80], false), ([0x7F, 0xFF], false)] {
        let mut packet = Ask::new(DISCOVER, 1).packet();
        packet[10..12].copy_from_slice(&flags);
        let offer = handle(&mut server, &packet, 0).unwrap();
        assert_eq!(offer.destination == DhcpDestination::Broadcast, is_broadcast, "{flags:?}");
        assert_eq!(offer.bytes[10..12], flags);
    }
}

#[test]
fn packets_that_are_not_from_a_client_of_this_link_get_silence() {
    let valid = Ask::new(DISCOVER, 1).packet();
    let mut server = DhcpServer::new();
    assert!(handle(&mut server, &valid, 0).is_some());
    for (what, at, bytes) in [
        ("a reply", 0, &[2][..]),
        ("another kind of hardware", 1, &[6]),
        ("a hardware address of another length", 2, &[16]),
        ("a relay", 24, &[10, 0, 0, 1]),
        ("no hardware address", 28, &[0; 6]),
        ("a group's hardware address", 28, &[1]),
        ("no cookie", 236, &[0]),
        ("an offer", 242, &[2]),
        ("a message type that is none", 242, &[0]),
        ("a message type of two bytes", 241, &[2]),
    ] {
        let mut packet = valid.clone();
        packet[at..at + bytes.len()].copy_from_slice(bytes);
        assert!(handle(&mut server, &packet, 0).is_none(), "{what}");
    }
    for cut in 0..243 {
        assert!(handle(&mut server, &valid[..cut], 0).is_none(), "{cut}");
    }
    assert!(handle(&mut server, &valid[..243], 0).is_some(), "some clients leave out the end mark");
}

#[test]
fn options_are_read_with_padding_and_odd_names_and_refused_when_they_lie() {
    let mut server = DhcpServer::new();
    let mut padded = Ask::new(DISCOVER, 1).packet();
    padded.splice(240..240, [0, 0, 0]);
    padded.extend([0; 60]);
    assert!(handle(&mut server, &padded, 0).is_some());
    // A host name cut in the middle of an emoji is nobody's business here.
    assert!(ask(&mut server, &Ask::new(DISCOVER, 1).option(12, b"phone \xF0\x9F"), 0).is_some());
    for (code, value) in [(50, &[1, 2, 3][..]), (54, &[]), (61, &[7; 161])] {
        assert!(ask(&mut server, &Ask::new(DISCOVER, 1).option(code, value), 0).is_none(), "option {code}");
    }
    let mut lying = Ask::new(DISCOVER, 1).packet();
    lying.pop();
    lying.extend([12, 200, b'a']);
    assert!(handle(&mut server, &lying, 0).is_none());
}

#[test]
fn time_at_its_limits_breaks_nothing() {
    let mut server = DhcpServer::new();
    assert!(join(&mut server, 1, u64::MAX).is_some());
    assert!(join(&mut server, 2, u64::from(u32::MAX)).is_some());
    assert!(join(&mut server, 3, 0).is_some());
}

#[test]
fn a_reply_that_does_not_fit_is_left_out() {
    let packet = Ask::new(DISCOVER, 1).packet();
    let mut out = [0; DHCP_REPLY_BYTES_MAX];
    for room in 0..300 {
        assert_eq!(DhcpServer::new().handle(&packet, Duration::ZERO, &mut out[..room]), None, "{room}");
    }
    assert!(DhcpServer::new().handle(&packet, Duration::ZERO, &mut out[..300]).is_some());
}

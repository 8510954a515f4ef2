//! The DHCP server against the vectors, against any packets, and against an independent implementation.

#![expect(clippy::expect_used, reason = "what tests share stops the test when it fails")]

#[path = "support/dhcp_invariants.rs"]
mod dhcp_invariants;
#[path = "support/packet_vectors.rs"]
mod packet_vectors;

use std::net::Ipv4Addr;
use std::time::Duration;

use dhcp_invariants::check_dhcp;
use dhcproto::v4::{DhcpOption, HType, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};
use packet_vectors::read_vectors;
use portal::{
    CAPTIVE_API_URI, DHCP_REPLY_BYTES_MAX, DhcpDestination, DhcpServer, HOTSPOT_ADDRESS, HOTSPOT_MASK,
    LEASE_TIME_S,
};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn the_evening_of_the_vectors_goes_as_written() {
    let mut server = DhcpServer::new();
    for vector in read_vectors("dhcp/visit.hex") {
        let name = vector.text("name");
        let now_s = vector.text("at").parse().expect("seconds");
        let mut out = [0xEE; DHCP_REPLY_BYTES_MAX];
        let packet = vector.bytes("packet").expect("a packet");
        let reply = server.handle(&packet, Duration::from_secs(now_s), &mut out);
        let bytes = reply.map(|reply| out[..reply.written_bytes].to_vec());
        assert_eq!(bytes, vector.bytes("reply"), "{name}");
        let destination = reply.map_or("none".to_owned(), |reply| match reply.destination {
            DhcpDestination::Broadcast => "broadcast".to_owned(),
            DhcpDestination::Address(address) => format!("address {address}"),
            DhcpDestination::Hardware { address, .. } => format!("hardware {address}"),
        });
        assert_eq!(destination, vector.text("to"), "{name}");
    }
}

/// One thing that a client of the other implementation does.
#[derive(Debug, Clone)]
struct Ask {
    kind: MessageType,
    client: u8,
    pause_s: u8,
    own: Ipv4Addr,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    is_broadcast: bool,
    wants_uri: bool,
    host_name: Option<String>,
    client_id: Option<Vec<u8>>,
}

impl Ask {
    fn message(&self) -> Message {
        let none = Ipv4Addr::UNSPECIFIED;
        let mac = [0x02, 0, 0, 0, 0, self.client];
        let mut message =
            Message::new_with_id(u32::from(self.client) << 8 | 7, self.own, none, none, none, &mac);
        message.set_opcode(Opcode::BootRequest).set_htype(HType::Eth);
        if self.is_broadcast {
            let flags = message.flags().set_broadcast();
            message.set_flags(flags);
        }
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(self.kind));
        let mut wanted = vec![OptionCode::SubnetMask, OptionCode::Router, OptionCode::DomainNameServer];
        wanted.extend(self.wants_uri.then_some(OptionCode::from(114)));
        options.insert(DhcpOption::ParameterRequestList(wanted));
        if let Some(address) = self.requested {
            options.insert(DhcpOption::RequestedIpAddress(address));
        }
        if let Some(server) = self.server {
            options.insert(DhcpOption::ServerIdentifier(server));
        }
        if let Some(host_name) = &self.host_name {
            options.insert(DhcpOption::Hostname(host_name.clone()));
        }
        if let Some(client_id) = &self.client_id {
            options.insert(DhcpOption::ClientIdentifier(client_id.clone()));
        }
        message
    }

    fn bytes(&self) -> Vec<u8> {
        self.message().to_vec().expect("a packet")
    }
}

fn some_address() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        8 => (1_u8..20).prop_map(|host| Ipv4Addr::new(192, 168, 4, host)),
        1 => Just(Ipv4Addr::UNSPECIFIED),
        1 => any::<Ipv4Addr>(),
    ]
}

fn some_ask() -> impl Strategy<Value = Ask> {
    let kinds = prop::sample::select(vec![
        MessageType::Discover,
        MessageType::Request,
        MessageType::Request,
        MessageType::Request,
        MessageType::Decline,
        MessageType::Release,
        MessageType::Inform,
        MessageType::Offer,
    ]);
    let servers = prop_oneof![
        2 => Just(None),
        3 => Just(Some(HOTSPOT_ADDRESS)),
        1 => Just(Some(Ipv4Addr::new(192, 168, 4, 77))),
    ];
    let pauses = prop_oneof![4 => Just(0_u8), 1 => any::<u8>()];
    let who = (kinds, 0_u8..24, pauses);
    let addresses = (prop::option::weighted(0.2, some_address()), prop::option::of(some_address()), servers);
    let extras = (
        any::<bool>(),
        any::<bool>(),
        prop::option::of("[a-zA-Z0-9-]{1,40}"),
        prop::option::of(vec(any::<u8>(), 2..100)),
    );
    (who, addresses, extras).prop_map(
        |(
            (kind, client, pause_s),
            (own, requested, server),
            (is_broadcast, wants_uri, host_name, client_id),
        )| Ask {
            kind,
            client,
            pause_s,
            own: own.unwrap_or(Ipv4Addr::UNSPECIFIED),
            requested,
            server,
            is_broadcast,
            wants_uri,
            host_name,
            client_id,
        },
    )
}

/// Checks a reply with the eyes of the other implementation.
fn check_reply(ask: &Ask, bytes: &[u8], destination: DhcpDestination) {
    let reply = Message::decode(&mut Decoder::new(bytes)).expect("a reply");
    let asked = ask.message();
    assert_eq!(
        (reply.opcode(), reply.xid(), reply.chaddr()),
        (Opcode::BootReply, asked.xid(), asked.chaddr())
    );
    let option = |code: u8| reply.opts().get(OptionCode::from(code));
    assert_eq!(option(54), Some(&DhcpOption::ServerIdentifier(HOTSPOT_ADDRESS)));
    assert_eq!(option(61), ask.client_id.clone().map(DhcpOption::ClientIdentifier).as_ref());
    let kind = reply.opts().msg_type().expect("a message type");
    let is_given = matches!(kind, MessageType::Offer | MessageType::Ack) && ask.kind != MessageType::Inform;
    assert_eq!(!reply.yiaddr().is_unspecified(), is_given, "{kind:?}");
    assert_eq!(option(51), is_given.then_some(&DhcpOption::AddressLeaseTime(LEASE_TIME_S)));
    if kind == MessageType::Nak {
        assert_eq!((destination, option(1), option(3)), (DhcpDestination::Broadcast, None, None));
        return;
    }
    assert_eq!(option(1), Some(&DhcpOption::SubnetMask(HOTSPOT_MASK)));
    assert_eq!(option(3), Some(&DhcpOption::Router(vec![HOTSPOT_ADDRESS])));
    assert_eq!(option(6), Some(&DhcpOption::DomainNameServer(vec![HOTSPOT_ADDRESS])));
    assert_eq!(
        option(114),
        ask.wants_uri.then(|| DhcpOption::CaptivePortal(CAPTIVE_API_URI.to_owned())).as_ref()
    );
}

proptest! {
    #[test]
    fn any_bytes_get_well_formed_replies_or_silence(stream in vec(any::<u8>(), 0..900)) {
        check_dhcp(&stream);
    }

    #[test]
    fn another_implementation_reads_every_reply_and_nobody_shares_an_address(asks in vec(some_ask(), 0..60)) {
        let mut server = DhcpServer::new();
        let mut now_s = 0;
        let mut stream = Vec::new();
        for ask in &asks {
            now_s += u64::from(ask.pause_s);
            let packet = ask.bytes();
            stream.push(ask.pause_s);
            stream.extend(u16::try_from(packet.len()).expect("a short packet").to_be_bytes());
            stream.extend(&packet);
            let mut out = [0; DHCP_REPLY_BYTES_MAX];
            if let Some(reply) = server.handle(&packet, Duration::from_secs(now_s), &mut out) {
                check_reply(ask, &out[..reply.written_bytes], reply.destination);
            }
        }
        check_dhcp(&stream);
    }

    #[test]
    fn damaged_packets_get_well_formed_replies_or_silence(
        asks in vec(some_ask(), 1..6),
        damages in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut stream = Vec::new();
        for ask in &asks {
            let mut packet = ask.bytes();
            for (index, byte) in &damages {
                // Behind the hardware address and the boot fields are the options, where the parser lives.
                let start = if byte % 2 == 0 { 236 } else { 0 };
                let at = start + index.index(packet.len() - start);
                packet[at] = *byte;
            }
            stream.push(0);
            stream.extend(u16::try_from(packet.len()).expect("a short packet").to_be_bytes());
            stream.extend(&packet);
        }
        check_dhcp(&stream);
    }
}

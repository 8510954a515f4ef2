//! The DNS responder against the vectors, against any bytes, and against an independent implementation.

#[path = "support/dns_invariants.rs"]
mod dns_invariants;
#[path = "support/packet_vectors.rs"]
mod packet_vectors;

use std::net::Ipv4Addr;

use dns_invariants::check_dns;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};
use packet_vectors::read_vectors;
use portal::{Access, DNS_MESSAGE_BYTES_MAX, DNS_TTL_S, Dialect, HOTSPOT_ADDRESS, PortalMode, answer_dns};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn answer(dialect: Dialect, query: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0xEE; DNS_MESSAGE_BYTES_MAX];
    let bytes = answer_dns(query, &PortalMode::new(dialect, Access::Recovery), &mut out)?;
    out.get(..bytes).map(<[u8]>::to_vec)
}

#[test]
fn every_vector_gets_its_reply() {
    for vector in read_vectors("dns/queries.hex") {
        let dialect = match vector.text("dialect") {
            "rehome" => Dialect::Rehome,
            "edgent-old" => Dialect::EdgentOld,
            "edgent-new" => Dialect::EdgentNew,
            other => panic!("{other}"),
        };
        let query = vector.bytes("query").expect("a query");
        assert_eq!(answer(dialect, &query), vector.bytes("reply"), "{}", vector.text("name"));
        check_dns(&query);
    }
}

/// Bytes that get past the header more often than chance would have it.
fn query_like() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&[u8]; 13] = [
        b"\x03www\x07example\x03com\0",
        b"\x05blynk\x05setup\0",
        b"\0",
        b"\xc0\x0c",
        b"\xff\xff",
        b"\x40",
        b"\0\x01\0\x01",
        b"\0\x1c\0\x01",
        b"\0\xff\0\xff",
        b"\0\0\x29\x04\xd0\0\0\0\0\0\0",
        b"\0\0\x29\x04\xd0\0\x01\0\0\0\x04\0\x0c\0\0",
        b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04",
        b"\x3faaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    let counts = vec(prop_oneof![6 => Just(0_u8), 6 => Just(1_u8), 1 => any::<u8>()], 4);
    let flags = prop_oneof![4 => Just([1, 0]), 1 => any::<[u8; 2]>()];
    let piece = prop_oneof![
        8 => select(PIECES.as_slice()).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..9),
    ];
    (any::<[u8; 2]>(), flags, counts, vec(piece, 0..8)).prop_map(|(id, flags, counts, pieces)| {
        let counts: Vec<u8> = counts.into_iter().flat_map(|count| [0, count]).collect();
        [&id[..], &flags, &counts, &pieces.concat()].concat()
    })
}

fn any_name() -> impl Strategy<Value = Name> {
    vec(vec(any::<u8>(), 1..=63), 0..5)
        .prop_filter_map("too long", |labels| Name::from_labels(labels.iter().map(Vec::as_slice)).ok())
}

proptest! {
    #[test]
    fn any_bytes_get_a_well_formed_answer_or_silence(query in vec(any::<u8>(), 0..600)) {
        check_dns(&query);
    }

    #[test]
    fn anything_like_a_query_gets_a_well_formed_answer_or_silence(query in query_like()) {
        check_dns(&query);
    }

    #[test]
    fn another_implementation_reads_every_answer(query in query_like()) {
        if let Some(answer) = answer(Dialect::Rehome, &query) {
            let message = Message::from_bytes(&answer).expect("a message");
            prop_assert_eq!(message.metadata.message_type, MessageType::Response);
        }
    }

    #[test]
    fn what_another_implementation_asks_it_understands_in_the_answer(
        name in any_name(),
        kind in any::<u16>(),
        class in prop_oneof![4 => Just(DNSClass::IN), 1 => Just(DNSClass::CH), 1 => Just(DNSClass::ANY)],
        id in any::<u16>(),
        has_edns in any::<bool>(),
    ) {
        let kind = if kind % 3 == 0 { RecordType::A } else { RecordType::from(kind) };
        prop_assume!(kind != RecordType::OPT);
        let mut question = Query::query(name.clone(), kind);
        question.set_query_class(class);
        let mut asked = Message::new(id, MessageType::Query, OpCode::Query);
        asked.metadata.recursion_desired = true;
        asked.add_query(question.clone());
        if has_edns {
            asked.edns = Some(Edns::new());
        }
        let bytes = asked.to_bytes().expect("a query");
        let answer = Message::from_bytes(&answer(Dialect::Rehome, &bytes).expect("an answer")).expect("a message");
        prop_assert_eq!((answer.metadata.id, answer.metadata.recursion_desired), (id, true));
        prop_assert_eq!(&answer.queries, &[question]);
        prop_assert_eq!(answer.edns.is_some(), has_edns);
        let is_refused = class == DNSClass::CH;
        let code = if is_refused { ResponseCode::Refused } else { ResponseCode::NoError };
        prop_assert_eq!(answer.metadata.response_code, code);
        let has_address = !is_refused && matches!(kind, RecordType::A | RecordType::ANY);
        prop_assert_eq!(answer.answers.len(), usize::from(has_address));
        if let Some(record) = answer.answers.first() {
            prop_assert_eq!(&record.name, &name);
            prop_assert_eq!(record.ttl, DNS_TTL_S);
            let RData::A(address) = record.data else { panic!("{record}") };
            prop_assert_eq!(Ipv4Addr::from(address), HOTSPOT_ADDRESS);
        }
    }
}

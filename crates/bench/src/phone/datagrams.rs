//! What a phone sends and reads over UDP when it joins a network: DHCP and DNS, as far as it needs them.
//!
//! What it reads comes from the board, which may be wrong or hostile like any other network.

use std::net::Ipv4Addr;

/// Bytes of a DHCP message before its options. Source: RFC 2131, section 2.
const DHCP_FIXED_BYTES: usize = 236;
/// Marks the options. Source: RFC 2131, section 3.
const DHCP_COOKIE: [u8; 4] = [99, 130, 83, 99];
/// What phones ask for: mask, router, name server, domain, lease time, captive portal.
/// Source: RFC 2132; 114 is RFC 8910, section 2.1.
const WANTED_OPTIONS: [u8; 6] = [1, 3, 6, 15, 51, 114];
const OPTION_REQUESTED_ADDRESS: u8 = 50;
const OPTION_LEASE_S: u8 = 51;
const OPTION_KIND: u8 = 53;
const OPTION_SERVER: u8 = 54;
const OPTION_WANTED: u8 = 55;
const OPTION_ROUTER: u8 = 3;
const OPTION_NAME_SERVER: u8 = 6;
const OPTION_CAPTIVE_URI: u8 = 114;
const OPTION_END: u8 = 255;

/// Kinds of DHCP messages. Source: RFC 2132, section 9.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DhcpKind {
    Discover,
    Offer,
    Request,
    Ack,
    Nak,
}

impl DhcpKind {
    const fn code(self) -> u8 {
        match self {
            Self::Discover => 1,
            Self::Offer => 2,
            Self::Request => 3,
            Self::Ack => 5,
            Self::Nak => 6,
        }
    }
}

/// What a phone is told when it gets an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The phone's address.
    pub address: Ipv4Addr,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// The way out, if there is one.
    pub router: Option<Ipv4Addr>,
    /// Who knows names.
    pub name_server: Option<Ipv4Addr>,
    /// How long the address is the phone's, in seconds.
    pub lease_s: Option<u32>,
    /// Option 114: where a machine asks about the captive portal.
    pub captive_uri: Option<String>,
}

/// Builds a DISCOVER, or a REQUEST of an offer or of the address that the phone has already.
pub(super) fn dhcp_message(
    kind: DhcpKind,
    mac: [u8; 6],
    transaction: u32,
    wanted: Option<&Lease>,
) -> Vec<u8> {
    let mut message = Vec::with_capacity(DHCP_FIXED_BYTES + 64);
    // BOOTREQUEST, Ethernet, addresses of 6 bytes, no relay.
    message.extend([1, 1, 6, 0]);
    message.extend(transaction.to_be_bytes());
    message.resize(28, 0);
    message.extend(mac);
    message.resize(DHCP_FIXED_BYTES, 0);
    message.extend(DHCP_COOKIE);
    message.extend([OPTION_KIND, 1, kind.code()]);
    if let Some(lease) = wanted {
        message.extend([OPTION_REQUESTED_ADDRESS, 4]);
        message.extend(lease.address.octets());
        message.extend([OPTION_SERVER, 4]);
        message.extend(lease.server.octets());
    }
    message.extend([OPTION_WANTED, 6]);
    message.extend(WANTED_OPTIONS);
    message.push(OPTION_END);
    message
}

/// Reads an answer to one of our messages; `None` when it is none.
pub(super) fn read_dhcp_answer(bytes: &[u8], mac: [u8; 6], transaction: u32) -> Option<(DhcpKind, Lease)> {
    let is_ours = bytes.first() == Some(&2)
        && bytes.get(4..8) == Some(&transaction.to_be_bytes())
        && bytes.get(28..34) == Some(&mac)
        && bytes.get(DHCP_FIXED_BYTES..DHCP_FIXED_BYTES + 4) == Some(&DHCP_COOKIE);
    let options = bytes.get(DHCP_FIXED_BYTES + 4..).filter(|_| is_ours)?;
    let kinds = [DhcpKind::Offer, DhcpKind::Ack, DhcpKind::Nak];
    let code = *option(options, OPTION_KIND)?.first()?;
    let kind = kinds.into_iter().find(|kind| kind.code() == code)?;
    let address_of = |code: u8| option(options, code).and_then(read_address);
    let lease = Lease {
        address: bytes.get(16..20).and_then(read_address)?,
        server: address_of(OPTION_SERVER)?,
        router: address_of(OPTION_ROUTER),
        name_server: address_of(OPTION_NAME_SERVER),
        lease_s: option(options, OPTION_LEASE_S)
            .and_then(|bytes| Some(u32::from_be_bytes(bytes.first_chunk::<4>().copied()?))),
        captive_uri: option(options, OPTION_CAPTIVE_URI)
            .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()),
    };
    Some((kind, lease))
}

fn option(options: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = options;
    loop {
        let (&code, after) = rest.split_first()?;
        match code {
            0 => rest = after,
            OPTION_END => return None,
            _ => {
                let (&length, after) = after.split_first()?;
                let (value, after) = after.split_at_checked(usize::from(length))?;
                if code == wanted {
                    return Some(value);
                }
                rest = after;
            }
        }
    }
}

fn read_address(bytes: &[u8]) -> Option<Ipv4Addr> {
    bytes.first_chunk::<4>().copied().map(Ipv4Addr::from)
}

/// Builds a query for the IPv4 address of a name; `None` when it is no name. Source: RFC 1035, section 4.1.
pub(super) fn dns_query(name: &str, id: u16) -> Option<Vec<u8>> {
    let mut query = Vec::with_capacity(32 + name.len());
    query.extend(id.to_be_bytes());
    // Recursion desired; one question.
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        query.push(length);
        query.extend(label.bytes());
    }
    // The root; type A, class IN.
    query.extend([0, 0, 1, 0, 1]);
    Some(query)
}

/// Reads the first address of an answer; `None` when there is none or it is not to `query`.
pub(super) fn read_dns_answer(bytes: &[u8], query: &[u8]) -> Option<Ipv4Addr> {
    let flags = u16::from_be_bytes(bytes.get(2..4)?.first_chunk::<2>().copied()?);
    let is_answer = bytes.get(..2) == query.get(..2) && flags & 0x800F == 0x8000;
    let answer_count = u16::from_be_bytes(bytes.get(6..8)?.first_chunk::<2>().copied()?);
    if !is_answer || answer_count == 0 || bytes.get(12..query.len()) != query.get(12..) {
        return None;
    }
    // The name is a pointer to the question's: 2 bytes, then type, class, time to live, length.
    let record = bytes.get(query.len()..)?;
    let is_address = record.get(2..6) == Some(&[0, 1, 0, 1]) && record.get(10..12) == Some(&[0, 4]);
    record.get(12..16).filter(|_| is_address).and_then(read_address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_answer_of_a_board_makes_the_phone_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            is_framed in any::<bool>(),
        ) {
            let mut bytes = bytes;
            if is_framed && bytes.len() > DHCP_FIXED_BYTES + 4 {
                // Past the header, so that the options are reached.
                bytes[0] = 2;
                bytes[4..8].copy_from_slice(&7_u32.to_be_bytes());
                bytes[28..34].copy_from_slice(&[1; 6]);
                bytes[DHCP_FIXED_BYTES..DHCP_FIXED_BYTES + 4].copy_from_slice(&DHCP_COOKIE);
            }
            let _lease = read_dhcp_answer(&bytes, [1; 6], 7);
            let query = dns_query("example.com", 7).unwrap();
            let _address = read_dns_answer(&bytes, &query);
            let mut answer = query.clone();
            answer.extend(&bytes);
            answer[2] = 0x80;
            answer[7] = 1;
            let _address = read_dns_answer(&answer, &query);
        }
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        for name in ["", "a..b", &"x".repeat(64)] {
            assert_eq!(dns_query(name, 1), None, "{name:?}");
        }
    }
}

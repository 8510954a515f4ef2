//! The bytes of DHCP. Source: RFC 2131 §2 (packet), RFC 2132 (options).

use core::net::Ipv4Addr;

use super::{HOTSPOT_MASK, LEASE_TIME_S};
use crate::byte_cursor::{ByteReader, ByteWriter};
use crate::dialect::HOTSPOT_ADDRESS;

/// Longest reply in bytes: what every client takes, 576 bytes with the IP and UDP headers. Source: RFC 2131 §2.
pub const DHCP_REPLY_BYTES_MAX: usize = 548;

/// Shortest reply in bytes: some clients drop what is shorter than a BOOTP packet. Source: RFC 951 §3.
const REPLY_BYTES_MIN: usize = 300;

/// Longest client identifier that is answered, in bytes. The longest in use, with a DUID, has 135. Source: RFC 4361 §6.1.
const CLIENT_ID_BYTES_MAX: usize = 160;

const OPERATION_REQUEST: u8 = 1;
const OPERATION_REPLY: u8 = 2;
/// Ethernet and everything that looks like it. Source: RFC 1700, ARP hardware types.
const HARDWARE_ETHERNET: u8 = 1;
const MAC_BYTES: u8 = 6;
const FLAG_BROADCAST: u16 = 0x8000;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// `sname` and `file`, which we neither read nor fill.
const BOOT_FIELD_BYTES: usize = 64 + 128;

// Option codes. Source: RFC 2132; 114 RFC 8910 §2.1.
const OPTION_PAD: u8 = 0;
const OPTION_MASK: u8 = 1;
const OPTION_ROUTER: u8 = 3;
const OPTION_DNS: u8 = 6;
const OPTION_REQUESTED_ADDRESS: u8 = 50;
const OPTION_LEASE_TIME: u8 = 51;
const OPTION_MESSAGE_TYPE: u8 = 53;
const OPTION_SERVER: u8 = 54;
const OPTION_WANTED: u8 = 55;
const OPTION_CLIENT_ID: u8 = 61;
const OPTION_CAPTIVE_URI: u8 = 114;
const OPTION_END: u8 = 255;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Discover,
    Request,
    Decline,
    Release,
    Inform,
}

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientMessage<'a> {
    pub(crate) kind: MessageKind,
    pub(crate) mac: [u8; 6],
    /// `ciaddr`: what the client uses already, or 0.0.0.0.
    pub(crate) client_address: Ipv4Addr,
    pub(crate) requested_address: Option<Ipv4Addr>,
    pub(crate) server: Option<Ipv4Addr>,
    pub(crate) wants_broadcast: bool,
    transaction_id: [u8; 4],
    flags: u16,
    client_id: Option<&'a [u8]>,
    wants_captive_uri: bool,
}

impl<'a> ClientMessage<'a> {
    /// Reads a message, or returns `None` where it is malformed, relayed, or not from a client.
    pub(crate) fn read(packet: &'a [u8]) -> Option<Self> {
        let mut reader = ByteReader::new(packet);
        let [operation, hardware, mac_bytes, _hops] = reader.array()?;
        if (operation, hardware, mac_bytes) != (OPERATION_REQUEST, HARDWARE_ETHERNET, MAC_BYTES) {
            return None;
        }
        let transaction_id = reader.array()?;
        let _seconds = reader.u16()?;
        let flags = reader.u16()?;
        let client_address = reader.address()?;
        let _your_and_next_server = reader.take(8)?;
        let relay = reader.address()?;
        let mac: [u8; 6] = reader.array()?;
        let _rest_of_hardware_address = reader.take(10)?;
        let _boot_fields = reader.take(BOOT_FIELD_BYTES)?;
        let is_station = mac != [0; 6] && mac.first().is_some_and(|byte| byte & 1 == 0);
        // No relay stands between a hotspot and its phones; a reply to one would leave the link.
        if !relay.is_unspecified() || !is_station || reader.array()? != COOKIE {
            return None;
        }
        let options = Options::read(reader)?;
        Some(Self {
            kind: options.kind?,
            mac,
            client_address,
            requested_address: options.requested_address,
            server: options.server,
            wants_broadcast: flags & FLAG_BROADCAST != 0,
            transaction_id,
            flags,
            client_id: options.client_id,
            wants_captive_uri: options.wants_captive_uri,
        })
    }

    /// Whether the client names this server, or none.
    pub(crate) fn is_for_us(&self) -> bool {
        self.server.is_none_or(|server| server == HOTSPOT_ADDRESS)
    }
}

#[derive(Debug, Default)]
struct Options<'a> {
    kind: Option<MessageKind>,
    requested_address: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    client_id: Option<&'a [u8]>,
    wants_captive_uri: bool,
}

impl<'a> Options<'a> {
    /// Reads the options field, of which the first of each code counts. Options that a client puts into the boot fields
    /// (RFC 2132 §9.3) stay unread: what decides about an answer always fits here.
    fn read(mut reader: ByteReader<'a>) -> Option<Self> {
        let mut options = Self::default();
        // Some clients leave out the end mark.
        while !reader.is_at_end() {
            let code = reader.byte()?;
            match code {
                OPTION_PAD => continue,
                OPTION_END => break,
                _ => {}
            }
            let length = reader.byte()?;
            options.add(code, reader.take(usize::from(length))?)?;
        }
        Some(options)
    }

    /// Takes one option; `None` where a value that we use is malformed.
    fn add(&mut self, code: u8, value: &'a [u8]) -> Option<()> {
        let address = || <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
        match code {
            OPTION_MESSAGE_TYPE if self.kind.is_none() => {
                let &[kind] = value else { return None };
                self.kind = Some(message_kind(kind)?);
            }
            OPTION_REQUESTED_ADDRESS if self.requested_address.is_none() => {
                self.requested_address = Some(address()?);
            }
            OPTION_SERVER if self.server.is_none() => self.server = Some(address()?),
            OPTION_CLIENT_ID if self.client_id.is_none() => {
                self.client_id = Some(value).filter(|id| id.len() <= CLIENT_ID_BYTES_MAX);
                self.client_id?;
            }
            OPTION_WANTED => self.wants_captive_uri |= value.contains(&OPTION_CAPTIVE_URI),
            _ => {}
        }
        Some(())
    }
}

/// Messages that a server sends (2, 5, 6) and all others are none of ours. Source: RFC 2132 §9.6.
const fn message_kind(code: u8) -> Option<MessageKind> {
    match code {
        1 => Some(MessageKind::Discover),
        3 => Some(MessageKind::Request),
        4 => Some(MessageKind::Decline),
        7 => Some(MessageKind::Release),
        8 => Some(MessageKind::Inform),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyKind {
    Offer(Ipv4Addr),
    Ack { address: Ipv4Addr, is_renewal: bool },
    AckInform,
    Nak,
}

/// A reply before it is bytes.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) kind: ReplyKind,
    pub(crate) message: &'a ClientMessage<'a>,
    pub(crate) captive_uri: Option<&'static str>,
}

impl Reply<'_> {
    /// Writes the reply and returns its length, or `None` where `out` is too short.
    pub(crate) fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut writer = ByteWriter::new(out);
        self.write_fields(&mut writer)?;
        self.write_options(&mut writer)?;
        writer.zeros(REPLY_BYTES_MIN.saturating_sub(writer.written_bytes()))?;
        Some(writer.written_bytes())
    }

    /// Which field says what in which reply. Source: RFC 2131 §4.3.1, table 3.
    fn write_fields(&self, writer: &mut ByteWriter<'_>) -> Option<()> {
        let none = Ipv4Addr::UNSPECIFIED;
        let (client_address, your_address) = match self.kind {
            ReplyKind::Offer(address) | ReplyKind::Ack { address, is_renewal: false } => (none, address),
            ReplyKind::Ack { address, is_renewal: true } => (address, address),
            ReplyKind::AckInform => (self.message.client_address, none),
            ReplyKind::Nak => (none, none),
        };
        // A client that is refused may no longer use its address, so it hears only broadcasts.
        let is_nak = self.kind == ReplyKind::Nak;
        let flags = if is_nak { self.message.flags | FLAG_BROADCAST } else { self.message.flags };
        writer.bytes(&[OPERATION_REPLY, HARDWARE_ETHERNET, MAC_BYTES, 0])?;
        writer.bytes(&self.message.transaction_id)?;
        writer.u16(0)?;
        writer.u16(flags)?;
        writer.bytes(&client_address.octets())?;
        writer.bytes(&your_address.octets())?;
        // Next server of a network boot, and relay.
        writer.zeros(8)?;
        writer.bytes(&self.message.mac)?;
        writer.zeros(10 + BOOT_FIELD_BYTES)?;
        writer.bytes(&COOKIE)
    }

    fn write_options(&self, writer: &mut ByteWriter<'_>) -> Option<()> {
        let kind = match self.kind {
            ReplyKind::Offer(_) => 2,
            ReplyKind::Ack { .. } | ReplyKind::AckInform => 5,
            ReplyKind::Nak => 6,
        };
        write_option(writer, OPTION_MESSAGE_TYPE, &[kind])?;
        write_option(writer, OPTION_SERVER, &HOTSPOT_ADDRESS.octets())?;
        if matches!(self.kind, ReplyKind::Offer(_) | ReplyKind::Ack { .. }) {
            write_option(writer, OPTION_LEASE_TIME, &LEASE_TIME_S.to_be_bytes())?;
        }
        if self.kind != ReplyKind::Nak {
            write_option(writer, OPTION_MASK, &HOTSPOT_MASK.octets())?;
            // A phone without a route does not even try whether the internet is there, and opens no page.
            write_option(writer, OPTION_ROUTER, &HOTSPOT_ADDRESS.octets())?;
            write_option(writer, OPTION_DNS, &HOTSPOT_ADDRESS.octets())?;
            if let Some(uri) = self.captive_uri.filter(|_| self.message.wants_captive_uri) {
                write_option(writer, OPTION_CAPTIVE_URI, uri.as_bytes())?;
            }
        }
        // Source: RFC 6842 §3.
        if let Some(id) = self.message.client_id {
            write_option(writer, OPTION_CLIENT_ID, id)?;
        }
        writer.bytes(&[OPTION_END])
    }
}

fn write_option(writer: &mut ByteWriter<'_>, code: u8, value: &[u8]) -> Option<()> {
    writer.bytes(&[code, u8::try_from(value.len()).ok()?])?;
    writer.bytes(value)
}

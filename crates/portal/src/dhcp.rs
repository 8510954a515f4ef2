//! Hands out addresses at the hotspot: packet and time in, packet and destination out.
//!
//! Decision 0011 tells why this is ours and not a library's. The packet format is in `dhcp/packet.rs`, the table of
//! addresses in `dhcp/leases.rs`; this file decides who gets what. Source: RFC 2131 §4.3.

mod leases;
mod packet;

use core::net::Ipv4Addr;
use core::time::Duration;

use crate::captive_api::CAPTIVE_API_URI;
use crate::dialect::HOTSPOT_ADDRESS;
use leases::LeaseTable;
use packet::{ClientMessage, MessageKind, Reply, ReplyKind};

pub use leases::{LEASE_COUNT_MAX, LEASE_TIME_S};
pub use packet::DHCP_REPLY_BYTES_MAX;

/// UDP port of the server. Source: RFC 2131 §4.1.
pub const DHCP_SERVER_PORT: u16 = 67;

/// UDP port of every client. Source: RFC 2131 §4.1.
pub const DHCP_CLIENT_PORT: u16 = 68;

/// Mask of the hotspot's network.
pub const HOTSPOT_MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// Longest URI that fits into a reply with every other option, in bytes.
pub const CAPTIVE_URI_BYTES_MAX: usize = 96;

/// An answer of the server, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DhcpReply {
    /// Length of the reply at the start of the buffer.
    pub written_bytes: usize,
    /// Where to send it, always to [`DHCP_CLIENT_PORT`].
    pub destination: DhcpDestination,
}

/// Where a reply goes. Source: RFC 2131 §4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DhcpDestination {
    /// 255.255.255.255.
    Broadcast,
    /// A client that already uses this address.
    Address(Ipv4Addr),
    /// A client that does not answer ARP for its new address yet. A shell that cannot address hardware broadcasts.
    Hardware {
        /// Hardware address of the client.
        mac: [u8; 6],
        /// Its new address.
        address: Ipv4Addr,
    },
}

/// The server: a table of [`LEASE_COUNT_MAX`] addresses. It answers only clients of its own link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpServer {
    leases: LeaseTable,
    captive_uri: Option<&'static str>,
}

impl DhcpServer {
    /// Returns a server without leases that points to [`CAPTIVE_API_URI`].
    #[must_use]
    pub const fn new() -> Self {
        Self { leases: LeaseTable::new(), captive_uri: Some(CAPTIVE_API_URI) }
    }

    /// Sets what option 114 carries for clients that ask for it; `None`, or a URI longer than
    /// [`CAPTIVE_URI_BYTES_MAX`], leaves the option out.
    #[must_use]
    pub fn with_captive_uri(mut self, captive_uri: Option<&'static str>) -> Self {
        self.captive_uri = captive_uri.filter(|uri| uri.len() <= CAPTIVE_URI_BYTES_MAX);
        self
    }

    /// Takes one UDP payload and writes the reply to it into `out`, or returns `None` where silence is right.
    ///
    /// `now` is the time since boot. A buffer of [`DHCP_REPLY_BYTES_MAX`] is always enough; with a shorter one the
    /// reply is left out although the table may have changed. The work is linear in the packet.
    pub fn handle(&mut self, packet: &[u8], now: Duration, out: &mut [u8]) -> Option<DhcpReply> {
        let message = ClientMessage::read(packet)?;
        let now_s = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let (kind, destination) = match message.kind {
            MessageKind::Discover => self.discover(&message, now_s)?,
            MessageKind::Request => self.request(&message, now_s)?,
            MessageKind::Inform => inform(&message)?,
            MessageKind::Decline => {
                if let Some(address) = message.requested_address.filter(|_| message.is_for_us()) {
                    self.leases.decline(message.mac, address, now_s);
                }
                return None;
            }
            MessageKind::Release => {
                if message.is_for_us() {
                    self.leases.release(message.mac, message.client_address, now_s);
                }
                return None;
            }
        };
        let reply = Reply { kind, message: &message, captive_uri: self.captive_uri };
        Some(DhcpReply { written_bytes: reply.write(out)?, destination })
    }

    fn discover(&mut self, message: &ClientMessage<'_>, now_s: u32) -> Option<(ReplyKind, DhcpDestination)> {
        let address = self.leases.offer(message.mac, message.requested_address, now_s)?;
        Some((ReplyKind::Offer(address), to_new_client(message, address)))
    }

    /// Source: RFC 2131 §4.3.2, which tells the states of a client apart by what a request contains.
    fn request(&mut self, message: &ClientMessage<'_>, now_s: u32) -> Option<(ReplyKind, DhcpDestination)> {
        if message.server.is_some_and(|server| server != HOTSPOT_ADDRESS) {
            self.leases.withdraw_offer(message.mac);
            return None;
        }
        let is_renewal = message.server.is_none() && message.requested_address.is_none();
        let address = if is_renewal { message.client_address } else { message.requested_address? };
        if address.is_unspecified() {
            return None;
        }
        // A server that shares its link with others stays silent about addresses it does not know. The hotspot is
        // alone on its link, and a restarted device must take back the phones it has forgotten.
        if !self.leases.bind(message.mac, address, now_s) {
            return Some((ReplyKind::Nak, DhcpDestination::Broadcast));
        }
        let destination =
            if is_renewal { DhcpDestination::Address(address) } else { to_new_client(message, address) };
        Some((ReplyKind::Ack { address, is_renewal }, destination))
    }
}

impl Default for DhcpServer {
    fn default() -> Self {
        Self::new()
    }
}

/// Answers a client that chose its address itself; nobody outside the hotspot's network gets anything.
fn inform(message: &ClientMessage<'_>) -> Option<(ReplyKind, DhcpDestination)> {
    let address = message.client_address;
    let [a, b, c, host] = address.octets();
    let [own_a, own_b, own_c, own_host] = HOTSPOT_ADDRESS.octets();
    let is_host = [a, b, c] == [own_a, own_b, own_c] && !matches!(host, 0 | 255) && host != own_host;
    is_host.then_some((ReplyKind::AckInform, DhcpDestination::Address(address)))
}

fn to_new_client(message: &ClientMessage<'_>, address: Ipv4Addr) -> DhcpDestination {
    if message.wants_broadcast {
        DhcpDestination::Broadcast
    } else {
        DhcpDestination::Hardware { mac: message.mac, address }
    }
}

#[cfg(test)]
mod tests;

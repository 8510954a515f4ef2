//! The addresses of the hotspot and who has them.

use core::net::Ipv4Addr;

use crate::dialect::HOTSPOT_ADDRESS;

/// Addresses that the hotspot has to give. An ESP32's radio takes at most 10 stations.
pub const LEASE_COUNT_MAX: usize = 16;

/// How long an address is given for, in seconds: ten minutes, longer than a set-up takes. A phone that stays renews it,
/// and an address that somebody took and left is free again soon.
pub const LEASE_TIME_S: u32 = 600;

/// How long an offer is kept for the client that asked, in seconds. Clients answer an offer within a second or two.
const OFFER_TIME_S: u32 = 10;

/// How long an address rests after a client found it in use, in seconds. Short, because anybody can say so.
const DECLINED_TIME_S: u32 = 60;

/// Last byte of the first address; the others follow.
const FIRST_HOST: u8 = HOTSPOT_ADDRESS.octets()[3] + 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Nobody had it since boot.
    Fresh,
    /// Offered to `client` until `until_s`.
    Offered,
    /// `client` has it until `until_s`; afterwards it is kept for that client while there are others.
    Bound,
    /// Somebody else was seen using it; rests until `until_s`.
    Declined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    client: [u8; 6],
    usage: Use,
    /// Seconds since boot.
    until_s: u32,
}

const FRESH: Slot = Slot { client: [0; 6], usage: Use::Fresh, until_s: 0 };

impl Slot {
    fn belongs_to(&self, client: [u8; 6]) -> bool {
        self.client == client && matches!(self.usage, Use::Offered | Use::Bound)
    }

    fn is_free(&self, now_s: u32) -> bool {
        self.usage == Use::Fresh || self.until_s <= now_s
    }
}

/// One slot for each address. Invariant: a client has at most one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseTable {
    slots: [Slot; LEASE_COUNT_MAX],
}

impl LeaseTable {
    pub(crate) const fn new() -> Self {
        Self { slots: [FRESH; LEASE_COUNT_MAX] }
    }

    /// Returns an address for this client and keeps it for a moment: the one it has or had, the one it asks for, or any.
    ///
    /// When all are taken, the oldest offer that nobody took up is offered again, so that a flood of requests from
    /// invented clients cannot hold the table.
    pub(crate) fn offer(
        &mut self,
        client: [u8; 6],
        requested: Option<Ipv4Addr>,
        now_s: u32,
    ) -> Option<Ipv4Addr> {
        let index = self
            .index_of_client(client)
            .or_else(|| requested.and_then(index_of).filter(|&index| self.is_free(index, now_s)))
            .or_else(|| self.any_index(client, now_s))?;
        let slot = self.slots.get_mut(index)?;
        // A running lease stays one: whoever sends a discovery in its owner's name must not shorten it.
        if !(slot.belongs_to(client) && slot.usage == Use::Bound && slot.until_s > now_s) {
            *slot = Slot { client, usage: Use::Offered, until_s: now_s.saturating_add(OFFER_TIME_S) };
        }
        address_of(index)
    }

    /// Gives this address to this client. Returns whether it may have it.
    pub(crate) fn bind(&mut self, client: [u8; 6], address: Ipv4Addr, now_s: u32) -> bool {
        let Some(index) = index_of(address) else { return false };
        let is_own = self.slots.get(index).is_some_and(|slot| slot.belongs_to(client));
        if !is_own && !self.is_free(index, now_s) {
            return false;
        }
        if let Some(earlier) = self.index_of_client(client).filter(|&earlier| earlier != index) {
            self.set(earlier, FRESH);
        }
        let until_s = now_s.saturating_add(LEASE_TIME_S);
        self.set(index, Slot { client, usage: Use::Bound, until_s });
        true
    }

    /// Takes back an offer whose client chose another server.
    pub(crate) fn withdraw_offer(&mut self, client: [u8; 6]) {
        let offered = self.index_of_client(client);
        if let Some(slot) = offered.and_then(|index| self.slots.get_mut(index))
            && slot.usage == Use::Offered
        {
            *slot = FRESH;
        }
    }

    /// Ends the lease of this client, which gets the same address again if it comes back.
    pub(crate) fn release(&mut self, client: [u8; 6], address: Ipv4Addr, now_s: u32) {
        if let Some(slot) = self.own_slot(client, address) {
            slot.until_s = now_s;
        }
    }

    /// Lets an address rest that its client found in use.
    pub(crate) fn decline(&mut self, client: [u8; 6], address: Ipv4Addr, now_s: u32) {
        if let Some(slot) = self.own_slot(client, address) {
            let until_s = now_s.saturating_add(DECLINED_TIME_S);
            *slot = Slot { client, usage: Use::Declined, until_s };
        }
    }

    fn own_slot(&mut self, client: [u8; 6], address: Ipv4Addr) -> Option<&mut Slot> {
        self.slots.get_mut(index_of(address)?).filter(|slot| slot.belongs_to(client))
    }

    fn index_of_client(&self, client: [u8; 6]) -> Option<usize> {
        self.slots.iter().position(|slot| slot.belongs_to(client))
    }

    fn is_free(&self, index: usize, now_s: u32) -> bool {
        self.slots.get(index).is_some_and(|slot| slot.is_free(now_s))
    }

    /// Prefers an address that follows from the client's, so that it gets the same one after a restart of the device.
    fn any_index(&self, client: [u8; 6], now_s: u32) -> Option<usize> {
        let start = client.iter().fold(0_usize, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let fresh = (0..LEASE_COUNT_MAX)
            .map(|step| start.wrapping_add(step) % LEASE_COUNT_MAX)
            .find(|&index| self.slots.get(index).is_some_and(|slot| slot.usage == Use::Fresh));
        fresh
            .or_else(|| self.oldest_index(|slot| slot.is_free(now_s)))
            .or_else(|| self.oldest_index(|slot| slot.usage == Use::Offered))
    }

    fn oldest_index(&self, is_wanted: impl Fn(&Slot) -> bool) -> Option<usize> {
        let wanted = self.slots.iter().enumerate().filter(|(_, slot)| is_wanted(slot));
        wanted.min_by_key(|(_, slot)| slot.until_s).map(|(index, _)| index)
    }

    fn set(&mut self, index: usize, new: Slot) {
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = new;
        }
    }
}

fn index_of(address: Ipv4Addr) -> Option<usize> {
    let [a, b, c, host] = address.octets();
    let [own_a, own_b, own_c, _] = HOTSPOT_ADDRESS.octets();
    let index = usize::from(host.checked_sub(FIRST_HOST)?);
    ([a, b, c] == [own_a, own_b, own_c] && index < LEASE_COUNT_MAX).then_some(index)
}

fn address_of(index: usize) -> Option<Ipv4Addr> {
    let [a, b, c, _] = HOTSPOT_ADDRESS.octets();
    Some(Ipv4Addr::new(a, b, c, FIRST_HOST.checked_add(u8::try_from(index).ok()?)?))
}

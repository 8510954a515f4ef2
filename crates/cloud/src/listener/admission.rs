//! How many connections may be open, in all and for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::rate_limits::client_of;

/// Counts open connections. Clones share the counts.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    shared: Arc<Mutex<Counts>>,
    total_max: usize,
    per_address_max: u32,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, u32>,
}

/// One admitted connection; dropping it frees its place.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Admission,
    address: IpAddr,
}

impl Admission {
    pub(crate) fn new(total_max: usize, per_address_max: u32) -> Self {
        Self { shared: Arc::default(), total_max, per_address_max }
    }

    /// Takes a place for `address`; `None` when there is none left.
    ///
    /// Loopback has no limit of its own: the bench and a reverse proxy bring all their connections from there.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Admitted> {
        let address = address.to_canonical();
        let is_loopback = address.is_loopback();
        let address = client_of(address);
        let mut counts = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        let is_full = !is_loopback && of_address >= self.per_address_max;
        if counts.total >= self.total_max || is_full {
            return None;
        }
        counts.total += 1;
        counts.by_address.insert(address, of_address + 1);
        Some(Admitted { admission: self.clone(), address })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.shared.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total = counts.total.saturating_sub(1);
        let Some(of_address) = counts.by_address.get_mut(&self.address) else { return };
        *of_address = of_address.saturating_sub(1);
        if *of_address == 0 {
            counts.by_address.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let admission = Admission::new(10, 2);
        let first = admission.admit(address(1)).unwrap();
        let _second = admission.admit(address(1)).unwrap();
        assert!(admission.admit(address(1)).is_none());
        assert!(admission.admit(address(2)).is_some());
        drop(first);
        assert!(admission.admit(address(1)).is_some());
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_their_places() {
        let admission = Admission::new(10, 2);
        let of_network = |last: u16| IpAddr::from([0x2001, 0xdb8, 1, 2, 0, 0, 0, last]);
        let _held = [1, 2].map(|last| admission.admit(of_network(last)).unwrap());
        assert!(admission.admit(of_network(3)).is_none());
        assert!(admission.admit(IpAddr::from([0x2001, 0xdb8, 1, 3, 0, 0, 0, 1])).is_some());
    }

    #[test]
    fn the_total_holds_for_loopback_too_and_nothing_is_remembered_afterwards() {
        let admission = Admission::new(3, 1);
        let held: Vec<_> = (0..3).map(|_| admission.admit(IpAddr::from([127, 0, 0, 1])).unwrap()).collect();
        assert!(admission.admit(address(1)).is_none());
        drop(held);
        assert!(admission.shared.lock().unwrap().by_address.is_empty());
    }
}

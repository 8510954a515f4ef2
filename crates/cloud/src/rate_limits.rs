//! Rate limits per key, with a bound on how many keys are remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use registry::{Allowance, MonoTime, RateLimit};

use crate::limits::REMEMBERED_ADDRESSES_MAX;

/// Allowances of many clients under one limit.
#[derive(Debug)]
pub(crate) struct RateLimits<K> {
    limit: RateLimit,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    by_key: HashMap<K, Allowance>,
    /// Shared by all newcomers while the table is full of clients that are being limited.
    newcomers: Option<Allowance>,
}

impl<K: Hash + Eq> RateLimits<K> {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, table: Mutex::new(Table { by_key: HashMap::new(), newcomers: None }) }
    }

    /// Takes one permit of `key`; otherwise returns how many milliseconds to wait.
    pub(crate) fn take(&self, key: K, now: MonoTime) -> Result<(), u64> {
        self.take_many(key, 1, now)
    }

    /// Takes several permits of `key`, all or none.
    pub(crate) fn take_many(&self, key: K, count: u32, now: MonoTime) -> Result<(), u64> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.by_key.len() >= REMEMBERED_ADDRESSES_MAX && !table.by_key.contains_key(&key) {
            table.by_key.retain(|_key, allowance| !allowance.is_full(self.limit, now));
        }
        let full = Allowance::full(self.limit, now);
        if table.by_key.len() >= REMEMBERED_ADDRESSES_MAX && !table.by_key.contains_key(&key) {
            return table.newcomers.get_or_insert(full).take_many(count, self.limit, now);
        }
        table.by_key.entry(key).or_insert(full).take_many(count, self.limit, now)
    }
}

/// Returns what counts as one client: an IPv4 address, or the /64 network of an IPv6 address, which is what one
/// household or one server gets and can change addresses in at will.
pub(crate) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { burst: 2, per_minute: 6 };
    const START: MonoTime = MonoTime::from_ms(0);

    #[test]
    fn one_client_at_its_limit_does_not_limit_another() {
        let limits = RateLimits::new(LIMIT);
        assert_eq!(limits.take(1, START), Ok(()));
        assert_eq!(limits.take(1, START), Ok(()));
        assert_eq!(limits.take(1, START), Err(10_000));
        assert_eq!(limits.take(2, START), Ok(()));
    }

    #[test]
    fn a_flood_of_addresses_fills_the_table_and_no_more() {
        let limits = RateLimits::new(LIMIT);
        for key in 0..REMEMBERED_ADDRESSES_MAX + 2 {
            assert_eq!(limits.take(key, START), Ok(()));
        }
        assert!(limits.take(REMEMBERED_ADDRESSES_MAX + 3, START).is_err());
        assert_eq!(limits.table.lock().unwrap().by_key.len(), REMEMBERED_ADDRESSES_MAX);
        // Half a minute later everybody is forgiven and forgotten.
        assert_eq!(limits.take(REMEMBERED_ADDRESSES_MAX + 4, START.plus_ms(30_000)), Ok(()));
        assert_eq!(limits.table.lock().unwrap().by_key.len(), 1);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let first = client_of("2001:db8:1:2:3:4:5:6".parse().unwrap());
        let second = client_of("2001:db8:1:2:ffff::1".parse().unwrap());
        assert_eq!(first, second);
        assert_eq!(client_of("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }
}

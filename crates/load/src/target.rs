//! Where load may go: this machine, nowhere else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// A loopback address with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target(SocketAddr);

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTargetError {
    /// Not an address with a port. Names other than `localhost` are not looked up: a name could lead anywhere.
    #[error("write an address with a port, for example 127.0.0.1:8080 or localhost:8080")]
    Malformed,
    /// Load goes to this machine only.
    #[error("{address} is not on this machine: load is only sent to loopback addresses (127.0.0.0/8 or ::1)")]
    NotLoopback {
        /// The address that was refused.
        address: IpAddr,
    },
}

impl Target {
    /// Returns the address.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        self.0
    }

    /// Returns the address that connection `index` comes from, out of `source_count` ones (at least 1).
    ///
    /// One address has about 28,000 free ports, and a closed connection holds its own for a minute; several addresses keep
    /// a storm from running out. IPv6 has a single loopback address.
    pub(crate) fn source_of(self, index: usize, source_count: u8) -> IpAddr {
        match self.0.ip() {
            IpAddr::V4(_) => {
                let nth = index.checked_rem(usize::from(source_count)).unwrap_or(0);
                let last = u8::try_from(nth.saturating_add(1)).unwrap_or(1);
                IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
            }
            v6 @ IpAddr::V6(_) => v6,
        }
    }
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address: SocketAddr = match text.strip_prefix("localhost:") {
            Some(port) => {
                let port = port.parse().map_err(|_not_a_port| ParseTargetError::Malformed)?;
                SocketAddr::from((Ipv4Addr::LOCALHOST, port))
            }
            None => text.parse().map_err(|_not_an_address| ParseTargetError::Malformed)?,
        };
        let ip = address.ip().to_canonical();
        if !ip.is_loopback() {
            return Err(ParseTargetError::NotLoopback { address: ip });
        }
        Ok(Self(SocketAddr::new(ip, address.port())))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_targets() {
        for text in ["127.0.0.1:8080", "127.9.8.7:1", "[::1]:8080", "localhost:1883", "[::ffff:127.0.0.1]:5"]
        {
            assert!(text.parse::<Target>().is_ok(), "{text}");
        }
        for text in [
            "192.168.1.5:8080",
            "0.0.0.0:80",
            "8.8.8.8:53",
            "[2001:db8::1]:80",
            "[::]:80",
            "[::ffff:8.8.8.8]:53",
        ] {
            let refused = text.parse::<Target>();
            assert!(matches!(refused, Err(ParseTargetError::NotLoopback { .. })), "{text}: {refused:?}");
        }
    }

    #[test]
    fn names_are_not_looked_up() {
        for text in
            ["example.org:80", "localhost.example.org:80", "127.0.0.1", "localhost:", "localhost:70000", ""]
        {
            assert_eq!(text.parse::<Target>(), Err(ParseTargetError::Malformed), "{text}");
        }
    }

    #[test]
    fn connections_are_spread_over_the_sources() {
        let target: Target = "127.0.0.1:80".parse().unwrap();
        let sources: Vec<_> = (0..5).map(|index| target.source_of(index, 4).to_string()).collect();
        assert_eq!(sources, ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"]);
        let v6: Target = "[::1]:80".parse().unwrap();
        assert_eq!(v6.source_of(3, 4).to_string(), "::1");
    }
}

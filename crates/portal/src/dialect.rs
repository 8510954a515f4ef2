//! Whose portal is being spoken, and in which situation.

use core::net::Ipv4Addr;

/// Address of the hotspot, mask 255.255.255.0. Source: `reference/edgent-device.md` §5.
pub const HOTSPOT_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 4, 1);

/// Name that the hotspot's DNS resolves to [`HOTSPOT_ADDRESS`]. Source: `reference/edgent-device.md` §5.
pub const HOTSPOT_HOST: &str = "blynk.setup";

/// Which firmware the portal answers as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Our own firmware: understands old and new clients.
    Rehome,
    /// The Edgent examples of the C++ library, 1.2.0 to 1.4.0, on ESP32. For the virtual bench.
    EdgentOld,
    /// Edgent for Arduino 0.9.0 on a board without BLE. For the virtual bench.
    EdgentNew,
}

/// What a visitor of the portal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// No home is stored: everything is allowed.
    Provisioning,
    /// A home is stored and kept: a new one may be tried, the device may not be controlled.
    Recovery,
}

/// Everything besides the request that decides how it is routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortalMode<'a> {
    /// Firmware to answer as.
    pub dialect: Dialect,
    /// Whether a home is stored. Stock dialects make no difference.
    pub access: Access,
    /// Whether only who holds the device gets to change anything: the hotspot's passphrase, or every form, asks for the
    /// proof of possession. Where it is not so, no more is taken than stock firmware takes (decision 0068).
    pub is_guarded: bool,
    /// The configured DNS name of the portal, besides [`HOTSPOT_HOST`] and addresses.
    pub host_name: &'a str,
}

impl PortalMode<'static> {
    /// Returns the mode of an unguarded hotspot with the default host name.
    #[must_use]
    pub const fn new(dialect: Dialect, access: Access) -> Self {
        Self { dialect, access, is_guarded: false, host_name: HOTSPOT_HOST }
    }

    /// Returns the same mode behind a proof of possession.
    #[must_use]
    pub const fn guarded(self) -> Self {
        Self { is_guarded: true, ..self }
    }
}

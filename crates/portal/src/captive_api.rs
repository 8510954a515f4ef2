//! The captive portal API, which tells a phone in machine words what the probes tell it in side effects.
//!
//! Source: RFC 8908 (the answer), RFC 8910 (how a phone learns the address). Decision 0011 tells why it is here although
//! most phones want it over HTTPS only.

use core::fmt::{self, Write};

use crate::dialect::HOTSPOT_ADDRESS;

/// Path of the API.
pub(crate) const CAPTIVE_API_PATH: &str = "/captive.json";

/// What DHCP option 114 carries. A name and not an address: RFC 8910 §2.
pub const CAPTIVE_API_URI: &str = "http://blynk.setup/captive.json";

/// Media type of the answer. Source: RFC 8908 §8.
pub(crate) const CAPTIVE_API_TYPE: &str = "application/captive+json";

/// Whether `Accept` names the media type itself. Everybody else is a person with a browser. Source: RFC 8910 §2.
pub(crate) fn wants_captive_api(accept: Option<&str>) -> bool {
    accept.unwrap_or_default().split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim_ascii);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(CAPTIVE_API_TYPE));
        is_named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Writes the answer. `captive` is always true: there is no internet behind the hotspot, whatever the phone does.
pub(crate) fn write_captive_api(out: &mut dyn Write) -> fmt::Result {
    write!(out, "{{\"captive\":true,\"user-portal-url\":\"http://{HOTSPOT_ADDRESS}/\"}}")
}

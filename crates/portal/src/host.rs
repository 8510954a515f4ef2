//! Tells the portal's own names from those of servers that a phone believes to reach.

use core::net::Ipv4Addr;

use crate::dialect::{HOTSPOT_HOST, PortalMode};
use crate::request::Request;

/// Whether the client asked for this device: by an address, by a name of the portal, or without naming a host.
///
/// Any address counts, because a bench serves portals on 127.0.0.1; only those of IPv6 stand in brackets.
pub(crate) fn is_own_host(request: &Request<'_>, mode: &PortalMode<'_>) -> bool {
    let Some(host) = request.host.filter(|host| !host.is_empty()) else { return true };
    let name = without_port(host);
    name.parse::<Ipv4Addr>().is_ok()
        || host.starts_with('[')
        || [HOTSPOT_HOST, mode.host_name, "localhost"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Whether a page of another site caused this request.
///
/// The portal has no log-in, so a browser that happens to reach it must not carry out another site's wishes.
pub(crate) fn is_foreign_origin(request: &Request<'_>) -> bool {
    if request.is_cross_site {
        return true;
    }
    let Some(origin) = request.origin else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    match (authority, request.host) {
        (Some(authority), Some(host)) => !authority.eq_ignore_ascii_case(host),
        _ => true,
    }
}

fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    host.split_once(':').map_or(host, |(name, _)| name).trim_end_matches('.')
}

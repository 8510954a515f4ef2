//! Recognises the requests by which phones and computers find out that a network has a portal.
//!
//! On the maker's host every path is redirected anyway; this list is for clients that ask our own address. A probe is
//! never answered as its maker's server would, whatever the phone or its user has done before: the phone would take the
//! hotspot for the internet, close the page and send everything into a network that leads nowhere. See decision 0011.

use crate::field_encoding::Decoded;

/// Paths that are asked for on a fixed host of the maker. Each entry names who asks.
const PROBE_PATHS: [&str; 20] = [
    "/generate_204",                   // Android, ChromeOS
    "/gen_204",                        // Android
    "/mobile/status.php",              // some Android makers
    "/hotspot-detect.html",            // iOS, macOS
    "/library/test/success.html",      // iOS, macOS
    "/bag",                            // iOS
    "/ncsi.txt",                       // Windows 7, 8
    "/connecttest.txt",                // Windows 10, 11
    "/redirect",                       // Windows, after a failed connecttest
    "/fwlink",                         // Windows, from its network settings
    "/captiveportal/generate_204",     // Edge
    "/canonical.html",                 // Firefox
    "/success.txt",                    // Firefox
    "/check_network_status.txt",       // GNOME, NetworkManager
    "/nm-check.txt",                   // NetworkManager, Arch
    "/nm",                             // NetworkManager, Debian
    "/static/hotspot.txt",             // NetworkManager, Fedora
    "/kindle-wifi/wifistub.html",      // Kindle
    "/kindle-wifi/wifistub-eink.html", // Kindle with a paper screen
    "/kindle-wifi/wifiredirect.html",  // Kindle
];

/// Whether a path, still percent-encoded, is one of the known probes.
pub(crate) fn is_probe_path(encoded_path: &str) -> bool {
    PROBE_PATHS.iter().any(|probe| Decoded::path(encoded_path.as_bytes()).eq(probe.bytes()))
}

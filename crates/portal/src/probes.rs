//! Recognises the requests by which phones and computers find out that a network has a portal.

use crate::field_encoding::Decoded;

/// Paths that are asked for on a fixed host of the maker. Each entry names who asks.
const PROBE_PATHS: [&str; 17] = [
    "/generate_204",                  // Android, ChromeOS
    "/gen_204",                       // Android
    "/mobile/status.php",             // some Android makers
    "/hotspot-detect.html",           // iOS, macOS
    "/library/test/success.html",     // iOS, macOS
    "/bag",                           // iOS
    "/ncsi.txt",                      // Windows 7, 8
    "/connecttest.txt",               // Windows 10, 11
    "/redirect",                      // Windows, after a failed connecttest
    "/canonical.html",                // Firefox
    "/success.txt",                   // Firefox
    "/check_network_status.txt",      // GNOME, NetworkManager
    "/nm-check.txt",                  // NetworkManager, Arch
    "/nm",                            // NetworkManager, Debian
    "/static/hotspot.txt",            // NetworkManager, Fedora
    "/kindle-wifi/wifistub.html",     // Kindle
    "/kindle-wifi/wifiredirect.html", // Kindle
];

/// Whether a path, still percent-encoded, is one of the known probes.
pub(crate) fn is_probe_path(encoded_path: &str) -> bool {
    PROBE_PATHS.iter().any(|probe| Decoded::path(encoded_path.as_bytes()).eq(probe.bytes()))
}

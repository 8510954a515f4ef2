//! `/wifi_scan.json`. Source of order, count and fields: `reference/edgent-device.md` §5.

use core::fmt::{self, Write};

use crate::dialect::Dialect;
use crate::text::{HexText, JsonText, UnescapedText};
use crate::view::{ScanEntry, ScanView, Security};

/// Networks in one answer.
pub const SCAN_ENTRIES_MAX: usize = 15;

/// Weakest network that new Edgent lists, in dBm.
const NEW_RSSI_DBM_MIN: i16 = -90;

pub(crate) type Listed<'a> = heapless::Vec<&'a ScanEntry<'a>, SCAN_ENTRIES_MAX>;

pub(crate) fn write_wifi_scan(dialect: Dialect, scan: &ScanView<'_>, out: &mut dyn Write) -> fmt::Result {
    out.write_str("[")?;
    for (index, entry) in listed_networks(dialect, scan).iter().enumerate() {
        if index > 0 {
            out.write_str(",")?;
        }
        match dialect {
            Dialect::EdgentOld => write!(out, "{{\"ssid\":{}", UnescapedText(entry.ssid))?,
            Dialect::EdgentNew | Dialect::Rehome => write!(out, "{{\"ssid\":{}", JsonText(entry.ssid))?,
        }
        let security = security_name(dialect, entry.security);
        write!(out, ",\"bssid\":\"{}\",\"rssi\":{}", entry.bssid, entry.rssi_dbm)?;
        write!(out, ",\"sec\":\"{security}\",\"ch\":{}", entry.channel)?;
        if dialect == Dialect::Rehome {
            // The name's exact bytes, for clients that must not lose what JSON cannot carry.
            write!(out, ",\"ssid_hex\":\"{}\"", HexText(entry.ssid))?;
        }
        out.write_str("}")?;
    }
    out.write_str("]")
}

/// Returns the networks to list, in order, at most [`SCAN_ENTRIES_MAX`].
///
/// Ours are those with a name, strongest first, and only the strongest access point of each network.
pub(crate) fn listed_networks<'a>(dialect: Dialect, scan: &ScanView<'a>) -> Listed<'a> {
    let mut listed = Listed::new();
    for entry in scan.entries() {
        match dialect {
            Dialect::EdgentNew => {
                if !entry.ssid.is_empty() && entry.rssi_dbm >= NEW_RSSI_DBM_MIN && listed.push(entry).is_err()
                {
                    break;
                }
            }
            Dialect::EdgentOld => insert_by_strength(&mut listed, entry),
            Dialect::Rehome if entry.ssid.is_empty() => {}
            Dialect::Rehome => {
                if let Some(index) = listed.iter().position(|known| is_same_network(known, entry)) {
                    if listed.get(index).is_some_and(|known| known.rssi_dbm >= entry.rssi_dbm) {
                        continue;
                    }
                    listed.remove(index);
                }
                insert_by_strength(&mut listed, entry);
            }
        }
    }
    listed
}

/// Keeps the list sorted; of equally strong networks the one seen first stays first.
fn insert_by_strength<'a>(listed: &mut Listed<'a>, entry: &'a ScanEntry<'a>) {
    let index = listed.iter().take_while(|known| known.rssi_dbm >= entry.rssi_dbm).count();
    if index >= SCAN_ENTRIES_MAX {
        return;
    }
    if listed.is_full() {
        listed.truncate(SCAN_ENTRIES_MAX - 1);
    }
    // Cannot fail: the index is at most the length, and there is room.
    let inserted = listed.insert(index, entry);
    debug_assert!(inserted.is_ok(), "insertion into a list with room");
}

fn is_same_network(one: &ScanEntry<'_>, other: &ScanEntry<'_>) -> bool {
    one.ssid == other.ssid && one.security == other.security
}

pub(crate) const fn security_name(dialect: Dialect, security: Security) -> &'static str {
    match (dialect, security) {
        (_, Security::Open) => "OPEN",
        (_, Security::Wep) => "WEP",
        (_, Security::Wpa) => "WPA",
        (_, Security::Wpa2) => "WPA2",
        (_, Security::WpaWpa2) => "WPA+WPA2",
        (_, Security::Wpa3) => "WPA3",
        (_, Security::Wpa2Wpa3) => "WPA2+WPA3",
        (_, Security::Wapi) => "WAPI",
        (Dialect::EdgentOld, Security::Wpa2Enterprise) => "WPA2-EAP",
        (_, Security::Wpa2Enterprise) => "WPA2 ENT",
        (_, Security::Unknown)
        | (Dialect::EdgentOld, Security::WpaEnterprise | Security::Wpa3Enterprise | Security::Owe) => {
            "unknown"
        }
        (_, Security::WpaEnterprise) => "WPA ENT",
        (_, Security::Wpa3Enterprise) => "WPA3 ENT",
        (_, Security::Owe) => "OWE",
    }
}

#[cfg(test)]
mod tests;

//! What old and new Edgent and the radio driver keep in ESP32's key-value store.
//!
//! Source: `reference/edgent-device.md` §2 and §8; for the driver ESP-IDF, `esp_wifi`, namespace `nvs.net80211`.

use std::collections::BTreeMap;

use crate::bytes::{shown, slice_at, u32_at};
use crate::finding::{Certainty, Content, Finding, Inspection, Liveness, Note, SecretLength};
use crate::nvs::{Entry, Page, Value, partitions};
use crate::{network_entry, old_record};

pub(crate) fn find(image: &[u8], inspection: &mut Inspection) {
    for partition in partitions(image) {
        inspection.key_value_pages += partition.len();
        find_in_partition(&partition, inspection);
    }
}

fn find_in_partition(pages: &[Page<'_>], inspection: &mut Inspection) {
    let mut entries = Vec::new();
    for page in pages {
        let (found, unreadable_count) = page.entries();
        entries.extend(found);
        if unreadable_count > 0 {
            inspection
                .notes
                .push(Note::UnreadableNvsPage { offset: page.offset, entry_count: unreadable_count });
        }
    }
    let namespaces = namespaces(&entries);
    for entry in entries.iter().filter(|entry| entry.namespace_index != 0) {
        let namespace = namespaces.get(&entry.namespace_index).copied();
        if let Some((content, holds_home)) = content(namespace, entry) {
            inspection.findings.push(Finding {
                region: entry.region,
                certainty: if namespace.is_some() { Certainty::Certain } else { Certainty::Perhaps },
                liveness: if entry.is_deleted { Liveness::Deleted } else { Liveness::Live },
                holds_home,
                content,
            });
        }
    }
}

/// Names by number; a name that is in use wins over a deleted one.
fn namespaces<'a>(entries: &[Entry<'a>]) -> BTreeMap<u8, &'a str> {
    let mut names = BTreeMap::new();
    for is_deleted in [true, false] {
        for entry in
            entries.iter().filter(|entry| entry.namespace_index == 0 && entry.is_deleted == is_deleted)
        {
            if let Value::U8(index) = entry.value {
                names.insert(index, entry.key);
            }
        }
    }
    names
}

/// What an entry is, and whether it is part of a home. An unknown namespace counts as any: its name may be gone.
fn content(namespace: Option<&str>, entry: &Entry<'_>) -> Option<(Content, bool)> {
    let is_in = |name: &str| namespace.is_none_or(|found| found == name);
    match (entry.key, entry.value) {
        ("config", Value::Blob(bytes)) if is_in("blynk") => Some(old_content(bytes)),
        ("auth", Value::Text(token)) if is_in("blynk") => {
            Some((Content::EdgentNewToken { token: SecretLength(token.len()) }, !token.is_empty()))
        }
        // The server's name alone is a default of many firmwares; it goes with the rest, but is no home.
        ("host", Value::Text(host)) if is_in("blynk") => {
            Some((Content::EdgentNewHost { host: shown(host) }, false))
        }
        (key, Value::Blob(bytes)) if is_in("nm_wifi") && is_network_key(key) => {
            let is_written = bytes.iter().any(|&byte| byte != 0xFF && byte != 0);
            Some((Content::EdgentNewNetwork { network: network_entry::read(bytes) }, is_written))
        }
        (key, Value::Blob(bytes)) if is_in("nvs.net80211") && is_driver_key(key) => {
            let is_written = bytes.iter().any(|&byte| byte != 0xFF && byte != 0);
            Some((Content::RadioDriver { key: key.to_owned(), ssid: driver_ssid(key, bytes) }, is_written))
        }
        _ => None,
    }
}

fn old_content(bytes: &[u8]) -> (Content, bool) {
    match old_record::read(bytes, 0) {
        Some((record, holds_home)) => (Content::EdgentOldRecord(record), holds_home),
        None => (Content::EdgentOldPiece { piece_bytes: bytes.len() }, bytes.iter().any(|&byte| byte != 0)),
    }
}

/// `ap00` to `ap15`.
fn is_network_key(key: &str) -> bool {
    key.strip_prefix("ap")
        .is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

fn is_driver_key(key: &str) -> bool {
    matches!(key, "sta.ssid" | "sta.pswd" | "sta.pmk" | "sta.apinfo")
}

/// A length of four bytes, then the name.
fn driver_ssid(key: &str, bytes: &[u8]) -> Option<String> {
    if key != "sta.ssid" {
        return None;
    }
    let length_bytes = usize::try_from(u32_at(bytes, 0)?).ok()?;
    slice_at(bytes, 4, length_bytes).map(shown)
}

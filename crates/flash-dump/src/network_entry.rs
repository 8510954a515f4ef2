//! New Edgent's stored networks. Source: `reference/edgent-device.md` §8, TLV.

use crate::bytes::{shown, slice_at, u8_at};
use crate::finding::{
    Certainty, Content, Finding, Inspection, Liveness, MaskedNetwork, Region, SecretLength,
};

/// Longest entry in bytes.
const ENTRY_BYTES_MAX: usize = 256;

const TAG_SSID: u8 = 1;
const TAG_PASSWORD: u8 = 2;
const SSID_BYTES_MAX: usize = 31;
const PASSWORD_BYTES_MIN: usize = 8;
const PASSWORD_BYTES_MAX: usize = 64;

/// Shortest name that is believed outside a named entry: shorter ones occur by chance in programs.
const STRAY_SSID_BYTES_MIN: usize = 2;

/// Looks for entries outside the key-value store, where only their form speaks for them: name and password, printable.
///
/// An open network is too short a pattern to be found so.
pub(crate) fn find(image: &[u8], inspection: &mut Inspection) {
    let covered = inspection.covered();
    let mut skip_until = 0;
    for offset in image.iter().enumerate().filter_map(|(offset, &byte)| (byte == TAG_SSID).then_some(offset))
    {
        if offset < skip_until || covered.contains(offset) {
            continue;
        }
        if let Some((network, length_bytes)) = read_stray(image, offset) {
            let region = Region { offset, length_bytes };
            skip_until = region.end();
            inspection.findings.push(Finding {
                region,
                certainty: Certainty::Perhaps,
                liveness: Liveness::Unknown,
                holds_home: true,
                content: Content::EdgentNewNetwork { network: Some(network) },
            });
        }
    }
}

fn read_stray(image: &[u8], offset: usize) -> Option<(MaskedNetwork, usize)> {
    let ssid_bytes = usize::from(u8_at(image, offset + 1)?);
    if !(STRAY_SSID_BYTES_MIN..=SSID_BYTES_MAX).contains(&ssid_bytes) {
        return None;
    }
    let ssid = slice_at(image, offset + 2, ssid_bytes)?;
    let password_at = offset + 2 + ssid_bytes;
    if u8_at(image, password_at)? != TAG_PASSWORD {
        return None;
    }
    let password_bytes = usize::from(u8_at(image, password_at + 1)?);
    if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password_bytes) {
        return None;
    }
    let password = slice_at(image, password_at + 2, password_bytes)?;
    let is_name = str::from_utf8(ssid).is_ok_and(|text| !text.chars().any(char::is_control));
    let is_typed = password.iter().all(|&byte| byte.is_ascii_graphic() || byte == b' ');
    let network = MaskedNetwork {
        ssid: shown(ssid),
        password: SecretLength(password_bytes),
        has_static_address: false,
    };
    (is_name && is_typed).then_some((network, 4 + ssid_bytes + password_bytes))
}

/// Reads a whole entry, as the firmware does: an unknown tag or a cut field drops it.
pub(crate) fn read(entry: &[u8]) -> Option<MaskedNetwork> {
    if entry.len() > ENTRY_BYTES_MAX {
        return None;
    }
    let mut ssid = None;
    let mut password = SecretLength(0);
    let mut has_static_address = false;
    let mut rest = entry;
    while let Some((&tag, fields)) = rest.split_first() {
        let (value_bytes, fields) = match tag {
            TAG_SSID | TAG_PASSWORD => {
                fields.split_first().map(|(&length, value)| (usize::from(length), value))?
            }
            3 => (6, fields),
            4 => (1, fields),
            5 => (0, fields),
            10..=13 => (4, fields),
            _ => return None,
        };
        let (value, next) = fields.split_at_checked(value_bytes)?;
        match tag {
            TAG_SSID => ssid = Some(shown(value)),
            TAG_PASSWORD => password = SecretLength(value.len()),
            10 => has_static_address = true,
            _ => {}
        }
        rest = next;
    }
    Some(MaskedNetwork { ssid: ssid?, password, has_static_address })
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::SecretLength;

    #[test]
    fn the_reference_examples_are_read() {
        let home = read(b"\x01\x04Home\x02\x09password1\x03\x24\x6f\x28\xaa\xbb\xcc\x04\x06").unwrap();
        assert_eq!(
            (home.ssid.as_str(), home.password, home.has_static_address),
            ("Home", SecretLength(9), false)
        );
        let lab = read(
            b"\x01\x03Lab\x0a\xc0\xa8\x01\x32\x0b\xc0\xa8\x01\x01\x0c\xff\xff\xff\x00\x0d\x08\x08\x08\x08",
        )
        .unwrap();
        assert_eq!((lab.ssid.as_str(), lab.password, lab.has_static_address), ("Lab", SecretLength(0), true));
    }

    #[test]
    fn cut_entries_and_unknown_tags_are_refused() {
        for entry in [
            &b"\x01\x04Hom"[..],
            b"\x01\x04Home\x07",
            b"\x02\x09password1",
            b"",
            b"\x01",
            b"\x01\x01a\x0a\x01",
        ] {
            assert_eq!(read(entry), None);
        }
    }
}

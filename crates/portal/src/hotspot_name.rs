//! The name of a device, which is the SSID of its hotspot. Source: `reference/edgent-device.md` §4.

use crate::dialect::Dialect;

/// Longest hotspot name in bytes. New Edgent uses at most 29 of them.
pub const HOTSPOT_NAME_BYTES_MAX: usize = 31;

/// Length of the suffix in characters.
pub const NAME_SUFFIX_BYTES: usize = 4;

/// Name of a device and SSID of its hotspot.
pub type HotspotName = heapless::String<HOTSPOT_NAME_BYTES_MAX>;

/// Length of the suffix of Edgent 1.0.1 and 1.1.0 in characters.
const HEX_SUFFIX_BYTES: usize = 5;

const OLD_ALPHABET: &[u8; 24] = b"0W8N4Y1HP5DF9K6JM3C2UA7R";
const NEW_ALPHABET: &[u8; 24] = b"0W8N4Y1HP5DF9K6JM3C2XA7R";

/// Longest name of new Edgent in bytes.
const NEW_NAME_BYTES_MAX: usize = 29;

/// Space, dash and suffix, as old Edgent reserves them: 6 bytes.
const OLD_RESERVED_BYTES: usize = 6;

/// Returns the hotspot name of an ESP32 with this base hardware address.
///
/// Ours follows new Edgent but uses all 31 bytes. Names are always cut on a character boundary; stock firmware cuts
/// anywhere, which differs only for template names outside ASCII.
#[must_use]
pub fn hotspot_name(dialect: Dialect, prefix: &str, template_name: &str, mac: [u8; 6]) -> HotspotName {
    hotspot_name_from_id(dialect, prefix, template_name, &name_id_of_esp32(mac))
}

/// Returns the hotspot name of a device with this id (ESP8266: the 6 bytes of its station address).
#[must_use]
pub fn hotspot_name_from_id(dialect: Dialect, prefix: &str, template_name: &str, id: &[u8]) -> HotspotName {
    let suffix = name_suffix(dialect, id);
    let total_max = match dialect {
        Dialect::EdgentNew => NEW_NAME_BYTES_MAX,
        Dialect::EdgentOld | Dialect::Rehome => HOTSPOT_NAME_BYTES_MAX,
    };
    // Priority: prefix, suffix, name.
    let prefix = cut_text(prefix, total_max - 1 - NAME_SUFFIX_BYTES);
    let room = match dialect {
        Dialect::EdgentOld => (HOTSPOT_NAME_BYTES_MAX - OLD_RESERVED_BYTES).saturating_sub(prefix.len()),
        Dialect::EdgentNew | Dialect::Rehome => {
            (total_max - 2 - NAME_SUFFIX_BYTES).saturating_sub(prefix.len())
        }
    };
    let is_name_left_out = dialect != Dialect::EdgentOld && prefix == template_name;
    let template_name = if is_name_left_out { "" } else { cut_text(template_name, room) };
    // A cut may leave a space before the dash, which looks like a mistake; stock firmware keeps it.
    let template_name = if dialect == Dialect::Rehome { template_name.trim_end() } else { template_name };
    let space = if prefix.is_empty() || template_name.is_empty() { "" } else { " " };
    let mut name = HotspotName::new();
    for part in [prefix, space, template_name, "-", suffix.as_str()] {
        let pushed = name.push_str(part);
        debug_assert!(pushed.is_ok(), "the parts were cut to fit");
    }
    name
}

/// Returns the id that an ESP32's names are made from: its base hardware address and two zero bytes.
#[must_use]
pub fn name_id_of_esp32(mac: [u8; 6]) -> [u8; 8] {
    let mut id = [0; 8];
    for (target, source) in id.iter_mut().zip(mac) {
        *target = source;
    }
    id
}

/// Returns the four-character suffix of a device id; old Edgent has its own alphabet.
#[must_use]
pub fn name_suffix(dialect: Dialect, id: &[u8]) -> heapless::String<NAME_SUFFIX_BYTES> {
    let alphabet = if dialect == Dialect::EdgentOld { OLD_ALPHABET } else { NEW_ALPHABET };
    let digit = |value: u32| alphabet.iter().cycle().nth((value % 24) as usize).copied().unwrap_or_default();
    let mut suffix = heapless::String::new();
    let mut number = crc32_of_four_copies(id);
    let mut previous = 0;
    for _ in 0..NAME_SUFFIX_BYTES {
        let mut character = digit(number);
        if character == previous {
            character = digit((number % 24) + 1);
        }
        let pushed = suffix.push(char::from(character));
        debug_assert!(pushed.is_ok(), "four characters fit");
        previous = character;
        number /= 24;
    }
    suffix
}

/// Returns the suffix of Edgent 1.0.1 and 1.1.0: five hexadecimal digits.
#[must_use]
pub fn name_suffix_hex(id: &[u8]) -> heapless::String<5> {
    let number = crc32_of_four_copies(id);
    let mut suffix = heapless::String::new();
    for shift in [16, 12, 8, 4, 0] {
        let digit = char::from_digit((number >> shift) & 0xF, 16).unwrap_or_default();
        let pushed = suffix.push(digit.to_ascii_uppercase());
        debug_assert!(pushed.is_ok(), "five characters fit");
    }
    suffix
}

/// Says whether this may be the hotspot of a device: something before a dash, and behind it a suffix as
/// [`name_suffix`] or [`name_suffix_hex`] makes them. Other access points may have such names by chance.
#[must_use]
pub fn may_be_hotspot_name(ssid: &[u8]) -> bool {
    let Ok(name) = str::from_utf8(ssid) else {
        return false;
    };
    let Some((before, suffix)) = name.rsplit_once('-') else {
        return false;
    };
    if before.trim().is_empty() || name.len() > HOTSPOT_NAME_BYTES_MAX {
        return false;
    }
    let is_of = |alphabet: &[u8; 24]| suffix.bytes().all(|byte| alphabet.contains(&byte));
    // No suffix has the same character twice in a row, see `name_suffix`.
    let has_pair = suffix.bytes().zip(suffix.bytes().skip(1)).any(|(one, next)| one == next);
    match suffix.len() {
        NAME_SUFFIX_BYTES => (is_of(OLD_ALPHABET) || is_of(NEW_ALPHABET)) && !has_pair,
        HEX_SUFFIX_BYTES => suffix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')),
        _ => false,
    }
}

/// CRC-32, reflected polynomial 0xEDB88320, of the id repeated four times.
fn crc32_of_four_copies(id: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in core::iter::repeat_n(id, 4).flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn cut_text(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

#[cfg(test)]
mod tests;

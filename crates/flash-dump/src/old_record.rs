//! Old Edgent's stored configuration. Source: `reference/edgent-device.md` §2.

use serde::Serialize;

use crate::bytes::{positions_of, shown, slice_at, terminated, u8_at, u16_at, u32_at};
use crate::finding::{Certainty, Content, Finding, Inspection, Liveness, Region, SecretLength};

/// Bytes of the packed record.
pub(crate) const RECORD_BYTES: usize = 212;

/// 0x626C6E6B as it lies in flash.
const MAGIC: [u8; 4] = 0x626C_6E6B_u32.to_le_bytes();

const FLAGS_KNOWN: u8 = 0x03;
const FLAG_VALID: u8 = 0x01;
const FLAG_STATIC_IP: u8 = 0x02;

/// What the token field holds when there is none.
const NO_TOKEN: &[u8] = b"invalid token";

/// Old Edgent's record without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OldRecord {
    /// Firmware version that wrote it.
    pub version: String,
    /// The firmware uses it at boot.
    pub is_valid: bool,
    /// Network name.
    pub ssid: String,
    /// Network password.
    #[serde(rename = "password_bytes")]
    pub password: SecretLength,
    /// Device token; 0 for the text that stands for none.
    #[serde(rename = "token_bytes")]
    pub token: SecretLength,
    /// Server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether a fixed address is used.
    pub has_static_address: bool,
    /// Code of the last error.
    pub last_error: u32,
}

/// Looks for the magic number anywhere: in EEPROM at the start of a sector, in NVS behind an entry.
///
/// The firmware's own image holds a record of defaults as a constant; it is told apart by holding nothing of a home.
pub(crate) fn find(image: &[u8], inspection: &mut Inspection) {
    let covered = inspection.covered();
    for offset in positions_of(image, MAGIC) {
        if covered.contains(offset) {
            continue;
        }
        if let Some((record, holds_home)) = read(image, offset) {
            inspection.findings.push(Finding {
                region: Region { offset, length_bytes: RECORD_BYTES },
                certainty: Certainty::Certain,
                liveness: if record.is_valid { Liveness::Unknown } else { Liveness::Deleted },
                holds_home,
                content: Content::EdgentOldRecord(record),
            });
        }
    }
}

/// Reads a record and whether it holds something of a home. `None` if a field does not have its form.
pub(crate) fn read(image: &[u8], offset: usize) -> Option<(OldRecord, bool)> {
    let record = slice_at(image, offset, RECORD_BYTES)?;
    if !record.starts_with(&MAGIC) {
        return None;
    }
    let flags = u8_at(record, 19)?;
    let version = terminated(slice_at(record, 4, 15)?)?;
    let (ssid, password) = (slice_at(record, 20, 34)?, slice_at(record, 54, 64)?);
    let (token, host) = (slice_at(record, 118, 34)?, slice_at(record, 152, 34)?);
    if flags & !FLAGS_KNOWN != 0 || !version.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let stored_token = terminated(token)?;
    let token_length = if stored_token == NO_TOKEN { 0 } else { stored_token.len() };
    let is_static = flags & FLAG_STATIC_IP != 0;
    let has_address = slice_at(record, 188, 20)?.iter().any(|&byte| byte != 0);
    let masked = OldRecord {
        version: shown(version),
        is_valid: flags & FLAG_VALID != 0,
        ssid: shown(terminated(ssid)?),
        password: SecretLength(terminated(password)?.len()),
        token: SecretLength(token_length),
        host: shown(terminated(host)?),
        port: u16_at(record, 186)?,
        has_static_address: is_static,
        last_error: u32_at(record, 208)?,
    };
    // Whole fields, because a shorter text written over a longer one would leave its end behind the NUL.
    let is_written = |field: &[u8]| field.iter().any(|&byte| byte != 0);
    let is_token_left = token_length > 0 || token.get(stored_token.len()..).is_some_and(is_written);
    Some((masked, is_written(ssid) || is_written(password) || is_token_left || has_address))
}

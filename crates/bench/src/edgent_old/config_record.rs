//! The stored configuration of old Edgent: 212 packed bytes. Source: edgent-device.md §2.

use std::net::Ipv4Addr;

use portal::{ConfigForm, StaticAddress};

use crate::edgent_board::FIRMWARE_VERSION;

/// Size of the record in bytes.
pub(super) const RECORD_BYTES: usize = 212;

const MAGIC: u32 = 0x626C_6E6B;
const FLAG_VALID: u8 = 0x01;
const FLAG_STATIC_IP: u8 = 0x02;
const DEFAULT_TOKEN: &str = "invalid token";
const DEFAULT_HOST: &str = "blynk.cloud";
const DEFAULT_PORT: u16 = 443;

/// Offset of each field in bytes.
mod at {
    pub(super) const MAGIC: usize = 0;
    pub(super) const VERSION: usize = 4;
    pub(super) const FLAGS: usize = 19;
    pub(super) const SSID: usize = 20;
    pub(super) const PASSWORD: usize = 54;
    pub(super) const TOKEN: usize = 118;
    pub(super) const HOST: usize = 152;
    pub(super) const PORT: usize = 186;
    pub(super) const ADDRESSES: [usize; 5] = [188, 192, 196, 200, 204];
    pub(super) const LAST_ERROR: usize = 208;
}

/// Size of each text field in bytes, its closing NUL included.
mod size {
    pub(super) const VERSION: usize = 15;
    pub(super) const SSID: usize = 34;
    pub(super) const PASSWORD: usize = 64;
    pub(super) const TOKEN: usize = 34;
    pub(super) const HOST: usize = 34;
}

/// The record with its fields taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ConfigRecord {
    version: Vec<u8>,
    flags: u8,
    ssid: Vec<u8>,
    password: Vec<u8>,
    token: Vec<u8>,
    host: Vec<u8>,
    port: u16,
    /// Address, mask, gateway and two name servers.
    addresses: [[u8; 4]; 5],
    last_error: u32,
}

/// Password and token stay out.
impl std::fmt::Debug for ConfigRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ConfigRecord")
            .field("flags", &self.flags)
            .field("port", &self.port)
            .field("last_error", &self.last_error)
            .finish_non_exhaustive()
    }
}

impl Default for ConfigRecord {
    fn default() -> Self {
        Self {
            version: FIRMWARE_VERSION.as_bytes().to_vec(),
            flags: 0,
            ssid: Vec::new(),
            password: Vec::new(),
            token: DEFAULT_TOKEN.as_bytes().to_vec(),
            host: DEFAULT_HOST.as_bytes().to_vec(),
            port: DEFAULT_PORT,
            addresses: [[0; 4]; 5],
            last_error: 0,
        }
    }
}

impl ConfigRecord {
    /// Makes the record of a setup: defaults and the new values, VALID clear.
    pub(super) fn from_form(form: &ConfigForm) -> Self {
        let defaults = Self::default();
        let token = form.token.as_ref().map(|token| cut(token.expose().as_bytes(), size::TOKEN));
        let host = form.host.as_ref().map(|host| cut(host.as_bytes(), size::HOST));
        let mut record = Self {
            ssid: cut(&form.ssid, size::SSID),
            password: cut(form.password.expose(), size::PASSWORD),
            token: token.unwrap_or(defaults.token),
            host: host.unwrap_or(defaults.host),
            port: form.port.unwrap_or(defaults.port),
            ..Self::default()
        };
        if let Some(fixed) = &form.static_address {
            record.set_static_address(fixed);
        }
        record
    }

    /// Makes the record of the console's `connect`.
    pub(super) fn from_console(token: &str, ssid: &str, password: &str) -> Self {
        Self {
            ssid: cut(ssid.as_bytes(), size::SSID),
            password: cut(password.as_bytes(), size::PASSWORD),
            token: cut(token.as_bytes(), size::TOKEN),
            ..Self::default()
        }
    }

    fn set_static_address(&mut self, fixed: &StaticAddress) {
        let [dns, dns2] = fixed.dns.map(|dns| dns.unwrap_or(Ipv4Addr::UNSPECIFIED));
        self.addresses =
            [fixed.address, fixed.mask, fixed.gateway, dns, dns2].map(|address| address.octets());
        self.flags |= FLAG_STATIC_IP;
    }

    /// Reads a record; `None` when the magic number is wrong or bytes are missing.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let record = bytes.get(..RECORD_BYTES)?;
        if u32::from_le_bytes(array(record, at::MAGIC)?) != MAGIC {
            return None;
        }
        let [flags] = array(record, at::FLAGS)?;
        let mut addresses = [[0; 4]; 5];
        for (address, offset) in addresses.iter_mut().zip(at::ADDRESSES) {
            *address = array(record, offset)?;
        }
        Some(Self {
            version: text(record, at::VERSION, size::VERSION)?,
            flags,
            ssid: text(record, at::SSID, size::SSID)?,
            password: text(record, at::PASSWORD, size::PASSWORD)?,
            token: text(record, at::TOKEN, size::TOKEN)?,
            host: text(record, at::HOST, size::HOST)?,
            port: u16::from_le_bytes(array(record, at::PORT)?),
            addresses,
            last_error: u32::from_le_bytes(array(record, at::LAST_ERROR)?),
        })
    }

    /// Writes the record as it stands in flash.
    pub(super) fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut record = [0; RECORD_BYTES];
        put(&mut record, at::MAGIC, &MAGIC.to_le_bytes());
        put(&mut record, at::VERSION, &cut(&self.version, size::VERSION));
        put(&mut record, at::FLAGS, &[self.flags]);
        put(&mut record, at::SSID, &cut(&self.ssid, size::SSID));
        put(&mut record, at::PASSWORD, &cut(&self.password, size::PASSWORD));
        put(&mut record, at::TOKEN, &cut(&self.token, size::TOKEN));
        put(&mut record, at::HOST, &cut(&self.host, size::HOST));
        put(&mut record, at::PORT, &self.port.to_le_bytes());
        for (address, offset) in self.addresses.iter().zip(at::ADDRESSES) {
            put(&mut record, offset, address);
        }
        put(&mut record, at::LAST_ERROR, &self.last_error.to_le_bytes());
        record
    }

    /// Returns whether the cloud accepted this configuration once, or `save` was asked for.
    pub(super) fn is_valid(&self) -> bool {
        self.flags & FLAG_VALID != 0
    }

    pub(super) fn mark_valid(&mut self) {
        self.flags |= FLAG_VALID;
    }

    pub(super) fn ssid(&self) -> &[u8] {
        &self.ssid
    }

    /// Returns the password; `None` when there is none.
    pub(super) fn password(&self) -> Option<&[u8]> {
        (!self.password.is_empty()).then_some(self.password.as_slice())
    }

    pub(super) fn token(&self) -> &[u8] {
        &self.token
    }

    /// Returns whether the token is something else than the placeholder of an empty record.
    pub(super) fn has_token(&self) -> bool {
        !self.token.is_empty() && self.token != DEFAULT_TOKEN.as_bytes()
    }

    pub(super) fn host(&self) -> String {
        String::from_utf8_lossy(&self.host).into_owned()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the last error as far as it is a code.
    pub(super) fn last_error(&self) -> u16 {
        u16::try_from(self.last_error).unwrap_or_default()
    }

    pub(super) fn set_last_error(&mut self, code: u16) {
        self.last_error = u32::from(code);
    }
}

/// Cuts text to what fits before the closing NUL, and at a NUL of its own.
fn cut(bytes: &[u8], field_bytes: usize) -> Vec<u8> {
    bytes.iter().copied().take(field_bytes.saturating_sub(1)).take_while(|byte| *byte != 0).collect()
}

fn array<const N: usize>(record: &[u8], offset: usize) -> Option<[u8; N]> {
    record.get(offset..)?.first_chunk().copied()
}

fn text(record: &[u8], offset: usize, field_bytes: usize) -> Option<Vec<u8>> {
    let field = record.get(offset..)?.get(..field_bytes)?;
    Some(cut(field, field_bytes))
}

/// Invariant: every field lies within the record.
fn put(record: &mut [u8; RECORD_BYTES], offset: usize, bytes: &[u8]) {
    debug_assert!(offset + bytes.len() <= RECORD_BYTES, "fields lie within the record");
    for (slot, byte) in record.iter_mut().skip(offset).zip(bytes) {
        *slot = *byte;
    }
}

#[cfg(test)]
mod tests;

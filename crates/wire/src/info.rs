//! The info message: what a device says about itself after its login, in all its dialects.

use crate::body::{BodyWriter, EncodeMessageError};
use crate::fields::{Fields, decimal};

/// Shortest heartbeat a device may use, in seconds. Source: reference §8.
pub const HEARTBEAT_S_MIN: u32 = 10;

/// Longest heartbeat a device may use, in seconds. Source: reference §8.
pub const HEARTBEAT_S_MAX: u32 = 3600;

/// Largest body to assume when a device declares none, in bytes. Source: reference §1, limits.
pub const BUFFER_BYTES_UNDECLARED: usize = 250;

/// A `buff-in` below this, in bytes, with an `h-beat` above it is taken for the two being swapped.
///
/// Our choice: half of the smallest default buffer of the libraries; above the heartbeats people set (10 to 120 s).
const SWAPPED_BUFFER_BYTES_BELOW: u32 = 128;

/// What a device declares about itself. Every key is optional, the order is free.
///
/// The same pairs stand in a firmware image after the marker `blnkinf\0` (reference §6.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Info<'a> {
    /// `mcu`: firmware version, libraries from 1.3.
    pub mcu: Option<&'a str>,
    /// `ncp`: version of a network co-processor, in place of `mcu`.
    pub ncp: Option<&'a str>,
    /// `fw`: firmware version, older libraries, Linux and Python.
    pub fw: Option<&'a str>,
    /// `fw-type`: firmware type, the template id by default.
    pub fw_type: Option<&'a str>,
    /// `build`: `Mmm dd yyyy hh:mm:ss`.
    pub build: Option<&'a str>,
    /// `blynk`: library version, libraries from 1.3.
    pub blynk: Option<&'a str>,
    /// `ver`: library version, older libraries, Linux, Python and JavaScript.
    pub ver: Option<&'a str>,
    /// `h-beat` as declared, in seconds; read it through [`Info::heartbeat_s`].
    pub declared_heartbeat_s: Option<u32>,
    /// `buff-in` as declared, in bytes; read it through [`Info::body_bytes_max`].
    pub declared_buffer_bytes: Option<u32>,
    /// `dev`: board name.
    pub dev: Option<&'a str>,
    /// `cpu`: CPU name.
    pub cpu: Option<&'a str>,
    /// `con`: connection type.
    pub con: Option<&'a str>,
    /// `conn`: the same in the Linux build.
    pub conn: Option<&'a str>,
    /// `tmpl`: template id.
    pub tmpl: Option<&'a str>,
    /// `rehome`: version of claim and signed release that the firmware speaks. Stock firmware never sends it.
    pub rehome: Option<u8>,
    /// `epoch`: number of the ownership that the device is in, as it counts. Ours.
    pub epoch: Option<u32>,
    /// `rkey`: fingerprint of the release key it holds, see [`crate::key_fingerprint`]. Ours.
    pub release_key: Option<&'a str>,
    /// `bench`: 1 while the device lives on a home in RAM, which a restart forgets. Ours.
    pub bench: Option<u8>,
    /// `uid`: the device's UID, so that it is known before a release key is offered. Ours; stock firmware sends it as
    /// metadata.
    pub uid: Option<&'a str>,
}

impl<'a> Info<'a> {
    /// Reads the pairs of a body.
    ///
    /// Unknown keys, values that are empty, not UTF-8, or not numbers where a number belongs, and a last key without a
    /// value are left out: a device that says something odd about itself still gets its session. Returns `None` when there
    /// is no key of the info message at all.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let mut info = Self::default();
        let mut has_known_key = false;
        let mut fields = Fields::new(body);
        while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
            has_known_key |= info.set(key, value);
        }
        has_known_key.then_some(info)
    }

    /// Returns the version of the firmware, whichever key names it.
    #[must_use]
    pub fn firmware_version(&self) -> Option<&'a str> {
        self.mcu.or(self.fw).or(self.ncp)
    }

    /// Returns the version of the library, whichever key names it.
    #[must_use]
    pub fn library_version(&self) -> Option<&'a str> {
        self.blynk.or(self.ver)
    }

    /// Returns the connection type, whichever key names it.
    #[must_use]
    pub fn connection(&self) -> Option<&'a str> {
        self.con.or(self.conn)
    }

    /// Returns the heartbeat in seconds, within what a device may use; `None` when it is not declared.
    ///
    /// One Python library sends `h-beat` and `buff-in` with each other's value; that is put right here.
    #[must_use]
    pub fn heartbeat_s(&self) -> Option<u32> {
        let declared = if self.is_swapped() { self.declared_buffer_bytes } else { self.declared_heartbeat_s };
        declared.map(|seconds| seconds.clamp(HEARTBEAT_S_MIN, HEARTBEAT_S_MAX))
    }

    /// Returns the largest body that may be sent to the device, in bytes.
    ///
    /// A larger one makes it disconnect, and the value never arrives. 250 when nothing usable is declared.
    #[must_use]
    pub fn body_bytes_max(&self) -> usize {
        let declared = if self.is_swapped() { self.declared_heartbeat_s } else { self.declared_buffer_bytes };
        match declared {
            None | Some(0) => BUFFER_BYTES_UNDECLARED,
            Some(bytes) => usize::from(u16::try_from(bytes).unwrap_or(u16::MAX)),
        }
    }

    /// Whether the device says that its home is on the bench.
    #[must_use]
    pub const fn is_on_bench(&self) -> bool {
        matches!(self.bench, Some(1..))
    }

    fn is_swapped(&self) -> bool {
        match (self.declared_heartbeat_s, self.declared_buffer_bytes) {
            (Some(heartbeat), Some(buffer)) => {
                buffer < SWAPPED_BUFFER_BYTES_BELOW && heartbeat >= SWAPPED_BUFFER_BYTES_BELOW
            }
            _ => false,
        }
    }

    /// Takes one pair and tells whether the key is one of the info message. The first of equal keys counts.
    fn set(&mut self, key: &[u8], value: &'a [u8]) -> bool {
        let text = core::str::from_utf8(value).ok().filter(|text| !text.is_empty());
        match key {
            b"mcu" => self.mcu = self.mcu.or(text),
            b"ncp" => self.ncp = self.ncp.or(text),
            b"fw" => self.fw = self.fw.or(text),
            b"fw-type" => self.fw_type = self.fw_type.or(text),
            b"build" => self.build = self.build.or(text),
            b"blynk" => self.blynk = self.blynk.or(text),
            b"ver" => self.ver = self.ver.or(text),
            b"h-beat" => {
                self.declared_heartbeat_s = self.declared_heartbeat_s.or(decimal(value, "h-beat").ok());
            }
            b"buff-in" => {
                self.declared_buffer_bytes = self.declared_buffer_bytes.or(decimal(value, "buff-in").ok());
            }
            b"dev" => self.dev = self.dev.or(text),
            b"cpu" => self.cpu = self.cpu.or(text),
            b"con" => self.con = self.con.or(text),
            b"conn" => self.conn = self.conn.or(text),
            b"tmpl" => self.tmpl = self.tmpl.or(text),
            b"rehome" => self.rehome = self.rehome.or(decimal(value, "rehome").ok()),
            b"epoch" => self.epoch = self.epoch.or(decimal(value, "epoch").ok()),
            b"rkey" => self.release_key = self.release_key.or(text),
            b"bench" => self.bench = self.bench.or(decimal(value, "bench").ok()),
            b"uid" => self.uid = self.uid.or(text),
            _ => return false,
        }
        true
    }

    /// Writes the pairs that are set, in the order of the Arduino library, then the template, then ours.
    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        if *self == Self::default() {
            return Err(EncodeMessageError::MissingField { name: "info" });
        }
        write_text(writer, "mcu", self.mcu)?;
        write_text(writer, "ncp", self.ncp)?;
        write_text(writer, "ver", self.ver)?;
        write_text(writer, "fw-type", self.fw_type)?;
        write_text(writer, "fw", self.fw)?;
        write_text(writer, "build", self.build)?;
        write_text(writer, "blynk", self.blynk)?;
        write_number(writer, "h-beat", self.declared_heartbeat_s)?;
        write_number(writer, "buff-in", self.declared_buffer_bytes)?;
        write_text(writer, "dev", self.dev)?;
        write_text(writer, "cpu", self.cpu)?;
        write_text(writer, "con", self.con)?;
        write_text(writer, "conn", self.conn)?;
        write_text(writer, "tmpl", self.tmpl)?;
        write_number(writer, "rehome", self.rehome.map(u32::from))?;
        write_number(writer, "epoch", self.epoch)?;
        write_text(writer, "rkey", self.release_key)?;
        write_number(writer, "bench", self.bench.map(u32::from))?;
        write_text(writer, "uid", self.uid)
    }
}

fn write_text(
    writer: &mut BodyWriter<'_>,
    key: &'static str,
    value: Option<&str>,
) -> Result<(), EncodeMessageError> {
    let Some(value) = value else {
        return Ok(());
    };
    writer.raw(key.as_bytes())?;
    // An empty last value would read as a key without one.
    writer.name(value, key)
}

fn write_number(
    writer: &mut BodyWriter<'_>,
    key: &'static str,
    value: Option<u32>,
) -> Result<(), EncodeMessageError> {
    let Some(value) = value else {
        return Ok(());
    };
    writer.raw(key.as_bytes())?;
    writer.integer(value.into())
}

#[cfg(test)]
mod tests;

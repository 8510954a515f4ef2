//! What a firmware image says about itself, and whether it is news to a device.
//!
//! Libraries put the pairs of their info message into the image, after the marker `blnkinf\0` and ended by an empty field
//! (reference/wire-protocol.md 6.1, mqtt-api.md 6).

use std::cmp::Ordering;

const MARKER: &[u8] = b"blnkinf\0";

/// 64 bytes for one field of the tag: versions, build times and template ids have fewer than 30.
const FIELD_BYTES_MAX: usize = 64;

/// Bytes of the longest version that a device with Rehome's agent takes: `FIRMWARE_VERSION_BYTES_MAX` of the crate `device`.
pub const VERSION_BYTES_MAX: usize = 32;

/// 32 pairs: libraries write six.
const PAIRS_MAX: usize = 32;

/// The tag of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareTag {
    /// `fw-type`: which devices it is for; by default the template id.
    pub kind: String,
    /// `mcu`: its version.
    pub version: String,
    /// `build`: `Mmm dd yyyy hh:mm:ss`, as compilers write it.
    pub build: Option<String>,
    /// `blynk`: version of the library in it.
    pub library: Option<String>,
}

/// What a device said about the firmware it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunningFirmware {
    /// Firmware type.
    pub kind: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Build time, as compilers write it.
    pub build: Option<String>,
    /// Version of the library.
    pub library: Option<String>,
}

/// Why an image has no usable tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindTagError {
    /// The marker is nowhere in the file.
    #[error(
        "the file holds no firmware tag (`blnkinf`); build it with BLYNK_FIRMWARE_VERSION and a template id"
    )]
    Missing,
    /// The marker is there, version or type are not.
    #[error("the firmware tag names no version (`mcu`) or no type (`fw-type`)")]
    Incomplete,
    /// The version is longer than devices take.
    #[error(
        "the version in the firmware tag (`mcu`) has {bytes} bytes, and devices refuse one of more than \
         {VERSION_BYTES_MAX}; shorten BLYNK_FIRMWARE_VERSION and build the image again"
    )]
    LongVersion {
        /// Bytes of the version.
        bytes: usize,
    },
}

impl FirmwareTag {
    /// Finds the tag in an image.
    ///
    /// The marker alone may also stand in the code that looks for it, so the first complete tag counts.
    ///
    /// # Errors
    /// When there is no complete tag, or the first one names a version that devices refuse.
    pub fn find(image: &[u8]) -> Result<Self, FindTagError> {
        let mut error = FindTagError::Missing;
        let mut rest = image;
        while let Some(start) = rest.windows(MARKER.len()).position(|window| window == MARKER) {
            rest = rest.get(start + MARKER.len()..).unwrap_or_default();
            match read_pairs(rest) {
                Some(tag) if tag.version.len() > VERSION_BYTES_MAX => {
                    return Err(FindTagError::LongVersion { bytes: tag.version.len() });
                }
                Some(tag) => return Ok(tag),
                None => error = FindTagError::Incomplete,
            }
        }
        Err(error)
    }

    /// Says whether a device that runs `running` runs this very firmware.
    #[must_use]
    pub fn is_running(&self, running: &RunningFirmware) -> bool {
        running.version.as_ref() == Some(&self.version)
            && match (&self.build, &running.build) {
                (Some(ours), Some(theirs)) => ours == theirs,
                // Not every library sends its build time.
                _ => true,
            }
    }
}

fn read_pairs(bytes: &[u8]) -> Option<FirmwareTag> {
    let mut fields = bytes.split(|byte| *byte == 0);
    let (mut kind, mut version, mut build, mut library) = (None, None, None, None);
    for _ in 0..PAIRS_MAX {
        let Some(key) = fields.next().filter(|key| !key.is_empty()) else { break };
        let value = text_field(fields.next()?)?;
        match key {
            b"mcu" => version = Some(value),
            b"fw-type" => kind = Some(value),
            b"build" => build = Some(value),
            b"blynk" => library = Some(value),
            _ => {}
        }
    }
    Some(FirmwareTag { kind: kind?, version: version?, build, library })
}

fn text_field(bytes: &[u8]) -> Option<String> {
    let is_printable = |byte: &u8| (0x20..0x7F).contains(byte);
    let is_text = !bytes.is_empty() && bytes.len() <= FIELD_BYTES_MAX && bytes.iter().all(is_printable);
    is_text.then(|| bytes.iter().copied().map(char::from).collect())
}

/// When a device gets an image. Source: reference/console-features.md 11, "apply when".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ApplyRule {
    /// The device runs a lower version.
    #[default]
    LowerVersion,
    /// The device runs an earlier build.
    EarlierBuild,
    /// The device runs another build, earlier or later.
    AnotherBuild,
    /// The device's library is of a lower version.
    LowerLibrary,
}

impl ApplyRule {
    /// Every value.
    pub const ALL: [Self; 4] =
        [Self::LowerVersion, Self::EarlierBuild, Self::AnotherBuild, Self::LowerLibrary];

    /// Returns the name used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LowerVersion => "lower_version",
            Self::EarlierBuild => "earlier_build",
            Self::AnotherBuild => "another_build",
            Self::LowerLibrary => "lower_library",
        }
    }

    /// Reads the name used in the API and in the store.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }

    /// Says whether `image` is for a device that runs `running`.
    #[must_use]
    pub fn judge(self, image: &FirmwareTag, running: &RunningFirmware) -> Eligibility {
        if running.kind.as_ref() != Some(&image.kind) {
            return Eligibility::TypeMismatch;
        }
        let is_lower =
            |theirs: &Option<String>, ours: Option<&str>, compare: fn(&str, &str) -> Option<Ordering>| {
                theirs.as_deref().zip(ours).and_then(|(theirs, ours)| compare(theirs, ours))
                    == Some(Ordering::Less)
            };
        let is_wanted = match self {
            Self::LowerVersion => is_lower(&running.version, Some(&image.version), compare_versions),
            Self::EarlierBuild => is_lower(&running.build, image.build.as_deref(), compare_builds),
            Self::AnotherBuild => running.build.is_some() && running.build != image.build,
            Self::LowerLibrary => is_lower(&running.library, image.library.as_deref(), compare_versions),
        };
        if is_wanted { Eligibility::Eligible } else { Eligibility::VersionMismatch }
    }
}

/// Whether a device is to get an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eligibility {
    /// It is.
    Eligible,
    /// The image is for another type of firmware.
    TypeMismatch,
    /// The rule is not met, or the device does not say enough about itself to tell.
    VersionMismatch,
}

/// Compares `1.10.2` with `1.9`: numbers between dots, missing ones are 0, a leading `v` is passed over, and what follows the
/// numbers (`-beta`) makes a version lower than the same without it.
fn compare_versions(left: &str, right: &str) -> Option<Ordering> {
    let (left_numbers, left_rest) = version_parts(left)?;
    let (right_numbers, right_rest) = version_parts(right)?;
    let count = left_numbers.len().max(right_numbers.len());
    let number = |numbers: &[u64], index: usize| numbers.get(index).copied().unwrap_or(0);
    let by_numbers = (0..count)
        .map(|index| number(&left_numbers, index).cmp(&number(&right_numbers, index)))
        .find(|order| order.is_ne());
    Some(by_numbers.unwrap_or_else(|| match (left_rest.is_empty(), right_rest.is_empty()) {
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ => left_rest.cmp(right_rest),
    }))
}

fn version_parts(text: &str) -> Option<(Vec<u64>, &str)> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (numbers, rest) = text.split_at_checked(end)?;
    let numbers: Option<Vec<u64>> =
        numbers.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect();
    Some((numbers?, rest))
}

/// Compares build times of the form `Jan 19 2024 12:25:30` (`__DATE__ " " __TIME__`, C standard, 6.10.8.1).
fn compare_builds(left: &str, right: &str) -> Option<Ordering> {
    Some(build_moment(left)?.cmp(&build_moment(right)?))
}

fn build_moment(text: &str) -> Option<(u32, usize, u32, u32)> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_ascii_whitespace();
    let month = words.next().and_then(|name| MONTHS.iter().position(|month| *month == name))?;
    let day: u32 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let year: u32 = words.next()?.parse().ok()?;
    let mut clock =
        words.next()?.split(':').map(|part| part.parse::<u32>().ok().filter(|number| *number < 60));
    let seconds = clock.next()?? * 3_600 + clock.next()?? * 60 + clock.next()??;
    Some((year, month, day, seconds))
}

#[cfg(test)]
mod tests;

//! Two slots for programs, as a chip has them for firmware: `<state>/slots/a`, `<state>/slots/b`, and a record of which
//! of them runs.
//!
//! The record is replaced as a whole and is on the disk before anything depends on it, so a power cut leaves the old or
//! the new one. Without a record the installed program runs; it is also what is left when a slot cannot be used.

use std::cmp::Ordering;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use device::{
    Download, FirmwareSlots, FirmwareVersion, IMAGE_PIECE_BYTES, ImageFacts, SlotState, is_version,
};
use lifecycle::SlotFault;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::identity::replace;
use crate::platform::LinuxPlatform;

/// Bytes of the largest program: a statically linked one with everything in it stays far below.
const PROGRAM_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// Name of the record.
const RECORD_FILE: &str = "active";
/// Name of the note of what is being received.
const DOWNLOAD_FILE: &str = "incoming";
/// While a program is received nobody may run it.
const MODE_RECEIVED: u32 = 0o600;
/// A whole program: for the agent's user only.
const MODE_RUNNABLE: u32 = 0o700;

/// One of the two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotName {
    /// The first.
    A,
    /// The second.
    B,
}

impl SlotName {
    /// `a` or `b`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// Reads what [`SlotName::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "a" => Some(Self::A),
            "b" => Some(Self::B),
            _ => None,
        }
    }
}

/// A whole program in a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Program {
    slot: SlotName,
    sha256: [u8; 32],
    version: String,
    /// Version of the installed program when this one was tried; `None` in records of earlier programs.
    #[serde(default)]
    installed: Option<String>,
}

/// How far a new program has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// To be started next.
    New,
    /// Started once.
    Trying,
    /// Started once, in vain.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Candidate {
    program: Program,
    stage: Stage,
    /// Version of what ran when it was installed.
    former: String,
}

/// Which program runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// `None` is the installed program.
    confirmed: Option<Program>,
    candidate: Option<Candidate>,
}

impl Record {
    /// Versions go into requests, logs and events, and a candidate is in the slot that is free.
    fn is_sound(&self) -> bool {
        let candidate = self.candidate.as_ref().map(|candidate| &candidate.program);
        let has_versions = [self.confirmed.as_ref(), candidate]
            .into_iter()
            .flatten()
            .all(|program| is_version(&program.version));
        let is_apart = self.confirmed.as_ref().map(|program| program.slot)
            != candidate.map(|program| program.slot)
            || candidate.is_none();
        has_versions && is_apart
    }
}

/// What the free slot is being filled with.
#[derive(Debug, Serialize, Deserialize)]
struct Incoming {
    image_bytes: u32,
    sha256: [u8; 32],
    version: String,
    etag: String,
}

/// What is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The installed program.
    Installed,
    /// A program that has proved itself.
    Confirmed {
        /// Its slot.
        slot: SlotName,
        /// Its file.
        path: PathBuf,
    },
    /// A program in its only start before it has to be confirmed.
    Trial {
        /// Its slot.
        slot: SlotName,
        /// Its file.
        path: PathBuf,
    },
}

/// The slots of one device.
#[derive(Clone, Debug)]
pub struct ProgramSlots {
    folder: PathBuf,
    /// The slot from which this process was started; `None` is the installed program.
    running: Option<SlotName>,
    /// What the program says of itself.
    built_version: String,
    pub(crate) firmware_key: Option<[u8; 32]>,
}

impl ProgramSlots {
    /// Takes the slots of a state folder, for a process that was started from `running` and was built as `built_version`.
    #[must_use]
    pub fn new(state_dir: &Path, running: Option<SlotName>, built_version: &str) -> Self {
        let (folder, built_version) = (state_dir.join("slots"), built_version.to_owned());
        Self { folder, running, built_version, firmware_key: None }
    }

    /// The version of this program. One from a slot has the version under which it was installed: the options file,
    /// which all programs share, may name another.
    #[must_use]
    pub fn version(&self) -> String {
        let Record { confirmed, candidate } = self.record();
        let programs = [candidate.map(|candidate| candidate.program), confirmed];
        let running = programs.into_iter().flatten().find(|program| self.running == Some(program.slot));
        running.map_or_else(|| self.built_version.clone(), |program| program.version)
    }

    /// Decides what to start, as a boot loader does. What cannot be noted is not tried: it would be tried for ever.
    #[must_use]
    pub fn choose(&self) -> Choice {
        let mut record = self.record();
        if let Some(candidate) = &mut record.candidate {
            let program = candidate.program.clone();
            let path = self.path(program.slot);
            let next = match candidate.stage {
                Stage::New if is_whole(&path, &program) => Stage::Trying,
                Stage::New | Stage::Trying | Stage::Failed => Stage::Failed,
            };
            let was_new = core::mem::replace(&mut candidate.stage, next) == Stage::New;
            if was_new {
                candidate.program.installed = Some(self.built_version.clone());
            }
            let noted = self.write_record(&record);
            if let Err(error) = &noted {
                tracing::error!(%error, "the start of a new program cannot be noted; it is not tried");
            }
            if noted.is_ok() && was_new && next == Stage::Trying {
                return Choice::Trial { slot: program.slot, path };
            }
        }
        if let Some(program) = record.confirmed.take_if(|program| self.is_superseded(program)) {
            tracing::info!(
                "the installed program {} is newer than {} in a slot and runs in its place",
                self.built_version,
                program.version
            );
            if let Err(error) = self.write_record(&record) {
                tracing::warn!(%error, "the older program stays in its slot");
            }
        }
        match record.confirmed {
            Some(program) if is_whole(&self.path(program.slot), &program) => {
                Choice::Confirmed { slot: program.slot, path: self.path(program.slot) }
            }
            Some(program) => {
                tracing::error!(
                    slot = program.slot.as_str(),
                    "the slot is damaged; the installed program runs"
                );
                Choice::Installed
            }
            None => Choice::Installed,
        }
    }

    /// Whether the installed program was upgraded past a confirmed one. An older program over the air is allowed, so one
    /// that was there already when the other was tried is none.
    fn is_superseded(&self, program: &Program) -> bool {
        program.installed.as_ref() != Some(&self.built_version)
            && is_newer(&self.built_version, &program.version)
    }

    /// Whether the program in this slot still has to prove itself.
    pub(crate) fn is_trying(&self, slot: SlotName) -> bool {
        let candidate = self.record().candidate;
        candidate.is_some_and(|candidate| candidate.stage == Stage::Trying && candidate.program.slot == slot)
    }

    /// Whether the next start starts another program than this one.
    pub(crate) fn is_other_due(&self) -> bool {
        let record = self.record();
        let confirmed = record.confirmed.map(|program| program.slot);
        match record.candidate {
            Some(Candidate { stage: Stage::New, .. }) => true,
            Some(Candidate { stage: Stage::Trying, .. }) => false,
            Some(Candidate { stage: Stage::Failed, .. }) | None => confirmed != self.running,
        }
    }

    /// Which program runs, as the agent is told.
    #[must_use]
    pub fn state(&self) -> SlotState {
        let version = |text: &str| FirmwareVersion::try_from(text).unwrap_or_default();
        match self.record().candidate {
            Some(Candidate { stage: Stage::Trying, program, former })
                if self.running == Some(program.slot) =>
            {
                SlotState::OnTrial { former: version(&former) }
            }
            Some(Candidate { stage: Stage::Failed, program, .. }) if self.running != Some(program.slot) => {
                SlotState::Restored { tried: version(&program.version) }
            }
            Some(_) | None => SlotState::Confirmed,
        }
    }

    /// The slot whose program is not needed.
    fn free_slot(&self) -> SlotName {
        match self.record().confirmed.map(|program| program.slot).or(self.running) {
            None | Some(SlotName::B) => SlotName::A,
            Some(SlotName::A) => SlotName::B,
        }
    }

    fn path(&self, slot: SlotName) -> PathBuf {
        self.folder.join(slot.as_str())
    }

    /// A record that cannot be read is as good as none: the installed program runs.
    fn record(&self) -> Record {
        match fs::read(self.folder.join(RECORD_FILE)) {
            Ok(text) => match serde_json::from_slice::<Record>(&text) {
                Ok(record) if record.is_sound() => record,
                Ok(_) => {
                    tracing::error!("the record of the program slots names a version that is none");
                    Record::default()
                }
                Err(error) => {
                    tracing::error!(%error, "the record of the program slots is damaged");
                    Record::default()
                }
            },
            Err(_missing) => Record::default(),
        }
    }

    fn write_record(&self, record: &Record) -> io::Result<()> {
        replace(&self.folder.join(RECORD_FILE), &serde_json::to_string(record)?)
    }

    fn begin(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        self.forget_download()?;
        let mut record = self.record();
        if record.candidate.as_ref().is_some_and(|candidate| candidate.stage == Stage::Trying) {
            return Err(io::Error::other("the running program is not confirmed"));
        }
        // Nothing may point to the slot while it is written.
        record.candidate = None;
        self.write_record(&record)?;
        let path = self.path(self.free_slot());
        // A program that still runs from here must not be written into.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(MODE_RECEIVED).open(path).map(drop)
    }

    fn forget_download(&self) -> io::Result<()> {
        match fs::remove_file(self.folder.join(DOWNLOAD_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn note_download(&self, download: Option<&Download>) -> io::Result<()> {
        let Some(Download { image, etag }) = download else { return self.forget_download() };
        let ImageFacts { image_bytes, sha256, version } = image;
        let incoming = Incoming {
            image_bytes: *image_bytes,
            sha256: *sha256,
            version: version.as_str().to_owned(),
            etag: etag.as_str().to_owned(),
        };
        replace(&self.folder.join(DOWNLOAD_FILE), &serde_json::to_string(&incoming)?)
    }

    /// What the free slot is being filled with, and how many of its bytes are there. A note that makes no sense is none: the
    /// download begins at the beginning.
    #[must_use]
    pub fn noted_download(&self) -> Option<(Download, u32)> {
        let text = fs::read(self.folder.join(DOWNLOAD_FILE)).ok()?;
        let incoming: Incoming = serde_json::from_slice(&text).ok()?;
        let file_bytes = fs::metadata(self.path(self.free_slot())).ok()?.len();
        let piece_bytes = u32::try_from(IMAGE_PIECE_BYTES).ok()?;
        // The last piece may be torn. What is before it is read and checked like all the rest.
        let piece_count = u32::try_from(file_bytes).ok()?.min(incoming.image_bytes) / piece_bytes;
        let written_bytes = piece_count.saturating_sub(1).saturating_mul(piece_bytes);
        let image = ImageFacts {
            image_bytes: incoming.image_bytes,
            sha256: incoming.sha256,
            version: FirmwareVersion::try_from(incoming.version.as_str()).ok()?,
        };
        let etag = heapless::String::try_from(incoming.etag.as_str()).ok()?;
        let download = Download { image, etag };
        (written_bytes > 0 && download.is_usable()).then_some((download, written_bytes))
    }

    fn write_at(&self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(self.free_slot()))?;
        file.write_all_at(bytes, u64::from(offset))
    }

    fn read_at(&self, offset: u32, buffer: &mut [u8]) -> io::Result<()> {
        File::open(self.path(self.free_slot()))?.read_exact_at(buffer, u64::from(offset))
    }

    fn install(&self, image: &ImageFacts) -> io::Result<()> {
        let slot = self.free_slot();
        let file = OpenOptions::new().write(true).open(self.path(slot))?;
        file.set_len(u64::from(image.image_bytes))?;
        file.set_permissions(fs::Permissions::from_mode(MODE_RUNNABLE))?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        let version = image.version.as_str().to_owned();
        let program = Program { slot, sha256: image.sha256, version, installed: None };
        let former = self.version();
        let candidate = Some(Candidate { program, stage: Stage::New, former });
        self.write_record(&Record { candidate, ..self.record() })?;
        self.forget_download()
    }

    fn confirm(&self) -> io::Result<()> {
        let record = self.record();
        match record.candidate {
            Some(Candidate { stage: Stage::Trying, program, .. }) if self.running == Some(program.slot) => {
                self.write_record(&Record { confirmed: Some(program), candidate: None })
            }
            Some(Candidate { stage: Stage::Failed, .. }) => {
                self.write_record(&Record { candidate: None, ..record })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn roll_back(&self) -> io::Result<()> {
        let mut record = self.record();
        if let Some(candidate) = &mut record.candidate {
            candidate.stage = Stage::Failed;
            self.write_record(&record)?;
        }
        Ok(())
    }
}

/// Compares two versions, numbers as numbers: 1.10 is newer than 1.9, and newer than its pre-release 1.10-rc1.
fn is_newer(version: &str, than: &str) -> bool {
    let (mut left, mut right) = (parts(version), parts(than));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return false,
            (None, Some(more)) => return is_pre_release(more),
            (Some(more), None) => return !is_pre_release(more),
            (Some(ours), Some(theirs)) => match compare_parts(ours, theirs) {
                Ordering::Equal => {}
                order => return order == Ordering::Greater,
            },
        }
    }
}

/// Runs of digits, and what is between them.
fn parts(version: &str) -> impl Iterator<Item = &[u8]> {
    version.trim().as_bytes().chunk_by(|one, next| one.is_ascii_digit() == next.is_ascii_digit())
}

fn is_pre_release(more: &[u8]) -> bool {
    more.starts_with(b"-") || more.starts_with(b"~")
}

fn compare_parts(left: &[u8], right: &[u8]) -> Ordering {
    let number = |part| std::str::from_utf8(part).ok().and_then(|digits| digits.parse::<u128>().ok());
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => is_pre_release(right).cmp(&is_pre_release(left)).then_with(|| left.cmp(right)),
    }
}

/// Compares the file with its digest.
fn is_whole(path: &Path, program: &Program) -> bool {
    let digest = || -> io::Result<[u8; 32]> {
        let mut file = File::open(path)?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read_bytes = file.read(&mut buffer)?;
            if read_bytes == 0 {
                return Ok(digest.finalize().into());
            }
            digest.update(buffer.get(..read_bytes).unwrap_or_default());
        }
    };
    match digest() {
        Ok(found) => found == program.sha256,
        Err(error) => {
            tracing::error!(%error, "a program slot cannot be read");
            false
        }
    }
}

fn logged(result: io::Result<()>) -> Result<(), SlotFault> {
    result.map_err(|error| {
        tracing::error!(%error, "the program slots cannot be changed");
        SlotFault
    })
}

/// Writing waits for the disk in the calling thread, a piece at a time; only the end of an update waits for all of it.
impl FirmwareSlots for LinuxPlatform {
    fn slot_bytes(&self) -> Option<u32> {
        self.slots.as_ref().map(|_slots| PROGRAM_BYTES_MAX)
    }

    fn firmware_key(&self) -> Option<[u8; 32]> {
        self.slots.as_ref()?.firmware_key
    }

    fn slot_state(&self) -> SlotState {
        self.slots.as_ref().map(ProgramSlots::state).unwrap_or_default()
    }

    async fn begin_image(&mut self, _image_bytes: u32) -> Result<(), SlotFault> {
        logged(self.slots.as_ref().ok_or(SlotFault)?.begin())
    }

    fn note_download(&mut self, download: Option<&Download>) {
        if let Some(slots) = &self.slots
            && let Err(error) = slots.note_download(download)
        {
            tracing::warn!(%error, "the download cannot be noted; a restart begins it anew");
        }
    }

    fn noted_download(&self) -> Option<(Download, u32)> {
        self.slots.as_ref()?.noted_download()
    }

    async fn write_image(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotFault> {
        logged(self.slots.as_ref().ok_or(SlotFault)?.write_at(offset, bytes))
    }

    async fn read_image(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), SlotFault> {
        logged(self.slots.as_ref().ok_or(SlotFault)?.read_at(offset, buffer))
    }

    async fn boot_on_trial(&mut self, image: &ImageFacts) -> Result<(), SlotFault> {
        logged(self.slots.as_ref().ok_or(SlotFault)?.install(image))
    }

    async fn confirm_firmware(&mut self) -> Result<(), SlotFault> {
        self.slots.as_ref().map_or(Ok(()), |slots| logged(slots.confirm()))
    }

    async fn roll_back_firmware(&mut self) -> Result<(), SlotFault> {
        self.slots.as_ref().map_or(Ok(()), |slots| logged(slots.roll_back()))
    }
}

#[cfg(test)]
mod tests;

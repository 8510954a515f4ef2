//! A file that behaves like NOR flash, so that the home store gives the same guarantees on Linux as on a chip.
//!
//! Bytes are written only where the file is erased, sectors are erased as a whole, and both are on the disk before
//! they are acknowledged. A power cut leaves what it leaves on flash: a write or an erase that happened in part. The
//! file is made once and never replaced, so that an erase overwrites the place where the secret was. What a disk or an
//! SD card keeps of overwritten blocks on its own is beyond any file; see the guide.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Bytes of a sector, the unit of erasing. Source: the flash of ESP32 boards, so that images can be exchanged.
pub const SECTOR_BYTES: usize = 4096;
/// Bytes of a word, the unit of reading and writing. Source: as above.
pub const WORD_BYTES: usize = 4;
/// Size of the file: two journal sectors and two home slots.
pub const STATE_FILE_BYTES: usize = 4 * SECTOR_BYTES;
/// The value of a byte after an erase.
const ERASED_BYTE: u8 = 0xFF;
/// Only the agent's user may read passwords and the token.
const MODE: u32 = 0o600;

/// The open file. As long as it is open no other agent can use it.
#[derive(Debug)]
pub struct StateFile {
    /// `None` = there is nothing to read or write; every access fails.
    file: Option<File>,
    is_writable: bool,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStateFileError {
    /// The system refused.
    #[error("{action} {path}", path = .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Another agent runs with it.
    #[error("another agent uses {path}", path = .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// This is no file that the agent made.
    #[error("{path} has {found_bytes} bytes, more than the {STATE_FILE_BYTES} of a state file", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        found_bytes: u64,
    },
}

impl StateFile {
    /// Opens the file, and makes an erased one when there is none.
    ///
    /// A file that is too short, for instance because a disk was repaired, is filled up as erased: the home store
    /// knows by its checksums what is still whole. A file that may only be read, for instance because the system found
    /// faults on its card, is opened as it is: the home in it is still a home.
    ///
    /// # Errors
    /// Names what cannot be done with which file.
    pub fn open(path: &Path) -> Result<Self, OpenStateFileError> {
        let io = |action| {
            let path = path.to_owned();
            move |source| OpenStateFileError::Io { action, path, source }
        };
        if !path.try_exists().map_err(io("looking for"))? {
            create(path)?;
        }
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let is_writable = !opened.as_ref().is_err_and(is_for_readers_only);
        let file = if is_writable { opened } else { File::open(path) }.map_err(io("opening"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenStateFileError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io("locking")(source)),
        }
        let metadata = file.metadata().map_err(io("examining"))?;
        if is_writable && metadata.permissions().mode() & 0o777 != MODE {
            file.set_permissions(fs::Permissions::from_mode(MODE)).map_err(io("protecting"))?;
        }
        let found_bytes = metadata.len();
        if found_bytes > STATE_FILE_BYTES as u64 {
            return Err(OpenStateFileError::TooLarge { path: path.to_owned(), found_bytes });
        }
        let missing_bytes =
            STATE_FILE_BYTES.saturating_sub(usize::try_from(found_bytes).unwrap_or(usize::MAX));
        if is_writable && missing_bytes > 0 {
            file.write_all_at(&vec![ERASED_BYTE; missing_bytes], found_bytes).map_err(io("filling up"))?;
            file.sync_all().map_err(io("filling up"))?;
        }
        Ok(Self { file: Some(file), is_writable })
    }

    /// What an agent has in place of a file that it cannot open: the home store finds no home in it.
    #[must_use]
    pub const fn unusable() -> Self {
        Self { file: None, is_writable: false }
    }

    /// Whether something can be stored.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn file(&self, offset: u32) -> Result<&File, AccessStateFileError> {
        self.file.as_ref().ok_or(AccessStateFileError::NoFile { offset })
    }

    fn check_range(offset: u32, length_bytes: usize, unit_bytes: usize) -> Result<u64, AccessStateFileError> {
        let start = offset as usize;
        if !start.is_multiple_of(unit_bytes) || !length_bytes.is_multiple_of(unit_bytes) {
            return Err(AccessStateFileError::NotAligned { offset, length_bytes });
        }
        if start.checked_add(length_bytes).is_none_or(|end| end > STATE_FILE_BYTES) {
            return Err(AccessStateFileError::OutOfBounds { offset, length_bytes });
        }
        Ok(u64::from(offset))
    }
}

/// Says whether a file was refused for writing and may still be one to read.
fn is_for_readers_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// Makes the file whole or not at all: under another name first, then in its place unless there is one by now.
fn create(path: &Path) -> Result<(), OpenStateFileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft_name = path.file_name().unwrap_or_default().to_owned();
    draft_name.push(format!(".new-{}", std::process::id()));
    let draft = folder.join(draft_name);
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| OpenStateFileError::Io { action, path, source }
    };
    fs::create_dir_all(folder).map_err(io("making the folder", folder))?;
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&draft);
    let file = made.map_err(io("making", &draft))?;
    let filled = file.write_all_at(&[ERASED_BYTE; STATE_FILE_BYTES], 0).and_then(|()| file.sync_all());
    filled.map_err(io("filling", &draft))?;
    // Unlike a rename, a link never replaces the file of an agent that was faster.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(io("removing", &draft))?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io("making", path)(error)),
        Ok(()) | Err(_) => {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("storing the folder", folder))
        }
    }
}

/// Why an access failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessStateFileError {
    /// Offset or length is no multiple of the unit.
    #[error("{length_bytes} bytes at {offset:#x} are not aligned")]
    NotAligned {
        /// First byte.
        offset: u32,
        /// Number of bytes.
        length_bytes: usize,
    },
    /// The access reaches beyond the end.
    #[error("{length_bytes} bytes at {offset:#x} reach beyond the state file")]
    OutOfBounds {
        /// First byte.
        offset: u32,
        /// Number of bytes.
        length_bytes: usize,
    },
    /// Flash takes bytes only where it is erased.
    #[error("writing at {offset:#x}, which is not erased")]
    NotErased {
        /// First byte of the write.
        offset: u32,
    },
    /// The file could not be opened.
    #[error("there is no state file to use at {offset:#x}")]
    NoFile {
        /// First byte.
        offset: u32,
    },
    /// The system refused.
    #[error("using the state file at {offset:#x}")]
    Io {
        /// First byte.
        offset: u32,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl NorFlashError for AccessStateFileError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned { .. } => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds { .. } => NorFlashErrorKind::OutOfBounds,
            Self::NotErased { .. } | Self::NoFile { .. } | Self::Io { .. } => NorFlashErrorKind::Other,
        }
    }
}

impl ErrorType for StateFile {
    type Error = AccessStateFileError;
}

impl ReadNorFlash for StateFile {
    const READ_SIZE: usize = WORD_BYTES;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), AccessStateFileError> {
        let at = Self::check_range(offset, bytes.len(), WORD_BYTES)?;
        let read = self.file(offset)?.read_exact_at(bytes, at);
        read.map_err(|source| AccessStateFileError::Io { offset, source })
    }

    fn capacity(&self) -> usize {
        STATE_FILE_BYTES
    }
}

/// Writing waits for the disk in the calling thread: it happens a few times per boot and takes milliseconds.
impl NorFlash for StateFile {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = SECTOR_BYTES;

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), AccessStateFileError> {
        let at = Self::check_range(offset, bytes.len(), WORD_BYTES)?;
        let io = |source| AccessStateFileError::Io { offset, source };
        let file = self.file(offset)?;
        let mut present = vec![0; bytes.len()];
        file.read_exact_at(&mut present, at).map_err(io)?;
        if present.iter().any(|&byte| byte != ERASED_BYTE) {
            return Err(AccessStateFileError::NotErased { offset });
        }
        file.write_all_at(bytes, at).and_then(|()| file.sync_data()).map_err(io)
    }

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), AccessStateFileError> {
        let length_bytes = to.saturating_sub(from) as usize;
        let at = Self::check_range(from, length_bytes, SECTOR_BYTES)?;
        let file = self.file(from)?;
        let erased = file.write_all_at(&vec![ERASED_BYTE; length_bytes], at);
        erased
            .and_then(|()| file.sync_data())
            .map_err(|source| AccessStateFileError::Io { offset: from, source })
    }
}

//! The data folder: its lock and its key file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use rand::TryRng;
use rand::rngs::SysRng;
use registry::TokenKey;

use crate::OpenStoreError;

/// Name of the database inside the data folder.
pub const DATABASE_FILE: &str = "rehome.db";

/// Name of the file with the key of all token hashes inside the data folder.
pub const TOKEN_KEY_FILE: &str = "token-key";

/// Name of the file that is locked while a server uses the data folder; it is empty.
pub const LOCK_FILE: &str = "rehome.lock";

/// A data folder that no server can use until this is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _folder: DataFolder,
}

/// Makes the data folder when it does not exist, mode 0700, and keeps every server away from it.
///
/// # Errors
/// When the folder cannot be made or a server uses it.
pub fn lock_folder(path: &Path) -> Result<FolderLock, OpenStoreError> {
    Ok(FolderLock { _folder: DataFolder::open(path)? })
}

/// A folder that this process alone uses.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    // Dropping the file gives the lock back; so does the end of the process, however it ends.
    lock: File,
}

impl DataFolder {
    /// Makes the folder when it does not exist and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenStoreError> {
        make_folder(path).map_err(|source| folder_error(path, source))?;
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|source| folder_error(path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock }),
            Err(TryLockError::WouldBlock) => Err(OpenStoreError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(folder_error(path, source)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn database_path(&self) -> PathBuf {
        self.path.join(DATABASE_FILE)
    }

    pub(crate) fn key_path(&self) -> PathBuf {
        self.path.join(TOKEN_KEY_FILE)
    }

    /// Turns the folder into its lock, for whoever keeps it until the end.
    pub(crate) fn into_lock(self) -> File {
        self.lock
    }

    /// Reads the key; none when there is no key file.
    pub(crate) fn read_key(&self) -> Result<Option<TokenKey>, OpenStoreError> {
        read_key(self.key_path())
    }

    /// Makes a new key and its file, mode 0600, on disk before this returns.
    pub(crate) fn create_key(&self) -> Result<TokenKey, OpenStoreError> {
        let mut bytes = [0_u8; 32];
        SysRng.try_fill_bytes(&mut bytes).or(Err(OpenStoreError::NoRandomness))?;
        let key = TokenKey::from_bytes(bytes);
        let mut text = key_to_hex(&bytes);
        text.push('\n');

        // Written beside and renamed: a crash leaves no half key that would later look like the wrong one.
        let path = self.key_path();
        let new_path = self.path.join("token-key.new");
        write_private_file(&new_path, text.as_bytes())
            .and_then(|()| std::fs::rename(&new_path, &path))
            .and_then(|()| File::open(&self.path)?.sync_all())
            .map_err(|source| match source.kind() {
                ErrorKind::StorageFull => OpenStoreError::DiskFull { path: self.path.clone() },
                _ => OpenStoreError::File { path, source },
            })?;
        Ok(key)
    }
}

/// Reads a key file; none when there is none.
pub(crate) fn read_key(path: PathBuf) -> Result<Option<TokenKey>, OpenStoreError> {
    let mut text = String::new();
    match File::open(&path).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenStoreError::File { path, source }),
    }
    match key_from_hex(text.trim_end()) {
        Some(key) => Ok(Some(key)),
        None => Err(OpenStoreError::TokenKeyMismatch { path }),
    }
}

fn folder_error(path: &Path, source: std::io::Error) -> OpenStoreError {
    match source.kind() {
        ErrorKind::StorageFull => OpenStoreError::DiskFull { path: path.to_owned() },
        _ => OpenStoreError::Folder { path: path.to_owned(), source },
    }
}

#[cfg(unix)]
fn make_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_folder(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}

fn write_private_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn key_to_hex(bytes: &[u8; 32]) -> String {
    let digit = |four_bits: u8| char::from_digit(u32::from(four_bits), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn key_from_hex(text: &str) -> Option<TokenKey> {
    let digits = text.as_bytes();
    let mut bytes = [0_u8; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(TokenKey::from_bytes(bytes))
}

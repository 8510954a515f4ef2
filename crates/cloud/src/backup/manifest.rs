//! What a backup holds, file by file, and private copies of files.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::{DATABASE_FILE, TOKEN_KEY_FILE};

use super::FURTHER_FILES;
use crate::secret_file::hex;

/// Name of the manifest inside a backup.
pub(super) const MANIFEST_FILE: &str = "backup.json";

/// Format of backups that this version writes and reads.
pub(super) const BACKUP_FORMAT: u32 = 1;

/// 64 kB are copied at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Digits of a SHA-256.
const DIGEST_DIGITS: usize = 64;

/// Size and digest of every file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) rehome_backup: u32,
    /// When the backup was made, milliseconds since 1970.
    pub(super) made_at_unix_ms: u64,
    pub(super) files: Vec<NamedFile>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NamedFile {
    /// Its place below the backup.
    pub(super) name: String,
    pub(super) size_bytes: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn of(files: Vec<NamedFile>) -> Self {
        let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let made_at_unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        Self { rehome_backup: BACKUP_FORMAT, made_at_unix_ms, files }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::json!(self).to_string().into_bytes();
        json.push(b'\n');
        json
    }
}

/// Says whether a backup may hold a file of this name: nothing else is ever written into a data folder.
pub(super) fn is_backup_name(name: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_image = name
        .strip_prefix("firmware/")
        .is_some_and(|digest| digest.len() == DIGEST_DIGITS && digest.bytes().all(is_digit));
    [DATABASE_FILE, TOKEN_KEY_FILE].iter().chain(&FURTHER_FILES).any(|known| *known == name) || is_image
}

/// Copies a file for its owner alone and puts it on disk; `None` when there is no such file.
pub(super) fn copy_private(from: &Path, to: &Path, name: &str) -> io::Result<Option<NamedFile>> {
    match File::open(from) {
        Ok(source) => receive_private(source, to, name).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes what `source` yields to a file for its owner alone, and puts it on disk.
pub(super) fn receive_private(source: impl Read, to: &Path, name: &str) -> io::Result<NamedFile> {
    let mut file = private_file(to)?;
    let received = read_through(source, name, |chunk| file.write_all(chunk))?;
    file.sync_all()?;
    Ok(received)
}

/// Returns size and digest of a file.
pub(super) fn digest_of(path: &Path, name: &str) -> io::Result<NamedFile> {
    read_through(File::open(path)?, name, |_chunk| Ok(()))
}

pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private_file(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn read_through(
    mut source: impl Read,
    name: &str,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<NamedFile> {
    let (mut digest, mut size_bytes) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = source.read(&mut buffer)?;
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            let sha256 = hex(&digest.finalize());
            return Ok(NamedFile { name: name.to_owned(), size_bytes, sha256 });
        }
        digest.update(chunk);
        size_bytes = size_bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        take(chunk)?;
    }
}

/// Returns the SHA-256 of a file as hexadecimal digits, and its size in bytes.
pub(crate) fn file_digest(path: &Path) -> io::Result<(String, u64)> {
    digest_of(path, "").map(|file| (file.sha256, file.size_bytes))
}

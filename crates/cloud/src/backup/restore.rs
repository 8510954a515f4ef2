//! Restoring a backup into an empty data folder.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use store::{DATABASE_FILE, LOCK_FILE, OpenStoreError, TOKEN_KEY_FILE, check_database, lock_folder};

use super::manifest::{
    BACKUP_FORMAT, MANIFEST_FILE, Manifest, NamedFile, copy_private, is_backup_name, receive_private,
};
use super::{FOLDERS, image_name, new_staging};

/// 16 MB of manifest name some hundred thousand images.
const MANIFEST_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What may lie in a data folder that counts as empty: a lock that nobody holds, and what a new file system holds.
const NOTHING_OF_WORTH: [&str; 2] = [LOCK_FILE, "lost+found"];

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreSummary {
    /// When the backup was made, milliseconds since 1970.
    pub made_at_unix_ms: u64,
    /// Files written.
    pub file_count: usize,
    /// Names of firmware images whose files the backup lacks.
    pub missing_images: Vec<String>,
}

/// Why a backup was not restored. No server starts on what may lie in the data folder then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// There is something in the data folder.
    #[error("{} is not empty; nothing is written over it: choose a new --data-dir or move it away", path.display())]
    NotEmpty {
        /// The data folder.
        path: PathBuf,
    },
    /// The folder or file is no backup of ours.
    #[error("{} is not a backup made by `rehome backup`: {reason}", path.display())]
    NotABackup {
        /// The backup.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The backup was made by a newer version.
    #[error(
        "{} was made by a newer version (format {found}, this version knows {BACKUP_FORMAT}); update this program",
        path.display()
    )]
    Newer {
        /// The backup.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A file of the backup is missing or was changed.
    #[error("{name} in {} is missing or not as it was written; take another backup", path.display())]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// The file inside it.
        name: String,
    },
    /// The database or its key cannot be used, or a server uses the folder.
    #[error("the database of the backup, or the data folder, cannot be used")]
    Database(#[from] OpenStoreError),
    /// The database in the backup is damaged.
    #[error("the database of the backup is damaged ({detail}); take another backup")]
    DamagedDatabase {
        /// What was found first.
        detail: String,
    },
    /// A file could not be read or written.
    #[error("cannot read or write {}; check that this user may and that there is room", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::File { path, source }
}

/// Restores a backup, folder or `.tar`, into a data folder that is empty or does not exist. Every file is compared with the
/// backup's list, the database is checked, and its token key must belong to it, before anything takes its place.
///
/// # Errors
/// See [`RestoreError`].
pub fn restore(from: &Path, data_dir: &Path) -> Result<RestoreSummary, RestoreError> {
    if !is_empty(data_dir).map_err(at(data_dir))? {
        return Err(RestoreError::NotEmpty { path: data_dir.to_owned() });
    }
    // Looked at first, so that a mistyped name leaves no new folder behind.
    let is_folder = fs::metadata(from).map_err(at(from))?.is_dir();
    let _lock = lock_folder(data_dir)?;
    let staging = new_staging(data_dir, ".restoring-").map_err(at(data_dir))?;
    let manifest =
        if is_folder { take_folder(from, staging.path())? } else { take_archive(from, staging.path())? };
    let missing_images = check_content(staging.path(), &manifest)?;
    put_in_place(staging.path(), &manifest, data_dir)?;
    Ok(RestoreSummary {
        made_at_unix_ms: manifest.made_at_unix_ms,
        file_count: manifest.files.len(),
        missing_images,
    })
}

fn is_empty(data_dir: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        if !NOTHING_OF_WORTH.iter().any(|nothing| name == *nothing) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn take_folder(from: &Path, staging: &Path) -> Result<Manifest, RestoreError> {
    let path = from.join(MANIFEST_FILE);
    let manifest = match File::open(&path) {
        Ok(file) => read_manifest(file, from)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_manifest(from)),
        Err(error) => return Err(at(&path)(error)),
    };
    let mut received = Vec::new();
    for NamedFile { name, .. } in &manifest.files {
        let path = from.join(name);
        received.extend(copy_private(&path, &staging.join(name), name).map_err(at(&path))?);
    }
    compare(&manifest, &received, from)?;
    Ok(manifest)
}

fn take_archive(from: &Path, staging: &Path) -> Result<Manifest, RestoreError> {
    let mut archive = tar::Archive::new(io::BufReader::new(File::open(from).map_err(at(from))?));
    let (mut manifest, mut received) = (None, Vec::new());
    for entry in archive.entries().map_err(at(from))? {
        let entry = entry.map_err(|error| not_a_backup(from, &error.to_string()))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(not_a_backup(from, "it holds something that is not a file"));
        }
        if name == MANIFEST_FILE {
            manifest = Some(read_manifest(entry, from)?);
        } else if is_backup_name(&name) {
            received.push(receive_private(entry, &staging.join(&name), &name).map_err(at(from))?);
        } else {
            return Err(not_a_backup(from, "it holds a file that no backup has"));
        }
    }
    let manifest = manifest.ok_or_else(|| no_manifest(from))?;
    compare(&manifest, &received, from)?;
    Ok(manifest)
}

fn not_a_backup(path: &Path, reason: &str) -> RestoreError {
    RestoreError::NotABackup { path: path.to_owned(), reason: reason.to_owned() }
}

fn no_manifest(path: &Path) -> RestoreError {
    not_a_backup(path, "it has no backup.json, which is written last")
}

fn read_manifest(source: impl io::Read, from: &Path) -> Result<Manifest, RestoreError> {
    let mut json = Vec::new();
    source.take(MANIFEST_BYTES_MAX).read_to_end(&mut json).map_err(at(from))?;
    let manifest: Manifest = serde_json::from_slice(&json)
        .map_err(|error| not_a_backup(from, &format!("backup.json: {error}")))?;
    if manifest.rehome_backup > BACKUP_FORMAT {
        return Err(RestoreError::Newer { path: from.to_owned(), found: manifest.rehome_backup });
    }
    if !manifest.files.iter().all(|file| is_backup_name(&file.name)) {
        return Err(not_a_backup(from, "backup.json names a file that no backup has"));
    }
    for needed in [DATABASE_FILE, TOKEN_KEY_FILE] {
        if !manifest.files.iter().any(|file| file.name == needed) {
            return Err(not_a_backup(from, &format!("backup.json does not name {needed}")));
        }
    }
    Ok(manifest)
}

/// Every file of the manifest arrived as it was written; what it does not name is never put in place.
fn compare(manifest: &Manifest, received: &[NamedFile], from: &Path) -> Result<(), RestoreError> {
    match manifest.files.iter().find(|file| !received.contains(file)) {
        Some(file) => Err(RestoreError::Damaged { path: from.to_owned(), name: file.name.clone() }),
        None => Ok(()),
    }
}

/// Checks database and key; returns the names of images without files.
fn check_content(staging: &Path, manifest: &Manifest) -> Result<Vec<String>, RestoreError> {
    let checked = check_database(staging)?;
    if let Some(problem) = checked.key_problem {
        return Err(problem.into());
    }
    let broken = checked.broken_references.iter().map(|row| format!("{} refers to nothing", row.table));
    if let Some(detail) = checked.damage.iter().cloned().chain(broken).next() {
        return Err(RestoreError::DamagedDatabase { detail });
    }
    let has = |name: String| manifest.files.iter().any(|file| file.name == name);
    let missing = checked.images.into_iter().filter(|image| !has(image_name(image)));
    Ok(missing.map(|image| image.file_name).collect())
}

/// Moves the files in: the database first, the token key last. No server starts on a database without its key, so none
/// starts on half a restore.
fn put_in_place(staging: &Path, manifest: &Manifest, data_dir: &Path) -> Result<(), RestoreError> {
    for name in FOLDERS {
        let (from, to) = (staging.join(name), data_dir.join(name));
        if name == "tls" && !manifest.files.iter().any(|file| file.name.starts_with("tls/")) {
            continue;
        }
        fs::rename(&from, &to).map_err(at(&to))?;
        sync(&to)?;
    }
    for_each_in_order(manifest, |name| {
        let (from, to) = (staging.join(name), data_dir.join(name));
        fs::rename(&from, &to).map_err(at(&to))?;
        sync(data_dir)
    })
}

fn for_each_in_order(
    manifest: &Manifest,
    mut place: impl FnMut(&str) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    place(DATABASE_FILE)?;
    let names = manifest.files.iter().map(|file| file.name.as_str());
    let between = names.filter(|name| ![DATABASE_FILE, TOKEN_KEY_FILE].contains(name) && !name.contains('/'));
    for name in between {
        place(name)?;
    }
    place(TOKEN_KEY_FILE)
}

fn sync(folder: &Path) -> Result<(), RestoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

//! Backups of a data folder, made while the server runs: a folder or one `.tar` with the same files.
//!
//! A backup holds the database as it was at one moment, the keys that belong to it, the server's own authority, the firmware
//! images that the database names, and `backup.json` with size and digest of each. The server's certificate is left out: it is
//! made anew from the authority at the next start, and a renewal under way could leave half a pair in the backup.

mod manifest;
mod restore;
#[cfg(test)]
mod tests;

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use store::{CopyDatabaseError, DATABASE_FILE, StoredImage, TOKEN_KEY_FILE, copy_database};
use tempfile::TempDir;

pub(crate) use self::manifest::file_digest;
pub use self::restore::{RestoreError, RestoreSummary, restore};

use self::manifest::{MANIFEST_FILE, Manifest, NamedFile, copy_private, digest_of, write_private};
use crate::admin_key::ADMIN_KEY_FILE;
use crate::firmware_signer::FIRMWARE_KEY_FILE;
use crate::release_signer::RELEASE_KEY_FILE;
use crate::secret_file::hex;

/// Files beside database and token key that are taken where they exist. They are made once and never changed.
const FURTHER_FILES: [&str; 5] =
    [RELEASE_KEY_FILE, ADMIN_KEY_FILE, FIRMWARE_KEY_FILE, "tls/ca.pem", "tls/ca-key.pem"];

/// Folders inside a backup.
const FOLDERS: [&str; 2] = ["tls", "firmware"];

/// An image may be deleted between the copy of the database and that of its file: the second copy does not name it.
const COPIES_MAX: u32 = 2;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// Files in the backup, without `backup.json`.
    pub file_count: usize,
    /// Their size in bytes.
    pub size_bytes: u64,
    /// Names of firmware images whose files the data folder lacks; the backup lacks them too.
    pub missing_images: Vec<String>,
}

/// Why there is no backup. Nothing was written at its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackUpError {
    /// Something has the name already.
    #[error("{} exists; give the backup a new name", path.display())]
    Exists {
        /// Where the backup was to go.
        path: PathBuf,
    },
    /// The database could not be copied.
    #[error(transparent)]
    Database(#[from] CopyDatabaseError),
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

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackUpError {
    let path = path.to_owned();
    move |source| BackUpError::File { path, source }
}

/// Backs up the data folder, whether a server uses it or not, to the new folder `to`, or to one file when the name ends in
/// `.tar`. Whatever the server answered before the call is in the backup. It appears whole, on disk, or not at all; its files
/// are for their owner alone.
///
/// # Errors
/// See [`BackUpError`].
pub fn back_up(data_dir: &Path, to: &Path) -> Result<BackupSummary, BackUpError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackUpError::Exists { path: to.to_owned() });
    }
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let staging = new_staging(parent, ".rehome-backup-").map_err(at(parent))?;
    let (manifest, missing_images) = fill(data_dir, staging.path())?;
    if to.extension().is_some_and(|extension| extension == "tar") {
        pack(staging.path(), &manifest, parent, to)?;
    } else {
        for folder in FOLDERS.map(|name| staging.path().join(name)).iter().chain([&staging.path().to_owned()])
        {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
        }
        // From here on the folder is no longer a temporary one that goes away by itself.
        fs::rename(staging.keep(), to).map_err(at(to))?;
    }
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(at(parent))?;
    Ok(BackupSummary {
        file_count: manifest.files.len(),
        size_bytes: manifest.files.iter().map(|file| file.size_bytes).sum(),
        missing_images,
    })
}

/// Makes a folder for the owner alone, which is removed again unless it is kept.
fn new_staging(parent: &Path, prefix: &str) -> io::Result<TempDir> {
    let staging = tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    for name in FOLDERS {
        let folder = staging.path().join(name);
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
    }
    Ok(staging)
}

/// Copies everything into `staging`; returns the manifest and the names of images without files.
fn fill(data_dir: &Path, staging: &Path) -> Result<(Manifest, Vec<String>), BackUpError> {
    let mut files = Vec::new();
    let mut images = copy_whole_database(data_dir, staging)?;
    let mut copied_images = Vec::new();
    for copies_left in (0..COPIES_MAX).rev() {
        copied_images = copy_images(data_dir, staging, &images)?;
        if copied_images.len() == images.len() || copies_left == 0 {
            break;
        }
        images = copy_whole_database(data_dir, staging)?;
    }
    let is_copied = |image: &StoredImage| {
        let name = image_name(image);
        copied_images.iter().any(|file| file.name == name)
    };
    let missing = images.iter().filter(|image| !is_copied(image)).map(|image| image.file_name.clone());
    let missing = missing.collect();
    let database = staging.join(DATABASE_FILE);
    files.push(digest_of(&database, DATABASE_FILE).map_err(at(&database))?);
    for name in [TOKEN_KEY_FILE].iter().chain(&FURTHER_FILES) {
        let (from, to) = (data_dir.join(name), staging.join(name));
        files.extend(copy_private(&from, &to, name).map_err(at(&from))?);
    }
    files.extend(copied_images);
    let manifest = Manifest::of(files);
    let path = staging.join(MANIFEST_FILE);
    write_private(&path, &manifest.to_json()).map_err(at(&path))?;
    Ok((manifest, missing))
}

fn copy_whole_database(data_dir: &Path, staging: &Path) -> Result<Vec<StoredImage>, BackUpError> {
    let path = staging.join(DATABASE_FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
        _ => {}
    }
    let images = copy_database(data_dir, &path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(at(&path))?;
    File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?;
    Ok(images)
}

/// Copies the files of images; those without a file are left out.
fn copy_images(
    data_dir: &Path,
    staging: &Path,
    images: &[StoredImage],
) -> Result<Vec<NamedFile>, BackUpError> {
    let mut copied = Vec::new();
    for image in images {
        let name = image_name(image);
        let (from, to) = (data_dir.join(&name), staging.join(&name));
        copied.extend(copy_private(&from, &to, &name).map_err(at(&from))?);
    }
    Ok(copied)
}

/// The place of an image inside data folder and backup.
pub(crate) fn image_name(image: &StoredImage) -> String {
    format!("firmware/{}", hex(&image.sha256))
}

fn pack(staging: &Path, manifest: &Manifest, parent: &Path, to: &Path) -> Result<(), BackUpError> {
    // Mode 0600, and gone again unless it is kept.
    let draft = tempfile::Builder::new().prefix(".rehome-backup-").tempfile_in(parent).map_err(at(parent))?;
    let mut archive = tar::Builder::new(io::BufWriter::new(draft));
    let names = manifest.files.iter().map(|file| file.name.as_str());
    for name in names.chain([MANIFEST_FILE]) {
        archive.append_path_with_name(staging.join(name), name).map_err(at(to))?;
    }
    let draft =
        archive.into_inner().map_err(at(to))?.into_inner().map_err(|error| at(to)(error.into_error()))?;
    draft.as_file().sync_all().map_err(at(to))?;
    draft.persist_noclobber(to).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackUpError::Exists { path: to.to_owned() },
        _ => at(to)(error.error),
    })?;
    Ok(())
}

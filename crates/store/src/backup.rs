//! Copying the database while a server writes to it.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::check::{StoredImage, stored_images};
use crate::data_folder::{DATABASE_FILE, TOKEN_KEY_FILE, read_key};
use crate::database::{self, Found};
use crate::store::known_key_fits;
use crate::{OpenStoreError, StorageError};

/// All pages in one step, so in one read transaction. With fewer, each write of the server between two steps would begin the
/// copy anew. Source: SQLite documentation, `sqlite3_backup_step`.
const ALL_PAGES: std::ffi::c_int = -1;

/// Why a database was not copied. The source is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyDatabaseError {
    /// There is no database.
    #[error("{} holds no database; name the --data-dir of a server that was started before", path.display())]
    Nothing {
        /// The data folder.
        path: PathBuf,
    },
    /// The database or its key cannot be used.
    #[error(transparent)]
    Source(#[from] OpenStoreError),
    /// The database is damaged, so a copy would be as well.
    #[error("{} is damaged: {detail}; no backup was made, keep the earlier ones", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite found first.
        detail: String,
    },
    /// Another program keeps the database locked.
    #[error("{} is locked by another program; try again later", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// Writing the copy failed.
    #[error("cannot write the copy {}", path.display())]
    Target {
        /// The copy.
        path: PathBuf,
        /// Why.
        #[source]
        source: StorageError,
    },
}

/// Copies the database of a data folder to the new file `to`, as it is at one moment after the call began: whatever was
/// answered before is in the copy. A server that runs goes on. The folder's lock is not needed. Returns the firmware images
/// that the copy names; their files are beside the database.
///
/// The copy is checked: it opens, its structure is whole (`PRAGMA quick_check`), and the folder's token key belongs to it.
///
/// # Errors
/// See [`CopyDatabaseError`]; then what lies at `to` is of no use.
pub fn copy_database(data_dir: &Path, to: &Path) -> Result<Vec<StoredImage>, CopyDatabaseError> {
    let path = data_dir.join(DATABASE_FILE);
    let key_path = data_dir.join(TOKEN_KEY_FILE);
    if database::inspect(&path)? == Found::Nothing {
        return Err(CopyDatabaseError::Nothing { path: data_dir.to_owned() });
    }
    let Some(key) = read_key(key_path.clone())? else {
        return Err(OpenStoreError::TokenKeyMissing { path: key_path }.into());
    };
    let at_source = |error: StorageError| CopyDatabaseError::Source(database::open_error(&path, error));
    let at_target =
        |error: rusqlite::Error| CopyDatabaseError::Target { path: to.to_owned(), source: error.into() };
    let source = database::open_reader(&path).map_err(at_source)?;
    let mut target = Connection::open(to).map_err(at_target)?;
    let copied = Backup::new(&source, &mut target).and_then(|backup| backup.step(ALL_PAGES));
    match copied.map_err(at_target)? {
        StepResult::Done => {}
        _ => return Err(CopyDatabaseError::Locked { path }),
    }
    let found: String = target.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(at_target)?;
    if found != "ok" {
        return Err(CopyDatabaseError::Damaged { path, detail: found });
    }
    if known_key_fits(&target, &key).map_err(at_source)? == Some(false) {
        return Err(OpenStoreError::TokenKeyMismatch { path: key_path }.into());
    }
    let images = stored_images(&target).map_err(at_source)?;
    target.close().map_err(|(_conn, error)| at_target(error))?;
    Ok(images)
}

//! Errors of storage itself. Errors of single operations stand beside the operation.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;

/// Storage failed. Nothing of the failed operation is on disk.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The disk, or the size limit of the database, is full. Later writes work again when there is room.
    #[error("the disk is full; free some space, nothing was damaged")]
    DiskFull,
    /// A write in the same transaction failed in a way that ended the whole transaction.
    #[error("another write failed and took this one with it; trying again is safe")]
    BatchFailed,
    /// The store was closed, or its thread ended.
    #[error("the store is closed")]
    Closed,
    /// The disk has not answered in time.
    #[error("the disk does not answer; look at it, and at what else uses it")]
    Stalled,
    /// A stored row cannot be understood.
    #[error("the database holds something unexpected: {what}")]
    Damaged {
        /// Which kind of thing.
        what: &'static str,
    },
    /// The database failed in another way.
    #[error("the database failed")]
    Database {
        /// What it said.
        #[source]
        source: Arc<rusqlite::Error>,
    },
}

/// What is damaged when SQLite itself cannot make sense of the file.
pub(crate) const DAMAGED_FILE: &str = "the file itself";

/// `SQLITE_IOERR_SHMSIZE`: there is no room for the index of the write-ahead log. Source: SQLite's result codes.
const NO_ROOM_FOR_LOG_INDEX: i32 = 4874;

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        let extended_code = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            _ if extended_code == Some(NO_ROOM_FOR_LOG_INDEX) => Self::DiskFull,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { what: DAMAGED_FILE }
            }
            _ => Self::Database { source: Arc::new(error) },
        }
    }
}

/// Why a data folder could not be opened. Each text says what to do; nothing in the folder was changed, except where a
/// new folder was being set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The folder could not be made or entered.
    #[error("cannot use the data folder {}; check that it exists and that this user may read and write it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file in the folder could not be read or written.
    #[error("cannot read or write {}; check its owner and permissions", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another server uses the folder.
    #[error("another server is already using {}; stop it, or choose another --data-dir", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The database was written by a newer version. Nothing was touched.
    #[error(
        "{} was written by a newer version (format {found}, this version knows {known}); update this program, \
         nothing was changed", path.display()
    )]
    NewerVersion {
        /// The database.
        path: PathBuf,
        /// Format of the file.
        found: u32,
        /// Newest format this version knows.
        known: u32,
    },
    /// The file is not one of our databases.
    #[error("{} is not a Rehome database; move it away or choose another --data-dir", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is one of our databases and cannot be read any more.
    #[error("{} is damaged; stop the server, move the data folder away and restore the last good backup with `rehome restore`", path.display())]
    DamagedDatabase {
        /// The database.
        path: PathBuf,
    },
    /// The key file is missing although there is a database.
    #[error("{} is missing; restore it from the backup of this data folder, without it no device can be recognised", path.display())]
    TokenKeyMissing {
        /// The key file.
        path: PathBuf,
    },
    /// The key file does not belong to the database.
    #[error("{} does not belong to this database; restore the two from the same backup", path.display())]
    TokenKeyMismatch {
        /// The key file.
        path: PathBuf,
    },
    /// There is no room.
    #[error("the disk of {} is full; free some space and start again", path.display())]
    DiskFull {
        /// The folder.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for the token key")]
    NoRandomness,
    /// The database could not be opened for another reason.
    #[error("cannot open {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: StorageError,
    },
}

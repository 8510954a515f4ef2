//! Looking a database over without changing it.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::data_folder::{DATABASE_FILE, TOKEN_KEY_FILE, read_key};
use crate::database::{self, Found};
use crate::store::known_key_fits;
use crate::{OpenStoreError, StorageError};

/// 20 faults of a kind are listed: more say nothing more about what to do.
const FAULTS_LISTED_MAX: usize = 20;

/// What was found in a database that could be opened.
#[derive(Debug)]
pub struct DatabaseCheck {
    /// What `PRAGMA integrity_check` says is damaged, at most 20 lines; empty when nothing is. When something is, nothing else
    /// was looked at.
    pub damage: Vec<String>,
    /// Rows that refer to nothing, at most 20.
    pub broken_references: Vec<BrokenReference>,
    /// What is wrong with the token key.
    pub key_problem: Option<OpenStoreError>,
    /// The firmware images that the database names. Their files are beside it.
    pub images: Vec<StoredImage>,
}

/// A row that refers to a row which does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenReference {
    /// The table of the row.
    pub table: String,
    /// The row's number; tables without row numbers have none.
    pub row: Option<i64>,
    /// The table it refers to.
    pub refers_to: String,
}

/// A firmware image's content: several images may have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// SHA-256 of the file; also names it.
    pub sha256: [u8; 32],
    /// Size in bytes.
    pub size_bytes: u64,
    /// The name it was uploaded under.
    pub file_name: String,
}

/// Checks the database of a data folder, whether a server uses it or not.
///
/// # Errors
/// When there is none, or it cannot be opened at all.
pub fn check_database(data_dir: &Path) -> Result<DatabaseCheck, OpenStoreError> {
    let path = data_dir.join(DATABASE_FILE);
    let key_path = data_dir.join(TOKEN_KEY_FILE);
    if database::inspect(&path)? == Found::Nothing {
        return Err(OpenStoreError::NotADatabase { path });
    }
    let at_database = |error| database::open_error(&path, error);
    let conn = database::open_reader(&path).map_err(at_database)?;
    let damage = damage(&conn).map_err(at_database)?;
    if !damage.is_empty() {
        // What else would be said of such a database is not to be relied on, and asking may fail half-way.
        return Ok(DatabaseCheck { damage, broken_references: vec![], key_problem: None, images: vec![] });
    }
    let broken_references = broken_references(&conn).map_err(at_database)?;
    let key_problem = match read_key(key_path.clone()) {
        Err(problem) => Some(problem),
        Ok(None) => Some(OpenStoreError::TokenKeyMissing { path: key_path }),
        Ok(Some(key)) => match known_key_fits(&conn, &key).map_err(at_database)? {
            Some(false) => Some(OpenStoreError::TokenKeyMismatch { path: key_path }),
            Some(true) | None => None,
        },
    };
    let images = stored_images(&conn).map_err(at_database)?;
    Ok(DatabaseCheck { damage, broken_references, key_problem, images })
}

fn damage(conn: &Connection) -> Result<Vec<String>, StorageError> {
    let sql = format!("PRAGMA integrity_check({FAULTS_LISTED_MAX})");
    let mut statement = conn.prepare(&sql)?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

fn broken_references(conn: &Connection) -> Result<Vec<BrokenReference>, StorageError> {
    let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
    let rows = statement.query_map([], |row| {
        Ok(BrokenReference { table: row.get(0)?, row: row.get(1)?, refers_to: row.get(2)? })
    })?;
    Ok(rows.take(FAULTS_LISTED_MAX).collect::<Result<_, _>>()?)
}

pub(crate) fn stored_images(conn: &Connection) -> Result<Vec<StoredImage>, StorageError> {
    // A database of an earlier format is brought up to date by the server, not here.
    let has_images = conn
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'firmware_images'", [], |_| Ok(()))
        .optional()?;
    if has_images.is_none() {
        return Ok(Vec::new());
    }
    let sql = "SELECT sha256, max(size_bytes), max(file_name) FROM firmware_images GROUP BY sha256";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(StoredImage {
            sha256: row.get(0)?,
            size_bytes: row.get::<_, i64>(1)?.unsigned_abs(),
            file_name: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

//! The database file: which version it is, how it is opened, how it is brought up to date.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::DAMAGED_FILE;
use crate::{OpenStoreError, StorageError, StoreSettings};

/// `ReHo` in ASCII. Stored in the file's header (SQLite file format, offset 68), so that tools can tell whose file it is.
const APPLICATION_ID: i32 = 0x5265_486F;

/// Where [`APPLICATION_ID`] stands in the file, in bytes, big-endian. Source: as above.
const APPLICATION_ID_OFFSET: usize = 68;

/// One migration per format; the format's number is the position from 1.
const MIGRATIONS: [&str; 9] = [
    include_str!("../migrations/0001_foundation.sql"),
    include_str!("../migrations/0002_history.sql"),
    include_str!("../migrations/0003_datastreams_and_files.sql"),
    include_str!("../migrations/0004_shipments.sql"),
    include_str!("../migrations/0005_claim_codes.sql"),
    include_str!("../migrations/0006_events.sql"),
    include_str!("../migrations/0007_gateway_api.sql"),
    include_str!("../migrations/0008_boolean_datastreams.sql"),
    include_str!("../migrations/0009_last_values.sql"),
];

/// 5 s of waiting for a lock held by another program that looks into the database, such as a backup.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// 16 MB of pages are kept by the writer: moving history goes over two pages of each pin in every round, and SQLite's own
/// 2 MB hold those of 250 pins.
const WRITER_CACHE_KIB: i32 = 16 * 1024;

/// 256 prepared statements are kept for each connection: more than there are, so that none is parsed twice.
const STATEMENTS_KEPT_MAX: usize = 256;

/// Newest format this version knows.
pub(crate) const FORMAT_KNOWN: u32 = 9;

/// Whether there was a database before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Ours,
}

/// Looks at the file without changing a byte of it.
pub(crate) fn inspect(path: &Path) -> Result<Found, OpenStoreError> {
    let mut header = [0_u8; 100];
    match File::open(path) {
        Ok(mut file) => match file.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                // An empty file is what a crash in the very first moment leaves; SQLite starts afresh with it.
                let is_empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
                return if is_empty { Ok(Found::Nothing) } else { Err(not_a_database(path)) };
            }
            Err(source) => return Err(OpenStoreError::File { path: path.to_owned(), source }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(source) => return Err(OpenStoreError::File { path: path.to_owned(), source }),
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(not_a_database(path));
    }
    // The header may be older than the write-ahead log, so the numbers are asked from SQLite; read-only, because only
    // the last *writing* connection copies the log into the file.
    let numbers = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|conn| {
        let application_id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let format: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let table_count: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((application_id, format, table_count))
    });
    let (application_id, format, table_count) =
        numbers.map_err(|error| match open_error(path, error.into()) {
            // What SQLite cannot read is ours if its header says so.
            OpenStoreError::DamagedDatabase { .. } if !is_marked_as_ours(&header) => not_a_database(path),
            error => error,
        })?;
    if application_id == 0 && format == 0 && table_count == 0 {
        return Ok(Found::Nothing);
    }
    if application_id != APPLICATION_ID {
        return Err(not_a_database(path));
    }
    match u32::try_from(format) {
        Ok(found) if found > FORMAT_KNOWN => {
            Err(OpenStoreError::NewerVersion { path: path.to_owned(), found, known: FORMAT_KNOWN })
        }
        Ok(0) => Ok(Found::Nothing),
        Ok(_) => Ok(Found::Ours),
        Err(_) => Err(not_a_database(path)),
    }
}

/// Opens the one connection that writes, and brings the format up to date.
pub(crate) fn open_writer(path: &Path, settings: &StoreSettings) -> Result<Connection, StorageError> {
    let conn = Connection::open(path)?;
    conn.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
    // FULL: COMMIT returns after the log is on disk, so that a power cut loses nothing that was answered.
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // What a write could be undone with is kept in memory: a page for each page it changes, a few MB for the longest. In a
    // temporary file it cost a fifth of moving history, and put pages with personal data into a file nobody purges.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    keep_plans(&conn)?;
    // Purged values are personal data: their bytes are overwritten, not just unlinked.
    conn.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT_MAX);
    migrate(&conn)?;
    if let Some(pages) = settings.page_count_max {
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    Ok(conn)
}

/// Opens a connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StorageError> {
    // A connection is used by one thread at a time, so SQLite needs no lock of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
    keep_plans(&conn)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT_MAX);
    Ok(conn)
}

/// Lets a prepared statement keep its plan whatever is bound to it. Otherwise SQLite parses some statements again each
/// time, in case a value fits a better plan, which takes longer than running them.
fn keep_plans(conn: &Connection) -> Result<(), StorageError> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

pub(crate) fn open_error(path: &Path, error: StorageError) -> OpenStoreError {
    match error {
        StorageError::DiskFull => OpenStoreError::DiskFull { path: path.to_owned() },
        StorageError::Damaged { what: DAMAGED_FILE } => {
            OpenStoreError::DamagedDatabase { path: path.to_owned() }
        }
        source => OpenStoreError::Database { path: path.to_owned(), source },
    }
}

fn migrate(conn: &Connection) -> Result<(), StorageError> {
    let format: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, sql) in (1_u32..).zip(MIGRATIONS) {
        if number > format {
            // One transaction per step: a crash in between leaves the format before or after it, never half of it.
            conn.execute_batch(&format!(
                "BEGIN IMMEDIATE; {sql}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT"
            ))?;
        }
    }
    Ok(())
}

/// Reads the application id where it stands in every database file. Source: SQLite file format, section 1.3.
fn is_marked_as_ours(header: &[u8; 100]) -> bool {
    header.get(APPLICATION_ID_OFFSET..).is_some_and(|rest| rest.starts_with(&APPLICATION_ID.to_be_bytes()))
}

fn not_a_database(path: &Path) -> OpenStoreError {
    OpenStoreError::NotADatabase { path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_on_disk_before_it_is_answered_and_references_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let conn = open_writer(&folder.path().join("rehome.db"), &StoreSettings::default()).unwrap();
        let text = |pragma: &str| -> String {
            conn.query_row(&format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"), [], |row| {
                row.get(0)
            })
            .unwrap()
        };
        assert_eq!(text("journal_mode"), "wal");
        // 2 is FULL: the log is synchronised at each COMMIT (SQLite documentation, PRAGMA synchronous).
        assert_eq!(text("synchronous"), "2");
        assert_eq!(text("foreign_keys"), "1");
        assert_eq!(text("application_id"), APPLICATION_ID.to_string());
        assert_eq!(text("user_version"), FORMAT_KNOWN.to_string());
        assert_eq!(MIGRATIONS.len(), FORMAT_KNOWN as usize);
    }
}

//! Files that devices send: pictures and the like, and crash dumps.
//!
//! They lie in the database, so that a release purges them in the transaction that ends the data access, and a backup
//! holds them (decision 0046).

use registry::{DeviceId, Epoch, UtcTime};
use rusqlite::{OptionalExtension, Row};

use crate::writer::Work;
use crate::{Change, StorageError, Store};

/// 10 files of each kind per ownership; the oldest goes when another comes. Source: reference/http-api.md 7.
pub const UPLOADS_KEPT_MAX: u32 = 10;

/// 1,000 files that one ownership may send in all. Source: reference/http-api.md 7.
pub const UPLOADS_EVER_MAX: u32 = 1_000;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadKind {
    /// Anything the firmware wants to show.
    File,
    /// A crash dump; for the maker alone.
    Dump,
}

/// A file to be stored.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// What it is.
    pub kind: UploadKind,
    /// The unguessable part of its address.
    pub key: String,
    /// The name that the device gave it; a file of the same kind and name is replaced.
    pub name: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// A stored file without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it is.
    pub kind: UploadKind,
    /// The unguessable part of its address.
    pub key: String,
    /// The name that the device gave it.
    pub name: String,
    /// How much it holds, in bytes.
    pub size_bytes: u64,
    /// When it came.
    pub at: UtcTime,
}

/// Why a file was not stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AddUploadError {
    /// There is no such device, or the ownership has ended.
    #[error("the device has no ownership that allows data")]
    NotOwned,
    /// The ownership has sent [`UPLOADS_EVER_MAX`] files.
    #[error("the device has sent as many files as it may")]
    LimitReached,
    /// Storage failed.
    #[error("storing the file failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for AddUploadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl UploadKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Dump => "dump",
        }
    }
}

impl Store {
    /// Stores a file of the current ownership.
    ///
    /// # Errors
    /// When the ownership has ended, it has sent too many files, or storage fails.
    pub async fn add_upload(
        &self,
        id: DeviceId,
        epoch: Epoch,
        new: NewUpload,
        at: UtcTime,
    ) -> Result<(), AddUploadError> {
        self.write(move |work| {
            if !work.takes_data(&id, epoch)? {
                return Err(AddUploadError::NotOwned);
            }
            let sent_count: u32 = work
                .conn
                .prepare_cached(
                    "SELECT ifnull(max(number), 0) FROM uploads WHERE device_id = ?1 AND epoch = ?2",
                )?
                .query_row((id.as_str(), epoch.get()), |row| row.get(0))?;
            if sent_count >= UPLOADS_EVER_MAX {
                return Err(AddUploadError::LimitReached);
            }
            work.conn
                .prepare_cached(
                    "INSERT INTO uploads (device_id, epoch, number, key, kind, name, content, at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute((
                    id.as_str(),
                    epoch.get(),
                    sent_count.saturating_add(1),
                    &new.key,
                    new.kind.as_str(),
                    &new.name,
                    &new.content,
                    at.unix_ms(),
                ))?;
            work.drop_older_uploads(&id, epoch, &new)?;
            Ok(())
        })
        .await
    }

    /// Lists the files of the current ownership, newest first.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn uploads(&self, id: DeviceId) -> Result<Vec<Upload>, StorageError> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT u.kind, u.key, u.name, length(u.content), u.at FROM devices d
                 JOIN uploads u ON u.device_id = d.id AND u.epoch = d.epoch
                 WHERE d.id = ?1 ORDER BY u.number DESC",
            )?;
            let mut rows = statement.query([id.as_str()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read_upload(row)?);
            }
            Ok(found)
        })
        .await
    }

    /// Returns a file of the current ownership with its content.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn upload(&self, id: DeviceId, key: String) -> Result<Option<(Upload, Vec<u8>)>, StorageError> {
        self.read(move |conn| {
            conn.prepare_cached(
                "SELECT u.kind, u.key, u.name, length(u.content), u.at, u.content FROM devices d
                 JOIN uploads u ON u.device_id = d.id AND u.epoch = d.epoch
                 WHERE d.id = ?1 AND u.key = ?2",
            )?
            .query_row((id.as_str(), key), |row| {
                let content: Vec<u8> = row.get(5)?;
                Ok(read_upload(row).map(|upload| (upload, content)))
            })
            .optional()?
            .transpose()
        })
        .await
    }

    /// Deletes a file of the current ownership. Says whether there was one. When it was the newest, the device may send
    /// one more than [`UPLOADS_EVER_MAX`].
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete_upload(
        &self,
        id: DeviceId,
        key: String,
        change: Change,
    ) -> Result<bool, StorageError> {
        self.write(move |work| {
            let deleted_count = work
                .conn
                .prepare_cached(
                    "DELETE FROM uploads WHERE device_id = ?1 AND key = ?2
                     AND epoch = (SELECT epoch FROM devices WHERE id = ?1)",
                )?
                .execute((id.as_str(), key))?;
            if deleted_count > 0 {
                work.purged();
                work.audit(&change, "file.delete", id.as_str(), "")?;
            }
            Ok(deleted_count > 0)
        })
        .await
    }
}

impl Work<'_> {
    fn drop_older_uploads(&self, id: &DeviceId, epoch: Epoch, new: &NewUpload) -> Result<(), StorageError> {
        self.conn
            .prepare_cached(
                "DELETE FROM uploads WHERE device_id = ?1 AND epoch = ?2 AND kind = ?3 AND key <> ?4
                 AND (name = ?5 OR number <= (
                    SELECT number FROM uploads WHERE device_id = ?1 AND epoch = ?2 AND kind = ?3
                    ORDER BY number DESC LIMIT 1 OFFSET ?6))",
            )?
            .execute((id.as_str(), epoch.get(), new.kind.as_str(), &new.key, &new.name, UPLOADS_KEPT_MAX))?;
        Ok(())
    }
}

fn read_upload(row: &Row<'_>) -> Result<Upload, StorageError> {
    const DAMAGED: StorageError = StorageError::Damaged { what: "a file of a device" };
    let kind = match row.get::<_, String>(0)?.as_str() {
        "file" => UploadKind::File,
        "dump" => UploadKind::Dump,
        _ => return Err(DAMAGED),
    };
    let size: i64 = row.get(3)?;
    Ok(Upload {
        kind,
        key: row.get(1)?,
        name: row.get(2)?,
        size_bytes: u64::try_from(size).or(Err(DAMAGED))?,
        at: UtcTime::from_unix_ms(row.get(4)?),
    })
}

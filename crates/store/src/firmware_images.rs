//! Uploaded firmware images: what is known of them. The bytes are files; see `cloud`.

use registry::{FirmwareId, FirmwareTag, UtcTime};
use rusqlite::{OptionalExtension, Row};

use crate::page::Order;
use crate::{Change, ListError, Listed, Page, StorageError, Store};

/// An uploaded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareImage {
    /// Its identifier.
    pub id: FirmwareId,
    /// The name it was uploaded under.
    pub file_name: String,
    /// What it says about itself.
    pub tag: FirmwareTag,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the whole file; also names the file.
    pub sha256: [u8; 32],
    /// MD5 of the whole file, for firmware that knows nothing better.
    pub md5: [u8; 16],
    /// When it was uploaded.
    pub created_at: UtcTime,
}

/// Why an image was not deleted.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteFirmwareError {
    /// There is no such image.
    #[error("there is no such firmware image")]
    NotFound,
    /// A shipment names it.
    #[error("a shipment names the firmware image")]
    InUse,
    /// Storage failed.
    #[error("deleting the firmware image failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for DeleteFirmwareError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Store {
    /// Records an image whose file is on disk.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn add_firmware(&self, image: FirmwareImage, change: Change) -> Result<(), StorageError> {
        self.write(move |work| {
            let size_bytes = i64::try_from(image.size_bytes).unwrap_or(i64::MAX);
            work.conn
                .prepare_cached(
                    "INSERT INTO firmware_images (id, file_name, kind, version, build, library, size_bytes, sha256, md5,
                                                  created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?
                .execute((
                    image.id.as_str(),
                    &image.file_name,
                    &image.tag.kind,
                    &image.tag.version,
                    &image.tag.build,
                    &image.tag.library,
                    size_bytes,
                    &image.sha256,
                    &image.md5,
                    change.at.unix_ms(),
                ))?;
            work.audit(&change, "firmware.upload", image.id.as_str(), &format!("version {}", image.tag.version))
        })
        .await
    }

    /// Returns one image.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn firmware(&self, id: FirmwareId) -> Result<Option<FirmwareImage>, StorageError> {
        self.read(move |conn| {
            let sql = format!("{SELECT_FIRMWARE} WHERE f.id = ?1");
            conn.prepare_cached(&sql)?
                .query_row([id.as_str()], |row| Ok(read_firmware(row, 0)))
                .optional()?
                .transpose()
        })
        .await
    }

    /// Lists images, newest first.
    ///
    /// # Errors
    /// When the cursor is not valid or storage fails.
    pub async fn list_firmware(&self, page: Page) -> Result<Listed<FirmwareImage>, ListError> {
        let window = page.window(Order::NewestFirst)?;
        self.read(move |conn| {
            let sql = format!("{SELECT_FIRMWARE} WHERE f.seq < ?1 ORDER BY f.seq DESC LIMIT ?2");
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([window.after, window.rows])?;
            let mut images = Vec::new();
            while let Some(row) = rows.next()? {
                images.push((row.get(0)?, read_firmware(row, 0)?));
            }
            Ok(window.page(images))
        })
        .await
    }

    /// Forgets an image that no shipment names. Returns its digest where no other image has the same file, so that the
    /// file can go too.
    ///
    /// # Errors
    /// When there is none, a shipment names it, or storage fails.
    pub async fn delete_firmware(
        &self,
        id: FirmwareId,
        change: Change,
    ) -> Result<Option<[u8; 32]>, DeleteFirmwareError> {
        self.write(move |work| {
            let sha256: Option<[u8; 32]> = work
                .conn
                .prepare_cached("SELECT sha256 FROM firmware_images WHERE id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            let sha256 = sha256.ok_or(DeleteFirmwareError::NotFound)?;
            let is_named = work
                .conn
                .prepare_cached("SELECT 1 FROM shipments WHERE firmware_id = ?1")?
                .exists([id.as_str()])?;
            if is_named {
                return Err(DeleteFirmwareError::InUse);
            }
            work.conn.prepare_cached("DELETE FROM firmware_images WHERE id = ?1")?.execute([id.as_str()])?;
            work.audit(&change, "firmware.delete", id.as_str(), "")?;
            let is_shared = work
                .conn
                .prepare_cached("SELECT 1 FROM firmware_images WHERE sha256 = ?1")?
                .exists([&sha256])?;
            Ok((!is_shared).then_some(sha256))
        })
        .await
    }
}

const SELECT_FIRMWARE: &str =
    "SELECT f.seq, f.id, f.file_name, f.kind, f.version, f.build, f.library, f.size_bytes,
            f.sha256, f.md5, f.created_at
     FROM firmware_images f";

/// Reads an image whose columns, in the order of the table, start at `first`.
pub(crate) fn read_firmware(row: &Row<'_>, first: usize) -> Result<FirmwareImage, StorageError> {
    const DAMAGED: StorageError = StorageError::Damaged { what: "a firmware image" };
    Ok(FirmwareImage {
        id: FirmwareId::parse(&row.get::<_, String>(first + 1)?).or(Err(DAMAGED))?,
        file_name: row.get(first + 2)?,
        tag: FirmwareTag {
            kind: row.get(first + 3)?,
            version: row.get(first + 4)?,
            build: row.get(first + 5)?,
            library: row.get(first + 6)?,
        },
        size_bytes: row.get::<_, i64>(first + 7)?.unsigned_abs(),
        sha256: row.get(first + 8)?,
        md5: row.get(first + 9)?,
        created_at: UtcTime::from_unix_ms(row.get(first + 10)?),
    })
}

//! Metadata fields by number, as the Device HTTPS API names them.

use registry::{DeviceId, Epoch};
use rusqlite::OptionalExtension;

use crate::writer::Work;
use crate::{StorageError, Store};

/// A metadata field with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataField {
    /// Its number; the same on every device of the server.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its value in the current ownership.
    pub value: String,
}

impl Store {
    /// Returns the metadata of one ownership, by number.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn metadata_fields(
        &self,
        id: DeviceId,
        epoch: Epoch,
    ) -> Result<Vec<MetadataField>, StorageError> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT f.id, f.name, m.value FROM metadata m JOIN metadata_fields f ON f.name = m.field
                 WHERE m.device_id = ?1 AND m.epoch = ?2 ORDER BY f.id",
            )?;
            let fields = statement.query_map((id.as_str(), epoch.get()), |row| {
                Ok(MetadataField { id: row.get(0)?, name: row.get(1)?, value: row.get(2)? })
            })?;
            Ok(fields.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Returns the name of the metadata field with a number.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn metadata_field_name(&self, id: u32) -> Result<Option<String>, StorageError> {
        self.read(move |conn| {
            Ok(conn
                .prepare_cached("SELECT name FROM metadata_fields WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?)
        })
        .await
    }
}

impl Work<'_> {
    /// Gives a metadata field a number, unless it has one.
    pub(crate) fn number_metadata_field(&self, field: &str) -> Result<(), StorageError> {
        self.conn
            .prepare_cached(
                "INSERT INTO metadata_fields (name)
                 SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM metadata_fields WHERE name = ?1)",
            )?
            .execute([field])?;
        Ok(())
    }
}

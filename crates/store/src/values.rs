//! Last values of datastreams.

use registry::{DeviceId, Epoch, UtcTime};
use rusqlite::{OptionalExtension, Row};
use telemetry::{Pin, Value};

use crate::{StorageError, Store};

/// The last value of a pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// The pin.
    pub pin: Pin,
    /// Its value.
    pub value: Value,
    /// When it was written.
    pub at: UtcTime,
}

/// Why values were not stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WriteValuesError {
    /// There is no such device, or the ownership has ended. None of the values was stored.
    #[error("the device has no ownership that allows data")]
    NotOwned,
    /// Storage failed. None of the values was stored.
    #[error("storing the values failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for WriteValuesError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Store {
    /// Stores values of one device, all or none; on disk when this returns.
    ///
    /// # Errors
    /// When the ownership has ended or storage fails.
    pub async fn write_values(
        &self,
        id: DeviceId,
        epoch: Epoch,
        values: Vec<(Pin, Value)>,
        at: UtcTime,
    ) -> Result<(), WriteValuesError> {
        self.write(move |work| {
            let is_owned = work
                .conn
                .prepare_cached(
                    "SELECT 1 FROM devices WHERE id = ?1 AND epoch = ?2 AND ownership IN ('reserved', 'owned')",
                )?
                .exists((id.as_str(), epoch.get()))?;
            if !is_owned {
                return Err(WriteValuesError::NotOwned);
            }
            let mut statement = work.conn.prepare_cached(
                "INSERT INTO values_last (device_id, epoch, pin, value, at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (device_id, epoch, pin) DO UPDATE SET value = excluded.value, at = excluded.at",
            )?;
            for (pin, value) in &values {
                statement.execute((id.as_str(), epoch.get(), pin.number(), value.as_wire(), at.unix_ms()))?;
            }
            Ok(())
        })
        .await
    }

    /// Returns the last value of a pin in the current ownership.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn last_value(&self, id: DeviceId, pin: Pin) -> Result<Option<StoredValue>, StorageError> {
        self.read(move |conn| {
            conn.prepare_cached(
                "SELECT v.pin, v.value, v.at FROM devices d
                 JOIN values_last v ON v.device_id = d.id AND v.epoch = d.epoch
                 WHERE d.id = ?1 AND v.pin = ?2",
            )?
            .query_row((id.as_str(), pin.number()), |row| Ok(read_value(row)))
            .optional()?
            .transpose()
        })
        .await
    }

    /// Returns the last values of all pins in the current ownership, by pin.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn last_values(&self, id: DeviceId) -> Result<Vec<StoredValue>, StorageError> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT v.pin, v.value, v.at FROM devices d
                 JOIN values_last v ON v.device_id = d.id AND v.epoch = d.epoch
                 WHERE d.id = ?1 ORDER BY v.pin",
            )?;
            let mut rows = statement.query([id.as_str()])?;
            let mut values = Vec::new();
            while let Some(row) = rows.next()? {
                values.push(read_value(row)?);
            }
            Ok(values)
        })
        .await
    }
}

fn read_value(row: &Row<'_>) -> Result<StoredValue, StorageError> {
    let joined: Vec<u8> = row.get(1)?;
    Ok(StoredValue {
        pin: Pin::new(row.get(0)?),
        value: Value::from_wire(&joined).or(Err(StorageError::Damaged { what: "a value" }))?,
        at: UtcTime::from_unix_ms(row.get(2)?),
    })
}

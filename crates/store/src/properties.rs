//! Properties of datastreams: how a device wants them shown.

use registry::{DeviceId, Epoch, UtcTime};
use telemetry::{Pin, Value};

use crate::values::WriteValuesError;
use crate::{StorageError, Store};

/// 64 properties per pin: twice the known names, and a board that makes up pages cannot fill the disk.
pub const PROPERTIES_PER_PIN_MAX: u32 = 64;

/// A property as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProperty {
    /// Whose.
    pub pin: Pin,
    /// Its name.
    pub property: String,
    /// Its value or values.
    pub value: Value,
    /// When it was set.
    pub at: UtcTime,
}

impl Store {
    /// Stores one property of one or several pins in the current ownership.
    ///
    /// # Errors
    /// When the ownership has ended or storage fails.
    pub async fn set_property(
        &self,
        id: DeviceId,
        epoch: Epoch,
        pins: Vec<Pin>,
        property: String,
        value: Value,
        at: UtcTime,
    ) -> Result<(), WriteValuesError> {
        self.write(move |work| {
            if !work.takes_data(&id, epoch)? {
                return Err(WriteValuesError::NotOwned);
            }
            let mut insert = work.conn.prepare_cached(
                "INSERT INTO properties (device_id, epoch, pin, property, value, at)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6
                 WHERE (SELECT count(*) FROM properties
                        WHERE device_id = ?1 AND epoch = ?2 AND pin = ?3 AND property <> ?4) < ?7
                 ON CONFLICT (device_id, epoch, pin, property)
                    DO UPDATE SET value = excluded.value, at = excluded.at",
            )?;
            for pin in pins {
                insert.execute((
                    id.as_str(),
                    epoch.get(),
                    pin.number(),
                    &property,
                    value.as_wire(),
                    at.unix_ms(),
                    PROPERTIES_PER_PIN_MAX,
                ))?;
            }
            Ok(())
        })
        .await
    }

    /// Returns the properties of the current ownership, by pin and name.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn properties(&self, id: DeviceId) -> Result<Vec<StoredProperty>, StorageError> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT p.pin, p.property, p.value, p.at FROM devices d
                 JOIN properties p ON p.device_id = d.id AND p.epoch = d.epoch
                 WHERE d.id = ?1 ORDER BY p.pin, p.property",
            )?;
            let mut rows = statement.query([id.as_str()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let joined: Vec<u8> = row.get(2)?;
                found.push(StoredProperty {
                    pin: Pin::new(row.get(0)?),
                    property: row.get(1)?,
                    value: Value::from_wire(&joined).or(Err(StorageError::Damaged { what: "a property" }))?,
                    at: UtcTime::from_unix_ms(row.get(3)?),
                });
            }
            Ok(found)
        })
        .await
    }

    /// Forgets one property of a pin.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn reset_property(&self, id: DeviceId, pin: Pin, property: String) -> Result<(), StorageError> {
        self.write(move |work| {
            work.conn
                .prepare_cached("DELETE FROM properties WHERE device_id = ?1 AND pin = ?2 AND property = ?3")?
                .execute((id.as_str(), pin.number(), property))?;
            Ok(())
        })
        .await
    }

    /// Forgets every property of the current ownership ("Reset all properties").
    ///
    /// # Errors
    /// When storage fails.
    pub async fn reset_properties(&self, id: DeviceId) -> Result<(), StorageError> {
        self.write(move |work| {
            work.conn
                .prepare_cached("DELETE FROM properties WHERE device_id = ?1")?
                .execute([id.as_str()])?;
            Ok(())
        })
        .await
    }
}

//! Which release keys were given out: an order is signed for no epoch that is not recorded here first.
//!
//! A device says by itself which epoch it is in, and whoever holds its token can say anything in its place. Therefore an
//! epoch is recorded before a key is given or an order is signed for it, and the next ownership begins above all of them:
//! no order that a former owner could obtain fits the board once it belongs to somebody else.

use registry::{DeviceId, Epoch};
use rusqlite::OptionalExtension;

use crate::writer::Work;
use crate::{StorageError, Store};

/// How far ahead of its record a device may say it is. More than any board's number of owners; without a limit one
/// message could use up all epochs there will ever be. The device's own limit is the same.
const EPOCH_STEP_MAX: u32 = 1 << 16;

impl Store {
    /// Records the epoch of the key that a device is about to be given and returns it: the highest of what the device
    /// counts, what the record counts and where this ownership's keys begin. None when the device counts too far ahead.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn claim_key_epoch(&self, id: DeviceId, counted: Epoch) -> Result<Option<Epoch>, StorageError> {
        self.write(move |work| {
            let Some(known) = work.key_epochs(&id)? else { return Ok(None) };
            let epoch = counted.get().max(known.first).max(known.record);
            work.put_key_epoch(&id, &known, epoch)
        })
        .await
    }

    /// Records the epoch of the key that a device says it holds. None when an order must not be signed for it: it lies
    /// before this ownership's keys, or too far ahead.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn show_key_epoch(&self, id: DeviceId, shown: Epoch) -> Result<Option<Epoch>, StorageError> {
        self.write(move |work| match work.key_epochs(&id)? {
            Some(known) if shown.get() >= known.first => work.put_key_epoch(&id, &known, shown.get()),
            _ => Ok(None),
        })
        .await
    }

    /// Returns the epoch of the release key that a device holds; none when it is not known to hold one.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn key_epoch(&self, id: DeviceId) -> Result<Option<Epoch>, StorageError> {
        self.read(move |conn| {
            let epoch: Option<Option<u32>> = conn
                .prepare_cached("SELECT key_epoch FROM devices WHERE id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            Ok(epoch.flatten().map(Epoch::new))
        })
        .await
    }
}

struct KeyEpochs {
    record: u32,
    highest: Option<u32>,
    first: u32,
}

impl Work<'_> {
    fn key_epochs(&self, id: &DeviceId) -> Result<Option<KeyEpochs>, StorageError> {
        Ok(self
            .conn
            .prepare_cached("SELECT epoch, key_epoch, key_epoch_first FROM devices WHERE id = ?1")?
            .query_row([id.as_str()], |row| {
                Ok(KeyEpochs { record: row.get(0)?, highest: row.get(1)?, first: row.get(2)? })
            })
            .optional()?)
    }

    fn put_key_epoch(
        &self,
        id: &DeviceId,
        known: &KeyEpochs,
        epoch: u32,
    ) -> Result<Option<Epoch>, StorageError> {
        let reached = known.record.max(known.first).max(known.highest.unwrap_or_default());
        if epoch > reached.saturating_add(EPOCH_STEP_MAX) {
            return Ok(None);
        }
        if known.highest.is_none_or(|highest| epoch > highest) {
            self.conn
                .prepare_cached("UPDATE devices SET key_epoch = ?2 WHERE id = ?1")?
                .execute((id.as_str(), epoch))?;
        }
        Ok(Some(Epoch::new(epoch)))
    }
}

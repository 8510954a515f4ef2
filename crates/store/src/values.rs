//! Last values of datastreams, and how values are written.

use std::sync::{Arc, OnceLock};

use registry::{DeviceId, Epoch, UtcTime};
use telemetry::{Pin, Value};

use crate::value_lane::{Sender, ValueBatch};
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

/// A value to be written; see [`NewValue::live`] and [`NewValue::dated`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewValue {
    /// The pin.
    pub pin: Pin,
    /// Its value.
    pub value: Value,
    /// The past moment that it belongs to; none for now. A moment after the arrival counts as the arrival. How far back is
    /// allowed is the caller's to check ([`crate::DATED_PAST_MAX_MS`]).
    pub dated_at: Option<UtcTime>,
    /// Whether it goes into the history too.
    pub keeps_history: bool,
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

/// Takes values of one ownership, for one connection: accepting is quick, and one [`ValueSink::flush`] answers for all
/// that was accepted before it. Cheap to clone; clones share their failure.
#[derive(Debug, Clone)]
pub struct ValueSink {
    store: Store,
    sender: Arc<Sender>,
}

impl ValueSink {
    /// Hands values to the writer, in order, and returns before they are on disk. Waits while the writer has too much to
    /// do, so that a sender that reads no further while it waits is slowed down and nothing is dropped.
    ///
    /// # Errors
    /// When values that were accepted before could not be stored: this sink takes nothing any more.
    ///
    /// # Cancel safety
    /// When the future is dropped, none of the values was accepted.
    pub async fn accept(&self, values: Vec<NewValue>, arrived_at: UtcTime) -> Result<(), WriteValuesError> {
        self.check()?;
        let batch = ValueBatch { sender: Arc::clone(&self.sender), values, arrived_at };
        Ok(self.store.writer().accept(batch).await?)
    }

    /// Waits until everything accepted before is on disk.
    ///
    /// # Errors
    /// When any of it could not be stored.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn flush(&self) -> Result<(), WriteValuesError> {
        self.check()?;
        self.store.writer().flush().await?;
        self.check()
    }

    fn check(&self) -> Result<(), WriteValuesError> {
        self.sender.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }
}

impl Store {
    /// Makes a sink for the values of one ownership.
    #[must_use]
    pub fn value_sink(&self, device: DeviceId, epoch: Epoch) -> ValueSink {
        let sender = Arc::new(Sender { device, epoch, failure: OnceLock::new() });
        ValueSink { store: self.clone(), sender }
    }

    /// Stores values of one device, all or none; on disk when this returns, the history included.
    ///
    /// # Errors
    /// When the ownership has ended or storage fails.
    pub async fn write_new_values(
        &self,
        id: DeviceId,
        epoch: Epoch,
        values: Vec<NewValue>,
        arrived_at: UtcTime,
    ) -> Result<(), WriteValuesError> {
        let sink = self.value_sink(id, epoch);
        sink.accept(values, arrived_at).await?;
        sink.flush().await
    }

    /// Stores values that were measured at `at`; as [`Store::write_new_values`].
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
        let values = values.into_iter().map(|(pin, value)| NewValue::live(pin, value)).collect();
        self.write_new_values(id, epoch, values, at).await
    }

    /// Forgets the last value of a pin in the current ownership; its history stays.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn erase_value(&self, id: DeviceId, pin: Pin) -> Result<(), StorageError> {
        self.write(move |work| {
            work.settle_values()?;
            work.conn
                .prepare_cached(
                    "DELETE FROM values_last WHERE device_id = ?1 AND pin = ?2
                     AND epoch = (SELECT epoch FROM devices WHERE id = ?1)",
                )?
                .execute((id.as_str(), pin.number()))?;
            Ok(())
        })
        .await
    }

    /// Returns the last value of a pin in the current ownership.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn last_value(&self, id: DeviceId, pin: Pin) -> Result<Option<StoredValue>, StorageError> {
        let unsettled = self.unsettled_values();
        self.read(move |conn| Ok(unsettled.read(conn, &id, Some(pin))?.pop())).await
    }

    /// Returns the last values of all pins in the current ownership, by pin.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn last_values(&self, id: DeviceId) -> Result<Vec<StoredValue>, StorageError> {
        let unsettled = self.unsettled_values();
        self.read(move |conn| unsettled.read(conn, &id, None)).await
    }
}

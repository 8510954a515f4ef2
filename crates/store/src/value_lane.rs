//! The part of the writer that stores values: it knows which ownerships allow data and which streams exist, so that a
//! live value costs one statement and no query.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use registry::{DeviceId, Epoch, UtcTime};
use rusqlite::Connection;
use telemetry::{Pin, Value};

use crate::history::{find_or_make_stream, next_seq};
use crate::last_values::LastValues;
use crate::{NewValue, StorageError, WriteValuesError};

/// Ownerships that are remembered; when there are more, all are forgotten and looked up again. About 100 bytes each.
const REMEMBERED_OWNERSHIPS_MAX: usize = 50_000;

/// Whose values they are, and whether storing any of them has failed.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) device: DeviceId,
    pub(crate) epoch: Epoch,
    pub(crate) failure: OnceLock<WriteValuesError>,
}

impl Sender {
    pub(crate) fn fail(&self, failure: WriteValuesError) {
        // The first reason is the one that matters.
        drop(self.failure.set(failure));
    }
}

/// Values that arrived together.
#[derive(Debug)]
pub(crate) struct ValueBatch {
    pub(crate) sender: Arc<Sender>,
    pub(crate) values: Vec<NewValue>,
    pub(crate) arrived_at: UtcTime,
}

/// What the writer knows by heart. Everything here can be looked up again.
#[derive(Debug)]
pub(crate) struct ValueLane {
    ownerships: HashMap<DeviceId, Known>,
    next_seq: i64,
    pub(crate) last_values: LastValues,
}

#[derive(Debug)]
struct Known {
    epoch: Epoch,
    /// Streams of the pins that were written since this is known; few pins, so a list.
    streams: Vec<(Pin, i64)>,
}

impl ValueLane {
    pub(crate) fn open(conn: &Connection) -> Result<Self, StorageError> {
        Ok(Self {
            ownerships: HashMap::new(),
            next_seq: next_seq(conn)?,
            last_values: LastValues::open(conn)?,
        })
    }

    /// Forgets everything: an ownership may have ended, or a transaction in which something was learned has failed.
    pub(crate) fn forget(&mut self) {
        self.ownerships.clear();
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When storage fails; the whole transaction is to be given up then.
    pub(crate) fn begin(&mut self, conn: &Connection) -> Result<(), StorageError> {
        if self.last_values.is_full() { self.settle(conn) } else { Ok(()) }
    }

    /// Writes last values to their table, all that there are.
    ///
    /// # Errors
    /// When storage fails.
    pub(crate) fn settle(&mut self, conn: &Connection) -> Result<(), StorageError> {
        self.last_values.settle(conn, self.next_seq - 1)
    }

    /// Stores a batch in the open transaction and empties it. A batch whose ownership has ended is passed over and its
    /// sender told.
    ///
    /// # Errors
    /// When storage fails; the whole transaction is to be given up then.
    pub(crate) fn store(&mut self, conn: &Connection, batch: &mut ValueBatch) -> Result<u64, StorageError> {
        let Sender { device, epoch, .. } = &*batch.sender;
        if !self.knows(conn, device, *epoch)? {
            batch.sender.fail(WriteValuesError::NotOwned);
            return Ok(0);
        }
        let mut history = conn.prepare_cached(
            "INSERT INTO history_recent (seq, stream, at, value, is_dated) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let mut count = 0;
        for new in batch.values.drain(..) {
            count += 1;
            let at = new.dated_at.map_or(batch.arrived_at, |at| at.min(batch.arrived_at)).unix_ms();
            if !new.keeps_history {
                self.put_last(conn, (device, *epoch), &new, at)?;
                continue;
            }
            let (seq, is_dated) = (self.next_seq, new.dated_at.is_some());
            let stream = self.stream(conn, device, *epoch, new.pin)?;
            history.execute((seq, stream, at, new.value.as_wire(), is_dated))?;
            self.next_seq += 1;
            self.last_values.take(conn, seq, stream, (at, new.value), is_dated)?;
        }
        Ok(count)
    }

    /// Stores a value that leaves no row: the table must have everything that came before it.
    fn put_last(
        &mut self,
        conn: &Connection,
        (device, epoch): (&DeviceId, Epoch),
        new: &NewValue,
        at: i64,
    ) -> Result<(), StorageError> {
        self.settle(conn)?;
        conn.prepare_cached(
            "INSERT INTO values_last (device_id, epoch, pin, value, at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (device_id, epoch, pin) DO UPDATE SET value = excluded.value, at = excluded.at
             WHERE NOT ?6 OR excluded.at >= at",
        )?
        .execute((
            device.as_str(),
            epoch.get(),
            new.pin.number(),
            new.value.as_wire(),
            at,
            new.dated_at.is_some(),
        ))?;
        Ok(())
    }

    /// Says whether the ownership allows data.
    fn knows(&mut self, conn: &Connection, device: &DeviceId, epoch: Epoch) -> Result<bool, StorageError> {
        if self.ownerships.get(device).is_some_and(|known| known.epoch == epoch) {
            return Ok(true);
        }
        let is_owned = conn
            .prepare_cached(
                "SELECT 1 FROM devices WHERE id = ?1 AND epoch = ?2 AND ownership IN ('reserved', 'owned')",
            )?
            .exists((device.as_str(), epoch.get()))?;
        if is_owned {
            if self.ownerships.len() >= REMEMBERED_OWNERSHIPS_MAX {
                self.ownerships.clear();
            }
            self.ownerships.insert(device.clone(), Known { epoch, streams: Vec::new() });
        }
        Ok(is_owned)
    }

    fn stream(
        &mut self,
        conn: &Connection,
        device: &DeviceId,
        epoch: Epoch,
        pin: Pin,
    ) -> Result<i64, StorageError> {
        let known = self.ownerships.get_mut(device);
        let found = known.as_ref().and_then(|known| known.streams.iter().find(|(found, _)| *found == pin));
        if let Some((_, stream)) = found {
            return Ok(*stream);
        }
        let stream = find_or_make_stream(conn, device, epoch, pin)?;
        if let Some(known) = known {
            known.streams.push((pin, stream));
        }
        Ok(stream)
    }
}

impl NewValue {
    /// Makes a value that was measured now and goes into the history.
    #[must_use]
    pub fn live(pin: Pin, value: Value) -> Self {
        Self { pin, value, dated_at: None, keeps_history: true }
    }

    /// Makes a value of a past moment. It becomes the last value only when the stored one is not newer.
    #[must_use]
    pub fn dated(pin: Pin, value: Value, at: UtcTime) -> Self {
        Self { pin, value, dated_at: Some(at), keeps_history: true }
    }

    /// Keeps the value out of the history: it becomes the last value and nothing else.
    #[must_use]
    pub fn without_history(self) -> Self {
        Self { keeps_history: false, ..self }
    }
}

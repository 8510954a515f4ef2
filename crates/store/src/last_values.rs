//! Last values that are not in their table yet.
//!
//! A live value is on disk as a row of `history_recent`; writing it to `values_last` as well would dirty a page for nearly
//! every device in each transaction. So the newest value of each stream is kept here and *settled*, written to the table,
//! now and then. When the store is opened, rows that came after the latest settling are gone through again, in order.
//!
//! What rows cannot tell again settles everything before it changes anything: a value without history, an erased value,
//! deleted history. A round of moving settles too, because rows go at its end. Decision 0042 says why.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use registry::{DeviceId, UtcTime};
use rusqlite::{Connection, OptionalExtension};
use telemetry::{Pin, Value};

use crate::{StorageError, StoredValue};

/// 65,536 streams may wait, about 6 MB; a round of moving begins after as many values.
const UNSETTLED_STREAMS_MAX: usize = 65_536;

/// 8 MB of values may wait.
const UNSETTLED_BYTES_MAX: usize = 8 * 1024 * 1024;

const DAMAGED: StorageError = StorageError::Damaged { what: "a value" };

/// The last value of a stream, with the number of its row.
#[derive(Debug)]
struct Last {
    seq: i64,
    at: i64,
    value: Value,
}

/// What is on disk and not settled, for readers.
#[derive(Debug, Default)]
pub(crate) struct UnsettledValues {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    by_stream: HashMap<i64, Last>,
    bytes: usize,
    /// Counts how often something went from here: what was read from the table before is out of date then.
    generation: u64,
}

impl UnsettledValues {
    fn look(&self) -> RwLockReadGuard<'_, State> {
        // Each change leaves a whole state behind.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns last values of the current ownership, of one pin or of all, by pin.
    pub(crate) fn read(
        &self,
        conn: &Connection,
        device: &DeviceId,
        pin: Option<Pin>,
    ) -> Result<Vec<StoredValue>, StorageError> {
        loop {
            let generation = self.look().generation;
            let mut settled = settled_values(conn, device, pin)?;
            let state = self.look();
            // Settled in between: the table has it now.
            if state.generation != generation {
                continue;
            }
            for row in &mut settled {
                if let Some(last) = row.stream.and_then(|stream| state.by_stream.get(&stream)) {
                    row.value = Some((last.value.clone(), last.at));
                }
            }
            drop(state);
            let stored = |row: Settled| {
                let (value, at) = row.value?;
                Some(StoredValue { pin: row.pin, value, at: UtcTime::from_unix_ms(at) })
            };
            return Ok(settled.into_iter().filter_map(stored).collect());
        }
    }
}

/// A pin as the tables know it.
struct Settled {
    pin: Pin,
    stream: Option<i64>,
    value: Option<(Value, i64)>,
}

/// Reads every pin of the current ownership that has a stream or a value.
fn settled_values(
    conn: &Connection,
    device: &DeviceId,
    pin: Option<Pin>,
) -> Result<Vec<Settled>, StorageError> {
    // One statement sees one moment.
    let mut statement = conn.prepare_cached(
        "WITH current AS (SELECT id, epoch FROM devices WHERE id = ?1)
         SELECT s.pin, s.id, v.value, v.at FROM current c
         JOIN history_streams s ON s.device_id = c.id AND s.epoch = c.epoch AND s.pin BETWEEN ?2 AND ?3
         LEFT JOIN values_last v ON v.device_id = c.id AND v.epoch = c.epoch AND v.pin = s.pin
         UNION ALL
         SELECT v.pin, NULL, v.value, v.at FROM current c
         JOIN values_last v ON v.device_id = c.id AND v.epoch = c.epoch AND v.pin BETWEEN ?2 AND ?3
         WHERE NOT EXISTS (SELECT 1 FROM history_streams s
                           WHERE s.device_id = c.id AND s.epoch = c.epoch AND s.pin = v.pin)
         ORDER BY 1",
    )?;
    let (first, last) = pin.map_or((0, u8::MAX), |pin| (pin.number(), pin.number()));
    let mut rows = statement.query((device.as_str(), first, last))?;
    let mut settled = Vec::new();
    while let Some(row) = rows.next()? {
        let joined: Option<Vec<u8>> = row.get(2)?;
        let value = match joined {
            Some(joined) => Some((Value::from_wire(&joined).or(Err(DAMAGED))?, row.get(3)?)),
            None => None,
        };
        settled.push(Settled { pin: Pin::new(row.get(0)?), stream: row.get(1)?, value });
    }
    Ok(settled)
}

/// The writer's side: what the open transaction changes, until it is on disk.
#[derive(Debug)]
pub(crate) struct LastValues {
    unsettled: Arc<UnsettledValues>,
    /// Of the open transaction.
    pending: BTreeMap<i64, Last>,
    /// The number of the latest row up to which the open transaction, or one before, has settled.
    settled_seq: i64,
    /// The same as it is on disk.
    committed_seq: i64,
    /// Streams that the open transaction has purged.
    purged: Vec<i64>,
}

/// Where to go back to when a write is undone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    settled_seq: i64,
    purged_count: usize,
}

impl LastValues {
    /// Goes through the rows that came after the latest settling.
    pub(crate) fn open(conn: &Connection) -> Result<Self, StorageError> {
        let settled_seq =
            conn.query_row("SELECT values_upto_seq FROM history_progress WHERE id = 1", [], |row| {
                row.get(0)
            })?;
        let mut values = Self {
            unsettled: Arc::default(),
            pending: BTreeMap::new(),
            settled_seq,
            committed_seq: settled_seq,
            purged: Vec::new(),
        };
        let mut statement = conn.prepare(
            "SELECT r.seq, r.stream, r.at, r.value, r.is_dated FROM history_recent r
             JOIN history_streams s ON s.id = r.stream WHERE r.seq > ?1 ORDER BY r.seq",
        )?;
        let mut rows = statement.query([settled_seq])?;
        while let Some(row) = rows.next()? {
            let joined = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
            let value = Value::from_wire(joined).or(Err(DAMAGED))?;
            values.take(conn, row.get(0)?, row.get(1)?, (row.get(2)?, value), row.get(4)?)?;
        }
        values.committed();
        Ok(values)
    }

    pub(crate) fn unsettled(&self) -> Arc<UnsettledValues> {
        Arc::clone(&self.unsettled)
    }

    /// Takes over what row `seq` says. A live value always becomes the last one, a dated one when that is not newer.
    pub(crate) fn take(
        &mut self,
        conn: &Connection,
        seq: i64,
        stream: i64,
        (at, value): (i64, Value),
        is_dated: bool,
    ) -> Result<(), StorageError> {
        if !is_dated || self.last_at(conn, stream)?.is_none_or(|last_at| at >= last_at) {
            self.pending.insert(stream, Last { seq, at, value });
        }
        Ok(())
    }

    /// Returns the time of a stream's last value.
    fn last_at(&self, conn: &Connection, stream: i64) -> Result<Option<i64>, StorageError> {
        // What has been settled is in the table, and may have been changed there since.
        let is_open = |last: &&Last| last.seq > self.settled_seq;
        if let Some(last) = self.pending.get(&stream).filter(is_open) {
            return Ok(Some(last.at));
        }
        let waiting_at = self.unsettled.look().by_stream.get(&stream).filter(is_open).map(|last| last.at);
        if waiting_at.is_some() {
            return Ok(waiting_at);
        }
        Ok(conn
            .prepare_cached(
                "SELECT v.at FROM history_streams s
                 JOIN values_last v ON v.device_id = s.device_id AND v.epoch = s.epoch AND v.pin = s.pin
                 WHERE s.id = ?1",
            )?
            .query_row([stream], |row| row.get(0))
            .optional()?)
    }

    /// Says whether so much waits that it should be settled now.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.unsettled.look();
        state.by_stream.len() >= UNSETTLED_STREAMS_MAX || state.bytes >= UNSETTLED_BYTES_MAX
    }

    /// Writes everything up to row `upto_seq`, the latest, to the table.
    pub(crate) fn settle(&mut self, conn: &Connection, upto_seq: i64) -> Result<(), StorageError> {
        if upto_seq <= self.settled_seq {
            return Ok(());
        }
        // A stream that was purged has no row to take the names from, so nothing of it comes back.
        let mut put = conn.prepare_cached(
            "INSERT INTO values_last (device_id, epoch, pin, value, at)
             SELECT device_id, epoch, pin, ?2, ?3 FROM history_streams WHERE id = ?1
             ON CONFLICT (device_id, epoch, pin) DO UPDATE SET value = excluded.value, at = excluded.at",
        )?;
        let state = self.unsettled.look();
        let waiting = state.by_stream.iter().filter(|(stream, _)| !self.pending.contains_key(stream));
        for (stream, last) in waiting.chain(&self.pending) {
            if last.seq > self.settled_seq {
                put.execute((stream, last.value.as_wire(), last.at))?;
            }
        }
        drop(state);
        conn.prepare_cached("UPDATE history_progress SET values_upto_seq = ?1 WHERE id = 1")?
            .execute([upto_seq])?;
        self.settled_seq = upto_seq;
        Ok(())
    }

    /// Notes that a stream is gone with everything in it.
    pub(crate) fn purge(&mut self, streams: &[i64]) {
        self.purged.extend_from_slice(streams);
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { settled_seq: self.settled_seq, purged_count: self.purged.len() }
    }

    /// Undoes what a write did since the mark; values are never part of it.
    pub(crate) fn undo_to(&mut self, mark: Mark) {
        self.settled_seq = mark.settled_seq;
        self.purged.truncate(mark.purged_count);
    }

    /// Follows a transaction that is on disk: readers see its values from now on.
    pub(crate) fn committed(&mut self) {
        let has_settled = self.settled_seq != self.committed_seq;
        if self.pending.is_empty() && self.purged.is_empty() && !has_settled {
            return;
        }
        self.committed_seq = self.settled_seq;
        let mut guard = self.unsettled.state.write().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        for (stream, last) in std::mem::take(&mut self.pending) {
            state.bytes = state.bytes.saturating_add(last.value.as_wire().len());
            if let Some(before) = state.by_stream.insert(stream, last) {
                state.bytes = state.bytes.saturating_sub(before.value.as_wire().len());
            }
        }
        for stream in self.purged.drain(..) {
            if let Some(before) = state.by_stream.remove(&stream) {
                state.bytes = state.bytes.saturating_sub(before.value.as_wire().len());
            }
            state.generation += 1;
        }
        if has_settled {
            state.by_stream.retain(|_stream, last| last.seq > self.settled_seq);
            state.by_stream.shrink_to(UNSETTLED_STREAMS_MAX / 16);
            state.bytes = state.by_stream.values().map(|last| last.value.as_wire().len()).sum();
            state.generation += 1;
        }
    }

    /// Follows a transaction that failed.
    pub(crate) fn rolled_back(&mut self) {
        self.pending.clear();
        self.purged.clear();
        self.settled_seq = self.committed_seq;
    }
}

#[cfg(test)]
mod tests;

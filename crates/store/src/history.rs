//! History of values: what was written when, and roll-ups of the numbers among it. Decision 0040 says why it lies so.
//!
//! A written value becomes a row of `history_recent`, in the order of arrival and in the transaction that changes the last
//! value. [`Store::compact_history`] moves rows into chunks of one stream (a pin of one ownership) each, and folds numbers
//! into hours. Minutes are made from raw values when they are asked for, days from hours.

mod chunk;
mod compaction;
mod insert;
mod query;
mod removal;

use registry::{DeviceId, Epoch, UtcTime};
use rusqlite::{Connection, OptionalExtension};
use telemetry::{Pin, Rollup, RollupStep, Value};

use crate::{StorageError, Store};

pub use compaction::Maintained;
pub(crate) use compaction::PlanPlace;
pub use query::{HistoryCursor, ParseHistoryCursorError};
pub use removal::Expired;
pub(crate) use removal::purge_history;

/// 10,000 rows are the most that one page of history has.
pub const HISTORY_PAGE_ROWS_MAX: u32 = 10_000;

/// 92 days: how far into the past values may be dated; imports reach three months back (reference/http-api.md 5).
pub const DATED_PAST_MAX_MS: i64 = 92 * 86_400_000;

/// How long history is kept, and how it is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistorySettings {
    /// Days for which every value is kept: 31, the longest month that can be asked for.
    pub raw_days: u32,
    /// Days for which hours are kept: 1,096, three years.
    pub hour_days: u32,
    /// Bytes after which a chunk is full: 900, so that its row stays in one page of 4,096 bytes with three others
    /// (SQLite keeps about 1,000 bytes of such a row in its page and puts the rest elsewhere). Tests use less.
    pub chunk_bytes_max: usize,
    /// Rows that are moved in one transaction: 1,024, a few milliseconds, or a whole stream when it has more. Tests use
    /// less.
    pub step_rows_max: usize,
    /// Raw values that one page of minutes may read: 500,000, some tens of milliseconds. Tests use less.
    pub scan_values_max: usize,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self {
            raw_days: 31,
            hour_days: 1_096,
            chunk_bytes_max: 900,
            step_rows_max: 1_024,
            scan_values_max: 500_000,
        }
    }
}

/// Whose history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryOf {
    /// The ownership that the device is in now.
    CurrentOwnership,
    /// The ownership with this number. It is purged when it ends.
    Epoch(Epoch),
}

/// A question about the history of one pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The device.
    pub device: DeviceId,
    /// Which ownership.
    pub of: HistoryOf,
    /// The pin.
    pub pin: Pin,
    /// The first moment that counts.
    pub from: UtcTime,
    /// The first moment that counts no more.
    pub to: UtcTime,
    /// Rows of a page, 1 to [`HISTORY_PAGE_ROWS_MAX`]; other numbers are moved into these bounds.
    pub limit: u32,
    /// Where the page before ended; none for the first page.
    pub cursor: Option<HistoryCursor>,
}

/// One value of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryValue {
    /// When it was written, or the time it was dated with.
    pub at: UtcTime,
    /// The value, byte for byte as it was written.
    pub value: Value,
}

/// The numbers of one minute, hour or day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistoryRollup {
    /// Where the stretch starts.
    pub at: UtcTime,
    /// Its numbers, folded.
    pub numbers: Rollup,
}

/// A page of history, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// For the next page; none when this is the last one.
    pub next: Option<HistoryCursor>,
}

impl Store {
    /// Returns raw values in the order of their times; of equal times in the order of arrival.
    ///
    /// To write all of them out (CSV), ask page by page with [`HistoryPage::next`]: memory stays that of one page, and
    /// what arrives in between does not disturb the order.
    ///
    /// # Errors
    /// When storage fails. A device or pin without history has an empty page.
    pub async fn raw_history(&self, query: HistoryQuery) -> Result<HistoryPage<HistoryValue>, StorageError> {
        self.read(move |conn| query::raw(conn, &query)).await
    }

    /// Returns roll-ups of numbers by minute, hour or day (UTC), for whole stretches: `from` is moved back to the start of
    /// its stretch and `to` forward to the end of its. Stretches without numbers are left out.
    ///
    /// Minutes exist for as long as raw values are kept, hours and days for as long as hours are. A page of minutes ends
    /// early after many raw values, even when it is empty: only a page without [`HistoryPage::next`] is the last.
    ///
    /// # Errors
    /// As [`Store::raw_history`].
    pub async fn rolled_history(
        &self,
        query: HistoryQuery,
        step: RollupStep,
    ) -> Result<HistoryPage<HistoryRollup>, StorageError> {
        let scan_values_max = self.history_settings().scan_values_max;
        self.read(move |conn| query::rolled(conn, &query, step, scan_values_max)).await
    }

    /// Returns the pins of an ownership that have ever had history, by number.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn history_pins(&self, device: DeviceId, of: HistoryOf) -> Result<Vec<Pin>, StorageError> {
        self.read(move |conn| {
            let Some(epoch) = epoch_of(conn, &device, of)? else { return Ok(Vec::new()) };
            let mut statement = conn.prepare_cached(
                "SELECT pin FROM history_streams WHERE device_id = ?1 AND epoch = ?2 ORDER BY pin",
            )?;
            let pins = statement.query_map((device.as_str(), epoch), |row| row.get(0).map(Pin::new))?;
            Ok(pins.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn epoch_of(conn: &Connection, device: &DeviceId, of: HistoryOf) -> Result<Option<u32>, StorageError> {
    match of {
        HistoryOf::Epoch(epoch) => Ok(Some(epoch.get())),
        HistoryOf::CurrentOwnership => Ok(conn
            .prepare_cached("SELECT epoch FROM devices WHERE id = ?1")?
            .query_row([device.as_str()], |row| row.get(0))
            .optional()?),
    }
}

fn stream_of(
    conn: &Connection,
    device: &DeviceId,
    of: HistoryOf,
    pin: Pin,
) -> Result<Option<i64>, StorageError> {
    let Some(epoch) = epoch_of(conn, device, of)? else { return Ok(None) };
    find_stream(conn, device, epoch, pin)
}

fn find_stream(
    conn: &Connection,
    device: &DeviceId,
    epoch: u32,
    pin: Pin,
) -> Result<Option<i64>, StorageError> {
    Ok(conn
        .prepare_cached("SELECT id FROM history_streams WHERE device_id = ?1 AND epoch = ?2 AND pin = ?3")?
        .query_row((device.as_str(), epoch, pin.number()), |row| row.get(0))
        .optional()?)
}

/// Returns where to begin reading chunks for points from `from` on: they may stand at the end of the last chunk that starts
/// before it.
fn first_chunk_from(conn: &Connection, stream: i64, from: i64) -> Result<i64, StorageError> {
    let before: Option<i64> = conn
        .prepare_cached(
            "SELECT from_at FROM history_chunks WHERE stream = ?1 AND from_at < ?2
             ORDER BY from_at DESC, part DESC LIMIT 1",
        )?
        .query_row((stream, from), |row| row.get(0))
        .optional()?;
    Ok(before.unwrap_or(from))
}

/// Returns the stream of a pin; makes it when this is its first value.
pub(crate) fn find_or_make_stream(
    conn: &Connection,
    device: &DeviceId,
    epoch: Epoch,
    pin: Pin,
) -> Result<i64, StorageError> {
    if let Some(stream) = find_stream(conn, device, epoch.get(), pin)? {
        return Ok(stream);
    }
    conn.prepare_cached("INSERT INTO history_streams (device_id, epoch, pin) VALUES (?1, ?2, ?3)")?
        .execute((device.as_str(), epoch.get(), pin.number()))?;
    Ok(conn.last_insert_rowid())
}

/// Returns the number of the next row that arrives. Numbers of deleted rows are not used again while a round still names
/// them as moved, or last values as settled.
pub(crate) fn next_seq(conn: &Connection) -> Result<i64, StorageError> {
    Ok(conn.query_row(
        "SELECT 1 + max(upto_seq, values_upto_seq, ifnull((SELECT max(seq) FROM history_recent), 0))
         FROM history_progress",
        [],
        |row| row.get(0),
    )?)
}

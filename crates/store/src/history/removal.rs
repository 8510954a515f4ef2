//! Ends of history: its time is over, somebody deletes a stretch of it, the ownership ends.

use registry::{DeviceId, UtcTime};
use rusqlite::Connection;
use telemetry::{Pin, RollupStep};

use super::compaction::forget_plans;
use super::insert::{add_to_hours, chunk_after, replace, stored_points};
use super::{HistoryOf, epoch_of, first_chunk_from};
use crate::{Change, StorageError, Store};

/// 128 streams are looked at in one transaction.
const EXPIRE_STREAMS_MAX: i64 = 128;

/// 4,096 chunks of a stream, about 4 MB, are deleted in one transaction.
const EXPIRE_CHUNKS_MAX: i64 = 4_096;

/// 86,400,000 milliseconds.
const DAY_MS: i64 = 86_400_000;

/// How far a sweep for history past its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Go on after this stream.
    UpTo(i64),
    /// Every stream was looked at.
    All,
}

impl Store {
    /// Deletes what is past its time from some streams, beginning after the one that the call before named (0 at first).
    ///
    /// Whole chunks go when their last value is past its time, so that up to a chunk's worth is kept a little longer.
    ///
    /// # Errors
    /// When storage fails; nothing was deleted then.
    pub async fn expire_history(&self, after_stream: i64, now: UtcTime) -> Result<Expired, StorageError> {
        let settings = self.history_settings();
        let raw_before = now.unix_ms().saturating_sub(i64::from(settings.raw_days) * DAY_MS);
        let hours_before = now.unix_ms().saturating_sub(i64::from(settings.hour_days) * DAY_MS);
        self.write(move |work| {
            let mut statement = work
                .conn
                .prepare_cached("SELECT id FROM history_streams WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            let streams = statement.query_map((after_stream, EXPIRE_STREAMS_MAX), |row| row.get(0))?;
            let streams: Vec<i64> = streams.collect::<Result<_, _>>()?;
            for stream in &streams {
                let is_whole = expire_chunks(work.conn, *stream, raw_before)?;
                work.conn
                    .prepare_cached("DELETE FROM history_hours WHERE stream = ?1 AND hour_at < ?2")?
                    .execute((stream, hours_before))?;
                if !is_whole {
                    return Ok(Expired::UpTo(stream - 1));
                }
            }
            Ok(streams.last().map_or(Expired::All, |last| Expired::UpTo(*last)))
        })
        .await
    }

    /// Deletes the history of a pin, or of every pin, from `from` and before `to`. Hours that lie partly in it are made
    /// again from the raw values that are left. Last values stay. Without a stretch everything goes.
    ///
    /// # Errors
    /// When storage fails; nothing was deleted then.
    pub async fn delete_history(
        &self,
        device: DeviceId,
        of: HistoryOf,
        pin: Option<Pin>,
        stretch: Option<(UtcTime, UtcTime)>,
        change: Change,
    ) -> Result<(), StorageError> {
        let chunk_bytes_max = self.history_settings().chunk_bytes_max;
        let stretch = stretch.map(|(from, to)| (from.unix_ms(), to.unix_ms()));
        self.write(move |work| {
            let Some(epoch) = epoch_of(work.conn, &device, of)? else { return Ok(()) };
            work.settle_values()?;
            let mut statement = work.conn.prepare_cached(
                "SELECT id FROM history_streams WHERE device_id = ?1 AND epoch = ?2 AND pin = ifnull(?3, pin)",
            )?;
            let streams = statement
                .query_map((device.as_str(), epoch, pin.map(Pin::number)), |row| row.get(0))?;
            let streams: Vec<i64> = streams.collect::<Result<_, _>>()?;
            for stream in streams {
                match stretch {
                    Some((from, to)) if from >= to => {}
                    Some((from, to)) => delete_range(work.conn, stream, from, to, chunk_bytes_max)?,
                    None => delete_stream_rows(work.conn, stream)?,
                }
            }
            forget_plans(work.conn)?;
            let detail = pin.map_or_else(|| "every pin".to_owned(), |pin| pin.to_string());
            work.audit(&change, "history.erase", device.as_str(), &detail)?;
            work.purged();
            Ok(())
        })
        .await
    }
}

/// Deletes chunks that are past their time; says whether none is left over.
fn expire_chunks(conn: &Connection, stream: i64, before: i64) -> Result<bool, StorageError> {
    // A chunk is past its time when the one after it starts before the limit too.
    let mut statement = conn.prepare_cached(
        "SELECT from_at, part FROM history_chunks WHERE stream = ?1 AND from_at < ?2
         ORDER BY from_at, part LIMIT ?3",
    )?;
    let keys =
        statement.query_map((stream, before, EXPIRE_CHUNKS_MAX + 1), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut keys: Vec<(i64, i64)> = keys.collect::<Result<_, _>>()?;
    let is_whole = i64::try_from(keys.len()).is_ok_and(|count| count <= EXPIRE_CHUNKS_MAX);
    let last = keys.pop();
    let mut delete =
        conn.prepare_cached("DELETE FROM history_chunks WHERE stream = ?1 AND from_at = ?2 AND part = ?3")?;
    for (from_at, part) in keys {
        delete.execute((stream, from_at, part))?;
    }
    if let Some(last) = last.filter(|_| is_whole)
        && stored_points(conn, stream, last)?.last().is_none_or(|point| point.at < before)
    {
        delete.execute((stream, last.0, last.1))?;
    }
    Ok(is_whole)
}

/// Deletes what a stream holds without reading it; the stream itself stays, values may be on their way into it.
fn delete_stream_rows(conn: &Connection, stream: i64) -> Result<(), StorageError> {
    for sql in [
        "DELETE FROM history_recent WHERE stream = ?1",
        "DELETE FROM history_chunks WHERE stream = ?1",
        "DELETE FROM history_hours WHERE stream = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([stream])?;
    }
    Ok(())
}

fn delete_range(
    conn: &Connection,
    stream: i64,
    from: i64,
    to: i64,
    chunk_bytes_max: usize,
) -> Result<(), StorageError> {
    conn.prepare_cached("DELETE FROM history_recent WHERE stream = ?1 AND at >= ?2 AND at < ?3")?
        .execute((stream, from, to))?;
    for key in chunks_touching(conn, stream, from, to)? {
        let mut points = stored_points(conn, stream, key)?;
        points.retain(|point| point.at < from || point.at >= to);
        let following = chunk_after(conn, stream, key)?;
        replace(conn, stream, Some(key), &points, following, chunk_bytes_max)?;
    }
    // Hours that are touched are made again from what chunks still hold; rows that were not moved are not in them yet.
    let (hours_from, hours_to) = (RollupStep::Hour.start_of(from), RollupStep::Hour.end_of(to));
    conn.prepare_cached("DELETE FROM history_hours WHERE stream = ?1 AND hour_at >= ?2 AND hour_at < ?3")?
        .execute((stream, hours_from, hours_to))?;
    for key in chunks_touching(conn, stream, hours_from, hours_to)? {
        let mut points = stored_points(conn, stream, key)?;
        points.retain(|point| point.at >= hours_from && point.at < hours_to);
        add_to_hours(conn, stream, &points)?;
    }
    Ok(())
}

/// Returns the chunks that may hold points from `from` and before `to`, in order.
fn chunks_touching(
    conn: &Connection,
    stream: i64,
    from: i64,
    to: i64,
) -> Result<Vec<(i64, i64)>, StorageError> {
    let start = first_chunk_from(conn, stream, from)?;
    let mut statement = conn.prepare_cached(
        "SELECT from_at, part FROM history_chunks WHERE stream = ?1 AND from_at >= ?2 AND from_at < ?3
         ORDER BY from_at, part",
    )?;
    let keys = statement.query_map((stream, start, to), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Deletes all history of a device, of every ownership, and returns the streams that it had.
pub(crate) fn purge_history(conn: &Connection, device: &DeviceId) -> Result<Vec<i64>, StorageError> {
    let mut statement = conn.prepare_cached("SELECT id FROM history_streams WHERE device_id = ?1")?;
    let streams = statement.query_map([device.as_str()], |row| row.get(0))?;
    let streams: Vec<i64> = streams.collect::<Result<_, _>>()?;
    if streams.is_empty() {
        return Ok(streams);
    }
    for stream in &streams {
        conn.prepare_cached("DELETE FROM history_chunks WHERE stream = ?1")?.execute([stream])?;
        conn.prepare_cached("DELETE FROM history_hours WHERE stream = ?1")?.execute([stream])?;
    }
    conn.prepare_cached(
        "DELETE FROM history_recent
         WHERE stream IN (SELECT id FROM history_streams WHERE device_id = ?1)",
    )?
    .execute([device.as_str()])?;
    conn.prepare_cached("DELETE FROM history_streams WHERE device_id = ?1")?.execute([device.as_str()])?;
    forget_plans(conn)?;
    Ok(streams)
}

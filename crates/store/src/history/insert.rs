//! Puts points into the chunks of a stream, wherever in time they belong.

use rusqlite::{Connection, OptionalExtension};
use telemetry::{Rollup, RollupStep, number_of};

use super::chunk::{Encoder, Point, decode};
use crate::StorageError;

/// Where a chunk stands: its first time, and its place among chunks with that time.
pub(super) type ChunkKey = (i64, i64);

/// Inserts points, sorted by time and, for equal times, by arrival; they come after stored points of the same time.
pub(super) fn insert_points(
    conn: &Connection,
    stream: i64,
    mut points: &[Point],
    chunk_bytes_max: usize,
) -> Result<(), StorageError> {
    if append_points(conn, stream, points, chunk_bytes_max)? {
        return Ok(());
    }
    while let Some(first) = points.first() {
        let Some(target) = target_chunk(conn, stream, first.at)? else {
            return replace(conn, stream, None, points, None, chunk_bytes_max);
        };
        let following = chunk_after(conn, stream, target)?;
        let fits = |point: &Point| following.is_none_or(|(from_at, _)| point.at < from_at);
        let (here, rest) = points.split_at(points.partition_point(fits));
        let merged = merge(stored_points(conn, stream, target)?, here);
        replace(conn, stream, Some(target), &merged, following, chunk_bytes_max)?;
        points = rest;
    }
    Ok(())
}

/// Appends points after everything that is stored, which is where nearly all belong; says whether they belonged there.
fn append_points(
    conn: &Connection,
    stream: i64,
    points: &[Point],
    chunk_bytes_max: usize,
) -> Result<bool, StorageError> {
    let mut last_chunk = conn.prepare_cached(
        "SELECT from_at, part, points FROM history_chunks WHERE stream = ?1
         ORDER BY from_at DESC, part DESC LIMIT 1",
    )?;
    let mut rows = last_chunk.query([stream])?;
    let Some(row) = rows.next()? else { return Ok(false) };
    let key: ChunkKey = (row.get(0)?, row.get(1)?);
    let bytes = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
    let (open, length) = (Encoder::resume(key.0, bytes)?, bytes.len());
    if points.first().is_none_or(|first| first.at < open.last_at()) {
        return Ok(false);
    }
    drop(rows);
    let pieces = cut(Some(open), points, chunk_bytes_max);
    for (from_at, part, bytes) in with_parts(pieces, Some(key), None) {
        if (from_at, part) != key {
            insert_chunk(conn, stream, (from_at, part), &bytes)?;
        } else if bytes.len() > length {
            conn.prepare_cached(
                "UPDATE history_chunks SET points = ?4 WHERE stream = ?1 AND from_at = ?2 AND part = ?3",
            )?
            .execute((stream, from_at, part, bytes))?;
        }
    }
    Ok(true)
}

fn insert_chunk(
    conn: &Connection,
    stream: i64,
    (from_at, part): ChunkKey,
    bytes: &[u8],
) -> Result<(), StorageError> {
    conn.prepare_cached(
        "INSERT INTO history_chunks (stream, from_at, part, points) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((stream, from_at, part, bytes))?;
    Ok(())
}

/// Folds the numbers among new points into the hours of their stream.
pub(super) fn add_to_hours(conn: &Connection, stream: i64, points: &[Point]) -> Result<(), StorageError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO history_hours (stream, hour_at, count, sum, min, max, last, last_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (stream, hour_at) DO UPDATE SET count = count + excluded.count, sum = sum + excluded.sum,
            min = min(min, excluded.min), max = max(max, excluded.max),
            last = iif(excluded.last_at >= last_at, excluded.last, last), last_at = max(last_at, excluded.last_at)",
    )?;
    for (hour_at, hour) in hours_of(points) {
        let count = i64::try_from(hour.count).unwrap_or(i64::MAX);
        statement.execute((
            stream,
            hour_at,
            count,
            hour.sum,
            hour.min,
            hour.max,
            hour.last,
            hour.last_at_ms,
        ))?;
    }
    Ok(())
}

/// Rolls sorted points up by the hour.
fn hours_of(points: &[Point]) -> Vec<(i64, Rollup)> {
    let mut hours: Vec<(i64, Rollup)> = Vec::new();
    for point in points {
        let Some(number) = number_of(&point.value) else { continue };
        let hour_at = RollupStep::Hour.start_of(point.at);
        let one = Rollup::of(point.at, number);
        match hours.last_mut() {
            Some((last_at, hour)) if *last_at == hour_at => hour.absorb(&one),
            _ => hours.push((hour_at, one)),
        }
    }
    hours
}

/// Finds the chunk that a time belongs to: the last one that starts at or before it, otherwise the first.
fn target_chunk(conn: &Connection, stream: i64, at: i64) -> Result<Option<ChunkKey>, StorageError> {
    let key = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let before = conn
        .prepare_cached(
            "SELECT from_at, part FROM history_chunks WHERE stream = ?1 AND from_at <= ?2
             ORDER BY from_at DESC, part DESC LIMIT 1",
        )?
        .query_row((stream, at), key)
        .optional()?;
    if before.is_some() {
        return Ok(before);
    }
    let first = conn
        .prepare_cached(
            "SELECT from_at, part FROM history_chunks WHERE stream = ?1 ORDER BY from_at, part LIMIT 1",
        )?
        .query_row([stream], key)
        .optional()?;
    Ok(first)
}

pub(super) fn chunk_after(
    conn: &Connection,
    stream: i64,
    (from_at, part): ChunkKey,
) -> Result<Option<ChunkKey>, StorageError> {
    let found = conn
        .prepare_cached(
            "SELECT from_at, part FROM history_chunks WHERE stream = ?1 AND (from_at, part) > (?2, ?3)
             ORDER BY from_at, part LIMIT 1",
        )?
        .query_row((stream, from_at, part), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found)
}

pub(super) fn stored_points(
    conn: &Connection,
    stream: i64,
    (from_at, part): ChunkKey,
) -> Result<Vec<Point>, StorageError> {
    let mut statement = conn.prepare_cached(
        "SELECT points FROM history_chunks WHERE stream = ?1 AND from_at = ?2 AND part = ?3",
    )?;
    let mut rows = statement.query((stream, from_at, part))?;
    match rows.next()? {
        Some(row) => decode(from_at, row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?),
        None => Ok(Vec::new()),
    }
}

/// Merges sorted points; of equal times the stored ones come first.
fn merge(stored: Vec<Point>, new: &[Point]) -> Vec<Point> {
    let mut merged = stored;
    merged.extend_from_slice(new);
    // Stable, and fast on two sorted runs.
    merged.sort_by_key(|point| point.at);
    merged
}

/// Writes points in place of a chunk, in as many chunks as they need.
pub(super) fn replace(
    conn: &Connection,
    stream: i64,
    old: Option<ChunkKey>,
    points: &[Point],
    following: Option<ChunkKey>,
    chunk_bytes_max: usize,
) -> Result<(), StorageError> {
    if let Some((from_at, part)) = old {
        conn.prepare_cached("DELETE FROM history_chunks WHERE stream = ?1 AND from_at = ?2 AND part = ?3")?
            .execute((stream, from_at, part))?;
    }
    for (from_at, part, bytes) in with_parts(cut(None, points, chunk_bytes_max), old, following) {
        insert_chunk(conn, stream, (from_at, part), &bytes)?;
    }
    Ok(())
}

/// Writes points into chunks, beginning with the one that is open.
fn cut(mut open: Option<Encoder>, points: &[Point], chunk_bytes_max: usize) -> Vec<(i64, Vec<u8>)> {
    let mut pieces = Vec::new();
    for point in points {
        match &mut open {
            Some(encoder) if encoder.len() < chunk_bytes_max => encoder.push(point),
            _ => pieces.extend(open.replace(Encoder::new(point))),
        }
    }
    pieces.extend(open);
    pieces.into_iter().map(|encoder| (encoder.first_at(), encoder.into_bytes())).collect()
}

/// Numbers pieces that start at the same time, after the chunk they replace and before the one that follows.
fn with_parts(
    pieces: Vec<(i64, Vec<u8>)>,
    old: Option<ChunkKey>,
    following: Option<ChunkKey>,
) -> Vec<(i64, i64, Vec<u8>)> {
    let mut numbered: Vec<(i64, i64, Vec<u8>)> = Vec::with_capacity(pieces.len());
    for (from_at, bytes) in pieces {
        let part = match (numbered.last(), old) {
            (Some((last_at, last_part, _)), _) if *last_at == from_at => last_part + 1,
            (_, Some((old_at, old_part))) if old_at == from_at => old_part,
            _ => 0,
        };
        numbered.push((from_at, part, bytes));
    }
    // Points of one millisecond may go on in the chunk that follows; pieces before it are numbered down from there.
    let Some((following_at, following_part)) = following else { return numbered };
    let same_count = numbered.iter().rev().take_while(|(from_at, ..)| *from_at == following_at).count();
    let before_them = numbered.len() - same_count;
    let first_part = following_part - i64::try_from(same_count).unwrap_or(0);
    for (part, piece) in (first_part..).zip(numbered.iter_mut().skip(before_them)) {
        piece.1 = part;
    }
    numbered
}

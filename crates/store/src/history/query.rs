//! Reads history: chunks and what has not been moved into them yet, merged.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use registry::UtcTime;
use rusqlite::Connection;
use telemetry::{Rollup, RollupStep, Value, number_of};

use super::chunk::{Point, decode};
use super::compaction::Progress;
use super::{
    HISTORY_PAGE_ROWS_MAX, HistoryPage, HistoryQuery, HistoryRollup, HistoryValue, first_chunk_from,
    stream_of,
};
use crate::StorageError;

/// Where a page of history ended. As text it may be given to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryCursor {
    /// Time of the first row of the next page.
    at_ms: i64,
    /// Rows with that time which were returned already.
    skip: u32,
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not valid; use the one that came with the page before")]
pub struct ParseHistoryCursorError;

impl fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at_ms, self.skip)
    }
}

impl FromStr for HistoryCursor {
    type Err = ParseHistoryCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at_ms, skip) = text.split_once('.').ok_or(ParseHistoryCursorError)?;
        let at_ms = at_ms.parse().or(Err(ParseHistoryCursorError))?;
        Ok(Self { at_ms, skip: skip.parse().or(Err(ParseHistoryCursorError))? })
    }
}

impl HistoryQuery {
    fn rows_max(&self) -> usize {
        usize::try_from(self.limit.clamp(1, HISTORY_PAGE_ROWS_MAX)).unwrap_or(1)
    }
}

/// Reads a page inside one transaction, so that a row that is moved meanwhile is seen once.
pub(super) fn raw(
    conn: &Connection,
    query: &HistoryQuery,
) -> Result<HistoryPage<HistoryValue>, StorageError> {
    let transaction = conn.unchecked_transaction()?;
    let Some(stream) = stream_of(&transaction, &query.device, query.of, query.pin)? else {
        return Ok(HistoryPage { rows: Vec::new(), next: None });
    };
    let cursor = query.cursor.unwrap_or(HistoryCursor { at_ms: i64::MIN, skip: 0 });
    let from = query.from.unix_ms().max(cursor.at_ms);
    let rows_max = query.rows_max();
    let mut skip = if from == cursor.at_ms { cursor.skip } else { 0 };
    let mut rows: Vec<HistoryValue> = Vec::new();
    let mut next = None;
    each_point(&transaction, stream, from, query.to.unix_ms(), &mut |point| {
        if skip > 0 && point.at == from {
            skip -= 1;
            return Ok(Flow::GoOn);
        }
        if rows.len() == rows_max {
            next = Some(cursor_before(&rows, point.at, from, cursor.skip));
            return Ok(Flow::Stop);
        }
        let value = Value::from_wire(&point.value).or(Err(StorageError::Damaged { what: "a past value" }))?;
        rows.push(HistoryValue { at: UtcTime::from_unix_ms(point.at), value });
        Ok(Flow::GoOn)
    })?;
    Ok(HistoryPage { rows, next })
}

/// Makes the cursor of a row that follows `rows`.
fn cursor_before(rows: &[HistoryValue], at_ms: i64, from: i64, skipped_before: u32) -> HistoryCursor {
    let same_count = rows.iter().rev().take_while(|row| row.at.unix_ms() == at_ms).count();
    let skip = u32::try_from(same_count).unwrap_or(u32::MAX);
    // A run of equal times that began on the page before goes on.
    let skip = if at_ms == from { skip.saturating_add(skipped_before) } else { skip };
    HistoryCursor { at_ms, skip }
}

pub(super) fn rolled(
    conn: &Connection,
    query: &HistoryQuery,
    step: RollupStep,
    scan_values_max: usize,
) -> Result<HistoryPage<HistoryRollup>, StorageError> {
    let transaction = conn.unchecked_transaction()?;
    let Some(stream) = stream_of(&transaction, &query.device, query.of, query.pin)? else {
        return Ok(HistoryPage { rows: Vec::new(), next: None });
    };
    let from = query.cursor.map_or(query.from.unix_ms(), |cursor| cursor.at_ms);
    let (from, to) = (step.start_of(from), step.end_of(query.to.unix_ms()));
    let mut folded = Folded { step, rows_max: query.rows_max(), rollups: BTreeMap::new() };
    let mut resume_at = None;
    if step == RollupStep::Minute {
        let (mut scanned_count, mut minute_at) = (0, None);
        each_point(&transaction, stream, from, to, &mut |point| {
            let begins_at = step.start_of(point.at);
            if scanned_count >= scan_values_max && minute_at != Some(begins_at) {
                resume_at = Some(begins_at);
                return Ok(Flow::Stop);
            }
            scanned_count += 1;
            minute_at = Some(begins_at);
            Ok(folded.add_point(point))
        })?;
    } else {
        folded.add_hours(&transaction, stream, from, to)?;
        // They come out of order with the hours: what is past the page is dropped again below.
        for point in recent_points(&transaction, stream, from, to)? {
            folded.add_point(&point);
        }
    }
    let mut rows: Vec<HistoryRollup> = folded
        .rollups
        .iter()
        .map(|(at, numbers)| HistoryRollup { at: UtcTime::from_unix_ms(*at), numbers: *numbers })
        .collect();
    let after_page = rows.get(folded.rows_max).map(|row| row.at.unix_ms());
    let next = after_page.or(resume_at).map(|at_ms| HistoryCursor { at_ms, skip: 0 });
    rows.truncate(folded.rows_max);
    Ok(HistoryPage { rows, next })
}

struct Folded {
    step: RollupStep,
    rows_max: usize,
    /// By start; what arrived first was folded first.
    rollups: BTreeMap<i64, Rollup>,
}

impl Folded {
    /// Stops one stretch after the page is full: that one says where the next page begins.
    fn add(&mut self, at_ms: i64, numbers: Rollup) -> Flow {
        let start = self.step.start_of(at_ms);
        match self.rollups.get_mut(&start) {
            Some(rollup) => rollup.absorb(&numbers),
            None => {
                self.rollups.insert(start, numbers);
            }
        }
        if self.rollups.len() > self.rows_max { Flow::Stop } else { Flow::GoOn }
    }

    fn add_point(&mut self, point: &Point) -> Flow {
        match number_of(&point.value) {
            Some(number) => self.add(point.at, Rollup::of(point.at, number)),
            None => Flow::GoOn,
        }
    }

    fn add_hours(&mut self, conn: &Connection, stream: i64, from: i64, to: i64) -> Result<(), StorageError> {
        let mut statement = conn.prepare_cached(
            "SELECT hour_at, count, sum, min, max, last, last_at FROM history_hours
             WHERE stream = ?1 AND hour_at >= ?2 AND hour_at < ?3 ORDER BY hour_at",
        )?;
        let mut rows = statement.query((stream, from, to))?;
        while let Some(row) = rows.next()? {
            let count: i64 = row.get(1)?;
            let numbers = Rollup {
                count: u64::try_from(count).unwrap_or(1),
                sum: row.get(2)?,
                min: row.get(3)?,
                max: row.get(4)?,
                last: row.get(5)?,
                last_at_ms: row.get(6)?,
            };
            if self.add(row.get(0)?, numbers) == Flow::Stop {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Whether reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Stop,
}

/// Calls `take` with every point from `from` and before `to`, in order, until it says stop.
fn each_point(
    conn: &Connection,
    stream: i64,
    from: i64,
    to: i64,
    take: &mut impl FnMut(&Point) -> Result<Flow, StorageError>,
) -> Result<(), StorageError> {
    let recent = recent_points(conn, stream, from, to)?;
    let mut recent = recent.iter().peekable();
    let start = first_chunk_from(conn, stream, from)?;
    let mut statement = conn.prepare_cached(
        "SELECT from_at, points FROM history_chunks WHERE stream = ?1 AND from_at >= ?2 AND from_at < ?3
         ORDER BY from_at, part",
    )?;
    let mut chunks = statement.query((stream, start, to))?;
    while let Some(row) = chunks.next()? {
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        for point in decode(row.get(0)?, bytes)?.iter().filter(|point| (from..to).contains(&point.at)) {
            // What was moved arrived before what was not.
            while let Some(earlier) = recent.next_if(|recent| recent.at < point.at) {
                if take(earlier)? == Flow::Stop {
                    return Ok(());
                }
            }
            if take(point)? == Flow::Stop {
                return Ok(());
            }
        }
    }
    for point in recent {
        if take(point)? == Flow::Stop {
            break;
        }
    }
    Ok(())
}

/// Reads what has not been moved into chunks yet, in order.
pub(super) fn recent_points(
    conn: &Connection,
    stream: i64,
    from: i64,
    to: i64,
) -> Result<Vec<Point>, StorageError> {
    let moved_upto = Progress::read(conn)?.moved_upto(stream);
    let mut statement = conn.prepare_cached(
        "SELECT at, value FROM history_recent
         WHERE seq > ?1 AND stream = ?2 AND at >= ?3 AND at < ?4 ORDER BY seq",
    )?;
    let rows = statement
        .query_map((moved_upto, stream, from, to), |row| Ok(Point { at: row.get(0)?, value: row.get(1)? }))?;
    let mut points = rows.collect::<Result<Vec<_>, _>>()?;
    points.sort_by_key(|point| point.at);
    Ok(points)
}

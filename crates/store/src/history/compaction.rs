//! Moves what arrived lately into chunks, a little at a time, so that no write waits long.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::chunk::Point;
use super::insert::{add_to_hours, insert_points};
use crate::writer::Work;
use crate::{HistorySettings, StorageError, Store};

/// 65,536 rows are moved in one round: enough that a stream of a small fleet brings many points at once, and few enough
/// that reading past them costs milliseconds.
const ROUND_ROWS_MAX: i64 = 65_536;

/// 8 MB of values are held in memory during a round.
const ROUND_BYTES_MAX: i64 = 8 * 1024 * 1024;

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintained {
    /// Call again.
    More,
    /// Nothing is left to do for now.
    Done,
}

/// How far moving has come; see `history_progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) upto_seq: i64,
    pub(super) done_stream: i64,
    generation: i64,
}

impl Progress {
    pub(super) fn read(conn: &Connection) -> Result<Self, StorageError> {
        let progress = conn
            .prepare_cached("SELECT upto_seq, done_stream, generation FROM history_progress WHERE id = 1")?
            .query_row([], |row| {
                Ok(Self { upto_seq: row.get(0)?, done_stream: row.get(1)?, generation: row.get(2)? })
            })?;
        Ok(progress)
    }

    /// Returns the last row of a stream that is in its chunks already and is to be passed over.
    pub(super) fn moved_upto(self, stream: i64) -> i64 {
        if stream <= self.done_stream { self.upto_seq } else { 0 }
    }

    fn store(self, conn: &Connection) -> Result<(), StorageError> {
        conn.prepare_cached("UPDATE history_progress SET upto_seq = ?1, done_stream = ?2 WHERE id = 1")?
            .execute((self.upto_seq, self.done_stream))?;
        Ok(())
    }
}

/// Makes plans that were made before worthless: rows they name are gone.
pub(super) fn forget_plans(conn: &Connection) -> Result<(), StorageError> {
    conn.prepare_cached("UPDATE history_progress SET generation = generation + 1 WHERE id = 1")?
        .execute([])?;
    Ok(())
}

/// The rows of a round that are still to be moved, by stream, the next one last.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What the table said when the plan was up to date; a plan that disagrees with it is thrown away.
    progress: Progress,
    streams: Vec<(i64, Vec<Point>)>,
}

/// The plan between two steps.
#[derive(Debug, Default)]
pub(crate) struct PlanPlace(Mutex<Option<Plan>>);

impl PlanPlace {
    fn take(&self) -> Option<Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, plan: Plan) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    }
}

impl Store {
    /// Moves some of what arrived lately into chunks; call it again while it says [`Maintained::More`].
    ///
    /// It begins a round when at least `rows_min` rows have arrived, and finishes a round that has begun. A crash at any
    /// moment loses nothing: each step is one transaction that also says how far it came.
    ///
    /// # Errors
    /// When storage fails; nothing of the step is stored then.
    pub async fn compact_history(&self, rows_min: u32) -> Result<Maintained, StorageError> {
        let place = self.history_plan();
        let settings = self.history_settings();
        self.write(move |work| {
            let plan = match place.take() {
                Some(plan) if plan.progress == Progress::read(work.conn)? => plan,
                _ => match make_plan(work, rows_min)? {
                    Some(plan) => plan,
                    None => return Ok(Maintained::Done),
                },
            };
            if let Some(plan) = step(work.conn, plan, &settings)? {
                // When this transaction fails, the plan is ahead of the table, and the next step makes a new one.
                place.put(plan);
            }
            Ok(Maintained::More)
        })
        .await
    }
}

/// Reads what a round has to move: an unfinished one, or a new one when there is enough.
fn make_plan(work: &mut Work<'_>, rows_min: u32) -> Result<Option<Plan>, StorageError> {
    let conn = work.conn;
    let mut progress = Progress::read(conn)?;
    if progress.upto_seq == 0 {
        let Some(upto_seq) = end_of_round(conn, rows_min)? else { return Ok(None) };
        progress = Progress { upto_seq, done_stream: 0, ..progress };
        progress.store(conn)?;
        // Rows go at the end of the round, and with them what they say of last values.
        work.settle_values()?;
    }
    let mut statement = conn.prepare_cached(
        "SELECT stream, at, value FROM history_recent WHERE seq <= ?1 AND stream > ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query((progress.upto_seq, progress.done_stream))?;
    let mut found: Vec<(i64, Point)> = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, Point { at: row.get(1)?, value: row.get(2)? }));
    }
    // Stable: points of the same time stay in the order of their arrival. The smallest stream comes last, to be popped.
    found.sort_by_key(|(stream, point)| (std::cmp::Reverse(*stream), point.at));
    let mut streams: Vec<(i64, Vec<Point>)> = Vec::new();
    for (stream, point) in found {
        match streams.last_mut() {
            Some((last, points)) if *last == stream => points.push(point),
            _ => streams.push((stream, vec![point])),
        }
    }
    Ok(Some(Plan { progress, streams }))
}

/// Says where a new round ends; none when too little has arrived.
fn end_of_round(conn: &Connection, rows_min: u32) -> Result<Option<i64>, StorageError> {
    // Numbers have few gaps, so this answers most calls without reading the rows.
    let numbers: i64 = conn
        .prepare_cached("SELECT ifnull(max(seq), -1) - ifnull(min(seq), 0) + 1 FROM history_recent")?
        .query_row([], |row| row.get(0))?;
    if numbers < i64::from(rows_min) {
        return Ok(None);
    }
    let mut statement =
        conn.prepare_cached("SELECT seq, length(value) FROM history_recent ORDER BY seq LIMIT ?1")?;
    let mut rows = statement.query([ROUND_ROWS_MAX])?;
    let (mut count, mut bytes, mut end) = (0_u32, 0_i64, None);
    while let Some(row) = rows.next()? {
        end = Some(row.get(0)?);
        count += 1;
        bytes = bytes.saturating_add(row.get::<_, i64>(1)?);
        if bytes > ROUND_BYTES_MAX {
            return Ok(end);
        }
    }
    Ok(end.filter(|_| count >= rows_min.max(1)))
}

/// Moves some streams and returns what is left; the last step of a round deletes its rows.
fn step(conn: &Connection, mut plan: Plan, settings: &HistorySettings) -> Result<Option<Plan>, StorageError> {
    let mut moved_count = 0;
    while moved_count < settings.step_rows_max.max(1)
        && let Some((stream, points)) = plan.streams.pop()
    {
        insert_points(conn, stream, &points, settings.chunk_bytes_max)?;
        add_to_hours(conn, stream, &points)?;
        plan.progress.done_stream = stream;
        moved_count += points.len();
    }
    let is_finished = plan.streams.is_empty();
    if is_finished {
        conn.prepare_cached("DELETE FROM history_recent WHERE seq <= ?1")?
            .execute([plan.progress.upto_seq])?;
        plan.progress = Progress { upto_seq: 0, done_stream: 0, ..plan.progress };
    }
    plan.progress.store(conn)?;
    Ok((!is_finished).then_some(plan))
}

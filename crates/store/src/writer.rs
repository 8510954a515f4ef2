//! The one writer: group commit.
//!
//! Two kinds of work come through one queue, in order: writes, each answered by itself after COMMIT, and values, which are
//! answered together by the flush that comes after them. Under load a transaction is begun at most every
//! [`PACE`], so that many share one; the first work after a quiet moment is done at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use registry::TokenHash;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::token_index::{TokenChange, TokenIndex, token_now};
use crate::value_lane::{ValueBatch, ValueLane};
use crate::{CommitHook, StorageError};

/// 4,096 pieces of work may wait; whoever comes then waits for a place (back-pressure instead of memory growth). A batch
/// of values is as large as what a device can send in one read, 8 kB at most.
const QUEUE_ITEMS_MAX: usize = 4_096;

/// 2,048 pieces share one COMMIT at most, so that the first of them is not kept waiting by a flood.
const COMMIT_ITEMS_MAX: usize = 2_048;

/// Under load transactions begin 10 ms apart: a COMMIT costs about as much as 100 rows, and a ping can wait that long.
const PACE: Duration = Duration::from_millis(10);

/// A transaction takes milliseconds. One that has taken 3 s waits for a disk that may not come back, and nobody new is to
/// wait with it.
const TRANSACTION_TIME_MAX: Duration = Duration::from_secs(3);

/// From 4 pieces in a transaction on, it is load.
const LOAD_ITEMS: usize = 4;

/// How the writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterHealth {
    /// The latest transaction was stored, or nothing was written yet.
    Working,
    /// The latest transaction failed, with a full disk for example, or the one under way has taken more than 3 s. Each further
    /// write tries again.
    Failing,
    /// The writer's thread has ended; only a new start helps.
    Ended,
}

/// What the writer has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStatistics {
    /// Work that waits now.
    pub waiting_count: usize,
    /// Transactions that were committed.
    pub commit_count: u64,
    /// Transactions that failed.
    pub failed_count: u64,
    /// Microseconds from BEGIN to the end of COMMIT, of all transactions.
    pub commit_us: u64,
    /// Values that were stored.
    pub value_count: u64,
}

#[derive(Debug)]
struct Shared {
    health: AtomicU8,
    /// What [`Shared::busy_since_ms`] counts from.
    started_at: Instant,
    /// When the transaction under way began, in milliseconds since `started_at`, plus 1; 0 between transactions.
    busy_since_ms: AtomicU64,
    commit_count: AtomicU64,
    failed_count: AtomicU64,
    commit_us: AtomicU64,
    value_count: AtomicU64,
}

impl Shared {
    fn new() -> Self {
        Self {
            health: AtomicU8::new(WORKING),
            started_at: Instant::now(),
            busy_since_ms: AtomicU64::new(0),
            commit_count: AtomicU64::new(0),
            failed_count: AtomicU64::new(0),
            commit_us: AtomicU64::new(0),
            value_count: AtomicU64::new(0),
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_stalled(&self) -> bool {
        let since_ms = self.busy_since_ms.load(Ordering::Acquire).checked_sub(1);
        let busy_ms = since_ms.map(|since_ms| self.elapsed_ms().saturating_sub(since_ms));
        busy_ms.is_some_and(|busy_ms| Duration::from_millis(busy_ms) > TRANSACTION_TIME_MAX)
    }
}

const WORKING: u8 = 0;
const FAILING: u8 = 1;
const ENDED: u8 = 2;

/// Says that a write panicked, before those who wait for it hear of it.
struct PanicNotice<'a>(&'a Shared);

impl Drop for PanicNotice<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.health.store(ENDED, Ordering::Release);
        }
    }
}

/// Says that the thread has ended.
struct EndNotice(Arc<Shared>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        self.0.health.store(ENDED, Ordering::Release);
    }
}

/// The open transaction, as a write sees it.
pub(crate) struct Work<'a> {
    pub(crate) conn: &'a Connection,
    effects: &'a mut Effects,
    lane: &'a mut ValueLane,
}

/// What follows from a transaction once it is on disk.
#[derive(Debug, Default)]
struct Effects {
    tokens: Vec<TokenChange>,
    has_purged: bool,
    value_count: u64,
}

impl Work<'_> {
    /// Takes over what the transaction now says about a token; the index learns it after COMMIT.
    pub(crate) fn token_changed(&mut self, hash: &TokenHash) -> Result<(), StorageError> {
        let indexed = token_now(self.conn, hash)?.map(|(_hash, indexed)| indexed);
        self.effects.tokens.push((*hash, indexed));
        Ok(())
    }

    /// Writes last values to their table, for a change that the rows of values cannot tell again.
    pub(crate) fn settle_values(&mut self) -> Result<(), StorageError> {
        self.lane.settle(self.conn)
    }

    /// Says that streams are gone with everything in them.
    pub(crate) fn purged_streams(&mut self, streams: &[i64]) {
        self.lane.last_values.purge(streams);
    }

    /// Says that personal data was purged: the log, which still holds the old pages, is emptied soon after COMMIT.
    pub(crate) fn purged(&mut self) {
        self.effects.has_purged = true;
    }
}

trait Job: Send {
    /// Runs inside a savepoint; says whether what it did is to be kept.
    fn run(&mut self, work: &mut Work<'_>) -> bool;
    /// Answers the caller, after COMMIT or after the failure of the whole batch.
    fn answer(self: Box<Self>, batch: Result<(), StorageError>);
}

struct Write<T, E, F> {
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Write<T, E, F>
where
    T: Send,
    E: Send + From<StorageError>,
    F: FnOnce(&mut Work<'_>) -> Result<T, E> + Send,
{
    fn run(&mut self, work: &mut Work<'_>) -> bool {
        let outcome = self.work.take().map(|run| run(work));
        let is_kept = matches!(outcome, Some(Ok(_)));
        self.outcome = outcome;
        is_kept
    }

    fn answer(self: Box<Self>, batch: Result<(), StorageError>) {
        let outcome = match (batch, self.outcome) {
            // A write that failed on its own keeps its own reason.
            (_, Some(Err(error))) => Err(error),
            (Err(error), _) => Err(error.into()),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), None) => Err(StorageError::Closed.into()),
        };
        // The caller may have stopped waiting; what was committed stays committed.
        drop(self.reply.send(outcome));
    }
}

enum Item {
    Job(Box<dyn Job>),
    Values(ValueBatch),
    /// Answered once everything before it is on disk, or has failed.
    Flush(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Item>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts the thread. `keep_alive` (the folder's lock) is dropped after the connection.
    pub(crate) fn start(
        conn: Connection,
        lane: ValueLane,
        index: Arc<TokenIndex>,
        before_commit: Option<CommitHook>,
        keep_alive: impl Send + 'static,
    ) -> Result<Self, std::io::Error> {
        let (queue, items) = mpsc::channel(QUEUE_ITEMS_MAX);
        let shared = Arc::new(Shared::new());
        let notice = EndNotice(Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            // Moved in, so that they are dropped in this order, at the end and after a panic.
            let (_keep_alive, notice) = (keep_alive, notice);
            Task { conn, lane, index, before_commit, shared: &notice.0, is_loaded: false }.run(items);
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), shared })
    }

    pub(crate) fn health(&self) -> WriterHealth {
        match self.shared.health.load(Ordering::Acquire) {
            WORKING if !self.shared.is_stalled() => WriterHealth::Working,
            WORKING | FAILING => WriterHealth::Failing,
            _ => WriterHealth::Ended,
        }
    }

    pub(crate) fn statistics(&self) -> WriterStatistics {
        let queue = self.queue.as_ref();
        WriterStatistics {
            waiting_count: queue.map_or(0, |queue| queue.max_capacity() - queue.capacity()),
            commit_count: self.shared.commit_count.load(Ordering::Relaxed),
            failed_count: self.shared.failed_count.load(Ordering::Relaxed),
            commit_us: self.shared.commit_us.load(Ordering::Relaxed),
            value_count: self.shared.value_count.load(Ordering::Relaxed),
        }
    }

    /// Queues values; waits for a place.
    ///
    /// # Cancel safety
    /// When the future is dropped, nothing was queued.
    pub(crate) async fn accept(&self, batch: ValueBatch) -> Result<(), StorageError> {
        self.queue(Item::Values(batch)).await
    }

    /// Waits until every value queued before is on disk, or its sender knows that it is not.
    pub(crate) async fn flush(&self) -> Result<(), StorageError> {
        let (reply, answer) = oneshot::channel();
        self.queue(Item::Flush(reply)).await?;
        answer.await.or(Err(StorageError::Closed))
    }

    async fn queue(&self, item: Item) -> Result<(), StorageError> {
        let queue = self.queue.as_ref().ok_or(StorageError::Closed)?;
        queue.send(item).await.or(Err(StorageError::Closed))
    }

    /// Performs `work` in the next transaction and returns after COMMIT.
    ///
    /// # Cancel safety
    /// When the future is dropped the work may still be done.
    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + From<StorageError> + 'static,
        F: FnOnce(&mut Work<'_>) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write { work: Some(work), outcome: None, reply });
        self.queue(Item::Job(job)).await?;
        answer.await.unwrap_or_else(|_| Err(StorageError::Closed.into()))
    }
}

impl Drop for Writer {
    /// Waits until everything that was queued is on disk and the folder is free again.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The thread's own.
struct Task<'a> {
    conn: Connection,
    lane: ValueLane,
    index: Arc<TokenIndex>,
    before_commit: Option<CommitHook>,
    shared: &'a Shared,
    is_loaded: bool,
}

impl Task<'_> {
    fn run(mut self, mut items: mpsc::Receiver<Item>) {
        let mut began_at: Option<Instant> = None;
        while let Some(first) = items.blocking_recv() {
            self.keep_pace(began_at, &first);
            began_at = Some(Instant::now());
            let mut batch = vec![first];
            while batch.len() < COMMIT_ITEMS_MAX {
                let Ok(item) = items.try_recv() else { break };
                batch.push(item);
            }
            self.is_loaded = batch.len() >= LOAD_ITEMS;
            self.write(batch);
        }
    }

    /// Waits until more has come in, where there is load or nobody waits for an answer.
    fn keep_pace(&self, began_at: Option<Instant>, first: &Item) {
        let is_awaited = !matches!(first, Item::Values(_));
        if let Some(began_at) = began_at
            && (self.is_loaded || !is_awaited)
        {
            std::thread::sleep(PACE.saturating_sub(began_at.elapsed()));
        }
    }

    /// Writes a batch and answers it.
    fn write(&mut self, mut batch: Vec<Item>) {
        // Dropped before the batch is, and with it the answers.
        let _notice = PanicNotice(self.shared);
        let has_work = batch.iter().any(|item| !matches!(item, Item::Flush(_)));
        let mut has_purged = false;
        let outcome = if has_work {
            let began_at = Instant::now();
            self.shared.busy_since_ms.store(self.shared.elapsed_ms() + 1, Ordering::Release);
            let outcome = self.commit(&mut batch);
            self.shared.busy_since_ms.store(0, Ordering::Release);
            self.count(began_at, &outcome);
            outcome.map(|effects| {
                has_purged = effects.has_purged;
                self.index.apply(effects.tokens);
            })
        } else {
            Ok(())
        };
        for item in batch {
            match (item, &outcome) {
                (Item::Job(job), outcome) => job.answer(outcome.clone()),
                (Item::Values(batch), Err(error)) => batch.sender.fail(error.clone().into()),
                (Item::Values(_), Ok(())) => {}
                // The waiter may have gone.
                (Item::Flush(reply), _) => drop(reply.send(())),
            }
        }
        if has_purged {
            // Best effort: a reader that is busy postpones it to the next checkpoint.
            drop(self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        }
    }

    fn count(&self, began_at: Instant, outcome: &Result<Effects, StorageError>) {
        let shared = self.shared;
        let spent_us = u64::try_from(began_at.elapsed().as_micros()).unwrap_or(u64::MAX);
        shared.commit_us.fetch_add(spent_us, Ordering::Relaxed);
        let (health, counter) = match outcome {
            Ok(effects) => {
                shared.value_count.fetch_add(effects.value_count, Ordering::Relaxed);
                (WORKING, &shared.commit_count)
            }
            Err(_) => (FAILING, &shared.failed_count),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        shared.health.store(health, Ordering::Release);
    }

    fn commit(&mut self, batch: &mut [Item]) -> Result<Effects, StorageError> {
        run(&self.conn, "BEGIN IMMEDIATE")?;
        let outcome = run_batch(&self.conn, &mut self.lane, batch).and_then(|effects| {
            if let Some(hook) = &self.before_commit {
                hook.call();
            }
            run(&self.conn, "COMMIT")?;
            Ok(effects)
        });
        if outcome.is_ok() {
            self.lane.last_values.committed();
        } else {
            self.lane.last_values.rolled_back();
            self.lane.forget();
            if !self.conn.is_autocommit() {
                // Nothing is lost when this fails: the next BEGIN fails too, and no caller is told that anything was
                // stored.
                drop(self.conn.execute_batch("ROLLBACK"));
            }
        }
        outcome
    }
}

/// Runs a statement that was prepared before: parsing these costs as much as an insert.
fn run(conn: &Connection, sql: &str) -> Result<(), StorageError> {
    conn.prepare_cached(sql)?.execute(())?;
    Ok(())
}

fn run_batch(conn: &Connection, lane: &mut ValueLane, batch: &mut [Item]) -> Result<Effects, StorageError> {
    let mut effects = Effects::default();
    lane.begin(conn)?;
    for item in batch {
        match item {
            Item::Job(job) => run_job(conn, lane, job.as_mut(), &mut effects)?,
            Item::Values(values) => effects.value_count += lane.store(conn, values)?,
            Item::Flush(_) => {}
        }
    }
    Ok(effects)
}

fn run_job(
    conn: &Connection,
    lane: &mut ValueLane,
    job: &mut dyn Job,
    effects: &mut Effects,
) -> Result<(), StorageError> {
    run(conn, "SAVEPOINT write")?;
    let tokens_before = effects.tokens.len();
    let values_before = lane.last_values.mark();
    let is_kept = job.run(&mut Work { conn, effects, lane });
    if effects.tokens.len() > tokens_before || effects.has_purged {
        // An ownership begins or ends with a change to a token, or with a purge.
        lane.forget();
    }
    if is_kept {
        return run(conn, "RELEASE write");
    }
    effects.tokens.truncate(tokens_before);
    lane.last_values.undo_to(values_before);
    if conn.is_autocommit() {
        // SQLite ends the whole transaction by itself on some errors, a full disk among them. The write that met it keeps
        // its own reason.
        return Err(StorageError::BatchFailed);
    }
    conn.execute_batch("ROLLBACK TO write; RELEASE write")?;
    Ok(())
}

#[cfg(test)]
mod tests;

//! The one writer: group commit.

use std::sync::Arc;
use std::thread::JoinHandle;

use registry::TokenHash;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::StorageError;
use crate::token_index::{TokenChange, TokenIndex, token_now};

/// 1,024 writes may wait; whoever comes then waits for a place (back-pressure instead of memory growth).
const QUEUE_WRITES_MAX: usize = 1_024;

/// 512 writes share one COMMIT at most, so that the first of them is not kept waiting by a flood.
const COMMIT_WRITES_MAX: usize = 512;

/// The open transaction, as a write sees it.
pub(crate) struct Work<'a> {
    pub(crate) conn: &'a Connection,
    effects: &'a mut Effects,
}

/// What follows from a transaction once it is on disk.
#[derive(Debug, Default)]
struct Effects {
    tokens: Vec<TokenChange>,
    has_purged: bool,
}

impl Work<'_> {
    /// Takes over what the transaction now says about a token; the index learns it after COMMIT.
    pub(crate) fn token_changed(&mut self, hash: &TokenHash) -> Result<(), StorageError> {
        self.effects.tokens.extend(token_now(self.conn, hash)?);
        Ok(())
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

#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `keep_alive` (the folder's lock) is dropped after the connection.
    pub(crate) fn start(
        conn: Connection,
        index: Arc<TokenIndex>,
        keep_alive: impl Send + 'static,
    ) -> Result<Self, std::io::Error> {
        let (queue, jobs) = mpsc::channel(QUEUE_WRITES_MAX);
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            run_writer(&conn, &index, jobs);
            drop(conn);
            drop(keep_alive);
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
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
        let Some(queue) = &self.queue else { return Err(StorageError::Closed.into()) };
        if queue.send(job).await.is_err() {
            return Err(StorageError::Closed.into());
        }
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

fn run_writer(conn: &Connection, index: &TokenIndex, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < COMMIT_WRITES_MAX {
            let Ok(job) = jobs.try_recv() else { break };
            batch.push(job);
        }
        let mut has_purged = false;
        let outcome = commit(conn, &mut batch).map(|effects| {
            has_purged = effects.has_purged;
            index.apply(effects.tokens);
        });
        for job in batch {
            job.answer(outcome.clone());
        }
        if has_purged {
            // Best effort: a reader that is busy postpones it to the next checkpoint.
            drop(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        }
    }
}

fn commit(conn: &Connection, batch: &mut [Box<dyn Job>]) -> Result<Effects, StorageError> {
    run(conn, "BEGIN IMMEDIATE")?;
    let outcome = run_batch(conn, batch).and_then(|effects| {
        run(conn, "COMMIT")?;
        Ok(effects)
    });
    if outcome.is_err() && !conn.is_autocommit() {
        // Nothing is lost when this fails: the next BEGIN fails too, and no caller is told that anything was stored.
        drop(conn.execute_batch("ROLLBACK"));
    }
    outcome
}

/// Runs a statement that was prepared before: parsing these costs as much as an insert.
fn run(conn: &Connection, sql: &str) -> Result<(), StorageError> {
    conn.prepare_cached(sql)?.execute(())?;
    Ok(())
}

fn run_batch(conn: &Connection, batch: &mut [Box<dyn Job>]) -> Result<Effects, StorageError> {
    let mut effects = Effects::default();
    for job in batch {
        run(conn, "SAVEPOINT write")?;
        let tokens_before = effects.tokens.len();
        if job.run(&mut Work { conn, effects: &mut effects }) {
            run(conn, "RELEASE write")?;
            continue;
        }
        effects.tokens.truncate(tokens_before);
        if conn.is_autocommit() {
            // SQLite ends the whole transaction by itself on some errors, a full disk among them. The write that met
            // it keeps its own reason.
            return Err(StorageError::BatchFailed);
        }
        conn.execute_batch("ROLLBACK TO write; RELEASE write")?;
    }
    Ok(effects)
}

#[cfg(test)]
mod tests;

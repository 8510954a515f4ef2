//! Reader threads, each with its own read-only connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::StorageError;

/// 256 reads may wait per reader.
const QUEUE_READS_MAX: usize = 256;

type Job = Box<dyn FnOnce(&Connection) + Send>;

#[derive(Debug)]
pub(crate) struct Readers {
    readers: Vec<Reader>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Reader {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(connections: Vec<Connection>) -> Result<Self, std::io::Error> {
        let readers = connections.into_iter().map(Reader::start).collect::<Result<_, _>>()?;
        Ok(Self { readers, next: AtomicUsize::new(0) })
    }

    /// Runs `work` on the next reader.
    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + From<StorageError> + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| drop(reply.send(work(conn))));
        let index = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.readers.len()).unwrap_or(0);
        let queue = self.readers.get(index).and_then(|reader| reader.queue.as_ref());
        let Some(queue) = queue else { return Err(StorageError::Closed.into()) };
        if queue.send(job).await.is_err() {
            return Err(StorageError::Closed.into());
        }
        answer.await.unwrap_or_else(|_| Err(StorageError::Closed.into()))
    }
}

impl Reader {
    fn start(conn: Connection) -> Result<Self, std::io::Error> {
        let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE_READS_MAX);
        let thread = std::thread::Builder::new().name("store-reader".to_owned()).spawn(move || {
            while let Some(job) = jobs.blocking_recv() {
                // A fault in one read must not take its neighbours with it: a reader changes nothing that could be left
                // half done, and whoever waits for this read is told by its reply, which is dropped.
                drop(catch_unwind(AssertUnwindSafe(|| job(&conn))));
            }
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{StorageError, Store};

    #[tokio::test]
    async fn a_read_that_panics_is_answered_and_the_next_ones_work() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for _ in 0..4 {
            let outcome = store.read(|_| -> Result<(), StorageError> { panic!("what a test does") }).await;
            assert!(matches!(outcome, Err(StorageError::Closed)), "{outcome:?}");
        }
        for _ in 0..4 {
            let one = store.read(|conn| -> Result<i64, StorageError> {
                Ok(conn.query_row("SELECT 1", [], |row| row.get(0))?)
            });
            assert_eq!(one.await.unwrap(), 1);
        }
    }
}

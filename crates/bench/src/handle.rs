//! A bench in real time on its own thread, and the handle through which other threads use it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::LocalSet;

use crate::board::BoardId;
use crate::clock::BenchClock;
use crate::live_net::{LiveCloud, LiveCloudConfig, OpenLiveCloudError};
use crate::portal_port::PortalPort;
use crate::world::{Bench, Change, ChangeBenchError, NewBoard};

/// Jobs that may wait for the bench thread.
const JOBS_LEN_MAX: usize = 64;

/// How a live bench reaches the cloud and how it runs.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// Where the boards' cloud is.
    pub cloud: LiveCloudConfig,
    /// Seed of everything that is random on the bench.
    pub seed: u64,
    /// Bench seconds per real second, see [`crate::clock::TIME_SCALE_MAX`].
    pub time_scale: f64,
}

/// Why a live bench did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartBenchError {
    /// The trust anchor is unusable.
    #[error("the bench cannot use the cloud's certificate")]
    Cloud(#[from] OpenLiveCloudError),
    /// No thread or no runtime.
    #[error("starting the thread of the bench failed")]
    Thread(#[source] std::io::Error),
}

/// The bench thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bench has stopped")]
pub struct BenchStoppedError;

type Job = Box<dyn FnOnce(&LiveBench) + Send>;

/// Uses a live bench from any thread; cheap to clone. The bench stops when the last handle is dropped.
#[derive(Clone)]
pub struct BenchHandle {
    jobs: mpsc::Sender<Job>,
    changes: broadcast::Sender<Change>,
}

impl std::fmt::Debug for BenchHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BenchHandle").finish_non_exhaustive()
    }
}

impl BenchHandle {
    /// Runs `job` on the bench thread and returns its result.
    ///
    /// # Errors
    /// When the bench has stopped.
    pub async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&LiveBench) -> T + Send + 'static,
    ) -> Result<T, BenchStoppedError> {
        let (answer, answered) = oneshot::channel();
        // A caller that went away needs no answer.
        let job: Job = Box::new(move |bench| drop(answer.send(job(bench))));
        if self.jobs.send(job).await.is_err() {
            return Err(BenchStoppedError);
        }
        answered.await.map_err(|_closed| BenchStoppedError)
    }

    /// Follows the changes from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Sets up two places and three boards to play with; see [`crate::demo_world`].
    ///
    /// # Errors
    /// When the bench has stopped or is full.
    pub async fn add_demo_world(&self, template_id: &str) -> Result<(), AddDemoWorldError> {
        let template_id = template_id.to_owned();
        self.call(move |live| crate::demo_world::add(live, &template_id)).await??;
        Ok(())
    }
}

/// Why the demo world was not set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddDemoWorldError {
    /// The bench thread is gone.
    #[error(transparent)]
    Stopped(#[from] BenchStoppedError),
    /// The bench refused.
    #[error("the bench refused the demo world")]
    Refused(#[from] ChangeBenchError),
}

/// A bench in real time: the bench itself and the loopback ports of its boards.
#[derive(Debug)]
pub struct LiveBench {
    bench: Bench,
    ports: std::cell::RefCell<BTreeMap<BoardId, PortalPort>>,
}

impl LiveBench {
    /// Returns the bench.
    #[must_use]
    pub fn bench(&self) -> &Bench {
        &self.bench
    }

    /// Puts a board on the bench and reserves a loopback port for its portal.
    ///
    /// # Errors
    /// As [`Bench::add_board`].
    pub fn add_board(&self, new: NewBoard) -> Result<BoardId, ChangeBenchError> {
        let id = self.bench.add_board(new)?;
        let port = PortalPort::open(self.bench.core(&id)?);
        self.ports.borrow_mut().insert(id.clone(), port);
        Ok(id)
    }

    /// Takes a board off the bench and gives its port back.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn remove_board(&self, id: &BoardId) -> Result<(), ChangeBenchError> {
        self.ports.borrow_mut().remove(id);
        self.bench.remove_board(id)
    }

    /// Returns the address of a board's portal while its hotspot is open.
    #[must_use]
    pub fn portal_address(&self, id: &BoardId) -> Option<SocketAddr> {
        self.ports.borrow().get(id)?.address()
    }
}

/// Starts a live bench on its own thread.
///
/// # Errors
/// When the trust anchor is unusable or the thread cannot be started.
pub fn start_live(config: LiveConfig) -> Result<BenchHandle, StartBenchError> {
    let cloud = LiveCloud::open(config.cloud)?;
    let (jobs, job_queue) = mpsc::channel(JOBS_LEN_MAX);
    let (changes, _) = broadcast::channel(256);
    let relay = changes.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartBenchError::Thread)?;
    let thread = std::thread::Builder::new().name("bench".to_owned());
    let run = move || {
        let local = LocalSet::new();
        local.block_on(&runtime, async move {
            let clock = BenchClock::start(utc_now_ms());
            clock.set_scale(config.time_scale);
            let bench = Bench::new(config.seed, clock, Rc::new(cloud));
            run_jobs(bench, job_queue, relay).await;
        });
    };
    // The thread ends by itself when the last handle is dropped; nobody needs to wait for it.
    drop(thread.spawn(run).map_err(StartBenchError::Thread)?);
    Ok(BenchHandle { jobs, changes })
}

async fn run_jobs(bench: Bench, mut jobs: mpsc::Receiver<Job>, relay: broadcast::Sender<Change>) {
    let mut changes = bench.changes();
    let live = LiveBench { bench, ports: std::cell::RefCell::default() };
    loop {
        tokio::select! {
            biased;
            job = jobs.recv() => match job {
                Some(job) => job(&live),
                None => return,
            },
            change = changes.recv() => {
                if let Ok(change) = change {
                    // Nobody listening is fine.
                    drop(relay.send(change));
                }
            }
        }
    }
}

fn utc_now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

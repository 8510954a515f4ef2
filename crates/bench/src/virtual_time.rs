//! Runs a bench in virtual time: hours pass in milliseconds, and the same seed replays the same run.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;

use crate::board::BoardId;
use crate::clock::BenchClock;
use crate::virtual_cloud::{Service, VirtualCloud};
use crate::world::{Bench, BoardView};

/// Wall clock at the start of every virtual run: 2026-03-02 09:00:00 UTC, a Monday morning.
pub const STARTED_UTC_MS: u64 = 1_772_442_000_000;
/// A bench and its cloud in virtual time.
#[derive(Clone, Debug)]
pub struct VirtualWorld {
    /// The bench.
    pub bench: Bench,
    /// The only cloud its boards can reach.
    pub cloud: VirtualCloud,
}

/// Why a virtual run gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunVirtualError {
    /// No thread or no runtime.
    #[error("starting the virtual run failed")]
    Start(#[source] std::io::Error),
    /// The run itself panicked.
    #[error("the virtual run panicked")]
    Panicked,
}

/// Runs `story` in virtual time on a thread of its own and returns its result.
///
/// # Errors
/// When the thread or its runtime cannot be started, or the run panics.
pub fn run_virtual<T, F, R>(seed: u64, service: Service, story: F) -> Result<T, RunVirtualError>
where
    T: Send + 'static,
    F: FnOnce(VirtualWorld) -> R + Send + 'static,
    R: Future<Output = T>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(RunVirtualError::Start)?;
    let run = move || {
        let local = LocalSet::new();
        local.block_on(&runtime, async move {
            let clock = BenchClock::start(STARTED_UTC_MS);
            let cloud = VirtualCloud::new(service, clock.clone(), seed);
            let bench = Bench::new(seed, clock, Rc::new(cloud.clone()));
            story(VirtualWorld { bench, cloud }).await
        })
    };
    let thread = std::thread::Builder::new().name("virtual time".to_owned());
    let running = thread.spawn(run).map_err(RunVirtualError::Start)?;
    running.join().map_err(|_panic| RunVirtualError::Panicked)
}

impl VirtualWorld {
    /// Lets `bench_time` pass.
    pub async fn pass(&self, bench_time: Duration) {
        self.bench.clock().sleep(bench_time).await;
    }

    /// Waits until `condition` holds for a board, for at most `limit`; returns whether it came to hold.
    ///
    /// Looks whenever something visible changes: state, error, hotspot, network, LED, power, place.
    pub async fn wait_for(
        &self,
        board: &BoardId,
        limit: Duration,
        mut condition: impl FnMut(&BoardView) -> bool,
    ) -> bool {
        let clock = self.bench.clock();
        let give_up_at = clock.now().saturating_add(limit);
        let mut changes = self.bench.changes();
        loop {
            if self.bench.board(board).is_ok_and(|view| condition(&view)) {
                return true;
            }
            tokio::select! {
                biased;
                // A lag is a change like any other: look again.
                _change = changes.recv() => {}
                () = clock.sleep_until(give_up_at) => return false,
            }
        }
    }

    /// Waits until a board is in the state of that name, for at most `limit`; returns whether it got there.
    pub async fn wait_for_state(&self, board: &BoardId, state: &str, limit: Duration) -> bool {
        self.wait_for(board, limit, |view| view.report.state == state).await
    }
}

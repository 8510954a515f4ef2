//! Tries again while the store cannot write, so that the server becomes ready by itself when there is room.

use std::sync::Arc;

use store::WriterHealth;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::app::App;
use crate::errors::ErrorChain;

/// 1 s: as long as a person waits after making room.
const EVERY_MS: u64 = 1_000;

/// Watches until the server stops; cancels `failed` when the thread that writes is gone.
pub(crate) async fn watch_store(app: Arc<App>, stop: CancellationToken, failed: CancellationToken) {
    let mut was_working = true;
    loop {
        let next = app.clock.now().mono.plus_ms(EVERY_MS);
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.clock.wait_until(next) => {}
        }
        match app.store.writer_health() {
            WriterHealth::Working => {
                if !was_working {
                    info!("the database accepts writes again");
                }
                was_working = true;
            }
            WriterHealth::Failing => {
                let outcome = app.store.check_health().await;
                if let (Err(failure), true) = (&outcome, was_working) {
                    warn!(error = %ErrorChain(failure), "the database does not accept writes; devices are told to try later");
                }
                was_working = outcome.is_ok();
            }
            WriterHealth::Ended => {
                error!("the thread that writes the database has ended; the server must be started again");
                failed.cancel();
                return;
            }
        }
    }
}

//! Looks after the history of values: moves what arrived lately into its place, and deletes what is past its time.

use std::sync::Arc;

use store::{Expired, Maintained, StorageError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::App;
use crate::errors::ErrorChain;

/// 1 s: at 50,000 values a second a round still finds what the one before left behind.
const EVERY_MS: u64 = 1_000;

/// A round begins when 65,536 values have arrived since the last one; reading past so many costs milliseconds.
const ROUND_VALUES_MIN: u32 = 65_536;

/// Every hour what little has arrived is moved too, and what is past its time is deleted.
const SWEEP_EVERY_MS: u64 = 3_600_000;

pub(crate) async fn keep_history(app: Arc<App>, stop: CancellationToken) {
    let mut sweep_at = app.clock.now().mono.plus_ms(SWEEP_EVERY_MS);
    loop {
        let next = app.clock.now().mono.plus_ms(EVERY_MS);
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.clock.wait_until(next) => {}
        }
        let is_sweep = app.clock.now().mono >= sweep_at;
        let work = async {
            compact(&app, if is_sweep { 1 } else { ROUND_VALUES_MIN }).await?;
            if is_sweep { expire(&app).await } else { Ok(()) }
        };
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = work => outcome,
        };
        if is_sweep {
            sweep_at = app.clock.now().mono.plus_ms(SWEEP_EVERY_MS);
        }
        if let Err(failure) = outcome {
            warn!(error = %ErrorChain(&failure), "history could not be looked after");
        }
    }
}

/// Each call is a transaction of its own, so values that arrive meanwhile do not wait long.
async fn compact(app: &App, values_min: u32) -> Result<(), StorageError> {
    while app.store.compact_history(values_min).await? == Maintained::More {}
    Ok(())
}

async fn expire(app: &App) -> Result<(), StorageError> {
    let mut after_stream = 0;
    while let Expired::UpTo(stream) = app.store.expire_history(after_stream, app.clock.now().utc).await? {
        after_stream = stream;
    }
    Ok(())
}

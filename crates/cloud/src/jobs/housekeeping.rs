//! Writes down what time alone changes: expired provisioning sessions, and when connected devices were last heard.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::App;
use crate::errors::ErrorChain;

/// 10 s: a person who watches a session sees it expire soon after its time.
const EVERY_MS: u64 = 10_000;

pub(crate) async fn keep_house(app: Arc<App>, stop: CancellationToken) {
    loop {
        let next = app.clock.now().mono.plus_ms(EVERY_MS);
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.clock.wait_until(next) => {}
        }
        expire_sessions(&app).await;
        note_last_seen(&app).await;
    }
}

async fn expire_sessions(app: &App) {
    match app.store.expire_sessions(app.clock.now().utc).await {
        Ok(expired) => {
            for session in expired {
                app.publish_session(&session).await;
            }
        }
        Err(failure) => warn!(error = %ErrorChain(&failure), "expired sessions could not be written down"),
    }
}

/// After a crash the record of a connected device is at most this interval old.
async fn note_last_seen(app: &App) {
    let heard = app.links.heard_since_last_call(app.clock.now());
    if heard.is_empty() {
        return;
    }
    if let Err(failure) = app.store.record_last_seen(heard).await {
        warn!(error = %ErrorChain(&failure), "when devices were last heard could not be stored");
    }
}

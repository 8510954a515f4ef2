//! Writes down what time alone changes: expired provisioning sessions, and when connected devices were last heard.

use std::sync::Arc;

use store::Store;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::App;
use crate::clock::Clock;
use crate::errors::ErrorChain;
use crate::gateway::Links;

/// 10 s: a person who watches a session sees it expire soon after its time.
const EVERY_MS: u64 = 10_000;

/// 1,000 devices are noted in one write, some milliseconds.
const LAST_SEEN_PART: usize = 1_000;

pub(crate) async fn keep_house(app: Arc<App>, stop: CancellationToken) {
    loop {
        let next = app.clock.now().mono.plus_ms(EVERY_MS);
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.clock.wait_until(next) => {}
        }
        expire_sessions(&app).await;
        note_last_seen(&app.store, &app.links, &app.clock).await;
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

/// A login and the end of a connection store nothing; this does, for all of them at once. After a crash the record of a
/// device is at most this interval old.
pub(crate) async fn note_last_seen(store: &Store, links: &Links, clock: &Clock) {
    let heard = links.heard_since_last_call(clock.now());
    // Values that arrive meanwhile get between the parts.
    for part in heard.chunks(LAST_SEEN_PART) {
        if let Err(failure) = store.record_last_seen(part.to_vec()).await {
            warn!(error = %ErrorChain(&failure), "when devices were last heard could not be stored");
            return;
        }
    }
}

//! Live updates as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use api_types::LaggedEvent;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::access;
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::live::{Watcher, write_event};

/// The first thing sent, so that headers leave at once: a browser comes back 2 s after a lost connection.
const HELLO: &[u8] = b"retry: 2000\n\n";

/// A comment after so much quiet keeps proxies from closing the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_COMMENT: &[u8] = b":\n\n";

/// 16 kB of events that wait are joined into one write.
const WRITE_BYTES_MAX: usize = 16 * 1024;

pub(super) async fn watch_events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let full =
        || ApiError::new(ProblemKind::TooManyWatchers, "Close another console first, or try again later.");
    let watcher = app.live.watch().ok_or_else(full)?;
    // Once more, now that the end of an access is heard of: it may have ended between the check and here.
    access::identify(&app, &Method::GET, &headers).await?;
    let hello = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(HELLO)) });
    let events = stream::unfold(watcher, next_write);
    let head = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((head, Body::from_stream(hello.chain(events))).into_response())
}

/// Waits for the next event and takes along what has come after it.
async fn next_write(mut watcher: Watcher) -> Option<(Result<Bytes, Infallible>, Watcher)> {
    let received = tokio::select! {
        _ = watcher.access.changed() => return None,
        received = watcher.events.recv() => received,
        () = tokio::time::sleep(KEEP_ALIVE) => Ok(Bytes::from_static(KEEP_ALIVE_COMMENT)),
    };
    let first = match received {
        Ok(event) => event,
        Err(RecvError::Lagged(missed_count)) => lagged(missed_count),
        Err(RecvError::Closed) => return None,
    };
    if watcher.events.is_empty() {
        return Some((Ok(first), watcher));
    }
    let mut joined = BytesMut::from(&*first);
    while joined.len() < WRITE_BYTES_MAX {
        match watcher.events.try_recv() {
            Ok(event) => joined.extend_from_slice(&event),
            Err(TryRecvError::Lagged(missed_count)) => joined.extend_from_slice(&lagged(missed_count)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    Some((Ok(joined.freeze()), watcher))
}

fn lagged(missed_count: u64) -> Bytes {
    write_event("lagged", &LaggedEvent { missed_count }).unwrap_or_else(|error| {
        tracing::error!(%error, "a live update could not be written");
        Bytes::from_static(KEEP_ALIVE_COMMENT)
    })
}

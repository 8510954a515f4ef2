//! Live updates as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use api_types::LaggedEvent;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;

use super::access;
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::live::{LiveEvent, Watcher};

/// How soon a browser comes back after a lost connection.
const RETRY: Duration = Duration::from_secs(2);

/// A comment after so much quiet keeps proxies from closing the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn watch_events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let full =
        || ApiError::new(ProblemKind::TooManyWatchers, "Close another console first, or try again later.");
    let watcher = app.live.watch().ok_or_else(full)?;
    // Once more, now that the end of an access is heard of: it may have ended between the check and here.
    access::identify(&app, &Method::GET, &headers).await?;
    // The first thing sent is the wait before a reconnect, so that headers leave at once.
    let hello = stream::once(async { Ok(Event::default().retry(RETRY)) });
    let events = stream::unfold(watcher, next_event);
    Ok(Sse::new(hello.chain(events)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

async fn next_event(mut watcher: Watcher) -> Option<(Result<Event, Infallible>, Watcher)> {
    loop {
        let received = tokio::select! {
            _ = watcher.access.changed() => return None,
            received = watcher.events.recv() => received,
        };
        let written = match received {
            Ok(LiveEvent::Device(data)) => Event::default().event("device").json_data(data),
            Ok(LiveEvent::Value(data)) => Event::default().event("value").json_data(data),
            Ok(LiveEvent::Rejected(data)) => Event::default().event("rejected").json_data(data),
            Ok(LiveEvent::Property(data)) => Event::default().event("property").json_data(data),
            Ok(LiveEvent::Session(data)) => Event::default().event("session").json_data(data),
            Ok(LiveEvent::Release(data)) => Event::default().event("release").json_data(data),
            Err(RecvError::Lagged(missed_count)) => {
                Event::default().event("lagged").json_data(LaggedEvent { missed_count })
            }
            Err(RecvError::Closed) => return None,
        };
        match written {
            Ok(event) => return Some((Ok(event), watcher)),
            Err(error) => tracing::error!(%error, "a live update could not be written"),
        }
    }
}

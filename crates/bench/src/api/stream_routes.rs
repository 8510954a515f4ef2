//! Serial logs and changes, as streams.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use super::board_routes::board_body;
use super::problem::Problem;
use super::types::{BoardBody, PlaceBody, Removed};
use crate::board::BoardId;
use crate::handle::{BenchHandle, LiveBench};
use crate::world::Change;

/// How long a browser waits before it connects again.
const EVENTS_RETRY: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
pub(super) struct SerialQuery {
    /// Present, with any value, to follow.
    follow: Option<String>,
}

/// Reads a board's serial log; with `?follow` the answer goes on until the caller hangs up.
#[utoipa::path(get, path = "/bench/v1/boards/{id}/serial", operation_id = "get_board_serial", tag = "boards",
    params(("id" = String, Path, description = "Board"),
        ("follow" = Option<String>, Query, description = "Present, with any value, to follow")),
    responses((status = 200, body = String, content_type = "text/plain"), (status = 404, body = Problem)))]
pub(super) async fn get_serial(
    State(handle): State<BenchHandle>,
    Path(id): Path<String>,
    Query(query): Query<SerialQuery>,
) -> Result<Response, Problem> {
    let id = BoardId(id);
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    if query.follow.is_none() {
        let (text, _) = handle.call(move |live| live.bench().serial_from(&id, 0)).await??;
        return Ok((headers, text).into_response());
    }
    let asked = id.clone();
    let end = handle.call(move |live| live.bench().serial_end(&asked)).await??;
    let follower = SerialFollower { handle, id, end, offset: 0 };
    let chunks = stream::unfold(follower, SerialFollower::next_chunk);
    Ok((headers, Body::from_stream(chunks)).into_response())
}

struct SerialFollower {
    handle: BenchHandle,
    id: BoardId,
    end: tokio::sync::watch::Receiver<u64>,
    offset: u64,
}

impl SerialFollower {
    /// Waits for output that was not sent yet; `None` when the board or the bench is gone.
    async fn next_chunk(mut self) -> Option<(Result<String, Infallible>, Self)> {
        let offset = self.offset;
        self.end.wait_for(|end| *end > offset).await.ok()?;
        let id = self.id.clone();
        let (text, end) =
            self.handle.call(move |live| live.bench().serial_from(&id, offset)).await.ok()?.ok()?;
        self.offset = end;
        Some((Ok(text), self))
    }
}

/// Follows changes: event `board` with a board, `place` with a place, or `{id, removed: true}`; `lagged` means that
/// some were missed and everything should be read again.
#[utoipa::path(get, path = "/bench/v1/events", operation_id = "follow_events", tag = "events",
    responses((status = 200, body = inline(EventData), content_type = "text/event-stream")))]
pub(super) async fn follow_events(
    State(handle): State<BenchHandle>,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let changes = handle.changes();
    let events = stream::unfold((handle, changes), |(handle, mut changes)| async move {
        let event = match changes.recv().await {
            Ok(change) => change_event(&handle, change).await?,
            Err(RecvError::Lagged(_)) => Event::default().event("lagged").json_data(serde_json::json!({})),
            Err(RecvError::Closed) => return None,
        };
        Some((event, (handle, changes)))
    });
    let first = stream::once(async { Ok(Event::default().retry(EVENTS_RETRY).comment("hello")) });
    Sse::new(futures_util::StreamExt::chain(first, events)).keep_alive(KeepAlive::default())
}

/// What the data of an event holds.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum EventData {
    Board(Box<BoardBody>),
    Place(PlaceBody),
    Removed(Removed),
}

async fn change_event(handle: &BenchHandle, change: Change) -> Option<Result<Event, axum::Error>> {
    let name = match change {
        Change::Board(_) => "board",
        Change::Place(_) => "place",
    };
    let data = handle.call(move |live| event_data(live, change)).await.ok()?;
    Some(Event::default().event(name).json_data(data))
}

fn event_data(live: &LiveBench, change: Change) -> EventData {
    match change {
        Change::Board(id) => match board_body(live, &id) {
            Ok(board) => EventData::Board(Box::new(board)),
            Err(_gone) => EventData::Removed(Removed { id: id.0, removed: true }),
        },
        Change::Place(id) => match live.bench().place(&id) {
            Some(place) => EventData::Place(PlaceBody::new(id, place)),
            None => EventData::Removed(Removed { id: id.0, removed: true }),
        },
    }
}

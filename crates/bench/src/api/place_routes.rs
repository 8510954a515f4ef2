//! Places, their networks, and bench time.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::problem::{JsonBody, Problem};
use super::types::{NetworkChange, NewPlace, PlaceBody, PlaceList, TimeBody, TimeChange};
use crate::air::{Place, PlaceId};
use crate::clock::BenchClock;
use crate::handle::BenchHandle;
use crate::world::ChangeBenchError;

/// Lists all places.
#[utoipa::path(get, path = "/bench/v1/places", operation_id = "list_places", tag = "places",
    responses((status = 200, body = PlaceList)))]
pub(super) async fn list_places(State(handle): State<BenchHandle>) -> Result<Json<PlaceList>, Problem> {
    let places = handle.call(|live| live.bench().places()).await?;
    let items = places.into_iter().map(|(id, place)| PlaceBody::new(id, place)).collect();
    Ok(Json(PlaceList { items, next_cursor: None }))
}

/// Sets up a place.
#[utoipa::path(post, path = "/bench/v1/places", operation_id = "create_place", tag = "places",
    request_body = NewPlace,
    responses((status = 201, body = PlaceBody), (status = 422, body = Problem)))]
pub(super) async fn create_place(
    State(handle): State<BenchHandle>,
    JsonBody(body): JsonBody<NewPlace>,
) -> Result<(StatusCode, Json<PlaceBody>), Problem> {
    let place = Place::from(body);
    let created = handle
        .call(move |live| {
            let id = live.bench().add_place(place)?;
            live.bench().place(&id).map(|place| (id, place)).ok_or(ChangeBenchError::PlaceNotFound)
        })
        .await??;
    Ok((StatusCode::CREATED, Json(PlaceBody::new(created.0, created.1))))
}

/// Switches a router or its internet on or off.
#[utoipa::path(post, path = "/bench/v1/places/{id}/networks/{ssid}", operation_id = "change_network", tag = "places",
    params(("id" = String, Path, description = "Place"), ("ssid" = String, Path, description = "Network name")),
    request_body = NetworkChange,
    responses((status = 200, body = PlaceBody), (status = 404, body = Problem)))]
pub(super) async fn change_network(
    State(handle): State<BenchHandle>,
    Path((id, ssid)): Path<(String, String)>,
    JsonBody(body): JsonBody<NetworkChange>,
) -> Result<Json<PlaceBody>, Problem> {
    let id = PlaceId(id);
    let (id, place) = handle
        .call(move |live| {
            live.bench().change_network(&id, ssid.as_bytes(), |network| {
                network.is_up = body.up.unwrap_or(network.is_up);
                network.has_internet = body.internet.unwrap_or(network.has_internet);
            })?;
            live.bench().place(&id).map(|place| (id, place)).ok_or(ChangeBenchError::PlaceNotFound)
        })
        .await??;
    Ok(Json(PlaceBody::new(id, place)))
}

/// Tells how fast bench time runs.
#[utoipa::path(get, path = "/bench/v1/time", operation_id = "get_time", tag = "time",
    responses((status = 200, body = TimeBody)))]
pub(super) async fn get_time(State(handle): State<BenchHandle>) -> Result<Json<TimeBody>, Problem> {
    Ok(Json(handle.call(|live| time_body(live.bench().clock())).await?))
}

/// Makes bench time run faster or slower.
#[utoipa::path(post, path = "/bench/v1/time", operation_id = "set_time", tag = "time", request_body = TimeChange,
    responses((status = 200, body = TimeBody)))]
pub(super) async fn set_time(
    State(handle): State<BenchHandle>,
    JsonBody(body): JsonBody<TimeChange>,
) -> Result<Json<TimeBody>, Problem> {
    let set = handle
        .call(move |live| {
            live.bench().clock().set_scale(body.scale);
            time_body(live.bench().clock())
        })
        .await?;
    Ok(Json(set))
}

fn time_body(clock: &BenchClock) -> TimeBody {
    let bench_ms = u64::try_from(clock.now().as_millis()).unwrap_or(u64::MAX);
    TimeBody { scale: clock.scale(), bench_ms }
}

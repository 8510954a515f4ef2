//! The bench over HTTP, under `/bench/v1`: for the console's bench page and for scripts.
//!
//! Served on loopback only and without sign-in, so requests whose `Host` or `Origin` is not this machine are refused:
//! a web page elsewhere must not reach the bench through the browser of somebody who runs one (DNS rebinding).

mod board_routes;
mod guard;
mod place_routes;
mod problem;
mod stream_routes;
mod types;

pub use problem::Problem;
pub use types::*;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::handle::BenchHandle;

/// Longest request body: a place with all its networks.
const BODY_BYTES_MAX: usize = 64 * 1024;

#[derive(OpenApi)]
#[openapi(info(
    title = "Rehome virtual bench",
    description = "Places, boards, power, moves, serial logs and flash images of a virtual bench. Loopback only."
))]
struct ApiDocument;

/// Returns the routes under `/bench/v1`.
pub fn router(handle: BenchHandle) -> Router {
    let (router, _document) = open_api_router().split_for_parts();
    router
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(axum::middleware::from_fn(guard::refuse_foreign_pages))
        .with_state(handle)
}

/// Returns the description of the routes as JSON, as committed in `openapi.json`.
#[must_use]
pub fn openapi_json() -> String {
    let (_router, document) = open_api_router().split_for_parts();
    document.to_pretty_json().unwrap_or_default() + "\n"
}

fn open_api_router() -> OpenApiRouter<BenchHandle> {
    OpenApiRouter::with_openapi(ApiDocument::openapi())
        .routes(routes!(place_routes::list_places, place_routes::create_place))
        .routes(routes!(place_routes::change_network))
        .routes(routes!(place_routes::get_time, place_routes::set_time))
        .routes(routes!(board_routes::list_boards, board_routes::create_board))
        .routes(routes!(board_routes::get_board, board_routes::delete_board))
        .routes(routes!(board_routes::set_power))
        .routes(routes!(board_routes::move_board))
        .routes(routes!(board_routes::press_button))
        .routes(routes!(board_routes::get_flash))
        .routes(routes!(board_routes::get_flash_summary))
        .routes(routes!(stream_routes::get_serial, board_routes::type_line))
        .routes(routes!(stream_routes::follow_events))
}

#[cfg(test)]
mod tests;

//! Boards and what a person does to them.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::problem::{JsonBody, Problem};
use super::types::{
    BoardBody, BoardFirmware, BoardList, BoardRecovery, ButtonPress, FlashSummary, MoveChange, NewBoardBody,
    PowerChange, SerialLine, parse_mac,
};
use crate::air::{PlaceId, Secret};
use crate::board::BoardId;
use crate::firmware::{FirmwareSpec, RecoveryChoice};
use crate::handle::{BenchHandle, LiveBench};
use crate::world::{ChangeBenchError, NewBoard, NewIdentity};

/// First word of every bench board's hotspot name.
const VENDOR: &str = "Blynk";

/// Lists all boards.
#[utoipa::path(get, path = "/bench/v1/boards", operation_id = "list_boards", tag = "boards",
    responses((status = 200, body = BoardList)))]
pub(super) async fn list_boards(State(handle): State<BenchHandle>) -> Result<Json<BoardList>, Problem> {
    let items = handle
        .call(|live| {
            let views = live.bench().boards();
            views.into_iter().filter_map(|view| board_body(live, &view.id).ok()).collect()
        })
        .await?;
    Ok(Json(BoardList { items, next_cursor: None }))
}

/// Puts a board on the bench, without power.
#[utoipa::path(post, path = "/bench/v1/boards", operation_id = "create_board", tag = "boards",
    request_body = NewBoardBody,
    responses((status = 201, body = BoardBody), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create_board(
    State(handle): State<BenchHandle>,
    JsonBody(body): JsonBody<NewBoardBody>,
) -> Result<(StatusCode, Json<BoardBody>), Problem> {
    let plan = BoardPlan::try_from(body)?;
    let created = handle
        .call(move |live| {
            let id = live.add_board(plan.build())?;
            board_body(live, &id)
        })
        .await??;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Shows one board.
#[utoipa::path(get, path = "/bench/v1/boards/{id}", operation_id = "get_board", tag = "boards",
    params(("id" = String, Path, description = "Board")),
    responses((status = 200, body = BoardBody), (status = 404, body = Problem)))]
pub(super) async fn get_board(
    State(handle): State<BenchHandle>,
    Path(id): Path<String>,
) -> Result<Json<BoardBody>, Problem> {
    act(handle, id, |_live, _id| Ok(())).await
}

/// Takes a board off the bench.
#[utoipa::path(delete, path = "/bench/v1/boards/{id}", operation_id = "delete_board", tag = "boards",
    params(("id" = String, Path, description = "Board")),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn delete_board(
    State(handle): State<BenchHandle>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    handle.call(move |live| live.remove_board(&BoardId(id))).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Plugs a board in or unplugs it.
#[utoipa::path(post, path = "/bench/v1/boards/{id}/power", operation_id = "set_board_power", tag = "boards",
    params(("id" = String, Path, description = "Board")), request_body = PowerChange,
    responses((status = 200, body = BoardBody), (status = 404, body = Problem)))]
pub(super) async fn set_power(
    State(handle): State<BenchHandle>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<PowerChange>,
) -> Result<Json<BoardBody>, Problem> {
    act(
        handle,
        id,
        move |live, id| {
            if body.on { live.bench().give_power(id) } else { live.bench().cut_power(id) }
        },
    )
    .await
}

/// Carries a board to another place or into the van.
#[utoipa::path(post, path = "/bench/v1/boards/{id}/move", operation_id = "move_board", tag = "boards",
    params(("id" = String, Path, description = "Board")), request_body = MoveChange,
    responses((status = 200, body = BoardBody), (status = 404, body = Problem)))]
pub(super) async fn move_board(
    State(handle): State<BenchHandle>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<MoveChange>,
) -> Result<Json<BoardBody>, Problem> {
    act(handle, id, move |live, id| live.bench().move_board(id, body.place.map(PlaceId))).await
}

/// Holds a board's button down for a while.
#[utoipa::path(post, path = "/bench/v1/boards/{id}/button", operation_id = "press_button", tag = "boards",
    params(("id" = String, Path, description = "Board")), request_body = ButtonPress,
    responses((status = 200, body = BoardBody), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn press_button(
    State(handle): State<BenchHandle>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<ButtonPress>,
) -> Result<Json<BoardBody>, Problem> {
    let hold = Duration::from_millis(body.hold_ms);
    act(handle, id, move |live, id| live.bench().press_button(id, hold)).await
}

/// Types a line on a board's serial port; what it prints is in its serial log.
#[utoipa::path(post, path = "/bench/v1/boards/{id}/serial", operation_id = "type_board_line", tag = "boards",
    params(("id" = String, Path, description = "Board")), request_body = SerialLine,
    responses((status = 200, body = BoardBody), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn type_line(
    State(handle): State<BenchHandle>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<SerialLine>,
) -> Result<Json<BoardBody>, Problem> {
    act(handle, id, move |live, id| live.bench().type_line(id, &body.line)).await
}

/// Downloads a board's raw flash image.
#[utoipa::path(get, path = "/bench/v1/boards/{id}/flash", operation_id = "get_board_flash", tag = "boards",
    params(("id" = String, Path, description = "Board")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, body = Problem)))]
pub(super) async fn get_flash(
    State(handle): State<BenchHandle>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let image = handle.call(move |live| live.bench().flash_image(&BoardId(id))).await??;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")], image))
}

/// Tells what a board's flash image holds, without any secret.
#[utoipa::path(get, path = "/bench/v1/boards/{id}/flash/summary", operation_id = "get_board_flash_summary",
    tag = "boards", params(("id" = String, Path, description = "Board")),
    responses((status = 200, body = FlashSummary), (status = 404, body = Problem)))]
pub(super) async fn get_flash_summary(
    State(handle): State<BenchHandle>,
    Path(id): Path<String>,
) -> Result<Json<FlashSummary>, Problem> {
    let summary = handle.call(move |live| flash_summary(live, &BoardId(id))).await??;
    Ok(Json(summary))
}

async fn act(
    handle: BenchHandle,
    id: String,
    action: impl FnOnce(&LiveBench, &BoardId) -> Result<(), ChangeBenchError> + Send + 'static,
) -> Result<Json<BoardBody>, Problem> {
    let id = BoardId(id);
    let body = handle
        .call(move |live| {
            action(live, &id)?;
            board_body(live, &id)
        })
        .await??;
    Ok(Json(body))
}

pub(super) fn board_body(live: &LiveBench, id: &BoardId) -> Result<BoardBody, ChangeBenchError> {
    let portal_url = live.portal_address(id).map(|address| format!("http://{address}/"));
    Ok(BoardBody::new(live.bench().board(id)?, portal_url))
}

fn flash_summary(live: &LiveBench, id: &BoardId) -> Result<FlashSummary, ChangeBenchError> {
    let facts = live.bench().board(id)?.flash;
    let ssid_text = |ssid: &Vec<u8>| String::from_utf8_lossy(ssid).into_owned();
    Ok(FlashSummary {
        image_bytes: live.bench().flash_image(id)?.len() as u64,
        home_stored: facts.is_home_stored,
        epoch: facts.epoch,
        networks: facts.network_ssids.iter().map(ssid_text).collect(),
        secrets_found: live.bench().holds_secrets(id)?,
    })
}

/// A checked request for a board; unlike [`NewBoard`] it may travel to the bench thread.
struct BoardPlan {
    name: String,
    identity: NewIdentity,
    firmware: FirmwareSpec,
    place: Option<PlaceId>,
}

impl BoardPlan {
    fn build(self) -> NewBoard {
        NewBoard {
            name: self.name,
            identity: self.identity,
            firmware: self.firmware.build(),
            place: self.place,
        }
    }
}

impl TryFrom<NewBoardBody> for BoardPlan {
    type Error = Problem;

    fn try_from(body: NewBoardBody) -> Result<Self, Problem> {
        let invalid = |what| Problem::from(ChangeBenchError::Invalid { what });
        let mac = match body.mac.as_deref() {
            Some(text) => Some(
                parse_mac(text)
                    .ok_or_else(|| invalid("a MAC address has six bytes, like 24:6F:28:AA:BB:CC"))?,
            ),
            None => None,
        };
        let firmware = match (body.firmware, body.recovery, body.patched) {
            (BoardFirmware::Rehome, recovery, None) => FirmwareSpec::Rehome(recovery_choice(recovery)),
            (BoardFirmware::EdgentOld, None, patched) => {
                FirmwareSpec::EdgentOld { is_patched: patched == Some(true) }
            }
            (BoardFirmware::EdgentNew, None, None) => FirmwareSpec::EdgentNew,
            _ => return Err(invalid("recovery goes with rehome, patched with edgent-old")),
        };
        if body.pop.is_some() && body.firmware != BoardFirmware::Rehome {
            return Err(invalid("a proof of possession goes with rehome"));
        }
        let name = body.name.unwrap_or_else(|| firmware.title().to_owned());
        let identity = NewIdentity {
            mac,
            template_id: body.template_id,
            template_name: body.template_name.unwrap_or_else(|| "Demo".to_owned()),
            vendor: VENDOR.to_owned(),
            has_button: body.button,
            pop: body.pop.map(Secret::new),
        };
        Ok(Self { name, identity, firmware, place: body.place.map(PlaceId) })
    }
}

fn recovery_choice(recovery: Option<BoardRecovery>) -> RecoveryChoice {
    match recovery.unwrap_or(BoardRecovery::Rehome) {
        BoardRecovery::Stock => RecoveryChoice::Stock,
        BoardRecovery::Reset => RecoveryChoice::Reset,
        BoardRecovery::Rehome => RecoveryChoice::Rehome,
    }
}

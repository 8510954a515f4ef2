//! Release without a network: the order as text and QR code, and the receipt that a person hands in.
//! Source: decision 0028.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use qrcode::types::Color;
use qrcode::{EcLevel, QrCode};
use registry::{Epoch, ReleaseRecord, ReleaseState};
use wire::{ReadReleaseTextError, ReleaseOrder, ReleaseText};

use super::devices::find_device;
use super::extract::{ApiJson, ApiPath};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::views::release_view;

/// The page of a device's own hotspot that takes an order. What follows `#` never leaves the phone.
const RELEASE_PAGE: &str = "http://192.168.4.1/release#";

/// Light modules around a QR code. Source: ISO/IEC 18004, 6.3.8.
const QUIET_ZONE_MODULES: usize = 4;

/// A release that can be proven without a connection.
struct Exportable {
    device: store::Device,
    record: ReleaseRecord,
    key_epoch: Epoch,
}

pub(super) async fn get_release_order(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<api_types::ReleaseOrder>, ApiError> {
    let exportable = exportable(&app, &id).await?;
    if exportable.record.state == ReleaseState::Confirmed {
        return Err(ApiError::new(
            ProblemKind::ReleaseOver,
            "The device proved its wipe; there is nothing left to order.",
        ));
    }
    let text = ReleaseText::from_order(&order(&app, &exportable)?);
    let link = format!("{RELEASE_PAGE}{}", text.as_str());
    let qr_svg = qr_svg(&link).ok_or_else(cannot_be_written)?;
    Ok(Json(api_types::ReleaseOrder { order: text.as_str().to_owned(), link, qr_svg }))
}

pub(super) async fn hand_in_release_receipt(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<api_types::HandInReceipt>,
) -> Result<Json<api_types::Release>, ApiError> {
    let exportable = exportable(&app, &id).await?;
    let text = ReleaseText::collect(request.receipt.bytes()).map_err(unreadable)?;
    let receipt = text.receipt().map_err(unreadable)?;
    let terms = order(&app, &exportable)?.terms;
    if !app.release_signer.is_receipt_for(&terms, &receipt) {
        return Err(ApiError::new(
            ProblemKind::ReceiptNotProven,
            "This receipt does not prove this release: it is another device's, an earlier one, or has a typing mistake.",
        ));
    }
    let device = exportable.device.id.clone();
    app.releases.receipt_handed_in(device, exportable.record).await;
    let record = find_device(&app, &id).await?.release.ok_or_else(not_released)?;
    if record.state != ReleaseState::Confirmed {
        return Err(ApiError::new(
            ProblemKind::StoreUnavailable,
            "The receipt is right, but the database did not take it. Hand it in again.",
        ));
    }
    Ok(Json(release_view(&record)))
}

async fn exportable(app: &App, id: &str) -> Result<Exportable, ApiError> {
    let device = find_device(app, id).await?;
    let record = device.release.clone().ok_or_else(not_released)?;
    let key_epoch = device.key_epoch.ok_or_else(|| {
        ApiError::new(
            ProblemKind::NoReleaseKey,
            "This board holds no release key of this server, so it obeys no order without a connection. Stock firmware \
             never does; erase it by its button, over a cable, or let it connect.",
        )
    })?;
    Ok(Exportable { device, record, key_epoch })
}

fn order<'a>(app: &App, exportable: &'a Exportable) -> Result<ReleaseOrder<'a>, ApiError> {
    let device = &exportable.device.id;
    let nonce = app.release_signer.nonce(device, exportable.record.requested_at);
    app.release_signer.order(device, exportable.key_epoch, nonce).ok_or_else(cannot_be_written)
}

fn not_released() -> ApiError {
    ApiError::new(ProblemKind::ReleaseNotFound, "Nobody has asked for a release of this device.")
}

fn cannot_be_written() -> ApiError {
    ApiError::new(ProblemKind::Internal, "The order could not be written.")
}

fn unreadable(error: ReadReleaseTextError) -> ApiError {
    let detail = match error {
        ReadReleaseTextError::Empty => "Enter the receipt that the device showed.",
        ReadReleaseTextError::Kind => "This is not a receipt: one begins with rehome-receipt-1.",
        _ => "The receipt is not complete. Copy all of it.",
    };
    ApiError::new(ProblemKind::ReceiptNotReadable, detail)
}

/// Draws a QR code as one path, dark on white; none when the text is too long for any.
fn qr_svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let size = width + 2 * QUIET_ZONE_MODULES;
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    let squares: Vec<String> = dark
        .map(|(index, _)| {
            let (x, y) = (index % width + QUIET_ZONE_MODULES, index / width + QUIET_ZONE_MODULES);
            format!("M{x} {y}h1v1h-1z")
        })
        .collect();
    let path = squares.concat();
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

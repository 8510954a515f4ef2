//! A device's history as a CSV file.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use registry::UtcTime;
use store::HistoryOf;
use telemetry::RollupStep;

use super::datastreams::parse_pin;
use super::devices::find_device;
use super::extract::{ApiPath, ApiQuery};
use crate::app::App;
use crate::errors::{ApiError, ErrorChain};
use crate::export::{Export, Fold, Pieces, Points, TimeForm};
use crate::time_zone::Zone;

pub(super) async fn export_history(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<api_types::ExportQuery>,
) -> Result<Response, ApiError> {
    let device = find_device(&app, &id).await?;
    let pins = match query.pin.as_deref() {
        Some(pin) => vec![parse_pin(pin)?],
        None => app.store.history_pins(device.id.clone(), HistoryOf::CurrentOwnership).await?,
    };
    let utc = |at: api_types::Timestamp| UtcTime::from_unix_ms(at.unix_ms());
    let rolled = |step| Points::Rolled(step, Fold::Mean);
    let export = Export {
        device: device.id,
        datastreams: app.catalogue.of(&device.template_id),
        pins: pins.into(),
        from: query.from.map_or(UtcTime::from_unix_ms(0), utc),
        to: query.to.map_or_else(|| app.clock.now().utc.plus_ms(1), utc),
        points: match query.step.unwrap_or(api_types::ExportStep::Raw) {
            api_types::ExportStep::Raw => Points::Raw,
            api_types::ExportStep::Minute => rolled(RollupStep::Minute),
            api_types::ExportStep::Hour => rolled(RollupStep::Hour),
            api_types::ExportStep::Day => rolled(RollupStep::Day),
        },
        form: TimeForm::Rfc3339,
        zone: Zone::utc(),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"history.csv\""),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    let exporting = export.start(app.store.clone());
    Ok((headers, stream_of(exporting)).into_response())
}

/// A body that is made piece by piece. When a piece fails the connection breaks off, so that nobody takes half a file for
/// a whole one.
pub(super) fn stream_of(pieces: impl Pieces) -> Body {
    Body::from_stream(stream::try_unfold(pieces, async |mut pieces| match pieces.next().await {
        Ok(Some(piece)) => Ok(Some((piece, pieces))),
        Ok(None) => Ok(None),
        Err(failure) => {
            tracing::warn!(error = %ErrorChain(&failure), "an export broke off");
            Err(failure)
        }
    }))
}

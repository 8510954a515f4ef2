//! The history of pins: read, erased, imported.

use std::sync::Arc;

use api_types::{
    DeviceChange, HistoryNumbers, HistoryPeriod, HistoryPoint, ImportedPoints, Page, StretchQuery,
};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use registry::UtcTime;
use store::{
    Change, HISTORY_PAGE_ROWS_MAX, HistoryCursor, HistoryOf, HistoryPage, HistoryQuery, WriteValuesError,
};
use telemetry::{Pin, Rollup, RollupStep};

use super::access::Actor;
use super::datastreams::{parse_pin, released};
use super::devices::find_device;
use super::extract::{ApiPath, ApiQuery};
use crate::app::App;
use crate::control;
use crate::errors::{ApiError, ProblemKind};
use crate::import::read_points;
use crate::limits::HISTORY_POINTS_DEFAULT;
use crate::views::{timestamp, value_view};

pub(super) async fn list_history(
    State(app): State<Arc<App>>,
    ApiPath((id, pin)): ApiPath<(String, String)>,
    ApiQuery(query): ApiQuery<api_types::HistoryQuery>,
) -> Result<Json<Page<HistoryPoint>>, ApiError> {
    let device = find_device(&app, &id).await?;
    let limit = query.limit.unwrap_or(HISTORY_POINTS_DEFAULT);
    if !(1..=HISTORY_PAGE_ROWS_MAX).contains(&limit) {
        return Err(invalid(format!("`limit` must be between 1 and {HISTORY_PAGE_ROWS_MAX}.")));
    }
    let cursor = query.cursor.map(|text| text.parse::<HistoryCursor>()).transpose();
    let (from, to) = stretch(query.from, query.to, app.clock.now().utc.plus_ms(1))?;
    let question = HistoryQuery {
        device: device.id,
        of: HistoryOf::CurrentOwnership,
        pin: parse_pin(&pin)?,
        from,
        to,
        limit,
        cursor: cursor.map_err(|error| invalid(format!("`cursor` is not valid: {error}.")))?,
    };
    let rolled = async |step| {
        let page = app.store.rolled_history(question.clone(), step).await?;
        Ok::<_, ApiError>(page_view(page, |row| numbers_view(row.at, &row.numbers)))
    };
    let page = match query.period.unwrap_or(HistoryPeriod::Raw) {
        HistoryPeriod::Raw => page_view(app.store.raw_history(question).await?, |row| HistoryPoint {
            at: timestamp(row.at),
            value: Some(value_view(&row.value)),
            numbers: None,
        }),
        HistoryPeriod::Minute => rolled(RollupStep::Minute).await?,
        HistoryPeriod::Hour => rolled(RollupStep::Hour).await?,
        HistoryPeriod::Day => rolled(RollupStep::Day).await?,
    };
    Ok(Json(page))
}

fn page_view<T>(page: HistoryPage<T>, view: impl Fn(T) -> HistoryPoint) -> Page<HistoryPoint> {
    let next_cursor = page.next.map(|cursor| cursor.to_string());
    Page { items: page.rows.into_iter().map(view).collect(), next_cursor }
}

fn numbers_view(at: UtcTime, numbers: &Rollup) -> HistoryPoint {
    let mean = numbers.mean();
    // The sum of numbers near the end of what a `f64` holds is infinite, which JSON cannot say.
    let mean = if mean.is_finite() { mean } else { numbers.min / 2.0 + numbers.max / 2.0 };
    let Rollup { count, min, max, last, .. } = *numbers;
    HistoryPoint {
        at: timestamp(at),
        value: None,
        numbers: Some(HistoryNumbers { count, min, max, mean, last }),
    }
}

pub(super) async fn erase_pin_history(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((id, pin)): ApiPath<(String, String)>,
    ApiQuery(query): ApiQuery<StretchQuery>,
) -> Result<StatusCode, ApiError> {
    let pin = parse_pin(&pin)?;
    erase(&app, actor, &id, Some(pin), query).await
}

pub(super) async fn erase_history(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<StretchQuery>,
) -> Result<StatusCode, ApiError> {
    erase(&app, actor, &id, None, query).await
}

async fn erase(
    app: &App,
    actor: Actor,
    id: &str,
    pin: Option<Pin>,
    query: StretchQuery,
) -> Result<StatusCode, ApiError> {
    let device = find_device(app, id).await?;
    let is_everything = query.from.is_none() && query.to.is_none();
    let bounds = stretch(query.from, query.to, UtcTime::from_unix_ms(i64::MAX))?;
    let bounds = (!is_everything).then_some(bounds);
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let of = HistoryOf::CurrentOwnership;
    app.store.delete_history(device.id.clone(), of, pin, bounds, change).await?;
    app.publish_device(&device.id, DeviceChange::Updated);
    Ok(StatusCode::NO_CONTENT)
}

/// The bounds of a stretch; from the beginning and to `end` when nothing is said.
fn stretch(
    from: Option<api_types::Timestamp>,
    to: Option<api_types::Timestamp>,
    end: UtcTime,
) -> Result<(UtcTime, UtcTime), ApiError> {
    let utc = |at: api_types::Timestamp| UtcTime::from_unix_ms(at.unix_ms());
    if matches!((from, to), (Some(from), Some(to)) if from > to) {
        return Err(invalid("`from` must not be after `to`."));
    }
    Ok((from.map_or(UtcTime::from_unix_ms(i64::MIN), utc), to.map_or(end, utc)))
}

/// Stores the points of a file, all or none. The device is not told: they are about the past.
pub(super) async fn import_history(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
    headers: HeaderMap,
    file: Bytes,
) -> Result<Json<ImportedPoints>, ApiError> {
    let device = find_device(&app, &id).await?;
    if !is_csv(&headers) {
        return Err(ApiError::new(ProblemKind::UnsupportedMediaType, "Send the file as `text/csv`."));
    }
    if !device.ownership.allows_data() {
        return Err(released());
    }
    let now = app.clock.now().utc;
    let datastreams = app.catalogue.of(&device.template_id);
    let points = read_points(&file, &datastreams, now)
        .map_err(|error| invalid(format!("Nothing was stored, because {error}.")))?;
    let count = u32::try_from(points.len()).unwrap_or(u32::MAX);
    let mut pins: Vec<Pin> = points.iter().map(|point| point.pin).collect();
    pins.sort_unstable();
    pins.dedup();
    let written = app.store.write_new_values(device.id.clone(), device.epoch, points, now).await;
    written.map_err(|error| match error {
        WriteValuesError::NotOwned => released(),
        error => ApiError::store(&error),
    })?;
    for stored in app.store.last_values(device.id.clone()).await? {
        if pins.binary_search(&stored.pin).is_ok() {
            control::publish_value(&app, &device.id, stored.pin, &stored.value, stored.at);
        }
    }
    app.publish_device(&device.id, DeviceChange::Updated);
    Ok(Json(ImportedPoints { points: count }))
}

fn is_csv(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("text/csv")
}

fn invalid(detail: impl Into<String>) -> ApiError {
    ApiError::new(ProblemKind::InvalidRequest, detail)
}

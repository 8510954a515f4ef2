//! Reports of history. Source: reference/http-api.md 4.
//!
//! What was asked is noted; the file is made while it is fetched, so no copy of a device's data lies anywhere.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use registry::{Token, UtcTime};
use serde_json::{Value as JsonValue, json};
use store::{HistoryOf, HistoryQuery, Report};
use telemetry::{Pin, RollupStep};

use super::call::{Call, CallError, Named, Query};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::export::{Export, Fold, Points, TimeForm, Zipped};
use crate::listener::Peer;
use crate::routes::exports::stream_of;
use crate::routes::extract::ApiPath;
use crate::time_zone::Zone;

/// 45 days. Source: reference/http-api.md 4, "report files live".
const REPORT_LIFETIME_MS: i64 = 45 * DAY_MS;

const DAY_MS: i64 = 86_400_000;

/// What a report is to hold; written into the store as the query that it came in.
#[derive(Debug)]
struct Question {
    length_ms: i64,
    points: Points,
    form: TimeForm,
    zone: Zone,
}

impl Question {
    /// Reads the constants; a wrong one is refused in the words of the reference.
    fn parse(query: &Query) -> Result<Self, CallError> {
        let incorrect = || CallError::bad("Request with incorrect parameters");
        let period = query.parameter("period").unwrap_or("MONTH");
        let days = match period {
            "HOUR" => None,
            "DAY" => Some(1),
            "WEEK" => Some(7),
            "MONTH" => Some(31),
            // The reference writes it both ways.
            "THREE_MONTHS" | "THREE_MONTH" => Some(92),
            _ => return Err(incorrect()),
        };
        let fold = match query.parameter("sourceType").unwrap_or("AVG") {
            "AVG" => Fold::Mean,
            "MIN" => Fold::Min,
            "MAX" => Fold::Max,
            "SUM" => Fold::Sum,
            "COUNT" => Fold::Count,
            _ => return Err(incorrect()),
        };
        let points = match query.parameter("granularityType").unwrap_or("RAW_DATA") {
            "RAW_DATA" if days == Some(92) => return Err(incorrect()),
            "RAW_DATA" => Points::Raw,
            "MINUTE" => Points::Rolled(RollupStep::Minute, fold),
            "HOURLY" => Points::Rolled(RollupStep::Hour, fold),
            "DAILY" => Points::Rolled(RollupStep::Day, fold),
            _ => return Err(incorrect()),
        };
        let form = match query.parameter("format").unwrap_or("TS") {
            "TS" => TimeForm::UnixMs,
            "ISO_US" => TimeForm::Us,
            "ISO_SIMPLE" => TimeForm::Simple,
            _ => return Err(incorrect()),
        };
        if !matches!(query.parameter("sendEvents").unwrap_or("false"), "true" | "false") {
            return Err(incorrect());
        }
        let zone = match query.parameter("tzName") {
            None | Some("UTC" | "Z") => Zone::utc(),
            Some(name) => Zone::named(name).ok_or_else(incorrect)?,
        };
        let length_ms = days.map_or(DAY_MS / 24, |days| days * DAY_MS);
        Ok(Self { length_ms, points, form, zone })
    }
}

/// Notes what is asked for and answers with the link under which the file can be fetched.
pub(super) async fn ask_for_report(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Json<JsonValue>, CallError> {
    if Query::parse(query.as_deref())?.token().is_empty() {
        return Err(CallError::bad("No token provided."));
    }
    let call = Call::parse(&app, peer, query.as_deref()).await?;
    let question = Question::parse(&call.query)?;
    let now = app.clock.now().utc;
    let pins = match call.named_pin()? {
        Some(Named::Pin(pin)) => vec![pin],
        Some(Named::Missing) => Vec::new(),
        None => app.store.history_pins(call.device.id.clone(), HistoryOf::CurrentOwnership).await?,
    };
    if !has_data(&app, &call, &question, &pins, now).await? {
        return Err(CallError::new(StatusCode::INTERNAL_SERVER_ERROR, "No data"));
    }
    // 24 random bytes in 32 characters that need no escaping.
    let key = Token::from_random(rand::random()).expose().to_owned();
    let report = Report { device: call.device.id.clone(), question: call.query.written(), at: now };
    app.store.add_report(call.epoch, key.clone(), report).await?;
    let link = format!("{}/device_reports/{key}.zip", app.addresses.https_origin());
    Ok(Json(json!({ "link": link })))
}

async fn has_data(
    app: &App,
    call: &Call,
    question: &Question,
    pins: &[Pin],
    now: UtcTime,
) -> Result<bool, CallError> {
    for pin in pins {
        let query = HistoryQuery {
            device: call.device.id.clone(),
            of: HistoryOf::CurrentOwnership,
            pin: *pin,
            from: now.plus_ms(-question.length_ms),
            to: now.plus_ms(1),
            limit: 1,
            cursor: None,
        };
        let is_there = match question.points {
            Points::Raw => !app.store.raw_history(query).await?.rows.is_empty(),
            Points::Rolled(step, _fold) => !app.store.rolled_history(query, step).await?.rows.is_empty(),
        };
        if is_there {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The file behind a link, for whoever has the link.
pub(in crate::routes) async fn get_report(
    State(app): State<Arc<App>>,
    ApiPath(file): ApiPath<String>,
) -> Result<Response, ApiError> {
    let gone = || ApiError::new(ProblemKind::ReportNotFound, "There is no such report, or it has expired.");
    let key = file.strip_suffix(".zip").ok_or_else(gone)?;
    let oldest_at = app.clock.now().utc.plus_ms(-REPORT_LIFETIME_MS);
    let report = app.store.report(key.to_owned(), oldest_at).await?.ok_or_else(gone)?;
    let device = app.store.device(report.device.clone()).await?.ok_or_else(gone)?;
    let query = Query::parse(Some(&report.question)).map_err(|_source| gone())?;
    let question = Question::parse(&query).map_err(|_source| gone())?;
    let datastreams = app.catalogue.of(&device.template_id);
    let call = Call { query, epoch: device.epoch, datastreams: Arc::clone(&datastreams), device };
    let is_shown =
        |pin: &Pin| datastreams.on_pin(*pin).is_none_or(|found| !found.settings().is_hidden_from_http);
    let pins = match call.named_pin().map_err(|_source| gone())? {
        Some(Named::Pin(pin)) => vec![pin],
        Some(Named::Missing) => Vec::new(),
        None => app.store.history_pins(report.device.clone(), HistoryOf::CurrentOwnership).await?,
    };
    let export = Export {
        device: report.device,
        pins: pins.into_iter().filter(is_shown).collect(),
        datastreams,
        from: report.at.plus_ms(-question.length_ms),
        to: report.at.plus_ms(1),
        points: question.points,
        form: question.form,
        zone: question.zone,
    };
    let zipped = Zipped::new(export.start(app.store.clone()), "device_data.csv");
    let zipped = zipped.map_err(|error| ApiError::store(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"device_data.zip\""),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    Ok((headers, stream_of(zipped)).into_response())
}

//! Datastreams of templates.

use std::sync::Arc;

use api_types::{
    DatastreamEnumRow, DatastreamType, DatastreamValue, InvalidValueShows, InvalidateValue,
    TemplateDatastream, TemplateDatastreamList,
};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use registry::TemplateId;
use store::{Change, PutDatastreamError};
use telemetry::{DataType, Datastream, DatastreamSettings, Decimals, EnumRow, InvalidShows, Invalidate, Pin};

use super::access::Actor;
use super::datastreams::{parse_pin, parse_value};
use super::extract::{ApiJson, ApiPath};
use super::templates::{template_id, template_not_found};
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::views::value_view;

pub(super) async fn list_template_datastreams(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<TemplateDatastreamList>, ApiError> {
    let template = find_template(&app, &id).await?;
    let items = app.store.datastreams(Some(template)).await?;
    let items = items.iter().map(|(_template, datastream)| datastream_view(datastream)).collect();
    Ok(Json(TemplateDatastreamList { items }))
}

pub(super) async fn put_template_datastream(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((id, pin)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<api_types::DatastreamSettings>,
) -> Result<(StatusCode, Json<TemplateDatastream>), ApiError> {
    let template = find_template(&app, &id).await?;
    let settings = settings_of(parse_pin(&pin)?, request)?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let putting = app.store.put_datastream(template.clone(), settings, change);
    let (datastream, is_new) =
        app.catalogue.change(&app.store, &template, putting).await.map_err(|error| match error {
            PutDatastreamError::TemplateNotFound => template_not_found(),
            PutDatastreamError::NameTaken => ApiError::new(
                ProblemKind::DatastreamNameTaken,
                "Another datastream of this template has the name or the alias.",
            ),
            PutDatastreamError::Settings(error) => invalid(&error),
            error => ApiError::store(&error),
        })?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(datastream_view(&datastream))))
}

pub(super) async fn delete_template_datastream(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((id, pin)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let template = find_template(&app, &id).await?;
    let pin = parse_pin(&pin)?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    let deleting = app.store.delete_datastream(template.clone(), pin, change);
    app.catalogue.change(&app.store, &template, deleting).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn find_template(app: &App, id: &str) -> Result<TemplateId, ApiError> {
    let template = app.store.template(template_id(id)?).await?;
    Ok(template.ok_or_else(template_not_found)?.id)
}

fn invalid(reason: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(
        ProblemKind::InvalidRequest,
        format!("The datastream cannot be set up like this: {reason}."),
    )
}

fn settings_of(pin: Pin, request: api_types::DatastreamSettings) -> Result<DatastreamSettings, ApiError> {
    let data_type = data_type_of(&request)?;
    Ok(DatastreamSettings {
        pin,
        name: request.name,
        alias: request.alias,
        data_type,
        default: request.default.as_ref().map(parse_value).transpose()?,
        unit: request.unit,
        is_synced: request.sync_on_connect,
        saves_raw_data: request.save_raw_data,
        invalidate: request.invalidate.map(|rule| Invalidate {
            after_s: rule.after_s,
            shows: match rule.shows {
                InvalidValueShows::Nothing => InvalidShows::Nothing,
                InvalidValueShows::Default => InvalidShows::Default,
            },
        }),
        is_hidden_from_http: request.hidden_from_http,
    })
}

/// Settings that the type does not know are refused: whoever sends them expects them to do something.
fn data_type_of(request: &api_types::DatastreamSettings) -> Result<DataType, ApiError> {
    let has_limits = request.min.is_some() || request.max.is_some();
    let has_rows = !request.enum_rows.is_empty() || request.enum_fallback.is_some();
    let (data_type, is_foreign) = match request.data_type {
        DatastreamType::Integer => {
            let min = request.min.map(whole_number).transpose()?;
            let max = request.max.map(whole_number).transpose()?;
            (DataType::Integer { min, max }, request.decimals.is_some() || has_rows)
        }
        DatastreamType::Double => {
            let decimals = request.decimals.as_deref().map(Decimals::parse).transpose();
            let decimals = decimals.map_err(|error| invalid(&error))?;
            (DataType::Double { min: request.min, max: request.max, decimals }, has_rows)
        }
        DatastreamType::String => (DataType::Text, has_limits || request.decimals.is_some() || has_rows),
        DatastreamType::Enum => {
            let rows = request.enum_rows.iter();
            let rows = rows.map(|row| EnumRow { number: row.number, text: row.text.clone() }).collect();
            let data_type = DataType::Enum { rows, fallback: request.enum_fallback };
            (data_type, has_limits || request.decimals.is_some())
        }
        DatastreamType::Location => {
            (DataType::Location, has_limits || request.decimals.is_some() || has_rows)
        }
        DatastreamType::Boolean => (DataType::Boolean, has_limits || request.decimals.is_some() || has_rows),
    };
    if is_foreign {
        let reason = "`min` and `max` belong to numbers, `decimals` to `double`, `enum_rows` and `enum_fallback` to `enum`";
        return Err(invalid(&reason));
    }
    Ok(data_type)
}

fn whole_number(number: f64) -> Result<i32, ApiError> {
    // Through text: the one conversion that neither rounds nor wraps.
    number
        .to_string()
        .parse()
        .map_err(|_source| invalid(&"limits of an integer are whole numbers of 32 bits"))
}

fn datastream_view(datastream: &Datastream) -> TemplateDatastream {
    let settings = datastream.settings();
    let mut view = api_types::DatastreamSettings {
        name: settings.name.clone(),
        alias: settings.alias.clone(),
        data_type: DatastreamType::String,
        min: None,
        max: None,
        decimals: None,
        enum_rows: Vec::new(),
        enum_fallback: None,
        default: settings.default.as_ref().map(value_view as fn(&_) -> DatastreamValue),
        unit: settings.unit.clone(),
        sync_on_connect: settings.is_synced,
        save_raw_data: settings.saves_raw_data,
        invalidate: settings.invalidate.map(|rule| InvalidateValue {
            after_s: rule.after_s,
            shows: match rule.shows {
                InvalidShows::Nothing => InvalidValueShows::Nothing,
                InvalidShows::Default => InvalidValueShows::Default,
            },
        }),
        hidden_from_http: settings.is_hidden_from_http,
    };
    match &settings.data_type {
        DataType::Integer { min, max } => {
            view.data_type = DatastreamType::Integer;
            (view.min, view.max) = (min.map(f64::from), max.map(f64::from));
        }
        DataType::Double { min, max, decimals } => {
            view.data_type = DatastreamType::Double;
            (view.min, view.max) = (*min, *max);
            view.decimals = decimals.map(|decimals| decimals.to_string());
        }
        DataType::Text => {}
        DataType::Enum { rows, fallback } => {
            view.data_type = DatastreamType::Enum;
            let rows = rows.iter();
            view.enum_rows =
                rows.map(|row| DatastreamEnumRow { number: row.number, text: row.text.clone() }).collect();
            view.enum_fallback = *fallback;
        }
        DataType::Location => view.data_type = DatastreamType::Location,
        DataType::Boolean => view.data_type = DatastreamType::Boolean,
    }
    TemplateDatastream { id: datastream.id().0, pin: settings.pin.number(), settings: view }
}

//! Datastreams of templates.

use registry::TemplateId;
use rusqlite::{Connection, OptionalExtension, Row};
use telemetry::{
    DataType, Datastream, DatastreamId, DatastreamSettings, Decimals, EnumRow, InvalidShows, Invalidate,
    MakeDatastreamError, Pin, Value,
};

use crate::devices::template_exists;
use crate::writer::Work;
use crate::{Change, StorageError, Store};

/// Why a datastream was not stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PutDatastreamError {
    /// There is no such template.
    #[error("there is no such template")]
    TemplateNotFound,
    /// Another datastream of the template has the name or the alias.
    #[error("another datastream of the template has this name or alias")]
    NameTaken,
    /// The settings do not make sense together.
    #[error(transparent)]
    Settings(#[from] MakeDatastreamError),
    /// Storage failed.
    #[error("storing the datastream failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for PutDatastreamError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Store {
    /// Sets up a pin of a template; what was set up on the pin before keeps its number. Returns the datastream, and
    /// whether it is new.
    ///
    /// # Errors
    /// When the template does not exist, the settings make no sense, a name is taken or storage fails.
    pub async fn put_datastream(
        &self,
        template: TemplateId,
        settings: DatastreamSettings,
        change: Change,
    ) -> Result<(Datastream, bool), PutDatastreamError> {
        // Checked before it waits for the writer; the number does not matter for that.
        let settings = Datastream::new(DatastreamId(0), settings)?.settings().clone();
        self.write(move |work| {
            if !template_exists(work.conn, &template)? {
                return Err(PutDatastreamError::TemplateNotFound);
            }
            if is_name_taken(work.conn, &template, &settings)? {
                return Err(PutDatastreamError::NameTaken);
            }
            let known: Option<u32> = work
                .conn
                .prepare_cached("SELECT id FROM datastreams WHERE template_id = ?1 AND pin = ?2")?
                .query_row((template.as_str(), settings.pin.number()), |row| row.get(0))
                .optional()?;
            let id = work.put_row(known, &template, &settings)?;
            work.audit(&change, "datastream.put", template.as_str(), &settings.pin.to_string())?;
            Ok((Datastream::new(DatastreamId(id), settings)?, known.is_none()))
        })
        .await
    }

    /// Takes a datastream away from a pin; values stay. Says whether there was one.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete_datastream(
        &self,
        template: TemplateId,
        pin: Pin,
        change: Change,
    ) -> Result<bool, StorageError> {
        self.write(move |work| {
            let deleted_count = work
                .conn
                .prepare_cached("DELETE FROM datastreams WHERE template_id = ?1 AND pin = ?2")?
                .execute((template.as_str(), pin.number()))?;
            if deleted_count > 0 {
                work.audit(&change, "datastream.delete", template.as_str(), &pin.to_string())?;
            }
            Ok(deleted_count > 0)
        })
        .await
    }

    /// Returns the datastreams of one template, or of all of them, by template and pin.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn datastreams(
        &self,
        template: Option<TemplateId>,
    ) -> Result<Vec<(TemplateId, Datastream)>, StorageError> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT id, template_id, pin, name, alias, data_type, min, max, decimals, enum_fallback, default_value,
                        unit, is_synced, saves_raw_data, invalidate_after_s, invalid_shows_default, is_hidden_from_http
                 FROM datastreams WHERE ?1 IS NULL OR template_id = ?1 ORDER BY template_id, pin",
            )?;
            let mut rows = statement.query([template.as_ref().map(TemplateId::as_str)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read_datastream(conn, row)?);
            }
            Ok(found)
        })
        .await
    }
}

impl Work<'_> {
    fn put_row(
        &self,
        known: Option<u32>,
        template: &TemplateId,
        settings: &DatastreamSettings,
    ) -> Result<u32, StorageError> {
        let columns = TypeColumns::of(&settings.data_type);
        self.conn
            .prepare_cached(
                "INSERT INTO datastreams (id, template_id, pin, name, alias, data_type, min, max, decimals,
                    enum_fallback, default_value, unit, is_synced, saves_raw_data, invalidate_after_s,
                    invalid_shows_default, is_hidden_from_http)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name, alias = excluded.alias,
                    data_type = excluded.data_type, min = excluded.min, max = excluded.max,
                    decimals = excluded.decimals, enum_fallback = excluded.enum_fallback,
                    default_value = excluded.default_value, unit = excluded.unit, is_synced = excluded.is_synced,
                    saves_raw_data = excluded.saves_raw_data, invalidate_after_s = excluded.invalidate_after_s,
                    invalid_shows_default = excluded.invalid_shows_default,
                    is_hidden_from_http = excluded.is_hidden_from_http",
            )?
            .execute(rusqlite::params![
                known,
                template.as_str(),
                settings.pin.number(),
                settings.name,
                settings.alias,
                columns.name,
                columns.min,
                columns.max,
                columns.decimals,
                columns.fallback,
                settings.default.as_ref().map(Value::as_wire),
                settings.unit,
                settings.is_synced,
                settings.saves_raw_data,
                settings.invalidate.map(|rule| rule.after_s),
                settings.invalidate.is_some_and(|rule| rule.shows == InvalidShows::Default),
                settings.is_hidden_from_http,
            ])?;
        let id = match known {
            Some(id) => id,
            None => u32::try_from(self.conn.last_insert_rowid()).or(Err(DAMAGED))?,
        };
        self.conn
            .prepare_cached("DELETE FROM datastream_enum_rows WHERE datastream_id = ?1")?
            .execute([id])?;
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO datastream_enum_rows (datastream_id, number, text) VALUES (?1, ?2, ?3)",
        )?;
        for row in columns.rows {
            insert.execute((id, row.number, &row.text))?;
        }
        Ok(id)
    }
}

const DAMAGED: StorageError = StorageError::Damaged { what: "a datastream" };

/// A type as the columns that say it.
#[derive(Default)]
struct TypeColumns<'a> {
    name: &'static str,
    min: Option<f64>,
    max: Option<f64>,
    decimals: Option<String>,
    fallback: Option<i32>,
    rows: &'a [EnumRow],
}

impl<'a> TypeColumns<'a> {
    fn of(data_type: &'a DataType) -> Self {
        match data_type {
            DataType::Integer { min, max } => {
                Self { name: "integer", min: min.map(f64::from), max: max.map(f64::from), ..Self::default() }
            }
            DataType::Double { min, max, decimals } => {
                let decimals = decimals.map(|decimals| decimals.to_string());
                Self { name: "double", min: *min, max: *max, decimals, ..Self::default() }
            }
            DataType::Text => Self { name: "string", ..Self::default() },
            DataType::Enum { rows, fallback } => {
                Self { name: "enum", rows, fallback: *fallback, ..Self::default() }
            }
            DataType::Location => Self { name: "location", ..Self::default() },
            DataType::Boolean => Self { name: "boolean", ..Self::default() },
        }
    }
}

/// A name may not be another datastream's alias either: MQTT finds a datastream by both.
fn is_name_taken(
    conn: &Connection,
    template: &TemplateId,
    settings: &DatastreamSettings,
) -> Result<bool, StorageError> {
    let is_taken = conn
        .prepare_cached(
            "SELECT 1 FROM datastreams WHERE template_id = ?1 AND pin <> ?2
             AND (name IN (?3, ?4) OR alias IN (?3, ?4))",
        )?
        .exists((template.as_str(), settings.pin.number(), &settings.name, &settings.alias))?;
    Ok(is_taken)
}

fn read_datastream(conn: &Connection, row: &Row<'_>) -> Result<(TemplateId, Datastream), StorageError> {
    let id: u32 = row.get(0)?;
    let template = TemplateId::parse(&row.get::<_, String>(1)?).or(Err(DAMAGED))?;
    let shows = if row.get(15)? { InvalidShows::Default } else { InvalidShows::Nothing };
    let default: Option<Vec<u8>> = row.get(10)?;
    let settings = DatastreamSettings {
        pin: Pin::new(row.get(2)?),
        name: row.get(3)?,
        alias: row.get(4)?,
        data_type: read_type(conn, id, row)?,
        default: default.map(|wire| Value::from_wire(&wire).or(Err(DAMAGED))).transpose()?,
        unit: row.get(11)?,
        is_synced: row.get(12)?,
        saves_raw_data: row.get(13)?,
        invalidate: row.get::<_, Option<u32>>(14)?.map(|after_s| Invalidate { after_s, shows }),
        is_hidden_from_http: row.get(16)?,
    };
    Ok((template, Datastream::new(DatastreamId(id), settings).or(Err(DAMAGED))?))
}

fn read_type(conn: &Connection, id: u32, row: &Row<'_>) -> Result<DataType, StorageError> {
    let limits: (Option<f64>, Option<f64>) = (row.get(6)?, row.get(7)?);
    // The column holds whole numbers of 32 bits as `REAL`, which is exact; text is the way back without a cast.
    let whole =
        |limit: Option<f64>| limit.map(|limit| limit.to_string().parse::<i32>().or(Err(DAMAGED))).transpose();
    match row.get::<_, String>(5)?.as_str() {
        "integer" => Ok(DataType::Integer { min: whole(limits.0)?, max: whole(limits.1)? }),
        "double" => {
            let decimals: Option<String> = row.get(8)?;
            let decimals = decimals.map(|text| Decimals::parse(&text).or(Err(DAMAGED))).transpose()?;
            Ok(DataType::Double { min: limits.0, max: limits.1, decimals })
        }
        "string" => Ok(DataType::Text),
        "enum" => {
            let mut statement = conn.prepare_cached(
                "SELECT number, text FROM datastream_enum_rows WHERE datastream_id = ?1 ORDER BY number",
            )?;
            let rows = statement
                .query_map([id], |row| Ok(EnumRow { number: row.get(0)?, text: row.get(1)? }))?
                .collect::<Result<_, _>>()?;
            Ok(DataType::Enum { rows, fallback: row.get(9)? })
        }
        "location" => Ok(DataType::Location),
        "boolean" => Ok(DataType::Boolean),
        _ => Err(DAMAGED),
    }
}

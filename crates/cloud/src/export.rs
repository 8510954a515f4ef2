//! History as CSV, piece by piece: the memory of one export is one page, however long the history is.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use registry::{DeviceId, UtcTime};
use store::{HistoryCursor, HistoryOf, HistoryQuery, StorageError, Store};
use telemetry::{DatastreamSet, Pin, Rollup, RollupStep, Value};
use zip::ZipWriter;
use zip::write::{SimpleFileOptions, StreamWriter};

use crate::time_zone::Zone;

/// Rows that are read and written at a time.
const PAGE_ROWS: u32 = 5_000;

/// Which points of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Points {
    /// Every value as it was written; of a datastream that does not save raw data, one mean a minute.
    Raw,
    /// One number for each stretch.
    Rolled(RollupStep, Fold),
}

/// How the numbers of a stretch become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    Mean,
    Min,
    Max,
    Sum,
    Count,
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// Unix milliseconds.
    UnixMs,
    /// `04/10/19 11:45:41 AM`, local.
    Us,
    /// `2018-06-07 22:01:20`, local.
    Simple,
    /// `2018-06-07T22:01:20.125Z`: exact, and the same everywhere.
    Rfc3339,
}

/// What is exported.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    pub(crate) device: DeviceId,
    pub(crate) datastreams: Arc<DatastreamSet>,
    pub(crate) pins: VecDeque<Pin>,
    pub(crate) from: UtcTime,
    pub(crate) to: UtcTime,
    pub(crate) points: Points,
    pub(crate) form: TimeForm,
    pub(crate) zone: Zone,
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("reading the history failed")]
    Storage(#[from] StorageError),
    #[error("writing a line failed")]
    Line(#[from] csv::Error),
    #[error("packing the lines failed")]
    Pack(#[from] std::io::Error),
}

/// An export under way.
#[derive(Debug)]
pub(crate) struct Exporting {
    store: Store,
    export: Export,
    cursor: Option<HistoryCursor>,
    is_head_written: bool,
}

impl Export {
    pub(crate) fn start(self, store: Store) -> Exporting {
        Exporting { store, export: self, cursor: None, is_head_written: false }
    }

    fn points_of(&self, pin: Pin) -> Points {
        let saves_raw_data =
            self.datastreams.on_pin(pin).is_none_or(|datastream| datastream.settings().saves_raw_data);
        match self.points {
            Points::Raw if !saves_raw_data => Points::Rolled(RollupStep::Minute, Fold::Mean),
            points => points,
        }
    }

    fn name_of(&self, pin: Pin) -> String {
        let datastream = self.datastreams.on_pin(pin);
        datastream.map_or_else(|| pin.to_string(), |datastream| datastream.settings().name.clone())
    }

    fn time_text(&self, at: UtcTime) -> String {
        match self.form {
            TimeForm::UnixMs => at.unix_ms().to_string(),
            TimeForm::Us => self.zone.local(at, "%m/%d/%y %I:%M:%S %p"),
            TimeForm::Simple => self.zone.local(at, "%Y-%m-%d %H:%M:%S"),
            TimeForm::Rfc3339 => Zone::utc().local(at, "%Y-%m-%dT%H:%M:%S%.3fZ"),
        }
    }
}

/// A file that is made piece by piece.
pub(crate) trait Pieces: Send + 'static {
    /// Returns the next piece of the file; none at its end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, ExportError>> + Send;
}

impl Pieces for Exporting {
    async fn next(&mut self) -> Result<Option<Bytes>, ExportError> {
        let mut lines = csv::Writer::from_writer(Vec::new());
        if !std::mem::replace(&mut self.is_head_written, true) {
            lines.write_record(["time", "pin", "name", "value"])?;
            return Ok(Some(finished(lines)?));
        }
        let Some(pin) = self.export.pins.front().copied() else { return Ok(None) };
        let query = HistoryQuery {
            device: self.export.device.clone(),
            of: HistoryOf::CurrentOwnership,
            pin,
            from: self.export.from,
            to: self.export.to,
            limit: PAGE_ROWS,
            cursor: self.cursor,
        };
        let (pin_text, name) = (pin.to_string(), self.export.name_of(pin));
        let mut write = |at: UtcTime, value: &str| {
            lines.write_record([self.export.time_text(at).as_str(), &pin_text, &name, value])
        };
        self.cursor = match self.export.points_of(pin) {
            Points::Raw => {
                let page = self.store.raw_history(query).await?;
                page.rows.iter().try_for_each(|row| write(row.at, &value_text(&row.value)))?;
                page.next
            }
            Points::Rolled(step, fold) => {
                let page = self.store.rolled_history(query, step).await?;
                page.rows.iter().try_for_each(|row| write(row.at, &fold.of(&row.numbers)))?;
                page.next
            }
        };
        if self.cursor.is_none() {
            self.export.pins.pop_front();
        }
        Ok(Some(finished(lines)?))
    }
}

impl Fold {
    fn of(self, numbers: &Rollup) -> String {
        match self {
            Self::Mean => numbers.mean().to_string(),
            Self::Min => numbers.min.to_string(),
            Self::Max => numbers.max.to_string(),
            Self::Sum => numbers.sum.to_string(),
            Self::Count => numbers.count.to_string(),
        }
    }
}

/// One value as it is; several as a JSON list, so that they can be told apart again.
fn value_text(value: &Value) -> String {
    let texts = value.texts();
    match texts.as_slice() {
        [text] => text.clone(),
        _ => serde_json::Value::from(texts).to_string(),
    }
}

fn finished(lines: csv::Writer<Vec<u8>>) -> Result<Bytes, ExportError> {
    Ok(Bytes::from(lines.into_inner().map_err(csv::IntoInnerError::into_error)?))
}

/// A ZIP file with one CSV file in it, made while it is sent.
#[derive(Debug)]
pub(crate) struct Zipped {
    exporting: Exporting,
    packed: Packed,
    archive: Option<ZipWriter<StreamWriter<Packed>>>,
}

/// What the archive has written and nobody has taken yet.
#[derive(Debug, Clone, Default)]
struct Packed(Arc<Mutex<Vec<u8>>>);

impl Packed {
    fn take(&self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Zipped {
    pub(crate) fn new(exporting: Exporting, file_name: &str) -> Result<Self, ExportError> {
        let packed = Packed::default();
        let mut archive = ZipWriter::new_stream(packed.clone());
        archive.start_file(file_name, SimpleFileOptions::default()).map_err(std::io::Error::from)?;
        Ok(Self { exporting, packed, archive: Some(archive) })
    }
}

impl Pieces for Zipped {
    /// A piece may be empty while the packing holds it back.
    async fn next(&mut self) -> Result<Option<Bytes>, ExportError> {
        let Some(mut archive) = self.archive.take() else { return Ok(None) };
        match self.exporting.next().await? {
            Some(lines) => {
                archive.write_all(&lines)?;
                self.archive = Some(archive);
            }
            None => drop(archive.finish().map_err(std::io::Error::from)?),
        }
        Ok(Some(self.packed.take()))
    }
}

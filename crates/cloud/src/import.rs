//! History from a CSV file: every line is looked at before one is stored.

use csv::{ReaderBuilder, StringRecord, Trim};
use registry::UtcTime;
use store::{DATED_PAST_MAX_MS, NewValue};
use telemetry::{DatastreamSet, Pin, Value};

use crate::limits::{IMPORT_LINES_MAX, IMPORT_MISTAKES_NAMED_MAX};

/// What spreadsheet programs write before the first character.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why a file was not taken; the words are for the person who sent it and repeat nothing from the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImportError {
    /// There is no line with a point.
    #[error("the file has no line with a point; a line is `time,pin,value`")]
    Empty,
    /// There are too many lines.
    #[error("the file has more than {IMPORT_LINES_MAX} lines; send it in parts")]
    TooManyLines,
    /// The first line names columns, and one that is needed is not among them.
    #[error(
        "the first line names no column `{0}`; the columns are `time`, `pin` and `value`, parted by commas"
    )]
    Column(&'static str),
    /// Lines are not valid.
    #[error("{}", mistakes_text(.0, *.1))]
    Lines(Vec<Mistake>, usize),
}

/// A line that is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// From 1.
    line: u64,
    reason: String,
}

fn mistakes_text(named: &[Mistake], count: usize) -> String {
    let lines: Vec<String> =
        named.iter().map(|mistake| format!("line {}: {}", mistake.line, mistake.reason)).collect();
    let unnamed = count.saturating_sub(named.len());
    let rest = if unnamed == 0 { String::new() } else { format!("; {unnamed} more lines are not valid") };
    format!("{}{rest}", lines.join("; "))
}

/// Where a line has what.
#[derive(Debug, Clone, Copy)]
struct Columns {
    time: usize,
    pin: usize,
    value: usize,
}

impl Columns {
    /// Without names, in this order.
    const UNNAMED: Self = Self { time: 0, pin: 1, value: 2 };

    /// Reads the names of columns; none when the line is a point already.
    fn named(line: &StringRecord) -> Result<Option<Self>, ImportError> {
        let column = |name: &'static str| {
            line.iter().position(|field| field.eq_ignore_ascii_case(name)).ok_or(ImportError::Column(name))
        };
        let is_head = line
            .iter()
            .any(|field| ["time", "pin", "value"].iter().any(|name| field.eq_ignore_ascii_case(name)));
        if !is_head {
            return Ok(None);
        }
        Ok(Some(Self { time: column("time")?, pin: column("pin")?, value: column("value")? }))
    }
}

/// Reads every point of a file, in the form in which its datastream keeps it.
///
/// # Errors
/// When one line is not valid; the first ones are named with their reasons.
pub(crate) fn read_points(
    file: &[u8],
    datastreams: &DatastreamSet,
    now: UtcTime,
) -> Result<Vec<NewValue>, ImportError> {
    let file = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
    let mut lines = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::None).from_reader(file);
    let mut columns = None;
    let mut points = Vec::new();
    let (mut named, mut mistake_count) = (Vec::new(), 0_usize);
    let mut record = StringRecord::new();
    loop {
        let read = lines.read_record(&mut record);
        let line = record.position().map_or(0, csv::Position::line);
        let point = match read {
            Ok(false) => break,
            Ok(true) if columns.is_none() => match Columns::named(&record)? {
                Some(found) => {
                    columns = Some(found);
                    continue;
                }
                None => read_point(&record, *columns.insert(Columns::UNNAMED), datastreams, now),
            },
            Ok(true) => read_point(&record, columns.unwrap_or(Columns::UNNAMED), datastreams, now),
            Err(_not_utf8) => Err("the line is not text in UTF-8".to_owned()),
        };
        match point {
            Ok(_) if points.len() >= IMPORT_LINES_MAX => return Err(ImportError::TooManyLines),
            Ok(point) => points.push(point),
            Err(reason) => {
                mistake_count = mistake_count.saturating_add(1);
                if named.len() < IMPORT_MISTAKES_NAMED_MAX {
                    named.push(Mistake { line, reason });
                }
            }
        }
    }
    if mistake_count > 0 {
        return Err(ImportError::Lines(named, mistake_count));
    }
    if points.is_empty() { Err(ImportError::Empty) } else { Ok(points) }
}

fn read_point(
    line: &StringRecord,
    columns: Columns,
    datastreams: &DatastreamSet,
    now: UtcTime,
) -> Result<NewValue, String> {
    let field = |index: usize, name: &str| line.get(index).ok_or_else(|| format!("there is no {name}"));
    let at = api_types::parse_query_time(field(columns.time, "time")?.trim())
        .ok_or("the time is neither RFC 3339, as in 2026-11-22T10:15:30Z, nor Unix milliseconds")?;
    let at = UtcTime::from_unix_ms(at.unix_ms());
    if at > now {
        return Err("the time lies in the future".to_owned());
    }
    if at < now.plus_ms(-DATED_PAST_MAX_MS) {
        return Err(format!("the time is more than {} days ago", DATED_PAST_MAX_MS / 86_400_000));
    }
    let pin = Pin::parse(field(columns.pin, "pin")?.trim()).map_err(|error| error.to_string())?;
    let value = read_value(field(columns.value, "value")?)?;
    let value = datastreams.accept(pin, value).map_err(|error| error.to_string())?;
    Ok(NewValue::dated(pin, value, at))
}

/// As an export writes it: several values are a JSON list, and a list of one is a text like any other.
fn read_value(text: &str) -> Result<Value, String> {
    let several = text.starts_with('[').then(|| serde_json::from_str::<Vec<String>>(text).ok()).flatten();
    let value = match several.filter(|texts| texts.len() > 1) {
        Some(texts) => Value::from_fields(texts.iter().map(String::as_bytes)),
        None => Value::from_text(text),
    };
    value.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use telemetry::{DataType, Datastream, DatastreamId, DatastreamSettings};

    use super::*;

    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);

    fn level() -> DatastreamSet {
        let settings = DatastreamSettings {
            pin: Pin::new(1),
            name: "Level".to_owned(),
            alias: None,
            data_type: DataType::Integer { min: None, max: Some(100) },
            default: None,
            unit: None,
            is_synced: false,
            saves_raw_data: false,
            invalidate: None,
            is_hidden_from_http: false,
        };
        [Datastream::new(DatastreamId(1), settings).unwrap()].into_iter().collect()
    }

    type Shown = (i64, u8, Vec<String>);

    fn read(file: &str) -> Result<Vec<Shown>, String> {
        let points = read_points(file.as_bytes(), &level(), NOW).map_err(|error| error.to_string())?;
        let shown = |new: NewValue| {
            let at = new.dated_at.map_or(0, UtcTime::unix_ms);
            (at, new.pin.number(), new.value.texts())
        };
        Ok(points.into_iter().map(shown).collect())
    }

    fn point(at: i64, pin: u8, fields: &[&str]) -> Shown {
        (at, pin, fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn lines_are_read_with_and_without_names_of_columns() {
        let at = 1_794_999_999_000;
        let expected = Ok(vec![point(at, 1, &["100"]), point(at, 2, &["a, \"b\""])]);
        let lines = format!("{at},V1,250\n{at},2,\"a, \"\"b\"\"\"\n");
        assert_eq!(read(&lines), expected);
        assert_eq!(read(&format!("\u{feff}time,pin,value\r\n{}", lines.replace('\n', "\r\n"))), expected);
        let named =
            format!("Pin,name,VALUE,time\nv1,Level,250,{at}\nV2,V2,\"a, \"\"b\"\"\",2026-11-18T11:06:39Z\n");
        assert_eq!(read(&named).unwrap()[0], point(at, 1, &["100"]));
    }

    #[test]
    fn several_values_are_a_list_as_an_export_writes_them() {
        let values = read("1794999999000,5,\"[\"\"a\"\",\"\"b\"\"]\"\n1794999999000,5,[1]\n").unwrap();
        assert_eq!(values, [point(1_794_999_999_000, 5, &["a", "b"]), point(1_794_999_999_000, 5, &["[1]"])]);
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let file = "time,pin,value\n1794999999000,V1,5\nsoon,V1,5\n1794999999000,V256,5\n1794999999000,V1,warm\n\
                    1794999999000,V1\n1795000000001,V1,5\n1,V1,5\n";
        assert_eq!(
            read(file).unwrap_err(),
            "line 3: the time is neither RFC 3339, as in 2026-11-22T10:15:30Z, nor Unix milliseconds; \
             line 4: a virtual pin is written V0 to V255; line 5: the datastream takes numbers; \
             line 6: there is no value; line 7: the time lies in the future; line 8: the time is more than 92 days ago"
        );
        let many = "x,1,1\n".repeat(IMPORT_MISTAKES_NAMED_MAX + 3);
        assert!(read(&many).unwrap_err().ends_with("; 3 more lines are not valid"));
    }

    #[test]
    fn a_file_without_points_or_columns_or_with_too_many_lines_is_refused() {
        for (file, reason) in [
            ("", "the file has no line with a point"),
            ("time,pin,value\n", "the file has no line with a point"),
            ("time;pin;value\n1;2;3\n", "line 1: the time is neither"),
            ("time,value\n", "the first line names no column `pin`"),
        ] {
            let refused = read(file).unwrap_err();
            assert!(refused.starts_with(reason), "{refused}");
        }
        let many = "1794999999000,1,1\n".repeat(IMPORT_LINES_MAX + 1);
        assert!(read(&many).unwrap_err().starts_with("the file has more than"));
        assert!(read_points(b"1794999999000,1,\xff\n", &DatastreamSet::default(), NOW).is_err());
    }
}

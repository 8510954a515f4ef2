//! Datastreams of a template: what a virtual pin may hold and how its value is kept.
//!
//! Source of the settings: reference/console-features.md 2.

use std::collections::BTreeMap;

use crate::accept::{RejectValueError, accept_value};
use crate::{Pin, Value};

/// 100 characters for a name, an alias or the text of an enum row; as for other names of a template.
pub const DATASTREAM_NAME_CHARS_MAX: usize = 100;

/// 32 characters for a unit.
pub const UNIT_CHARS_MAX: usize = 32;

/// 255 rows of an enum; nobody chooses from a longer list.
pub const ENUM_ROWS_MAX: usize = 255;

/// 5 decimals, as the longest form in the reference (`#.#####`).
pub const DECIMALS_MAX: u8 = 5;

/// 1 year, the longest time after which a value may become invalid, in seconds.
pub const INVALIDATE_AFTER_S_MAX: u32 = 366 * 24 * 3_600;

/// Number of a datastream, the `dataStreamId` of the Device HTTPS API. Never given out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatastreamId(pub u32);

/// What a person sets. [`Datastream::new`] checks it.
#[derive(Debug, Clone, PartialEq)]
pub struct DatastreamSettings {
    /// The pin.
    pub pin: Pin,
    /// Its name, unique in the template; MQTT topics carry it.
    pub name: String,
    /// A second name that may be changed later, unique in the template.
    pub alias: Option<String>,
    /// What values it takes.
    pub data_type: DataType,
    /// What it holds before anything was written.
    pub default: Option<Value>,
    /// The unit of its values, for reading.
    pub unit: Option<String>,
    /// Whether the last value goes to the device when it connects or asks for everything.
    pub is_synced: bool,
    /// Whether each point is kept in the history, and not only averages.
    pub saves_raw_data: bool,
    /// When a value that was not renewed stops counting.
    pub invalidate: Option<Invalidate>,
    /// Whether the Device HTTPS API behaves as if it were not there.
    pub is_hidden_from_http: bool,
}

/// What values a datastream takes.
#[derive(Debug, Clone, PartialEq)]
pub enum DataType {
    /// Whole numbers of 32 bits.
    Integer {
        /// Smallest; smaller ones become it.
        min: Option<i32>,
        /// Largest; larger ones become it.
        max: Option<i32>,
    },
    /// Numbers with a fraction.
    Double {
        /// Smallest; smaller ones become it.
        min: Option<f64>,
        /// Largest; larger ones become it.
        max: Option<f64>,
        /// How many decimals are kept; all when none.
        decimals: Option<Decimals>,
    },
    /// Any text or bytes, one field or several.
    Text,
    /// One of a list of numbers, each with a text.
    Enum {
        /// The list, by number.
        rows: Vec<EnumRow>,
        /// The number that stands for every number that is not in the list; none refuses them.
        fallback: Option<i32>,
    },
    /// Longitude and latitude, in this order, in degrees.
    Location,
    /// Off or on, kept as 0 or 1.
    Boolean,
}

/// One row of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumRow {
    /// The number that travels.
    pub number: i32,
    /// What it means.
    pub text: String,
}

/// How many decimals of a number are kept, written as in the reference: `#`, `#.##`, `#.00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimals {
    /// 0 to [`DECIMALS_MAX`].
    count: u8,
    /// Whether zeros at the end are written too.
    is_padded: bool,
}

/// When a value stops counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalidate {
    /// Seconds since it was written, 1 to [`INVALIDATE_AFTER_S_MAX`].
    pub after_s: u32,
    /// What stands in its place.
    pub shows: InvalidShows,
}

/// What stands in the place of a value that stopped counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidShows {
    /// Nothing: the pin counts as never written.
    Nothing,
    /// The default value; nothing when there is none.
    Default,
}

/// A datastream whose settings make sense together.
#[derive(Debug, Clone, PartialEq)]
pub struct Datastream {
    id: DatastreamId,
    settings: DatastreamSettings,
}

/// Why settings do not make a datastream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MakeDatastreamError {
    /// The name cannot be used in topics and lists.
    #[error(
        "a name has 1 to {DATASTREAM_NAME_CHARS_MAX} characters and none of `/`, `+`, `#`, `,` or control characters"
    )]
    Name,
    /// The alias is not of letters, digits and spaces.
    #[error("an alias has 1 to {DATASTREAM_NAME_CHARS_MAX} letters, digits and spaces")]
    Alias,
    /// The unit is empty or too long.
    #[error("a unit has 1 to {UNIT_CHARS_MAX} characters")]
    Unit,
    /// The smallest value is above the largest.
    #[error("`min` must not be above `max`")]
    Limits,
    /// A limit is no finite number.
    #[error("`min` and `max` must be numbers")]
    LimitNotFinite,
    /// A limit would be rounded away.
    #[error("`min` and `max` must not have more decimals than the values")]
    LimitDecimals,
    /// The decimals are not written as `#.##` or `#.00`.
    #[error("`decimals` is written `#`, `#.#` to `#.#####`, or `#.0` to `#.00000`")]
    Decimals,
    /// The rows of an enum are missing, too many or say one thing twice.
    #[error("an enum has 1 to {ENUM_ROWS_MAX} rows; numbers and texts are unique, texts are valid names")]
    EnumRows,
    /// The fallback is not a row.
    #[error("the fallback of an enum must be the number of one of its rows")]
    Fallback,
    /// The default value would be refused if a device sent it.
    #[error("the default value does not fit the type: {0}")]
    Default(RejectValueError),
    /// The time after which values become invalid is out of range.
    #[error("values become invalid after 1 to {INVALIDATE_AFTER_S_MAX} s")]
    InvalidateAfter,
}

impl Decimals {
    /// Reads `#`, `#.##` or `#.00`.
    ///
    /// # Errors
    /// When it is written in another way or has more than [`DECIMALS_MAX`] decimals.
    pub fn parse(text: &str) -> Result<Self, MakeDatastreamError> {
        let Some(rest) = text.strip_prefix('#') else { return Err(MakeDatastreamError::Decimals) };
        if rest.is_empty() {
            return Ok(Self { count: 0, is_padded: false });
        }
        let marks = rest.strip_prefix('.').filter(|marks| !marks.is_empty());
        let marks = marks.ok_or(MakeDatastreamError::Decimals)?;
        let is_padded = marks.bytes().all(|mark| mark == b'0');
        let is_plain = marks.bytes().all(|mark| mark == b'#');
        match u8::try_from(marks.len()) {
            Ok(count) if count <= DECIMALS_MAX && (is_padded || is_plain) => Ok(Self { count, is_padded }),
            _ => Err(MakeDatastreamError::Decimals),
        }
    }

    /// Writes a number with these decimals.
    pub(crate) fn write(self, number: f64) -> String {
        let rounded = format!("{number:.*}", usize::from(self.count));
        // "-0.00" says nothing that "0.00" does not.
        let is_zero = rounded.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
        let rounded = if is_zero { rounded.trim_start_matches('-') } else { &rounded };
        if self.is_padded || !rounded.contains('.') {
            return rounded.to_owned();
        }
        rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl std::fmt::Display for Decimals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("#")?;
        if self.count > 0 {
            let mark = if self.is_padded { "0" } else { "#" };
            write!(f, ".{}", mark.repeat(usize::from(self.count)))?;
        }
        Ok(())
    }
}

impl Datastream {
    /// Makes a datastream. Its default value is brought into the form that a written one would have.
    ///
    /// # Errors
    /// When the settings do not make sense; see [`MakeDatastreamError`].
    pub fn new(id: DatastreamId, mut settings: DatastreamSettings) -> Result<Self, MakeDatastreamError> {
        check_names(&settings)?;
        check_type(&settings.data_type)?;
        if settings.invalidate.is_some_and(|rule| !(1..=INVALIDATE_AFTER_S_MAX).contains(&rule.after_s)) {
            return Err(MakeDatastreamError::InvalidateAfter);
        }
        if let Some(default) = settings.default.take() {
            let accepted = accept_value(&settings.data_type, default.fields());
            settings.default = Some(accepted.map_err(MakeDatastreamError::Default)?);
        }
        Ok(Self { id, settings })
    }

    /// Returns its number.
    #[must_use]
    pub const fn id(&self) -> DatastreamId {
        self.id
    }

    /// Returns what a person set.
    #[must_use]
    pub const fn settings(&self) -> &DatastreamSettings {
        &self.settings
    }

    /// Returns what the pin holds for whoever reads it: the last value while it counts, else what stands in its place.
    ///
    /// `last` is the last value with its age in milliseconds.
    #[must_use]
    pub fn current<'a>(&'a self, last: Option<(&'a Value, u64)>) -> Option<&'a Value> {
        let Some((value, age_ms)) = last else { return self.settings.default.as_ref() };
        match self.settings.invalidate {
            Some(rule) if age_ms >= u64::from(rule.after_s).saturating_mul(1_000) => match rule.shows {
                InvalidShows::Nothing => None,
                InvalidShows::Default => self.settings.default.as_ref(),
            },
            _ => Some(value),
        }
    }
}

fn check_names(settings: &DatastreamSettings) -> Result<(), MakeDatastreamError> {
    if !is_name(&settings.name) {
        return Err(MakeDatastreamError::Name);
    }
    let is_alias = |alias: &str| is_name(alias) && alias.chars().all(|c| c.is_alphanumeric() || c == ' ');
    if settings.alias.as_deref().is_some_and(|alias| !is_alias(alias)) {
        return Err(MakeDatastreamError::Alias);
    }
    let is_unit = |unit: &str| {
        (1..=UNIT_CHARS_MAX).contains(&unit.chars().count()) && !unit.chars().any(char::is_control)
    };
    if settings.unit.as_deref().is_some_and(|unit| !is_unit(unit)) {
        return Err(MakeDatastreamError::Unit);
    }
    Ok(())
}

/// MQTT topics end in a name and lists of names are parted by commas (reference/mqtt-api.md), so neither may be in one.
fn is_name(name: &str) -> bool {
    (1..=DATASTREAM_NAME_CHARS_MAX).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '+' | '#' | ','))
}

fn check_type(data_type: &DataType) -> Result<(), MakeDatastreamError> {
    match data_type {
        DataType::Integer { min: Some(min), max: Some(max) } if min > max => Err(MakeDatastreamError::Limits),
        DataType::Double { min, max, decimals } => {
            let limits = [min, max];
            if limits.iter().any(|limit| limit.is_some_and(|limit| !limit.is_finite())) {
                return Err(MakeDatastreamError::LimitNotFinite);
            }
            if matches!((min, max), (Some(min), Some(max)) if min > max) {
                return Err(MakeDatastreamError::Limits);
            }
            let is_kept =
                |limit: f64| decimals.is_none_or(|decimals| decimals.write(limit).parse() == Ok(limit));
            let is_lost = limits.iter().any(|limit| limit.is_some_and(|limit| !is_kept(limit)));
            if is_lost { Err(MakeDatastreamError::LimitDecimals) } else { Ok(()) }
        }
        DataType::Enum { rows, fallback } => {
            let numbers: BTreeMap<i32, &str> =
                rows.iter().map(|row| (row.number, row.text.as_str())).collect();
            let texts: std::collections::BTreeSet<&str> = numbers.values().copied().collect();
            let is_unique = numbers.len() == rows.len() && texts.len() == rows.len();
            if !(1..=ENUM_ROWS_MAX).contains(&rows.len()) || !is_unique || !texts.iter().all(|t| is_name(t)) {
                return Err(MakeDatastreamError::EnumRows);
            }
            let has_fallback = fallback.is_none_or(|number| numbers.contains_key(&number));
            if has_fallback { Ok(()) } else { Err(MakeDatastreamError::Fallback) }
        }
        DataType::Integer { .. } | DataType::Text | DataType::Location | DataType::Boolean => Ok(()),
    }
}

/// The datastreams of one template, by pin. Pins without one take every value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatastreamSet {
    by_pin: BTreeMap<Pin, Datastream>,
}

impl DatastreamSet {
    /// Returns the datastream of a pin.
    #[must_use]
    pub fn on_pin(&self, pin: Pin) -> Option<&Datastream> {
        self.by_pin.get(&pin)
    }

    /// Returns the datastream with a number.
    #[must_use]
    pub fn with_id(&self, id: DatastreamId) -> Option<&Datastream> {
        self.iter().find(|datastream| datastream.id == id)
    }

    /// Returns the datastream with a name, or with an alias where no name fits.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Datastream> {
        self.iter()
            .find(|datastream| datastream.settings.name == name)
            .or_else(|| self.iter().find(|datastream| datastream.settings.alias.as_deref() == Some(name)))
    }

    /// Returns all of them, by pin.
    pub fn iter(&self) -> impl Iterator<Item = &Datastream> {
        self.by_pin.values()
    }

    /// Says whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_pin.is_empty()
    }

    /// Brings a value that is to be written to a pin into the form in which it is kept.
    ///
    /// # Errors
    /// When the pin's datastream does not take it.
    pub fn accept(&self, pin: Pin, value: Value) -> Result<Value, RejectValueError> {
        match self.on_pin(pin) {
            None => Ok(value),
            Some(datastream) => accept_value(&datastream.settings.data_type, value.fields()),
        }
    }

    /// Says whether the value of a pin goes to a device that connects or asks for everything.
    #[must_use]
    pub fn is_synced(&self, pin: Pin) -> bool {
        self.on_pin(pin).is_none_or(|datastream| datastream.settings.is_synced)
    }

    /// Returns what every pin holds for whoever reads it, by pin. `stored` are the last values, by pin, each with its age
    /// in milliseconds.
    pub fn current<'a>(
        &'a self,
        stored: impl IntoIterator<Item = (Pin, &'a Value, u64)>,
    ) -> BTreeMap<Pin, &'a Value> {
        let mut current: BTreeMap<Pin, &Value> = self
            .iter()
            .filter_map(|datastream| Some((datastream.settings.pin, datastream.current(None)?)))
            .collect();
        for (pin, value, age_ms) in stored {
            let shown = match self.on_pin(pin) {
                None => Some(value),
                Some(datastream) => datastream.current(Some((value, age_ms))),
            };
            match shown {
                Some(value) => current.insert(pin, value),
                None => current.remove(&pin),
            };
        }
        current
    }
}

impl FromIterator<Datastream> for DatastreamSet {
    fn from_iter<T: IntoIterator<Item = Datastream>>(datastreams: T) -> Self {
        let by_pin =
            datastreams.into_iter().map(|datastream| (datastream.settings.pin, datastream)).collect();
        Self { by_pin }
    }
}

#[cfg(test)]
mod tests;

//! Whether a datastream takes a value, and in which form it is kept.
//!
//! A wrong type is refused; a number outside the limits becomes the limit (reference/console-features.md 2, "Data type",
//! "Min, max"; reference/http-api.md 2, "Values"). What real clients send decides the spelling: the library pads floats
//! with blanks and writes three decimals (`virtualWrite(V1, 12.0f)` sends `12.000`), so a whole number may have a
//! fraction of zeros.

use crate::{DataType, MakeValueError, Value};

/// Longitude, then latitude: at most this many degrees from zero.
const DEGREES_MAX: [f64; 2] = [180.0, 90.0];

/// Why a value is not taken. The texts are for the maker and name no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectValueError {
    /// It is not a number.
    #[error("the datastream takes numbers")]
    NotANumber,
    /// It has a fraction.
    #[error("the datastream takes whole numbers")]
    NotAnInteger,
    /// It is none of the rows.
    #[error("the datastream takes the numbers or texts of its list")]
    NotInList,
    /// It is neither off nor on.
    #[error("the datastream takes 0 and 1, false and true")]
    NotABoolean,
    /// It is not a longitude and a latitude.
    #[error("the datastream takes a longitude (-180 to 180) and a latitude (-90 to 90)")]
    NotALocation,
    /// There are several values.
    #[error("the datastream takes one value at a time")]
    SeveralValues,
    /// It is too long, or not a value at all.
    #[error(transparent)]
    Malformed(#[from] MakeValueError),
}

impl RejectValueError {
    /// Returns a short name for counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotANumber => "not_a_number",
            Self::NotAnInteger => "not_an_integer",
            Self::NotInList => "not_in_list",
            Self::NotABoolean => "not_a_boolean",
            Self::NotALocation => "not_a_location",
            Self::SeveralValues => "several_values",
            Self::Malformed(_) => "malformed",
        }
    }
}

/// Decides whether a datastream of this type takes a value, and returns it as it is kept.
///
/// Every way into the system uses this one function: binary protocol, HTTP and MQTT alike. What it returns it takes again
/// unchanged.
///
/// # Errors
/// When the value does not fit the type; see [`RejectValueError`].
pub fn accept_value<'a>(
    data_type: &DataType,
    fields: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Value, RejectValueError> {
    match data_type {
        DataType::Text => Ok(Value::from_fields(fields)?),
        DataType::Integer { min, max } => {
            let number = whole_number(only(fields)?)?;
            let text = clamp(number, min.unwrap_or(i32::MIN).into(), max.unwrap_or(i32::MAX).into());
            Ok(Value::from_text(&number_text(text))?)
        }
        DataType::Double { min, max, decimals } => {
            let number = number(only(fields)?)?;
            let number = clamp(number, min.unwrap_or(f64::MIN), max.unwrap_or(f64::MAX));
            let text = match decimals {
                Some(decimals) => decimals.write(number),
                None => number_text(number),
            };
            Ok(Value::from_text(&text)?)
        }
        DataType::Enum { rows, fallback } => {
            let field = only(fields)?;
            let text = trimmed(field)?;
            let number = match whole_number(field) {
                Ok(number) => {
                    let text = number_text(number);
                    let row = rows.iter().find(|row| row.number.to_string() == text).map(|row| row.number);
                    row.or(*fallback)
                }
                Err(_) => rows.iter().find(|row| row.text == text).map(|row| row.number),
            };
            Ok(Value::from_text(&number.ok_or(RejectValueError::NotInList)?.to_string())?)
        }
        DataType::Location => location(fields),
        DataType::Boolean => boolean(only(fields)?),
    }
}

/// Two fields, or one with a comma in it, as `batch/update` carries it (reference/http-api.md 2).
fn location<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Result<Value, RejectValueError> {
    let mut texts = Vec::new();
    for field in fields {
        texts.extend(field.split(|byte| *byte == b','));
        if texts.len() > DEGREES_MAX.len() {
            return Err(RejectValueError::NotALocation);
        }
    }
    if texts.len() != DEGREES_MAX.len() {
        return Err(RejectValueError::NotALocation);
    }
    let mut degrees = Vec::new();
    for (text, limit) in texts.into_iter().zip(DEGREES_MAX) {
        let number = number(text).or(Err(RejectValueError::NotALocation))?;
        if number.abs() > limit {
            return Err(RejectValueError::NotALocation);
        }
        degrees.push(number_text(number));
    }
    Ok(Value::from_fields(degrees.iter().map(String::as_bytes))?)
}

/// Words in any case, because the Python library writes `True`; numbers as the library writes them, with a fraction of zeros.
fn boolean(field: &[u8]) -> Result<Value, RejectValueError> {
    let text = trimmed(field).unwrap_or_default();
    let number = whole_number(field).map(number_text);
    let is_on = match number.as_deref() {
        Ok("0") => false,
        Ok("1") => true,
        Err(_) if text.eq_ignore_ascii_case("false") => false,
        Err(_) if text.eq_ignore_ascii_case("true") => true,
        _ => return Err(RejectValueError::NotABoolean),
    };
    Ok(Value::from_text(if is_on { "1" } else { "0" })?)
}

fn only<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Result<&'a [u8], RejectValueError> {
    let mut fields = fields.into_iter();
    let first = fields.next().ok_or(MakeValueError::NoField)?;
    if fields.next().is_some() { Err(RejectValueError::SeveralValues) } else { Ok(first) }
}

fn trimmed(field: &[u8]) -> Result<&str, RejectValueError> {
    Ok(std::str::from_utf8(field).or(Err(RejectValueError::NotANumber))?.trim_matches(' '))
}

/// A finite number in decimal writing; `nan` and `inf`, which the library prints too, are none.
fn number(field: &[u8]) -> Result<f64, RejectValueError> {
    let number: f64 = trimmed(field)?.parse().or(Err(RejectValueError::NotANumber))?;
    if number.is_finite() { Ok(number) } else { Err(RejectValueError::NotANumber) }
}

fn whole_number(field: &[u8]) -> Result<f64, RejectValueError> {
    let number = number(field)?;
    if number.fract() == 0.0 { Ok(number) } else { Err(RejectValueError::NotAnInteger) }
}

fn clamp(number: f64, min: f64, max: f64) -> f64 {
    // `f64::clamp` would panic on limits in the wrong order, which settings cannot have.
    number.max(min).min(max)
}

/// The shortest writing that means this number; zero has no sign.
fn number_text(number: f64) -> String {
    if number == 0.0 { "0".to_owned() } else { number.to_string() }
}

#[cfg(test)]
mod tests;

//! The bytes of a chunk: times as differences, decimal numbers as differences, everything else as it is.
//!
//! A value comes back byte for byte: only decimals whose text can be made again from their digits are stored as numbers.

use crate::StorageError;

/// Most decimals have one or two; more than six stay text.
const SCALE_MAX: u8 = 6;

/// 17 digits fit into an `i64` with room for differences.
const DIGITS_MAX: usize = 17;

/// The value is the one before.
const TAG_SAME: u64 = 0;
/// Length and bytes follow.
const TAG_BYTES: u64 = 1;
/// This plus the number of decimals; the difference of the digits follows.
const TAG_DECIMAL: u64 = 2;

const DAMAGED: StorageError = StorageError::Damaged { what: "a chunk of history" };

/// One value with its time in Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) at: i64,
    pub(super) value: Vec<u8>,
}

/// Collects points in the order of their times.
#[derive(Debug)]
pub(super) struct Encoder {
    from_at: i64,
    bytes: Vec<u8>,
    last: Last,
}

#[derive(Debug, Default)]
struct Last {
    at: i64,
    value: Option<Vec<u8>>,
    decimal: (u8, i64),
}

/// A value as it stands in a chunk.
#[derive(Debug, Clone, Copy)]
enum Written<'a> {
    /// The one before.
    Same,
    Bytes(&'a [u8]),
    Decimal {
        scale: u8,
        digits: i64,
    },
}

impl Encoder {
    /// Starts a chunk with its first point.
    pub(super) fn new(first: &Point) -> Self {
        let last = Last { at: first.at, ..Last::default() };
        let mut encoder = Self { from_at: first.at, bytes: Vec::new(), last };
        encoder.push(first);
        encoder
    }

    /// Goes on where a chunk that starts at `from_at` ends, without taking it apart.
    pub(super) fn resume(from_at: i64, bytes: &[u8]) -> Result<Self, StorageError> {
        let mut last = Last { at: from_at, ..Last::default() };
        let mut latest = None;
        walk(from_at, bytes, |at, written| {
            last.at = at;
            if let Written::Decimal { scale, digits } = written {
                last.decimal = (scale, digits);
            }
            match written {
                Written::Same if latest.is_none() => return Err(DAMAGED),
                Written::Same => {}
                _ => latest = Some(written),
            }
            Ok(())
        })?;
        last.value = match latest {
            Some(Written::Bytes(value)) => Some(value.to_vec()),
            Some(Written::Decimal { scale, digits }) => Some(decimal_text(scale, digits)),
            Some(Written::Same) | None => None,
        };
        Ok(Self { from_at, bytes: bytes.to_vec(), last })
    }

    /// Appends a point; its time is not before the one of the point before.
    pub(super) fn push(&mut self, point: &Point) {
        put_varint(&mut self.bytes, point.at.abs_diff(self.last.at));
        self.last.at = point.at;
        if self.last.value.as_deref() == Some(&point.value) {
            put_varint(&mut self.bytes, TAG_SAME);
            return;
        }
        if let Some((scale, digits)) = parse_decimal(&point.value) {
            put_varint(&mut self.bytes, TAG_DECIMAL + u64::from(scale));
            put_varint(&mut self.bytes, zigzag(digits - base(self.last.decimal, scale)));
            self.last.decimal = (scale, digits);
        } else {
            put_varint(&mut self.bytes, TAG_BYTES);
            put_varint(&mut self.bytes, u64::try_from(point.value.len()).unwrap_or(u64::MAX));
            self.bytes.extend_from_slice(&point.value);
        }
        let last = self.last.value.get_or_insert_default();
        last.clear();
        last.extend_from_slice(&point.value);
    }

    /// The time of the latest point.
    pub(super) fn last_at(&self) -> i64 {
        self.last.at
    }

    pub(super) fn first_at(&self) -> i64 {
        self.from_at
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads the points of a chunk that starts at `from_at`.
pub(super) fn decode(from_at: i64, bytes: &[u8]) -> Result<Vec<Point>, StorageError> {
    let mut points: Vec<Point> = Vec::new();
    walk(from_at, bytes, |at, written| {
        let value = match written {
            Written::Same => points.last().ok_or(DAMAGED)?.value.clone(),
            Written::Bytes(value) => value.to_vec(),
            Written::Decimal { scale, digits } => decimal_text(scale, digits),
        };
        points.push(Point { at, value });
        Ok(())
    })?;
    Ok(points)
}

/// Hands over each value of a chunk with its time.
fn walk<'a>(
    from_at: i64,
    mut bytes: &'a [u8],
    mut take: impl FnMut(i64, Written<'a>) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let mut at = from_at;
    let mut decimal = (0, 0);
    while !bytes.is_empty() {
        at = at.checked_add_unsigned(take_varint(&mut bytes)?).ok_or(DAMAGED)?;
        let written = match take_varint(&mut bytes)? {
            TAG_SAME => Written::Same,
            TAG_BYTES => {
                let length = usize::try_from(take_varint(&mut bytes)?).or(Err(DAMAGED))?;
                let (value, rest) = bytes.split_at_checked(length).ok_or(DAMAGED)?;
                bytes = rest;
                Written::Bytes(value)
            }
            tag => {
                let scale = u8::try_from(tag - TAG_DECIMAL).or(Err(DAMAGED))?;
                if scale > SCALE_MAX {
                    return Err(DAMAGED);
                }
                let difference = unzigzag(take_varint(&mut bytes)?);
                let digits = base(decimal, scale).checked_add(difference).ok_or(DAMAGED)?;
                decimal = (scale, digits);
                Written::Decimal { scale, digits }
            }
        };
        take(at, written)?;
    }
    Ok(())
}

/// Differences count from the number before when both have the same decimals, otherwise from 0.
fn base((scale, digits): (u8, i64), wanted: u8) -> i64 {
    if scale == wanted { digits } else { 0 }
}

/// Returns the number of decimals and the digits of a text that [`decimal_text`] would write in the same way.
fn parse_decimal(text: &[u8]) -> Option<(u8, i64)> {
    let (is_negative, unsigned) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = unsigned.iter().position(|byte| *byte == b'.');
    let (whole, decimals) = match point {
        Some(position) => (unsigned.get(..position)?, unsigned.get(position + 1..)?),
        None => (unsigned, [].as_slice()),
    };
    let scale = u8::try_from(decimals.len()).ok().filter(|scale| *scale <= SCALE_MAX)?;
    let has_spare_zero = whole.len() > 1 && whole.first() == Some(&b'0');
    let digit_count = whole.len() + decimals.len();
    if whole.is_empty() || has_spare_zero || digit_count > DIGITS_MAX || (point.is_some() && scale == 0) {
        return None;
    }
    let mut digits = 0_i64;
    for byte in whole.iter().chain(decimals) {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        digits = digits * 10 + digit;
    }
    match (is_negative, digits) {
        // "-0" would come back as "0".
        (true, 0) => None,
        (true, digits) => Some((scale, -digits)),
        (false, digits) => Some((scale, digits)),
    }
}

fn decimal_text(scale: u8, digits: i64) -> Vec<u8> {
    let sign = if digits < 0 { "-" } else { "" };
    let magnitude = digits.unsigned_abs();
    if scale == 0 {
        return format!("{sign}{magnitude}").into_bytes();
    }
    let Some(divisor) = 10_u64.checked_pow(u32::from(scale)) else { return Vec::new() };
    let (whole, decimals) = (magnitude / divisor, magnitude % divisor);
    format!("{sign}{whole}.{decimals:0width$}", width = usize::from(scale)).into_bytes()
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Seven bits a byte, the lowest first.
fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7F) as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, StorageError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(DAMAGED)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(DAMAGED)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(points: &[Point]) -> Vec<u8> {
        let mut encoder = Encoder::new(&points[0]);
        points[1..].iter().for_each(|point| encoder.push(point));
        encoder.into_bytes()
    }

    #[test]
    fn only_decimals_that_come_back_the_same_are_stored_as_numbers() {
        for text in ["0", "7", "-7", "23.5", "-0.05", "99999999999999999", "0.000001"] {
            let (scale, digits) = parse_decimal(text.as_bytes()).unwrap();
            assert_eq!(decimal_text(scale, digits), text.as_bytes());
        }
        for text in ["", "-", "-0", "-0.0", "007", "1.", ".5", "+1", "1e3", "1.0000001", "123456789012345678"]
        {
            assert_eq!(parse_decimal(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_slowly_changing_number_takes_five_bytes_a_point() {
        let points: Vec<Point> = (0..100)
            .map(|number| Point { at: number * 26_000, value: format!("23.{}", number % 10).into_bytes() })
            .collect();
        assert!(encode(&points).len() <= 500, "{}", encode(&points).len());
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic() {
        for bytes in [[0_u8; 2].as_slice(), &[0, 1, 9], &[0xFF; 12], &[0, 200, 1, 1], &[0, 1, 0xFF, 0xFF, 1]]
        {
            assert!(matches!(decode(0, bytes), Err(StorageError::Damaged { .. })), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn every_chunk_comes_back_as_it_was(
            steps in proptest::collection::vec((0..100_000_u32, "(-?[0-9]{1,3}(\\.[0-9]{1,7})?|[a-z\\x00]{0,9})"), 1..80),
            from_at in -1_000_000..1_000_000_i64,
            interrupted_after in any::<prop::sample::Index>(),
        ) {
            let mut at = from_at;
            let points: Vec<Point> = steps
                .into_iter()
                .map(|(step, text)| {
                    at += i64::from(step);
                    Point { at, value: text.into_bytes() }
                })
                .collect();
            let bytes = encode(&points);
            prop_assert_eq!(decode(points[0].at, &bytes).unwrap(), &*points);
            // Wherever it is interrupted, it goes on as if it had not been.
            let (before, after) = points.split_at(1 + interrupted_after.index(points.len()));
            let mut encoder = Encoder::resume(before[0].at, &encode(before)).unwrap();
            prop_assert_eq!(encoder.last_at(), before.last().unwrap().at);
            for point in after {
                encoder.push(point);
            }
            prop_assert_eq!(encoder.into_bytes(), bytes);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), from_at in any::<i64>()) {
            prop_assert_eq!(decode(from_at, &bytes).is_ok(), Encoder::resume(from_at, &bytes).is_ok());
        }
    }
}

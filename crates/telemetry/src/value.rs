//! Values of datastreams: one or more fields of bytes.

/// 1,024 bytes per field. Source: reference/wire-protocol.md 1, "value of a string datastream".
pub const FIELD_BYTES_MAX: usize = 1_024;

/// 64 fields per value. A device's own message buffer (128 bytes by default) cannot hold more than 61 non-empty ones.
pub const VALUE_FIELDS_MAX: usize = 64;

/// 4,096 bytes for all fields of one value and their separators, so that one pin cannot fill the disk.
pub const VALUE_BYTES_MAX: usize = 4_096;

/// What a pin holds: at least one field; several for a multi-value pin. Fields keep their order.
///
/// Fields are bytes, not text: `virtualWriteBinary` sends anything (reference/wire-protocol.md 1). A NUL separates
/// fields on the wire, so a binary value with NULs in it arrives as several fields and is sent back as the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    /// Invariant: the fields joined by NUL, within the limits above.
    joined: Vec<u8>,
}

/// Why fields do not make a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MakeValueError {
    /// There is no field.
    #[error("a value needs at least one field")]
    NoField,
    /// There are too many fields.
    #[error("a value has at most {VALUE_FIELDS_MAX} fields")]
    TooManyFields,
    /// One field is too long.
    #[error("a field has at most {FIELD_BYTES_MAX} bytes")]
    FieldTooLong,
    /// All fields together are too long.
    #[error("a value has at most {VALUE_BYTES_MAX} bytes")]
    ValueTooLong,
    /// A field contains the separator.
    #[error("a field cannot contain a NUL byte")]
    NulInField,
}

impl Value {
    /// Makes a value from its fields.
    ///
    /// # Errors
    /// When a limit is exceeded or a field contains a NUL.
    pub fn from_fields<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, MakeValueError> {
        let mut joined = Vec::new();
        let mut field_count = 0_usize;
        for field in fields {
            if field.contains(&0) {
                return Err(MakeValueError::NulInField);
            }
            if field_count > 0 {
                joined.push(0);
            }
            joined.extend_from_slice(field);
            field_count += 1;
            // Checked here too, so that an endless iterator cannot fill the memory before `from_wire` looks.
            if field_count > VALUE_FIELDS_MAX {
                return Err(MakeValueError::TooManyFields);
            }
            check_field(field)?;
        }
        if field_count == 0 {
            return Err(MakeValueError::NoField);
        }
        Self::from_wire(&joined)
    }

    /// Makes a value of one text field.
    ///
    /// # Errors
    /// When it is too long or contains a NUL.
    pub fn from_text(text: &str) -> Result<Self, MakeValueError> {
        Self::from_fields([text.as_bytes()])
    }

    /// Makes a value from what stands in a message after `vw`, NUL, pin, NUL: fields joined by NUL.
    ///
    /// An empty input is one empty field, as `virtualWrite(V1, "")` sends it.
    ///
    /// # Errors
    /// When a limit is exceeded.
    pub fn from_wire(joined: &[u8]) -> Result<Self, MakeValueError> {
        if joined.len() > VALUE_BYTES_MAX {
            return Err(MakeValueError::ValueTooLong);
        }
        for (index, field) in joined.split(|byte| *byte == 0).enumerate() {
            if index >= VALUE_FIELDS_MAX {
                return Err(MakeValueError::TooManyFields);
            }
            check_field(field)?;
        }
        Ok(Self { joined: joined.to_vec() })
    }

    /// Returns the fields joined by NUL, as they travel and as they are stored.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.joined
    }

    /// Returns the fields in order; at least one.
    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        self.joined.split(|byte| *byte == 0)
    }

    /// Returns the fields as text; bytes that are not UTF-8 become replacement characters.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.fields().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
    }
}

fn check_field(field: &[u8]) -> Result<(), MakeValueError> {
    if field.len() > FIELD_BYTES_MAX { Err(MakeValueError::FieldTooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_keep_their_order_and_empty_ones_count() {
        let value = Value::from_fields([b"a".as_slice(), b"", b"c"]).unwrap();
        assert_eq!(value.texts(), ["a", "", "c"]);
        assert_eq!(value.as_wire(), b"a\0\0c");
    }

    #[test]
    fn an_empty_text_is_a_value_but_no_field_is_not() {
        assert_eq!(Value::from_text("").unwrap().texts(), [""]);
        assert_eq!(Value::from_fields([]), Err(MakeValueError::NoField));
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let long = vec![b'x'; FIELD_BYTES_MAX + 1];
        assert!(Value::from_wire(&long[1..]).is_ok());
        assert_eq!(Value::from_wire(&long), Err(MakeValueError::FieldTooLong));
        assert_eq!(Value::from_fields([long.as_slice()]), Err(MakeValueError::FieldTooLong));

        let field = [b'x'].as_slice();
        assert!(Value::from_fields(vec![field; VALUE_FIELDS_MAX]).is_ok());
        assert_eq!(Value::from_fields(vec![field; VALUE_FIELDS_MAX + 1]), Err(MakeValueError::TooManyFields));
        assert_eq!(Value::from_wire(&[0; VALUE_FIELDS_MAX]), Err(MakeValueError::TooManyFields));

        // Three separators: the last field must be three bytes short.
        let fitting = [&long[1..], &long[1..], &long[1..], &long[4..]];
        assert_eq!(Value::from_fields(fitting).map(|v| v.as_wire().len()), Ok(VALUE_BYTES_MAX));
        let too_long = [&long[1..], &long[1..], &long[1..], &long[3..]];
        assert_eq!(Value::from_fields(too_long), Err(MakeValueError::ValueTooLong));
    }

    #[test]
    fn a_separator_inside_a_field_is_refused() {
        assert_eq!(Value::from_text("a\0b"), Err(MakeValueError::NulInField));
    }

    proptest! {
        #[test]
        fn what_travelled_comes_back(joined in proptest::collection::vec(0..4_u8, 0..80)) {
            if let Ok(value) = Value::from_wire(&joined) {
                prop_assert_eq!(value.as_wire(), &joined[..]);
                prop_assert_eq!(Value::from_fields(value.fields()), Ok(value.clone()));
            }
        }
    }
}

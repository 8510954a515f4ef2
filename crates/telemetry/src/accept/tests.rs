use proptest::prelude::*;

use super::*;
use crate::{Decimals, EnumRow};

fn accept(data_type: &DataType, fields: &[&str]) -> Result<Vec<String>, RejectValueError> {
    accept_value(data_type, fields.iter().map(|field| field.as_bytes())).map(|value| value.texts())
}

fn one(data_type: &DataType, field: &str) -> Result<String, RejectValueError> {
    accept(data_type, &[field]).map(|texts| texts.concat())
}

fn modes(fallback: Option<i32>) -> DataType {
    let row = |number, text: &str| EnumRow { number, text: text.to_owned() };
    DataType::Enum { rows: vec![row(0, "Off"), row(1, "Heat"), row(7, "Cool")], fallback }
}

#[test]
fn an_integer_is_clamped_and_may_have_a_fraction_of_zeros() {
    let percent = DataType::Integer { min: Some(0), max: Some(100) };
    for (sent, kept) in [
        ("42", "42"),
        (" 42", "42"),
        ("+42", "42"),
        ("042", "42"),
        ("12.000", "12"),
        ("1e2", "100"),
        ("-1", "0"),
        ("-0", "0"),
        ("101", "100"),
        ("99999999999999", "100"),
    ] {
        assert_eq!(one(&percent, sent), Ok(kept.to_owned()), "{sent}");
    }
    for (sent, reason) in [
        ("12.340", RejectValueError::NotAnInteger),
        ("", RejectValueError::NotANumber),
        ("on", RejectValueError::NotANumber),
        ("true", RejectValueError::NotANumber),
        ("0x10", RejectValueError::NotANumber),
        ("nan", RejectValueError::NotANumber),
        ("inf", RejectValueError::NotANumber),
        ("1 2", RejectValueError::NotANumber),
        ("\u{0663}", RejectValueError::NotANumber),
    ] {
        assert_eq!(one(&percent, sent), Err(reason), "{sent:?}");
    }
    assert_eq!(accept(&percent, &["1", "2"]), Err(RejectValueError::SeveralValues));
    assert_eq!(accept_value(&percent, [[0xff_u8].as_slice()]), Err(RejectValueError::NotANumber));
}

#[test]
fn a_boolean_is_kept_as_0_or_1_and_takes_nothing_else() {
    for (sent, kept) in [
        ("0", "0"),
        ("1", "1"),
        ("true", "1"),
        ("false", "0"),
        ("True", "1"),
        ("1.000", "1"),
        (" 0", "0"),
        ("-0", "0"),
    ] {
        assert_eq!(one(&DataType::Boolean, sent), Ok(kept.to_owned()), "{sent:?}");
    }
    for sent in ["", "2", "-1", "0.5", "on", "yes", "nan", "t", "true false", "\u{0661}"] {
        assert_eq!(one(&DataType::Boolean, sent), Err(RejectValueError::NotABoolean), "{sent:?}");
    }
    assert_eq!(accept(&DataType::Boolean, &["1", "0"]), Err(RejectValueError::SeveralValues));
    assert_eq!(accept_value(&DataType::Boolean, [[0xff_u8].as_slice()]), Err(RejectValueError::NotABoolean));
}

#[test]
fn an_integer_without_limits_has_32_bits() {
    let any = DataType::Integer { min: None, max: None };
    assert_eq!(one(&any, "-2147483648"), Ok("-2147483648".to_owned()));
    assert_eq!(one(&any, "2147483648"), Ok("2147483647".to_owned()));
    assert_eq!(one(&any, "-1e300"), Ok("-2147483648".to_owned()));
}

#[test]
fn a_double_is_clamped_and_keeps_the_decimals_that_are_asked_for() {
    let double = |decimals: Option<&str>| DataType::Double {
        min: Some(-40.0),
        max: Some(85.0),
        decimals: decimals.map(|text| Decimals::parse(text).unwrap()),
    };
    for (decimals, sent, kept) in [
        (None, "12.340", "12.34"),
        (None, "12.3400000", "12.34"),
        (None, "-40.001", "-40"),
        (None, "85.5", "85"),
        (None, ".5", "0.5"),
        (Some("#"), "12.7", "13"),
        (Some("#.##"), "12.346", "12.35"),
        (Some("#.##"), "12.3", "12.3"),
        (Some("#.##"), "10", "10"),
        (Some("#.##"), "-0.001", "0"),
        (Some("#.00"), "-0.001", "0.00"),
        (Some("#.00"), "10", "10.00"),
        (Some("#.00"), "85.001", "85.00"),
    ] {
        assert_eq!(one(&double(decimals), sent), Ok(kept.to_owned()), "{decimals:?} {sent}");
    }
    assert_eq!(one(&double(None), "warm"), Err(RejectValueError::NotANumber));
}

#[test]
fn an_enum_takes_its_numbers_and_its_texts() {
    for (sent, kept) in [("1", Ok("1")), ("1.000", Ok("1")), ("Cool", Ok("7")), (" Off", Ok("0"))] {
        assert_eq!(one(&modes(None), sent), kept.map(str::to_owned), "{sent}");
    }
    for refused in ["2", "cool", "", "1.5"] {
        assert_eq!(one(&modes(None), refused), Err(RejectValueError::NotInList), "{refused}");
    }
    assert_eq!(one(&modes(Some(0)), "2"), Ok("0".to_owned()));
    assert_eq!(one(&modes(Some(0)), "warm"), Err(RejectValueError::NotInList));
}

#[test]
fn a_location_is_longitude_and_latitude_in_two_fields_or_one() {
    let kept = Ok(vec!["30.5234".to_owned(), "50.4501".to_owned()]);
    assert_eq!(accept(&DataType::Location, &["30.5234", "50.4501"]), kept);
    assert_eq!(accept(&DataType::Location, &["30.5234,50.4501"]), kept);
    assert_eq!(accept(&DataType::Location, &["30.5234, 50.4501"]), kept);
    for refused in
        [&["30.5"][..], &["1", "2", "3"], &["181", "0"], &["0", "90.1"], &["east", "1"], &["1,2", "3"]]
    {
        assert_eq!(accept(&DataType::Location, refused), Err(RejectValueError::NotALocation), "{refused:?}");
    }
}

#[test]
fn a_text_takes_everything_that_is_a_value() {
    assert_eq!(
        accept(&DataType::Text, &["a", "", "1"]),
        Ok(vec!["a".to_owned(), String::new(), "1".to_owned()])
    );
    let long = "x".repeat(crate::FIELD_BYTES_MAX + 1);
    assert!(matches!(one(&DataType::Text, &long), Err(RejectValueError::Malformed(_))));
}

fn any_type() -> impl Strategy<Value = DataType> {
    let whole = (any::<i32>(), any::<i32>())
        .prop_map(|(a, b)| DataType::Integer { min: Some(a.min(b)), max: Some(a.max(b)) });
    let decimals = prop_oneof![
        Just(None),
        (0..=5_usize, any::<bool>()).prop_map(|(count, is_padded)| {
            let mark = if is_padded { "0" } else { "#" };
            let text = if count == 0 { "#".to_owned() } else { format!("#.{}", mark.repeat(count)) };
            Decimals::parse(&text).ok()
        })
    ];
    let double = (-1_000_i32..1_000, -1_000_i32..1_000, decimals).prop_map(|(a, b, decimals)| {
        DataType::Double { min: Some(a.min(b).into()), max: Some(a.max(b).into()), decimals }
    });
    prop_oneof![
        whole,
        double,
        Just(DataType::Integer { min: None, max: None }),
        Just(DataType::Double { min: None, max: None, decimals: None }),
        Just(DataType::Text),
        Just(DataType::Location),
        Just(DataType::Boolean),
        Just(modes(None)),
        Just(modes(Some(7))),
    ]
}

fn any_field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[-+]?[0-9]{0,12}([.][0-9]{0,8})?([eE]-?[0-9]{1,3})?".prop_map(String::into_bytes),
        any::<f64>().prop_map(|number| number.to_string().into_bytes()),
        Just(b"Heat".to_vec()),
        Just(b"True".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #[test]
    fn what_was_taken_is_in_range_and_is_taken_again_unchanged(
        data_type in any_type(),
        fields in proptest::collection::vec(any_field(), 1..4),
    ) {
        let Ok(kept) = accept_value(&data_type, fields.iter().map(Vec::as_slice)) else { return Ok(()) };
        prop_assert_eq!(accept_value(&data_type, kept.fields()), Ok(kept.clone()));
        let number: Option<f64> = kept.texts().concat().parse().ok();
        match &data_type {
            DataType::Integer { min, max } => {
                let number: i32 = kept.texts().concat().parse().unwrap();
                prop_assert!(number >= min.unwrap_or(i32::MIN) && number <= max.unwrap_or(i32::MAX));
            }
            DataType::Double { min, max, .. } => {
                let number = number.unwrap();
                prop_assert!(number.is_finite());
                prop_assert!(number >= min.unwrap_or(f64::MIN) && number <= max.unwrap_or(f64::MAX));
            }
            DataType::Enum { rows, .. } => {
                prop_assert!(rows.iter().any(|row| row.number.to_string() == kept.texts().concat()));
            }
            DataType::Location => prop_assert_eq!(kept.texts().len(), 2),
            DataType::Boolean => prop_assert!(["0", "1"].contains(&kept.texts().concat().as_str())),
            DataType::Text => prop_assert_eq!(kept.fields().collect::<Vec<_>>(), fields.iter().map(Vec::as_slice).flat_map(|field| field.split(|byte| *byte == 0)).collect::<Vec<_>>()),
        }
    }
}

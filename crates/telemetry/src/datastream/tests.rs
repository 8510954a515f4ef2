use super::*;

fn settings(data_type: DataType) -> DatastreamSettings {
    DatastreamSettings {
        pin: Pin::new(1),
        name: "Temperature".to_owned(),
        alias: None,
        data_type,
        default: None,
        unit: None,
        is_synced: false,
        saves_raw_data: false,
        invalidate: None,
        is_hidden_from_http: false,
    }
}

fn make(change: impl FnOnce(&mut DatastreamSettings)) -> Result<Datastream, MakeDatastreamError> {
    let mut settings = settings(DataType::Integer { min: Some(0), max: Some(10) });
    change(&mut settings);
    Datastream::new(DatastreamId(1), settings)
}

fn text(value: &str) -> Value {
    Value::from_text(value).unwrap()
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    assert!(make(|_| {}).is_ok());
    for name in ["", " x", "x ", "a/b", "a+b", "a#b", "a,b", "a\nb", &"x".repeat(101)] {
        assert_eq!(make(|s| s.name = name.to_owned()), Err(MakeDatastreamError::Name), "{name:?}");
    }
    assert_eq!(make(|s| s.alias = Some("a-b".to_owned())), Err(MakeDatastreamError::Alias));
    assert!(make(|s| s.alias = Some("Set Temp 2".to_owned())).is_ok());
    assert_eq!(make(|s| s.unit = Some(String::new())), Err(MakeDatastreamError::Unit));
    let reversed = DataType::Integer { min: Some(1), max: Some(0) };
    assert_eq!(make(|s| s.data_type = reversed), Err(MakeDatastreamError::Limits));
    let double = |min, max, decimals: &str| DataType::Double {
        min: Some(min),
        max: Some(max),
        decimals: Some(Decimals::parse(decimals).unwrap()),
    };
    assert_eq!(make(|s| s.data_type = double(2.0, 1.0, "#")), Err(MakeDatastreamError::Limits));
    assert_eq!(make(|s| s.data_type = double(0.0, f64::NAN, "#")), Err(MakeDatastreamError::LimitNotFinite));
    assert_eq!(make(|s| s.data_type = double(0.0, 1.25, "#.#")), Err(MakeDatastreamError::LimitDecimals));
    assert!(make(|s| s.data_type = double(0.0, 1.25, "#.00")).is_ok());
    for after_s in [0, INVALIDATE_AFTER_S_MAX + 1] {
        let rule = Invalidate { after_s, shows: InvalidShows::Nothing };
        assert_eq!(make(|s| s.invalidate = Some(rule)), Err(MakeDatastreamError::InvalidateAfter));
    }
}

#[test]
fn enum_rows_are_unique_and_the_fallback_is_one_of_them() {
    let row = |number, text: &str| EnumRow { number, text: text.to_owned() };
    let of = |rows: Vec<EnumRow>, fallback| make(|s| s.data_type = DataType::Enum { rows, fallback });
    assert!(of(vec![row(0, "Off"), row(1, "On")], Some(1)).is_ok());
    assert_eq!(of(vec![], None), Err(MakeDatastreamError::EnumRows));
    assert_eq!(of(vec![row(0, "Off"), row(0, "On")], None), Err(MakeDatastreamError::EnumRows));
    assert_eq!(of(vec![row(0, "Off"), row(1, "Off")], None), Err(MakeDatastreamError::EnumRows));
    assert_eq!(of(vec![row(0, "")], None), Err(MakeDatastreamError::EnumRows));
    assert_eq!(of(vec![row(0, "Off")], Some(1)), Err(MakeDatastreamError::Fallback));
}

#[test]
fn decimals_are_written_as_in_the_reference() {
    for text in ["#", "#.#", "#.#####", "#.0", "#.00000"] {
        assert_eq!(Decimals::parse(text).map(|decimals| decimals.to_string()), Ok(text.to_owned()));
    }
    for text in ["", "0", "#.", "#.#0", "##", "#.######", "#,0"] {
        assert_eq!(Decimals::parse(text), Err(MakeDatastreamError::Decimals), "{text}");
    }
}

#[test]
fn a_default_is_kept_in_the_form_of_a_written_value_or_refused() {
    let made = make(|s| s.default = Some(text("99"))).unwrap();
    assert_eq!(made.settings().default, Some(text("10")));
    let refused = make(|s| s.default = Some(text("x")));
    assert_eq!(refused, Err(MakeDatastreamError::Default(RejectValueError::NotANumber)));
}

#[test]
fn a_value_stops_counting_when_its_time_is_over() {
    let value = text("5");
    let invalidate = |shows| Some(Invalidate { after_s: 60, shows });
    for (default, shows, expected) in [
        (None, InvalidShows::Nothing, None),
        (Some("1"), InvalidShows::Nothing, None),
        (Some("1"), InvalidShows::Default, Some("1")),
        (None, InvalidShows::Default, None),
    ] {
        let made = make(|s| {
            s.default = default.map(text);
            s.invalidate = invalidate(shows);
        });
        let datastream = made.unwrap();
        assert_eq!(datastream.current(Some((&value, 59_999))), Some(&value));
        assert_eq!(datastream.current(Some((&value, 60_000))), expected.map(text).as_ref());
        assert_eq!(datastream.current(None), default.map(text).as_ref());
    }
    assert_eq!(make(|_| {}).unwrap().current(Some((&value, u64::MAX))), Some(&value));
}

#[test]
fn a_pin_without_a_datastream_takes_and_shows_everything() {
    let on_pin_1 = make(|s| s.default = Some(text("3"))).unwrap();
    let set: DatastreamSet = [on_pin_1].into_iter().collect();
    assert_eq!(set.accept(Pin::new(2), text("anything")), Ok(text("anything")));
    assert_eq!(set.accept(Pin::new(1), text("anything")), Err(RejectValueError::NotANumber));
    assert!(set.is_synced(Pin::new(2)) && !set.is_synced(Pin::new(1)));
    let other = text("other");
    let shown: Vec<_> = set.current([(Pin::new(2), &other, 5)]).into_iter().collect();
    assert_eq!(shown, [(Pin::new(1), &text("3")), (Pin::new(2), &other)]);
}

#[test]
fn a_datastream_is_found_by_its_pin_its_number_its_name_and_its_alias() {
    let made = make(|s| s.alias = Some("Warmth".to_owned())).unwrap();
    let set: DatastreamSet = [made].into_iter().collect();
    assert!(set.on_pin(Pin::new(1)).is_some() && set.with_id(DatastreamId(1)).is_some());
    assert!(set.named("Temperature").is_some() && set.named("Warmth").is_some());
    assert!(set.named("temperature").is_none());
}

use registry::{Epoch, TemplateId, UtcTime};
use store::{
    AddUploadError, NewUpload, PutDatastreamError, REPORTS_KEPT_MAX, Report, UPLOADS_KEPT_MAX, UploadKind,
    WriteValuesError,
};
use telemetry::{DataType, DatastreamSettings, Decimals, EnumRow, InvalidShows, Invalidate, Pin, Value};

use crate::backend::{Backend, NOW, add_device, device_id, owner, template_id, with_template};

fn settings(pin: u8, name: &str, data_type: DataType) -> DatastreamSettings {
    DatastreamSettings {
        pin: Pin::new(pin),
        name: name.to_owned(),
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

fn value(text: &str) -> Value {
    Value::from_text(text).unwrap()
}

fn one_of_each_type() -> Vec<DatastreamSettings> {
    let rows = [(0, "Off"), (5, "On")].map(|(number, text)| EnumRow { number, text: text.to_owned() });
    let decimals = Some(Decimals::parse("#.00").unwrap());
    vec![
        settings(1, "Count", DataType::Integer { min: Some(i32::MIN), max: Some(i32::MAX) }),
        DatastreamSettings {
            alias: Some("Warmth".to_owned()),
            default: Some(value("20.00")),
            unit: Some("C".to_owned()),
            is_synced: true,
            saves_raw_data: true,
            invalidate: Some(Invalidate { after_s: 90, shows: InvalidShows::Default }),
            is_hidden_from_http: true,
            ..settings(2, "Temperature", DataType::Double { min: Some(-40.5), max: None, decimals })
        },
        DatastreamSettings {
            invalidate: Some(Invalidate { after_s: 1, shows: InvalidShows::Nothing }),
            ..settings(3, "Text", DataType::Text)
        },
        settings(4, "Mode", DataType::Enum { rows: rows.to_vec(), fallback: Some(5) }),
        DatastreamSettings { default: Some(value("1")), ..settings(5, "Switch", DataType::Boolean) },
        settings(255, "Place", DataType::Location),
    ]
}

pub(crate) async fn every_setting_of_a_datastream_outlives_a_restart<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    let mut made = Vec::new();
    for settings in one_of_each_type() {
        let (datastream, is_new) = store.put_datastream(template_id(), settings, owner()).await.unwrap();
        assert!(is_new);
        made.push((template_id(), datastream));
    }
    drop(store);
    let store = backend.open();
    assert_eq!(store.datastreams(None).await.unwrap(), made);
    assert_eq!(store.datastreams(Some(template_id())).await.unwrap(), made);
    let of_another = store.datastreams(Some(TemplateId::from_random([9; 10]))).await.unwrap();
    assert_eq!(of_another, []);
}

pub(crate) async fn a_datastream_that_is_set_up_again_keeps_its_number<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    let first = one_of_each_type().remove(0);
    let (before, _) = store.put_datastream(template_id(), first, owner()).await.unwrap();
    let changed = settings(1, "Renamed", DataType::Text);
    let (after, is_new) = store.put_datastream(template_id(), changed, owner()).await.unwrap();
    assert_eq!((after.id(), is_new, after.settings().name.as_str()), (before.id(), false, "Renamed"));

    assert!(store.delete_datastream(template_id(), Pin::new(1), owner()).await.unwrap());
    assert!(!store.delete_datastream(template_id(), Pin::new(1), owner()).await.unwrap());
    let again = settings(1, "Renamed", DataType::Text);
    let (again, _) = store.put_datastream(template_id(), again, owner()).await.unwrap();
    assert!(again.id() > before.id(), "a number was given out twice");
}

pub(crate) async fn names_and_aliases_of_a_template_are_unique<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    let first =
        DatastreamSettings { alias: Some("Second".to_owned()), ..settings(1, "First", DataType::Text) };
    store.put_datastream(template_id(), first, owner()).await.unwrap();
    for (name, alias) in
        [("First", None), ("Second", None), ("Third", Some("First")), ("Third", Some("Second"))]
    {
        let clash =
            DatastreamSettings { alias: alias.map(str::to_owned), ..settings(2, name, DataType::Text) };
        let outcome = store.put_datastream(template_id(), clash, owner()).await;
        assert!(matches!(outcome, Err(PutDatastreamError::NameTaken)), "{name} {alias:?}: {outcome:?}");
    }
    let unknown = TemplateId::from_random([9; 10]);
    let outcome = store.put_datastream(unknown, settings(1, "x", DataType::Text), owner()).await;
    assert!(matches!(outcome, Err(PutDatastreamError::TemplateNotFound)));
    let outcome = store.put_datastream(template_id(), settings(2, "", DataType::Text), owner()).await;
    assert!(matches!(outcome, Err(PutDatastreamError::Settings(_))));
}

pub(crate) async fn properties_belong_to_an_ownership_and_end_with_it<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let set = async |pins: &[u8], property: &str, text: &str| {
        let pins = pins.iter().copied().map(Pin::new).collect();
        store.set_property(device_id(1), Epoch::FIRST, pins, property.to_owned(), value(text), NOW).await
    };
    set(&[1, 2], "color", "#FF0000").await.unwrap();
    set(&[2], "color", "#00FF00").await.unwrap();
    set(&[1], "label", "Lamp").await.unwrap();
    let stored = store.properties(device_id(1)).await.unwrap();
    let seen: Vec<_> =
        stored.iter().map(|p| (p.pin.number(), p.property.as_str(), p.value.texts().concat())).collect();
    let expected = [(1, "color", "#FF0000"), (1, "label", "Lamp"), (2, "color", "#00FF00")];
    assert_eq!(seen, expected.map(|(pin, name, text)| (pin, name, text.to_owned())));

    store.reset_property(device_id(1), Pin::new(1), "label".to_owned()).await.unwrap();
    store.reset_property(device_id(1), Pin::new(3), "color".to_owned()).await.unwrap();
    assert_eq!(store.properties(device_id(1)).await.unwrap().len(), 2);

    store.begin_release(device_id(1), owner()).await.unwrap();
    assert_eq!(store.properties(device_id(1)).await.unwrap(), []);
    assert!(matches!(set(&[1], "label", "x").await, Err(WriteValuesError::NotOwned)));
}

pub(crate) async fn a_pin_keeps_a_bounded_number_of_properties<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    for number in 0..=store::PROPERTIES_PER_PIN_MAX {
        let name = format!("p{number}");
        let pins = vec![Pin::new(1)];
        store.set_property(device_id(1), Epoch::FIRST, pins, name, value("x"), NOW).await.unwrap();
    }
    let kept = store.properties(device_id(1)).await.unwrap();
    assert_eq!(kept.len(), store::PROPERTIES_PER_PIN_MAX as usize);
}

fn file(kind: UploadKind, key: &str, name: &str) -> NewUpload {
    NewUpload { kind, key: key.to_owned(), name: name.to_owned(), content: key.as_bytes().to_vec() }
}

pub(crate) async fn the_newest_files_are_kept_and_a_name_is_there_once<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let add = async |new: NewUpload| store.add_upload(device_id(1), Epoch::FIRST, new, NOW).await;
    add(file(UploadKind::Dump, "d", "core.bin")).await.unwrap();
    for number in 0..UPLOADS_KEPT_MAX + 2 {
        add(file(UploadKind::File, &format!("k{number}"), &format!("n{number}"))).await.unwrap();
    }
    add(file(UploadKind::File, "again", "n5")).await.unwrap();
    let kept = store.uploads(device_id(1)).await.unwrap();
    let keys: Vec<&str> = kept.iter().map(|upload| upload.key.as_str()).collect();
    assert_eq!(keys, ["again", "k11", "k10", "k9", "k8", "k7", "k6", "k4", "k3", "d"]);
    let (upload, content) = store.upload(device_id(1), "again".to_owned()).await.unwrap().unwrap();
    assert_eq!((upload.name.as_str(), upload.size_bytes, content.as_slice()), ("n5", 5, b"again".as_slice()));
    assert_eq!(store.upload(device_id(2), "again".to_owned()).await.unwrap(), None);

    assert!(!store.delete_upload(device_id(2), "again".to_owned(), owner()).await.unwrap());
    assert!(store.delete_upload(device_id(1), "again".to_owned(), owner()).await.unwrap());
    assert!(!store.delete_upload(device_id(1), "again".to_owned(), owner()).await.unwrap());
    assert_eq!(store.upload(device_id(1), "again".to_owned()).await.unwrap(), None);
    add(file(UploadKind::File, "newer", "n5")).await.unwrap();
    assert_eq!(store.uploads(device_id(1)).await.unwrap()[0].key, "newer");

    store.begin_release(device_id(1), owner()).await.unwrap();
    assert_eq!(store.uploads(device_id(1)).await.unwrap(), []);
    let refused = add(file(UploadKind::File, "late", "late")).await;
    assert!(matches!(refused, Err(AddUploadError::NotOwned)));
}

pub(crate) async fn metadata_fields_have_numbers_that_stay<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    for number in [1, 2] {
        add_device(&store, number).await;
    }
    let set = async |device: u8, field: &str| {
        store.set_metadata(device_id(device), Epoch::FIRST, field.to_owned(), "x".to_owned()).await.unwrap();
    };
    set(1, "Serial").await;
    set(1, "Hotspot Name").await;
    set(2, "Room").await;
    set(2, "Serial").await;
    let fields = async |device: u8| {
        let fields = store.metadata_fields(device_id(device), Epoch::FIRST).await.unwrap();
        fields.into_iter().map(|field| (field.id, field.name)).collect::<Vec<_>>()
    };
    assert_eq!(fields(1).await, [(5, "Hotspot Name".to_owned()), (6, "Serial".to_owned())]);
    assert_eq!(fields(2).await, [(6, "Serial".to_owned()), (7, "Room".to_owned())]);
    assert_eq!(store.metadata_field_name(7).await.unwrap().as_deref(), Some("Room"));
    assert_eq!(store.metadata_field_name(8).await.unwrap(), None);
}

pub(crate) async fn reports_are_few_and_end_with_their_time_and_ownership<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let report = |number: u32| Report {
        device: device_id(1),
        question: format!("period=DAY&number={number}"),
        at: NOW.plus_ms(number.into()),
    };
    for number in 0..=REPORTS_KEPT_MAX {
        store.add_report(Epoch::FIRST, format!("key{number}"), report(number)).await.unwrap();
    }
    let find = async |key: &str, oldest_at: UtcTime| store.report(key.to_owned(), oldest_at).await.unwrap();
    let long_ago = NOW.plus_ms(-1);
    assert_eq!(find("key0", long_ago).await, None, "the oldest goes when another is asked for");
    assert_eq!(find("key1", long_ago).await, Some(report(1)));
    assert_eq!(find("key1", report(1).at).await, None, "its time is over");
    store.begin_release(device_id(1), owner()).await.unwrap();
    assert_eq!(find("key1", long_ago).await, None);
    let late = store.add_report(Epoch::FIRST, "late".to_owned(), report(9)).await;
    assert!(matches!(late, Err(WriteValuesError::NotOwned)));
}

use registry::{Epoch, LookedUp, Ownership, TemplateId, TokenRecord};
use store::{
    CreateDeviceError, DeviceError, Firmware, ListError, METADATA_FIELDS_MAX, NewDevice, Page,
    WriteValuesError,
};
use telemetry::{Pin, Value};

use crate::backend::{
    Backend, NOW, add_device, device_id, found, look_up, owner, template_id, token, with_template,
};

fn value(text: &str) -> Value {
    Value::from_text(text).unwrap()
}

pub(crate) async fn a_new_device_is_reserved_and_its_token_is_known<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    assert_eq!(look_up(&store, 7), LookedUp::Unknown);
    let device = add_device(&store, 7).await;
    assert_eq!((device.ownership, device.epoch), (Ownership::Reserved, Epoch::FIRST));
    assert_eq!(device.template_name, "Air Monitor");
    assert_eq!(store.device(device_id(7)).await.unwrap(), Some(device));
    assert_eq!(found(&store, 7), TokenRecord::Device { device: device_id(7), epoch: Epoch::FIRST });
    assert!(matches!(store.look_up_token(b"no token"), LookedUp::Malformed(_)));
    assert_eq!(store.device(device_id(8)).await.unwrap(), None);
}

pub(crate) async fn a_device_of_an_unknown_template_is_refused<B: Backend>(backend: &B) {
    let store = backend.open();
    let new =
        NewDevice { id: device_id(1), template_id: template_id(), name: String::new(), token: token(1) };
    let outcome = store.create_device(new, owner()).await;
    assert!(matches!(outcome, Err(CreateDeviceError::TemplateNotFound)), "{outcome:?}");
    assert_eq!(look_up(&store, 1), LookedUp::Unknown);
}

pub(crate) async fn the_first_login_makes_a_reserved_device_owned<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    for _ in 0..2 {
        store.record_login(device_id(1), Epoch::FIRST, NOW).await.unwrap();
    }
    let device = store.device(device_id(1)).await.unwrap().unwrap();
    assert_eq!((device.ownership, device.last_seen_at), (Ownership::Owned, Some(NOW)));
    let audit = store.list_audit(Page::default()).await.unwrap();
    let first_logins = audit.items.iter().filter(|entry| entry.action == "device.first_login").count();
    assert_eq!(first_logins, 1);

    let other_epoch = store.record_login(device_id(1), Epoch::new(2), NOW).await;
    assert!(matches!(other_epoch, Err(DeviceError::NotFound)));
    store.begin_release(device_id(1), owner()).await.unwrap();
    let after_release = store.record_login(device_id(1), Epoch::FIRST, NOW).await;
    assert!(
        matches!(after_release, Err(DeviceError::NotFound)),
        "a login that lost the race against a release"
    );
}

pub(crate) async fn what_a_device_says_about_itself_is_kept<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let firmware = Firmware {
        version: Some("0.1.0".to_owned()),
        heartbeat_s: Some(40),
        board: Some("ESP32".to_owned()),
        ..Firmware::default()
    };
    store.record_firmware(device_id(1), firmware.clone()).await.unwrap();
    for (field, text) in
        [("Device UID", "uid-1"), ("Hotspot Name", "Blynk Air-1W7R"), ("SN", "1"), ("SN", "2")]
    {
        store.set_metadata(device_id(1), Epoch::FIRST, field.to_owned(), text.to_owned()).await.unwrap();
    }
    drop(store);

    let store = backend.open();
    let device = store.device(device_id(1)).await.unwrap().unwrap();
    assert_eq!(device.firmware, Some(firmware));
    assert_eq!(
        (device.uid.as_deref(), device.hotspot_name.as_deref()),
        (Some("uid-1"), Some("Blynk Air-1W7R"))
    );
    let serial = store.metadata(device_id(1), Epoch::FIRST, "SN".to_owned()).await.unwrap();
    assert_eq!(serial.as_deref(), Some("2"));
    assert!(store.record_firmware(device_id(9), Firmware::default()).await.is_err());
}

pub(crate) async fn a_device_cannot_fill_the_disk_with_metadata<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let set = async |field: &str, value: &str| {
        store.set_metadata(device_id(1), Epoch::FIRST, field.to_owned(), value.to_owned()).await.unwrap();
    };
    let get = async |field: &str| store.metadata(device_id(1), Epoch::FIRST, field.to_owned()).await.unwrap();
    for number in 0..METADATA_FIELDS_MAX {
        set(&format!("Field {number}"), "1").await;
    }
    set("One More", "1").await;
    assert_eq!(get("One More").await, None);
    set("Field 0", "2").await;
    assert_eq!(get("Field 0").await.as_deref(), Some("2"));
    set("Hotspot Name", "Blynk Air-1W7R").await;
    let device = store.device(device_id(1)).await.unwrap().unwrap();
    assert_eq!(device.hotspot_name.as_deref(), Some("Blynk Air-1W7R"), "its identity always fits");
    store.begin_release(device_id(1), owner()).await.unwrap();
    let late = store.set_metadata(device_id(1), Epoch::FIRST, "SN".to_owned(), "1".to_owned()).await;
    assert!(matches!(late, Err(DeviceError::NotFound)), "{late:?}");
}

pub(crate) async fn pages_show_every_device_once<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    for number in 0..7 {
        add_device(&store, number).await;
    }
    for limit in [1, 2, 3, 7, 8, 0, u16::MAX] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.list_devices(Page { limit, cursor }).await.unwrap();
            seen.extend(page.items.into_iter().map(|device| device.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..7).map(device_id).collect::<Vec<_>>(), "limit {limit}");
    }
    for cursor in ["", "c", "c0", "c-1", "7", "cx", "c99999999999999999999"] {
        let outcome = store.list_devices(Page { limit: 1, cursor: Some(cursor.to_owned()) }).await;
        assert!(matches!(outcome, Err(ListError::BadCursor)), "{cursor:?}");
    }
}

pub(crate) async fn values_are_the_last_written_and_outlive_a_restart<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    add_device(&store, 2).await;
    let several = Value::from_fields([b"hello".as_slice(), b"", &[0xFF, 0xFE]]).unwrap();
    let writes = vec![(Pin::new(1), value("1")), (Pin::new(255), several.clone()), (Pin::new(1), value("2"))];
    store.write_values(device_id(1), Epoch::FIRST, writes, NOW).await.unwrap();
    store.write_values(device_id(2), Epoch::FIRST, vec![(Pin::new(1), value("other"))], NOW).await.unwrap();
    drop(store);

    let store = backend.open();
    let values = store.last_values(device_id(1)).await.unwrap();
    let pins: Vec<_> = values.iter().map(|stored| (stored.pin, stored.value.clone())).collect();
    assert_eq!(pins, [(Pin::new(1), value("2")), (Pin::new(255), several)]);
    let one = store.last_value(device_id(1), Pin::new(1)).await.unwrap().unwrap();
    assert_eq!((one.value, one.at), (value("2"), NOW));
    assert_eq!(store.last_value(device_id(1), Pin::new(2)).await.unwrap(), None);
}

pub(crate) async fn values_are_refused_for_another_epoch<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    for (device, epoch) in [(device_id(1), Epoch::new(2)), (device_id(2), Epoch::FIRST)] {
        let outcome = store.write_values(device, epoch, vec![(Pin::new(1), value("1"))], NOW).await;
        assert!(matches!(outcome, Err(WriteValuesError::NotOwned)), "{outcome:?}");
    }
    assert_eq!(store.last_values(device_id(1)).await.unwrap(), []);
}

pub(crate) async fn one_refused_write_does_not_harm_the_writes_beside_it<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let mut tasks = Vec::new();
    for number in 0..200_u8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let device = device_id(1 + number % 2);
            let write = vec![(Pin::new(number), value(&number.to_string()))];
            (number, store.write_values(device, Epoch::FIRST, write, NOW).await.is_ok())
        }));
    }
    // A name that exists already fails inside the database, not in a check of ours.
    let twice = store.create_template(TemplateId::from_random([1; 10]), "Twice".to_owned(), owner()).await;
    assert!(twice.is_err());
    for task in tasks {
        let (number, is_stored) = task.await.unwrap();
        assert_eq!(is_stored, number % 2 == 0, "{number}");
    }
    let pins: Vec<u8> =
        store.last_values(device_id(1)).await.unwrap().iter().map(|v| v.pin.number()).collect();
    assert_eq!(pins, (0..200).step_by(2).collect::<Vec<u8>>());
}

pub(crate) async fn time_of_last_contact_never_goes_back<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let seen = vec![(device_id(1), NOW), (device_id(99), NOW), (device_id(1), NOW.plus_ms(-5))];
    store.record_last_seen(seen).await.unwrap();
    assert_eq!(store.device(device_id(1)).await.unwrap().unwrap().last_seen_at, Some(NOW));
    let renamed = store.rename_device(device_id(1), "Kitchen".to_owned(), owner()).await.unwrap();
    assert_eq!(renamed.name, "Kitchen");
    assert!(store.rename_device(device_id(99), String::new(), owner()).await.is_err());
}

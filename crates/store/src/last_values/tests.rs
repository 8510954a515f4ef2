use registry::{Epoch, TemplateId, Token};

use super::*;
use crate::{Change, NewDevice, NewValue, Store};

const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);
const PIN: Pin = Pin::new(1);

fn owner() -> Change {
    Change::by("owner", NOW)
}

async fn store_with_device(folder: &std::path::Path) -> (Store, DeviceId) {
    let store = Store::open(folder).unwrap();
    let template_id = TemplateId::from_random([1; 10]);
    store.create_template(template_id.clone(), "Air Monitor".to_owned(), owner()).await.unwrap();
    let id = DeviceId::from_random([1; 10]);
    let token = Token::from_random([1; 24]);
    let new = NewDevice { id: id.clone(), template_id, name: String::new(), token };
    store.create_device(new, owner()).await.unwrap();
    (store, id)
}

async fn write(store: &Store, id: &DeviceId, text: &str) {
    let values = vec![(PIN, Value::from_text(text).unwrap())];
    store.write_values(id.clone(), Epoch::FIRST, values, NOW).await.unwrap();
}

async fn last(store: &Store, id: &DeviceId) -> Option<String> {
    let last = store.last_value(id.clone(), PIN).await.unwrap();
    last.map(|last| last.value.texts().concat())
}

#[tokio::test]
async fn a_write_that_fails_takes_its_settling_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = store_with_device(folder.path()).await;
    write(&store, &id, "1").await;
    let settled = store.write(|work| -> Result<(), StorageError> {
        work.settle_values()?;
        Ok(())
    });
    settled.await.unwrap();
    assert_eq!(store.unsettled_values().look().by_stream.len(), 0);
    write(&store, &id, "2").await;
    let failed = store.write(|work| -> Result<(), StorageError> {
        work.settle_values()?;
        Err(DAMAGED)
    });
    failed.await.unwrap_err();
    assert_eq!(last(&store, &id).await.as_deref(), Some("2"));
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(last(&store, &id).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn nothing_of_a_released_device_stays_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = store_with_device(folder.path()).await;
    write(&store, &id, "private").await;
    assert_eq!(store.unsettled_values().look().bytes, "private".len());
    store.begin_release(id.clone(), owner()).await.unwrap();
    let unsettled = store.unsettled_values();
    let state = unsettled.look();
    assert_eq!((state.by_stream.len(), state.bytes), (0, 0));
}

#[tokio::test]
async fn when_much_waits_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = store_with_device(folder.path()).await;
    // 1,024 bytes is the longest field.
    let long = "x".repeat(1_024);
    let wide = Value::from_fields([long.as_bytes(); 3]).unwrap();
    let sink = store.value_sink(id, Epoch::FIRST);
    for pin in 0..=u8::MAX {
        let value = NewValue::live(Pin::new(pin), wide.clone());
        sink.accept(vec![value], NOW).await.unwrap();
    }
    sink.flush().await.unwrap();
    let mut last_values = LastValues {
        unsettled: store.unsettled_values(),
        pending: BTreeMap::new(),
        settled_seq: 0,
        committed_seq: 0,
        purged: Vec::new(),
    };
    assert!(!last_values.is_full());
    let copies = UNSETTLED_BYTES_MAX / (256 * wide.as_wire().len()) + 1;
    for copy in 1..=i64::try_from(copies).unwrap() {
        for stream in 0..256 {
            let last = Last { seq: copy, at: 0, value: wide.clone() };
            last_values.pending.insert(1_000 * copy + stream, last);
        }
    }
    last_values.committed();
    assert!(last_values.is_full());
    // The streams made up above exist nowhere: they are dropped, and nothing is written for them.
    sink.flush().await.unwrap();
    store.check_health().await.unwrap();
    assert_eq!(store.unsettled_values().look().bytes, 0);
    assert_eq!(store.last_values(DeviceId::from_random([1; 10])).await.unwrap().len(), 256);
}

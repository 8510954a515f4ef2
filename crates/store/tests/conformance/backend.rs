//! A place for data that can be opened again and again, and the small things every test needs.

use registry::{DeviceId, LookedUp, TemplateId, Token, TokenRecord, UtcTime};
use store::{Change, Device, NewDevice, Store};

/// Where a store keeps its data in a test.
pub(crate) trait Backend {
    /// Makes an empty place.
    fn new() -> Self;
    /// Opens it; the store opened before must have been dropped.
    fn open(&self) -> Store;
}

pub(crate) struct SqliteFolder(tempfile::TempDir);

impl Backend for SqliteFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Store {
        Store::open(self.0.path()).unwrap()
    }
}

pub(crate) const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);

pub(crate) fn owner() -> Change {
    Change::by("owner", NOW)
}

pub(crate) fn template_id() -> TemplateId {
    TemplateId::from_random([1; 10])
}

pub(crate) fn device_id(number: u8) -> DeviceId {
    DeviceId::from_random([number; 10])
}

pub(crate) fn token(number: u8) -> Token {
    Token::from_random([number; 24])
}

pub(crate) async fn with_template(backend: &impl Backend) -> Store {
    let store = backend.open();
    store.create_template(template_id(), "Air Monitor".to_owned(), owner()).await.unwrap();
    store
}

/// Adds device `number` with token `number`.
pub(crate) async fn add_device(store: &Store, number: u8) -> Device {
    let new = NewDevice {
        id: device_id(number),
        template_id: template_id(),
        name: format!("Device {number}"),
        token: token(number),
    };
    store.create_device(new, owner()).await.unwrap()
}

pub(crate) fn look_up(store: &Store, number: u8) -> LookedUp {
    store.look_up_token(token(number).expose().as_bytes())
}

pub(crate) fn found(store: &Store, number: u8) -> TokenRecord {
    match look_up(store, number) {
        LookedUp::Found(record) => record,
        other => panic!("token {number}: {other:?}"),
    }
}

use registry::{
    ApplyRule, Delivery, DeliveryState, FirmwareId, FirmwareTag, ShipmentId, ShipmentStage, ShipmentState,
};
use store::{DeleteFirmwareError, FirmwareImage, NewShipment, Page, Shipment, ShipmentError, Store};

use crate::backend::{Backend, NOW, add_device, device_id, owner, template_id, with_template};

fn firmware_id() -> FirmwareId {
    FirmwareId::from_random([1; 10])
}

fn shipment_id() -> ShipmentId {
    ShipmentId::from_random([1; 10])
}

fn image() -> FirmwareImage {
    FirmwareImage {
        id: firmware_id(),
        file_name: "firmware.bin".to_owned(),
        tag: FirmwareTag {
            kind: "TMPL1".to_owned(),
            version: "2.0".to_owned(),
            build: Some("Nov 22 2026 10:00:00".to_owned()),
            library: None,
        },
        size_bytes: 500_000,
        sha256: [3; 32],
        md5: [4; 16],
        created_at: NOW,
    }
}

fn new_shipment(devices: &[u8], canaries: &[u8], is_open_ended: bool) -> NewShipment {
    NewShipment {
        id: shipment_id(),
        name: "Autumn".to_owned(),
        template_id: template_id(),
        firmware_id: firmware_id(),
        rule: ApplyRule::LowerVersion,
        devices: devices.iter().map(|number| device_id(*number)).collect(),
        canaries: canaries.iter().map(|number| device_id(*number)).collect(),
        is_open_ended,
        failure_percent_max: 20,
        attempts_max: 3,
    }
}

async fn with_devices<B: Backend>(backend: &B, count: u8) -> Store {
    let store = with_template(backend).await;
    for number in 1..=count {
        add_device(&store, number).await;
    }
    store.add_firmware(image(), owner()).await.unwrap();
    store
}

async fn ends(store: &Store, number: u8, state: DeliveryState) -> Option<Shipment> {
    let delivery = Delivery { state, ..Delivery::waiting(NOW) };
    let changed = store.change_delivery(shipment_id(), device_id(number), NOW, move |_| Some(delivery));
    changed.await.unwrap().shipment
}

async fn is_due<B: Backend>(backend: &B, number: u8) -> bool {
    let due = backend.open().due_deliveries(device_id(number), NOW).await.unwrap();
    due.iter().any(|(shipment, _)| shipment.state == ShipmentState::Running)
}

pub(crate) async fn an_image_is_kept_while_a_shipment_names_it<B: Backend>(backend: &B) {
    let store = with_devices(backend, 1).await;
    assert_eq!(store.firmware(firmware_id()).await.unwrap(), Some(image()));
    store.create_shipment(new_shipment(&[1], &[], false), owner()).await.unwrap();
    let refused = store.delete_firmware(firmware_id(), owner()).await;
    assert!(matches!(refused, Err(DeleteFirmwareError::InUse)));
    let other = FirmwareImage { id: FirmwareId::from_random([2; 10]), ..image() };
    store.add_firmware(other.clone(), owner()).await.unwrap();
    let listed = store.list_firmware(Page::default()).await.unwrap().items;
    assert_eq!(listed, [other.clone(), image()]);
    assert_eq!(store.delete_firmware(other.id.clone(), owner()).await.unwrap(), None, "the file is shared");
    let gone = store.delete_firmware(other.id, owner()).await;
    assert!(matches!(gone, Err(DeleteFirmwareError::NotFound)));
}

pub(crate) async fn a_shipment_names_only_devices_of_its_template<B: Backend>(backend: &B) {
    let store = with_devices(backend, 2).await;
    let refused = store.create_shipment(new_shipment(&[1, 9], &[], false), owner()).await;
    assert!(matches!(refused, Err(ShipmentError::DeviceNotFound { id }) if id == device_id(9)));
    assert_eq!(store.list_shipments(Page::default()).await.unwrap().items, [], "nothing of it was kept");
    store.begin_release(device_id(2), owner()).await.unwrap();
    let refused = store.create_shipment(new_shipment(&[2], &[], false), owner()).await;
    assert!(matches!(refused, Err(ShipmentError::DeviceNotFound { .. })));
}

pub(crate) async fn canaries_come_first_and_then_everyone<B: Backend>(backend: &B) {
    let store = with_devices(backend, 4).await;
    let made = store.create_shipment(new_shipment(&[1, 2, 3], &[1, 2], false), owner()).await.unwrap();
    assert_eq!((made.stage, made.counts.open), (ShipmentStage::Canary, 3));
    drop(store);
    assert_eq!([is_due(backend, 1).await, is_due(backend, 3).await], [true, false]);
    let store = backend.open();
    let widened = ends(&store, 1, DeliveryState::Success).await.unwrap();
    assert_eq!((widened.stage, widened.state), (ShipmentStage::Everyone, ShipmentState::Running));
    drop(store);
    assert_eq!([is_due(backend, 3).await, is_due(backend, 4).await], [true, false]);
    let store = backend.open();
    assert_eq!(ends(&store, 2, DeliveryState::Success).await, None);
    let finished = ends(&store, 3, DeliveryState::VersionMismatch).await.unwrap();
    assert_eq!(finished.state, ShipmentState::Finished);
    assert_eq!((finished.counts.succeeded, finished.counts.passed_over), (2, 1));
    drop(store);
    assert!(!is_due(backend, 3).await);
}

pub(crate) async fn a_failing_canary_stops_the_shipment<B: Backend>(backend: &B) {
    let store = with_devices(backend, 3).await;
    store.create_shipment(new_shipment(&[1, 2, 3], &[1], false), owner()).await.unwrap();
    let stopped = ends(&store, 1, DeliveryState::Rollback).await.unwrap();
    assert_eq!(stopped.state, ShipmentState::Stopped);
    drop(store);
    assert!(!is_due(backend, 1).await);
}

pub(crate) async fn a_paused_shipment_waits_and_a_cancelled_one_is_over<B: Backend>(backend: &B) {
    let store = with_devices(backend, 1).await;
    store.create_shipment(new_shipment(&[1], &[], false), owner()).await.unwrap();
    drop(store);
    for (state, is_due_then) in
        [(ShipmentState::Paused, false), (ShipmentState::Running, true), (ShipmentState::Cancelled, false)]
    {
        let store = backend.open();
        let set = store.set_shipment_state(shipment_id(), state, owner()).await.unwrap();
        assert_eq!(set.state, state);
        drop(store);
        assert_eq!(is_due(backend, 1).await, is_due_then, "{state:?}");
    }
    let refused = backend.open().set_shipment_state(shipment_id(), ShipmentState::Running, owner()).await;
    assert!(matches!(refused, Err(ShipmentError::NotAllowed { from: ShipmentState::Cancelled, .. })));
}

pub(crate) async fn an_open_ended_shipment_reaches_devices_that_come_later<B: Backend>(backend: &B) {
    let store = with_devices(backend, 1).await;
    store.create_shipment(new_shipment(&[1], &[], true), owner()).await.unwrap();
    add_device(&store, 2).await;
    let due = store.due_deliveries(device_id(2), NOW).await.unwrap();
    assert_eq!(due.iter().map(|(_, delivery)| *delivery).collect::<Vec<_>>(), [Delivery::waiting(NOW)]);
    assert_eq!(ends(&store, 2, DeliveryState::Success).await, None);
    let listed = store.list_deliveries(shipment_id(), Page::default()).await.unwrap().items;
    let states: Vec<_> = listed.iter().map(|item| (item.device.clone(), item.delivery.state)).collect();
    assert_eq!(states, [(device_id(1), DeliveryState::Waiting), (device_id(2), DeliveryState::Success)]);
}

pub(crate) async fn a_delivery_is_kept_whole<B: Backend>(backend: &B) {
    let store = with_devices(backend, 1).await;
    store.create_shipment(new_shipment(&[1], &[], false), owner()).await.unwrap();
    let delivery = Delivery::waiting(NOW).ordered(NOW.plus_ms(1)).requested(false, NOW.plus_ms(2));
    let change =
        |wanted: Option<Delivery>| store.change_delivery(shipment_id(), device_id(1), NOW, move |_| wanted);
    assert_eq!(change(Some(delivery)).await.unwrap().after, Some(delivery));
    let refused = change(None).await.unwrap();
    assert_eq!((refused.before, refused.after), (delivery, None));
    drop(store);
    let (_, found) = backend.open().delivery(shipment_id(), device_id(1)).await.unwrap().unwrap();
    assert_eq!(found, delivery);
}

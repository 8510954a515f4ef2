use registry::{
    ApplyRule, FirmwareId, FirmwareTag, SESSION_TOKEN_LIFETIME_MS, SessionId, ShipmentId, decide_login,
    status_code,
};
use store::{
    DeleteTemplateError, FirmwareImage, NewSession, NewShipment, NewWebhook, Page, Store, TemplateUse,
};
use telemetry::{
    ConnectionLifecycle, DataType, DatastreamSettings, EnumRow, EventCode, EventSettings, EventType,
    Notifying, Pin, TemplateEvent,
};

use crate::backend::{
    Backend, NOW, add_device, device_id, look_up, owner, template_id, token, with_template,
};

async fn refused(store: &Store) -> Option<TemplateUse> {
    match store.delete_template(template_id(), owner()).await {
        Err(DeleteTemplateError::InUse(in_use)) => Some(in_use),
        other => panic!("{other:?}"),
    }
}

async fn open_session(store: &Store) {
    let new = NewSession {
        id: SessionId::from_random([1; 10]),
        template_id: template_id(),
        device_name: None,
        token: token(1),
        code: None,
        expires_at: NOW.plus_ms(SESSION_TOKEN_LIFETIME_MS),
    };
    store.create_session(new, owner()).await.unwrap();
}

/// Gives the template one of everything that belongs to it.
async fn furnish(store: &Store) {
    let rows = vec![EnumRow { number: 0, text: "Off".to_owned() }];
    let settings = DatastreamSettings {
        pin: Pin::new(4),
        name: "Mode".to_owned(),
        alias: None,
        data_type: DataType::Enum { rows, fallback: None },
        default: None,
        unit: None,
        is_synced: false,
        saves_raw_data: false,
        invalidate: None,
        is_hidden_from_http: false,
    };
    store.put_datastream(template_id(), settings, owner()).await.unwrap();
    let settings = EventSettings {
        name: "Alarm".to_owned(),
        event_type: EventType::Critical,
        description: String::new(),
        is_on_timeline: true,
        notifying: Notifying::default(),
    };
    let event = TemplateEvent::new(EventCode::parse("alarm").unwrap(), settings).unwrap();
    store.put_event(template_id(), event, owner()).await.unwrap();
    let statuses = ConnectionLifecycle::default().statuses().to_vec();
    let lifecycle = ConnectionLifecycle::new(statuses, Some(300), true).unwrap();
    store.put_lifecycle(template_id(), lifecycle, owner()).await.unwrap();
    store.put_recipients(template_id(), vec!["a@example.org".to_owned()], owner()).await.unwrap();
    let hook = NewWebhook { name: "Hook".to_owned(), url: "https://example.org".to_owned(), nonce: [7; 16] };
    store.add_webhook(template_id(), hook, owner()).await.unwrap();
}

pub(crate) async fn a_renamed_template_keeps_its_identifier<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let renamed = store.rename_template(template_id(), "Air Monitor 2".to_owned(), owner()).await.unwrap();
    assert_eq!(renamed.map(|template| template.name).as_deref(), Some("Air Monitor 2"));
    let device = store.device(device_id(1)).await.unwrap().unwrap();
    assert_eq!((device.template_id, device.template_name.as_str()), (template_id(), "Air Monitor 2"));
    let nobody = registry::TemplateId::from_random([9; 10]);
    assert_eq!(store.rename_template(nobody, "X".to_owned(), owner()).await.unwrap(), None);
    let audit = store.list_audit(Page::default()).await.unwrap();
    assert_eq!(audit.items[0].action, "template.rename");
}

pub(crate) async fn a_template_goes_with_everything_of_its_own_once_nothing_uses_it<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    furnish(&store).await;
    add_device(&store, 2).await;
    assert_eq!(refused(&store).await, Some(TemplateUse::Device));
    store.force_delete(device_id(2), owner()).await.unwrap();
    store.delete_template(template_id(), owner()).await.unwrap();
    assert_eq!(store.template(template_id()).await.unwrap(), None);
    assert!(store.datastreams(None).await.unwrap().is_empty());
    assert!(store.template_notices(None).await.unwrap().is_empty());
    let again = store.delete_template(template_id(), owner()).await;
    assert!(matches!(again, Err(DeleteTemplateError::NotFound)), "{again:?}");
    drop(store);
    assert_eq!(backend.open().template(template_id()).await.unwrap(), None);
}

pub(crate) async fn a_template_that_a_shipment_names_stays<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let tag = FirmwareTag { kind: "TMPL1".to_owned(), version: "2.0".to_owned(), build: None, library: None };
    let image = FirmwareImage {
        id: FirmwareId::from_random([1; 10]),
        file_name: "firmware.bin".to_owned(),
        tag,
        size_bytes: 500_000,
        sha256: [3; 32],
        md5: [4; 16],
        created_at: NOW,
    };
    store.add_firmware(image.clone(), owner()).await.unwrap();
    let shipment = NewShipment {
        id: ShipmentId::from_random([1; 10]),
        name: "Autumn".to_owned(),
        template_id: template_id(),
        firmware_id: image.id,
        rule: ApplyRule::LowerVersion,
        devices: vec![device_id(1)],
        canaries: Vec::new(),
        is_open_ended: false,
        failure_percent_max: 20,
        attempts_max: 3,
    };
    store.create_shipment(shipment, owner()).await.unwrap();
    store.force_delete(device_id(1), owner()).await.unwrap();
    assert_eq!(refused(&store).await, Some(TemplateUse::Shipment));
}

pub(crate) async fn a_token_of_a_deleted_template_is_never_answered_with_9<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    open_session(&store).await;
    assert_eq!(refused(&store).await, Some(TemplateUse::Session));
    store.cancel_session(SessionId::from_random([1; 10]), owner()).await.unwrap();
    store.delete_template(template_id(), owner()).await.unwrap();
    assert!(store.list_sessions(Page::default()).await.unwrap().items.is_empty());
    assert_eq!(status_code(&decide_login(look_up(&store, 1), NOW)), 19, "without a restart");
    drop(store);
    assert_eq!(status_code(&decide_login(look_up(&backend.open(), 1), NOW)), 19, "and after one");
}

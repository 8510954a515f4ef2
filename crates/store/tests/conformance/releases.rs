use registry::{
    BoardKey, Epoch, LoginDecision, Moment, MonoTime, Ownership, Release, ReleaseAction, ReleaseEvent,
    ReleaseState, TokenRecord, decide_login, status_code,
};
use store::{DeviceError, Page, WriteValuesError};
use telemetry::{Pin, Value};

use crate::backend::{Backend, NOW, add_device, device_id, found, look_up, owner, with_template};

pub(crate) async fn a_release_ends_data_access_and_keeps_the_token_as_a_tombstone<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    store.record_login(device_id(1), Epoch::FIRST, NOW).await.unwrap();
    let write = || vec![(Pin::new(1), Value::from_text("secret value").unwrap())];
    store.write_values(device_id(1), Epoch::FIRST, write(), NOW).await.unwrap();
    store.set_metadata(device_id(1), Epoch::FIRST, "SN".to_owned(), "1".to_owned()).await.unwrap();

    let started = store.begin_release(device_id(1), owner()).await.unwrap();
    assert!(started.is_new);
    assert_eq!((started.record.state, started.record.last_seen_at), (ReleaseState::Pending, Some(NOW)));
    let late = store.write_values(device_id(1), Epoch::FIRST, write(), NOW).await;
    assert!(matches!(late, Err(WriteValuesError::NotOwned)));
    assert_eq!(store.last_values(device_id(1)).await.unwrap(), []);
    assert_eq!(store.metadata(device_id(1), Epoch::FIRST, "SN".to_owned()).await.unwrap(), None);
    let late = store.set_metadata(device_id(1), Epoch::FIRST, "SN".to_owned(), "1".to_owned()).await;
    assert!(matches!(late, Err(DeviceError::NotFound)));
    assert_eq!(
        decide_login(look_up(&store, 1), NOW),
        LoginDecision::Quarantine { device: device_id(1) },
        "the tombstone is known at once, without a restart"
    );
    let audit = store.list_audit(Page::default()).await.unwrap();
    assert!(audit.items.iter().any(|entry| entry.action == "device.release"));
    assert!(!format!("{audit:?}").contains("secret value"));
}

pub(crate) async fn a_release_that_was_asked_for_twice_is_one_release<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let first = store.begin_release(device_id(1), owner()).await.unwrap();
    let mut later = owner();
    later.at = NOW.plus_ms(1_000);
    let second = store.begin_release(device_id(1), later).await.unwrap();
    assert_eq!((second.record, second.is_new), (first.record, false));
    assert!(matches!(store.begin_release(device_id(2), owner()).await, Err(DeviceError::NotFound)));
}

pub(crate) async fn a_tombstone_outlives_a_restart_in_every_state<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let mut record = store.begin_release(device_id(1), owner()).await.unwrap().record;
    drop(store);
    for state in ReleaseState::ALL {
        record.state = state;
        record.finished_at = state.is_safe_to_ship().then_some(NOW);
        record.attempts += 1;
        record.contradictions += 2;
        record.order_reached_live_board = !record.order_reached_live_board;
        backend.open().store_release(device_id(1), record.clone(), NOW).await.unwrap();

        let store = backend.open();
        assert_eq!(store.device(device_id(1)).await.unwrap().unwrap().release, Some(record.clone()));
        assert_eq!(found(&store, 1), TokenRecord::Tombstone { device: device_id(1), release: state });
        assert_eq!(store.releases_in(state).await.unwrap(), [(device_id(1), record.clone())]);
        let status = status_code(&decide_login(look_up(&store, 1), NOW));
        assert_eq!(status == 9, state == ReleaseState::Confirmed, "{state:?}");
    }
}

/// Plays a release as the gateway does: what the machine wants stored is stored.
pub(crate) async fn the_ownership_follows_the_release<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let record = store.begin_release(device_id(1), owner()).await.unwrap().record;
    let mut release = Release::resume(record, MonoTime::from_ms(0));
    let mut seen = Vec::new();
    let steps = [
        (0, ReleaseEvent::LoggedIn { key: BoardKey::None }),
        (20_000, ReleaseEvent::TimerFired),
        (50_000, ReleaseEvent::LoggedIn { key: BoardKey::None }),
        (90_000, ReleaseEvent::TimerFired),
    ];
    for (ms, event) in steps {
        let now = Moment { mono: MonoTime::from_ms(ms), utc: NOW.plus_ms(i64::try_from(ms).unwrap()) };
        for action in release.handle(now, event) {
            if let ReleaseAction::Store(record) = action {
                store.store_release(device_id(1), record, now.utc).await.unwrap();
            }
        }
        let device = store.device(device_id(1)).await.unwrap().unwrap();
        assert_eq!(device.release.as_ref(), Some(release.record()));
        seen.push((device.ownership, release.record().state));
    }
    let releasing = (Ownership::Releasing, ReleaseState::Sent);
    let released = (Ownership::Released, ReleaseState::Inferred);
    assert_eq!(seen, [releasing, released, releasing, released]);
}

pub(crate) async fn a_forced_delete_leaves_a_refused_token_and_an_audit_line<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    add_device(&store, 2).await;
    let write = vec![(Pin::new(1), Value::from_text("1").unwrap())];
    store.write_values(device_id(1), Epoch::FIRST, write, NOW).await.unwrap();
    store.begin_release(device_id(2), owner()).await.unwrap();
    for number in [1, 2] {
        let deleted = store.force_delete(device_id(number), owner()).await.unwrap();
        assert_eq!(deleted.id, device_id(number));
        assert_eq!(found(&store, number), TokenRecord::Revoked);
        assert!(matches!(store.force_delete(device_id(number), owner()).await, Err(DeviceError::NotFound)));
    }
    drop(store);

    let store = backend.open();
    assert_eq!(store.list_devices(Page::default()).await.unwrap().items, []);
    assert_eq!(store.last_values(device_id(1)).await.unwrap(), []);
    assert_eq!(status_code(&decide_login(look_up(&store, 1), NOW)), 9);
    let audit = store.list_audit(Page::default()).await.unwrap();
    let deletes = audit.items.iter().filter(|entry| entry.action == "device.force_delete").count();
    assert_eq!(deletes, 2);
    assert!(!format!("{:?}", audit.items).contains("Device 1"), "names are personal data");
}

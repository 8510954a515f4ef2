use std::time::Duration;

use registry::{TemplateId, Token};
use store::{Change, NewDevice};

use super::*;
use crate::gateway::{Links, link_with_peer, link_without_peer};

#[tokio::test]
async fn an_order_that_never_left_is_taken_back_and_silence_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let clock = Clock::system();
    let stop = CancellationToken::new();
    let signer = ReleaseSigner::from_seed(&[5; 32]);
    let surroundings = Surroundings {
        store: store.clone(),
        clock: clock.clone(),
        live: Live::new(),
        signer,
        stop: stop.clone(),
    };
    let (driver, task) = ReleaseDriver::new(surroundings);
    let task = tokio::spawn(task);

    let (device, record) = released_device(&store, &clock, 2).await;

    let links = Links::default();
    let link = link_without_peer(&links, &device, clock.now().mono);
    let event = ReleaseEvent::LinkFound { key: BoardKey::None };
    driver.attach(device.clone(), record, Some(link.clone()), Some(event)).await;
    // It answers the probe, and is gone when the order comes.
    driver.heard(device.clone(), &link).await;

    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let record = store.device(device.clone()).await.unwrap().unwrap().release.unwrap();
        if record.attempts == 1 && record.state == ReleaseState::Pending {
            assert!(!record.order_reached_live_board);
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the release was last {record:?}");
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_hours(1));
    // The driver takes inputs in order, so the hour has been dealt with when it has ended.
    drop(driver);
    task.await.unwrap();
    let record = store.device(device).await.unwrap().unwrap().release.unwrap();
    assert_eq!(record.state, ReleaseState::Pending);
}

async fn released_device(store: &Store, clock: &Clock, number: u8) -> (DeviceId, ReleaseRecord) {
    let change = || Change::by("owner", clock.now().utc);
    let template_id = TemplateId::from_random([number; 10]);
    store.create_template(template_id.clone(), "Lamp".to_owned(), change()).await.unwrap();
    let device = DeviceId::from_random([number; 10]);
    let token = Token::from_random([number; 24]);
    let new = NewDevice { id: device.clone(), template_id, name: "Lamp".to_owned(), token };
    store.create_device(new, change()).await.unwrap();
    let record = store.begin_release(device.clone(), change()).await.unwrap().record;
    (device, record)
}

#[tokio::test]
async fn a_board_that_talks_while_another_ones_wipe_is_stored_is_not_called_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let clock = Clock::system();
    let surroundings = Surroundings {
        store: store.clone(),
        clock: clock.clone(),
        live: Live::new(),
        signer: ReleaseSigner::from_seed(&[5; 32]),
        stop: CancellationToken::new(),
    };
    let (driver, task) = ReleaseDriver::new(surroundings);
    let task = tokio::spawn(task);
    let links = Links::default();
    let mut boards = Vec::new();
    for number in [2, 3] {
        let (device, record) = released_device(&store, &clock, number).await;
        let (link, peer) = link_with_peer(&links, &device, clock.now().mono);
        let event = ReleaseEvent::LinkFound { key: BoardKey::None };
        driver.attach(device.clone(), record, Some(link.clone()), Some(event)).await;
        driver.heard(device.clone(), &link).await;
        boards.push((device, link, peer));
    }
    let state_of =
        async |device: &DeviceId| store.device(device.clone()).await.unwrap().unwrap().release.unwrap().state;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    for (device, ..) in &boards {
        while state_of(device).await != ReleaseState::Sent {
            assert!(tokio::time::Instant::now() < deadline, "the order was not stored");
            tokio::task::yield_now().await;
        }
    }
    let [(silent, ..), (talking, link, _)] = boards.as_slice() else { panic!("two boards") };
    clock.advance(Duration::from_millis(registry::SILENCE_MS + 1_000));
    // One turn for the driver: it finds both silent and begins to store the first one's wipe. Then the second one talks.
    tokio::task::yield_now().await;
    driver.heard(talking.clone(), link).await;
    while state_of(silent).await != ReleaseState::Inferred {
        assert!(tokio::time::Instant::now() < deadline, "the silent board was not called wiped");
        tokio::task::yield_now().await;
    }
    drop(driver);
    task.await.unwrap();
    assert_eq!(state_of(talking).await, ReleaseState::Sent);
}

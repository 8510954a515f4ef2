use registry::Epoch;
use store::{EntryKind, Page, StatusWrite, StoredStatus, TimelineFilter, ToldStatus};
use telemetry::{Channels, Notifying, StatusIndex};

use crate::backend::{Backend, NOW, add_device, device_id, owner, with_template};
use crate::events::to;

fn status(number: u8, is_settled: bool) -> StoredStatus {
    let shown = StatusIndex::new(number);
    let away_since = (number > 0).then_some(NOW);
    StoredStatus { shown, shown_at: NOW, told: Some(shown), away_since, is_settled }
}

fn told(number: u8, minute: i64) -> ToldStatus {
    let channels = Channels { email: true, webhooks: false };
    ToldStatus {
        status: StatusIndex::new(number),
        title: format!("Status {number}"),
        description: String::new(),
        at: NOW.plus_ms(minute * 60_000),
        is_on_timeline: true,
        notifying: Notifying { channels, limit_period_s: None, after_count: 1 },
        notifications: vec![to("a@example.org")],
    }
}

fn write(device: u8, number: u8, is_settled: bool, told: Vec<ToldStatus>) -> StatusWrite {
    let (device, epoch) = (device_id(device), Epoch::FIRST);
    StatusWrite { device, epoch, status: status(number, is_settled), told }
}

pub(crate) async fn a_batch_of_statuses_is_stored_with_what_is_told<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    for number in [1, 2] {
        add_device(&store, number).await;
    }
    let batch = vec![
        write(1, 0, false, vec![told(0, 0)]),
        write(2, 2, true, vec![told(1, 1), told(2, 2)]),
        write(9, 1, true, vec![told(1, 1)]),
    ];
    let written = store.write_statuses(batch).await.unwrap();
    let summary: Vec<_> = written.iter().map(|w| (w.is_stored, w.entries.len(), w.queued_count)).collect();
    assert_eq!(summary, [(true, 1, 1), (true, 2, 2), (false, 0, 0)]);
    drop(store);

    let store = backend.open();
    let standings = store.standings(vec![device_id(2), device_id(9), device_id(1)]).await.unwrap();
    let seen: Vec<_> = standings.iter().map(|s| (s.device.clone(), s.status)).collect();
    assert_eq!(seen, [(device_id(2), Some(status(2, true))), (device_id(1), Some(status(0, false)))]);
    let unsettled = store.unsettled_standings(None, 10).await.unwrap();
    assert_eq!(unsettled.iter().map(|s| &s.device).collect::<Vec<_>>(), [&device_id(1)]);
    assert_eq!(store.unsettled_standings(Some(device_id(1)), 10).await.unwrap(), []);
    let entries =
        store.list_timeline(device_id(2), TimelineFilter::default(), Page::default()).await.unwrap();
    let kinds: Vec<_> = entries.items.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::CustomStatus, EntryKind::Offline]);

    store.begin_release(device_id(2), owner()).await.unwrap();
    assert_eq!(store.standings(vec![device_id(2)]).await.unwrap(), []);
    let late = store.write_statuses(vec![write(2, 1, true, vec![told(1, 1)])]).await.unwrap();
    assert!(!late[0].is_stored);
}

/// A device with a bad network uses up its own quota of changes and no other.
pub(crate) async fn changes_of_status_have_a_quota_of_their_own<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let changes = (0..120).map(|minute| told(u8::from(minute % 2 == 0), minute)).collect();
    let written = store.write_statuses(vec![write(1, 1, false, changes)]).await.unwrap();
    assert_eq!(written[0].entries.len(), 100);
    assert_eq!(store.standings(vec![device_id(1)]).await.unwrap()[0].status, Some(status(1, false)));
}

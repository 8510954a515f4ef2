use registry::{Epoch, TemplateId, UtcTime};
use store::{
    COMMENTS_MAX, ChangeEntryError, ChangeNoticesError, DeviceError, EntryChange, EntryKind, LogEventError,
    NewEvent, NewNotification, NewWebhook, NotificationCounts, NotificationTarget, Page, ResolveScope, Store,
    TIMELINE_ENTRIES_MAX, TimelineFilter, WebhookId, WriteValuesError,
};
use telemetry::{
    Channels, ConnectionLifecycle, EventCode, EventSettings, EventType, Notifying, RefuseEventError,
    StatusSettings, TemplateEvent,
};

use crate::backend::{Backend, NOW, add_device, device_id, owner, template_id, with_template};

const MAILING: Notifying =
    Notifying { channels: Channels { email: true, webhooks: true }, limit_period_s: None, after_count: 1 };

fn event(code: &str, event_type: EventType, notifying: Notifying) -> TemplateEvent {
    let settings = EventSettings {
        name: format!("Event {code}"),
        event_type,
        description: "by default".to_owned(),
        is_on_timeline: true,
        notifying,
    };
    TemplateEvent::new(EventCode::parse(code).unwrap(), settings).unwrap()
}

fn alarm() -> TemplateEvent {
    event("alarm", EventType::Critical, Notifying::default())
}

fn new_event(device: u8, event: TemplateEvent, at: UtcTime) -> NewEvent {
    NewEvent {
        device: device_id(device),
        epoch: Epoch::FIRST,
        description: format!("at {}", at.unix_ms()),
        event,
        at,
        notifications: Vec::new(),
    }
}

pub(crate) fn to(address: &str) -> NewNotification {
    NewNotification {
        target: NotificationTarget::Email(address.to_owned()),
        subject: format!("for {address}"),
        body: "text".to_owned(),
    }
}

/// Logs as many events as said, an hour apart, so that no quota is met.
async fn log_many(store: &Store, count: u32) {
    let mut logging = Vec::new();
    for number in 0..count {
        let (store, at) = (store.clone(), NOW.plus_ms(i64::from(number) * 3_600_000));
        // All at once, in order: they share transactions.
        logging.push(tokio::spawn(async move { store.log_event(new_event(1, alarm(), at)).await }));
    }
    for logged in logging {
        logged.await.unwrap().unwrap();
    }
}

async fn timeline(store: &Store, filter: TimelineFilter) -> Vec<store::TimelineEntry> {
    store.list_timeline(device_id(1), filter, Page { limit: 500, cursor: None }).await.unwrap().items
}

pub(crate) async fn what_a_template_says_about_events_outlives_a_restart<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    assert!(store.template_notices(None).await.unwrap().is_empty());
    let limited = Notifying { limit_period_s: Some(60), after_count: 3, ..MAILING };
    assert!(store.put_event(template_id(), event("b", EventType::Info, limited), owner()).await.unwrap());
    assert!(store.put_event(template_id(), event("a", EventType::Content, MAILING), owner()).await.unwrap());
    assert!(!store.put_event(template_id(), alarm_named("a"), owner()).await.unwrap());
    let custom = StatusSettings {
        name: "Inactive".to_owned(),
        color: Some("#aabbcc".to_owned()),
        wait_s: 3_600,
        description: "gone".to_owned(),
        is_on_timeline: false,
        notifying: limited,
    };
    let statuses = [ConnectionLifecycle::default().statuses(), &[custom]].concat();
    let lifecycle = ConnectionLifecycle::new(statuses, Some(300), true).unwrap();
    store.put_lifecycle(template_id(), lifecycle.clone(), owner()).await.unwrap();
    let addresses = vec!["z@example.org".to_owned(), "a@example.org".to_owned()];
    store.put_recipients(template_id(), addresses.clone(), owner()).await.unwrap();
    let new = NewWebhook { name: "Hook".to_owned(), url: "https://example.org".to_owned(), nonce: [7; 16] };
    let webhook = store.add_webhook(template_id(), new.clone(), owner()).await.unwrap();
    assert_eq!(store.add_webhook(template_id(), new, owner()).await.unwrap(), webhook, "the same request");
    drop(store);

    let store = backend.open();
    let found = store.template_notices(None).await.unwrap();
    assert_eq!(found, store.template_notices(Some(template_id())).await.unwrap());
    let notices = &found[&template_id()];
    let events: Vec<_> = notices.events.values().cloned().collect();
    assert_eq!(events, [alarm_named("a"), event("b", EventType::Info, limited)]);
    assert_eq!((&notices.lifecycle, &notices.recipients), (&lifecycle, &addresses));
    assert_eq!(notices.webhooks, [webhook]);
    assert!(store.delete_event(template_id(), EventCode::parse("a").unwrap(), owner()).await.unwrap());
    assert!(!store.delete_event(template_id(), EventCode::parse("a").unwrap(), owner()).await.unwrap());
    let nobody = TemplateId::from_random([9; 10]);
    let refused = store.put_event(nobody, alarm(), owner()).await;
    assert!(matches!(refused, Err(ChangeNoticesError::TemplateNotFound)), "{refused:?}");
}

fn alarm_named(code: &str) -> TemplateEvent {
    event(code, EventType::Critical, Notifying::default())
}

pub(crate) async fn a_template_has_a_bounded_number_of_events_and_webhooks<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    for number in 0..telemetry::EVENTS_PER_TEMPLATE_MAX {
        store.put_event(template_id(), alarm_named(&format!("e{number}")), owner()).await.unwrap();
    }
    let refused = store.put_event(template_id(), alarm_named("more"), owner()).await;
    assert!(matches!(refused, Err(ChangeNoticesError::TooMany { max: 100 })), "{refused:?}");
    store.put_event(template_id(), alarm_named("e1"), owner()).await.unwrap();
    let hook = |number: u8| NewWebhook { name: "x".to_owned(), url: "x".to_owned(), nonce: [number; 16] };
    for number in 0..10 {
        store.add_webhook(template_id(), hook(number), owner()).await.unwrap();
    }
    let refused = store.add_webhook(template_id(), hook(10), owner()).await;
    assert!(matches!(refused, Err(ChangeNoticesError::TooMany { max: 10 })), "{refused:?}");
}

pub(crate) async fn a_timeline_belongs_to_an_ownership_and_ends_with_it<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    add_device(&store, 2).await;
    let entry = store.log_event(new_event(1, alarm(), NOW)).await.unwrap().entry.unwrap();
    store.add_note(device_id(1), "bought".to_owned(), owner()).await.unwrap();
    store.comment_entry(device_id(1), entry.id, "seen".to_owned(), owner()).await.unwrap();
    assert_eq!(timeline(&store, TimelineFilter::default()).await.len(), 2);
    let elsewhere = store.comment_entry(device_id(2), entry.id, "x".to_owned(), owner()).await;
    assert!(matches!(elsewhere, Err(ChangeEntryError::NotFound)), "another device's entry: {elsewhere:?}");
    let later_epoch = NewEvent { epoch: Epoch::new(2), ..new_event(1, alarm(), NOW) };
    assert!(matches!(store.log_event(later_epoch).await, Err(LogEventError::NotOwned)));

    let waiting = NewEvent {
        notifications: vec![to("owner@example.org")],
        ..new_event(1, event("mail", EventType::Info, MAILING), NOW)
    };
    assert_eq!(store.log_event(waiting).await.unwrap().queued_count, 1);
    store.begin_release(device_id(1), owner()).await.unwrap();
    assert_eq!(timeline(&store, TimelineFilter::default()).await, []);
    assert_eq!(store.notification_counts().await.unwrap(), NotificationCounts::default());
    let late = store.log_event(new_event(1, alarm(), NOW)).await;
    assert!(matches!(late, Err(LogEventError::NotOwned)), "{late:?}");
    let late =
        store.resolve_events(device_id(1), Epoch::FIRST, "alarm".to_owned(), ResolveScope::All, NOW).await;
    assert!(matches!(late, Err(WriteValuesError::NotOwned)), "{late:?}");
    let late = store.add_note(device_id(1), "x".to_owned(), owner()).await;
    assert!(matches!(late, Err(DeviceError::NotFound)), "{late:?}");
}

pub(crate) async fn a_timeline_is_read_newest_first_and_is_bounded<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    log_many(&store, TIMELINE_ENTRIES_MAX + 3).await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = Page { limit: 300, cursor };
        let listed = store.list_timeline(device_id(1), TimelineFilter::default(), page).await.unwrap();
        seen.extend(listed.items.into_iter().map(|entry| entry.at));
        cursor = listed.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<UtcTime> =
        (3..i64::from(TIMELINE_ENTRIES_MAX) + 3).rev().map(|n| NOW.plus_ms(n * 3_600_000)).collect();
    assert_eq!(seen, expected);
    let (from, to) = (Some(expected[10]), Some(expected[5]));
    let some = timeline(&store, TimelineFilter { from, to, ..TimelineFilter::default() }).await;
    assert_eq!(some.iter().map(|entry| entry.at).collect::<Vec<_>>(), expected[6..=10]);
}

pub(crate) async fn entries_are_resolved_archived_and_commented<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    log_many(&store, 3).await;
    let info = new_event(1, event("info", EventType::Info, Notifying::default()), NOW);
    let info = store.log_event(info).await.unwrap().entry.unwrap();
    let resolve = async |scope| {
        let code = "alarm".to_owned();
        let resolved = store.resolve_events(device_id(1), Epoch::FIRST, code, scope, NOW).await.unwrap();
        resolved.iter().map(|entry| entry.at.ms_since(NOW) / 3_600_000).collect::<Vec<_>>()
    };
    assert_eq!(resolve(ResolveScope::Newest).await, [2]);
    assert_eq!(resolve(ResolveScope::All).await, [1, 0]);
    assert_eq!(resolve(ResolveScope::All).await, [0_i64; 0]);
    let of = |is_resolved| TimelineFilter { is_resolved: Some(is_resolved), ..TimelineFilter::default() };
    assert_eq!(timeline(&store, of(true)).await.len(), 3);
    assert_eq!(timeline(&store, of(false)).await, std::slice::from_ref(&info));

    let change = async |id, change| store.change_entry(device_id(1), id, change, owner()).await;
    let oldest = timeline(&store, of(true)).await.pop().unwrap();
    assert_eq!(oldest.resolved, Some((NOW, "device".to_owned())));
    let again = EntryChange { resolves: Some(true), archives: Some(true) };
    let archived = change(oldest.id, again).await.unwrap();
    assert_eq!(archived.resolved, oldest.resolved, "who resolved it first keeps the credit");
    let put_away = TimelineFilter { is_archived: true, ..TimelineFilter::default() };
    assert_eq!(timeline(&store, put_away).await, [archived]);
    let opened =
        change(oldest.id, EntryChange { resolves: Some(false), archives: Some(false) }).await.unwrap();
    assert_eq!((opened.resolved, opened.is_archived), (None, false));
    let refused = change(info.id, EntryChange { resolves: Some(true), archives: None }).await;
    assert!(matches!(refused, Err(ChangeEntryError::NotResolvable)), "{refused:?}");

    let only_info =
        TimelineFilter { kind: Some(EntryKind::Event(EventType::Info)), ..TimelineFilter::default() };
    for number in 0..COMMENTS_MAX {
        store.comment_entry(device_id(1), info.id, number.to_string(), owner()).await.unwrap();
    }
    let texts: Vec<_> =
        timeline(&store, only_info).await[0].comments.iter().map(|c| c.text.clone()).collect();
    assert_eq!(texts, (0..COMMENTS_MAX).map(|number| number.to_string()).collect::<Vec<_>>());
    let refused = store.comment_entry(device_id(1), info.id, "more".to_owned(), owner()).await;
    assert!(matches!(refused, Err(ChangeEntryError::TooManyComments)), "{refused:?}");
}

pub(crate) async fn quotas_of_events_outlive_a_restart<B: Backend>(backend: &B) {
    let mut store = with_template(backend).await;
    add_device(&store, 1).await;
    for number in 0..100 {
        let code = format!("kind{}", number % 4);
        let at = NOW.plus_ms(number * 250);
        store.log_event(new_event(1, alarm_named(&code), at)).await.unwrap();
        if number == 50 {
            drop(store);
            store = backend.open();
            let soon = store.log_event(new_event(1, alarm_named(&code), at.plus_ms(999))).await;
            assert!(matches!(soon, Err(LogEventError::Quota(RefuseEventError::TooSoon))), "{soon:?}");
        }
    }
    let full = store.log_event(new_event(1, alarm(), NOW.plus_ms(60_000))).await;
    assert!(matches!(full, Err(LogEventError::Quota(RefuseEventError::DayIsFull))), "{full:?}");
    store.log_event(new_event(1, alarm(), NOW.plus_ms(86_400_000))).await.unwrap();
}

pub(crate) async fn a_notification_waits_until_it_is_delivered_or_given_up<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let hook = NewWebhook { name: "x".to_owned(), url: "x".to_owned(), nonce: [1; 16] };
    let hook = store.add_webhook(template_id(), hook, owner()).await.unwrap().id;
    let call = |id| NewNotification { target: NotificationTarget::Webhook(id), ..to("") };
    let mailing = |at: UtcTime| NewEvent {
        notifications: vec![to("a@example.org"), to("b@example.org"), call(hook), call(WebhookId(99))],
        ..new_event(1, event("mail", EventType::Info, MAILING), at)
    };
    let logged = store.log_event(mailing(NOW)).await.unwrap();
    assert_eq!((logged.queued_count, logged.dropped_count), (4, 0));
    store.log_event(mailing(NOW.plus_ms(6_000))).await.unwrap();
    drop(store);

    let store = backend.open();
    let due = async |at| store.due_notifications(at).await.unwrap();
    assert_eq!(due(NOW.plus_ms(-1)).await, (vec![], Some(NOW)));
    let (first, next_at) = due(NOW.plus_ms(6_000)).await;
    assert_eq!(next_at, None);
    let targets: Vec<_> = first.iter().map(|notification| notification.target.clone()).collect();
    let mailbox = |address: &str| NotificationTarget::Email(address.to_owned());
    let expected = [mailbox("a@example.org"), mailbox("b@example.org"), NotificationTarget::Webhook(hook)];
    assert_eq!(targets, expected, "the oldest of each target, and none for a webhook that does not exist");

    assert!(store.delete_notification(first[0].id).await.unwrap());
    assert!(!store.delete_notification(first[0].id).await.unwrap());
    let later = NOW.plus_ms(30_000);
    store.fail_notification(first[1].id, "refused".to_owned(), Some(later)).await.unwrap();
    let (second, next_at) = due(NOW.plus_ms(6_000)).await;
    assert_eq!((second.len(), next_at), (3, Some(later)));
    assert!(
        second[0].id > first[2].id || second[1].id > first[2].id,
        "the next of its target is not held up"
    );
    store.fail_notification(first[1].id, "refused again".to_owned(), None).await.unwrap();
    assert_eq!(store.notification_counts().await.unwrap(), NotificationCounts { waiting: 4, dead: 1 });
    let dead = store.list_notifications(true, Page::default()).await.unwrap().items;
    assert_eq!((dead[0].id, dead[0].attempts), (first[1].id, 2));
    assert_eq!(dead[0].last_error.as_deref(), Some("refused again"));

    let retried = store.retry_notification(dead[0].id, later).await.unwrap().unwrap();
    assert_eq!((retried.attempts, retried.next_at), (0, Some(later)));
    assert_eq!(store.retry_notification(999, later).await.unwrap(), None);
    assert!(store.delete_webhook(template_id(), hook, owner()).await.unwrap());
    assert_eq!(store.notification_counts().await.unwrap(), NotificationCounts { waiting: 3, dead: 0 });
}

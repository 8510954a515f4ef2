use registry::UtcTime;
use store::{Change, FinishRequestError, IdempotentStart, ListError, NewDevice, Page};

use crate::backend::{Backend, NOW, device_id, owner, template_id, token, with_template};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(crate) async fn the_same_request_gets_the_same_answer_for_a_day<B: Backend>(backend: &B) {
    let store = backend.open();
    let start = |hash: u8, now: UtcTime| store.start_request("key".to_owned(), [hash; 32], now);
    let IdempotentStart::First { nonce } = start(1, NOW).await.unwrap() else { panic!("not the first") };
    assert_eq!(start(1, NOW).await.unwrap(), IdempotentStart::InProgress);
    assert_eq!(start(2, NOW).await.unwrap(), IdempotentStart::KeyReused);
    store.finish_request("key".to_owned(), 201, "{}".to_owned()).await.unwrap();

    let IdempotentStart::Answered(answer) = start(1, NOW.plus_ms(DAY_MS - 1)).await.unwrap() else {
        panic!("not answered")
    };
    assert_eq!((answer.status, answer.body.as_str(), answer.nonce), (201, "{}", nonce));
    assert_eq!(store.derive_token(&answer.nonce), store.derive_token(&nonce));
    assert_eq!(start(2, NOW).await.unwrap(), IdempotentStart::KeyReused);

    let IdempotentStart::First { nonce: next } = start(2, NOW.plus_ms(DAY_MS)).await.unwrap() else {
        panic!("still remembered after a day")
    };
    assert_ne!(next, nonce);
    let unknown = store.finish_request("other".to_owned(), 201, String::new()).await;
    assert!(matches!(unknown, Err(FinishRequestError::NotFound)));
}

pub(crate) async fn a_request_cut_off_by_a_crash_can_be_repeated<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    let start = |now: UtcTime| store.start_request("key".to_owned(), [1; 32], now);
    let IdempotentStart::First { nonce } = start(NOW).await.unwrap() else { panic!("not the first") };
    let device = |number: u8| NewDevice {
        id: device_id(number),
        template_id: template_id(),
        name: "One".to_owned(),
        token: store.derive_token(&nonce),
    };
    let made = store.create_device(device(1), owner()).await.unwrap();

    // Here the server crashed. Whoever asks again gets the same token and the same device.
    assert_eq!(start(NOW.plus_ms(59_999)).await.unwrap(), IdempotentStart::InProgress);
    assert_eq!(start(NOW.plus_ms(60_000)).await.unwrap(), IdempotentStart::First { nonce });
    assert_eq!(store.create_device(device(2), owner()).await.unwrap(), made);
    assert_eq!(store.list_devices(Page::default()).await.unwrap().items, [made]);

    store.abandon_request("key".to_owned()).await.unwrap();
    assert!(matches!(start(NOW).await.unwrap(), IdempotentStart::First { nonce: next } if next != nonce));
}

pub(crate) async fn a_sign_in_code_works_once_and_in_time<B: Backend>(backend: &B) {
    let store = backend.open();
    let expires_at = NOW.plus_ms(1_000);
    for code in ["first", "second"] {
        store.create_sign_in_code(code, expires_at).await.unwrap();
    }
    assert!(!store.redeem_sign_in_code("third", NOW).await.unwrap());
    assert!(store.redeem_sign_in_code("first", expires_at.plus_ms(-1)).await.unwrap());
    assert!(!store.redeem_sign_in_code("first", NOW).await.unwrap());
    assert!(!store.redeem_sign_in_code("second", expires_at).await.unwrap());
}

pub(crate) async fn a_console_session_ends_when_it_is_deleted_or_its_time_has_come<B: Backend>(backend: &B) {
    let store = backend.open();
    let expires_at = NOW.plus_ms(1_000);
    for cookie in ["one", "two"] {
        store.create_console_session(cookie, expires_at, Change::by("owner", NOW)).await.unwrap();
    }
    assert!(store.has_console_session("one", expires_at.plus_ms(-1)).await.unwrap());
    assert!(!store.has_console_session("one", expires_at).await.unwrap());
    assert!(!store.has_console_session("three", NOW).await.unwrap());
    store.delete_console_session("one").await.unwrap();
    assert!(!store.has_console_session("one", NOW).await.unwrap());
    assert!(store.has_console_session("two", NOW).await.unwrap());
}

pub(crate) async fn a_new_password_ends_all_other_sessions<B: Backend>(backend: &B) {
    let store = backend.open();
    let change = || Change::by("owner", NOW);
    assert_eq!(store.password_hash().await.unwrap(), None);
    for cookie in ["kept", "ended"] {
        store.create_console_session(cookie, NOW.plus_ms(1), change()).await.unwrap();
    }
    store.set_password_hash("$argon2id$1".to_owned(), Some("kept"), change()).await.unwrap();
    assert_eq!(store.password_hash().await.unwrap().as_deref(), Some("$argon2id$1"));
    assert!(store.has_console_session("kept", NOW).await.unwrap());
    assert!(!store.has_console_session("ended", NOW).await.unwrap());
    store.set_password_hash("$argon2id$2".to_owned(), None, change()).await.unwrap();
    assert!(!store.has_console_session("kept", NOW).await.unwrap());
}

pub(crate) async fn unknown_tokens_are_counted_by_fingerprint<B: Backend>(backend: &B) {
    let store = backend.open();
    for (number, ms) in [(1, 0), (2, 10), (1, 20)] {
        let at = NOW.plus_ms(ms);
        store.record_unknown_token(&token(number), format!("192.0.2.{number}"), at).await.unwrap();
    }
    let listed = store.list_unknown_tokens(Page::default()).await.unwrap().items;
    let counts: Vec<_> = listed.iter().map(|seen| (seen.attempts, seen.remote.as_str())).collect();
    assert_eq!(counts, [(2, "192.0.2.1"), (1, "192.0.2.2")]);
    let first = listed.first().unwrap();
    assert_eq!((first.first_seen_at, first.last_seen_at), (NOW, NOW.plus_ms(20)));
    assert_eq!(first.fingerprint, store.hash_token(&token(1)).fingerprint().to_string());
    assert!(!format!("{listed:?}").contains(token(1).expose()));
}

pub(crate) async fn the_audit_is_read_newest_first<B: Backend>(backend: &B) {
    let store = backend.open();
    for number in 0..5 {
        let change = Change::by("owner", NOW.plus_ms(number));
        store.record_audit(change, "auth.sign_in", number.to_string(), String::new()).await.unwrap();
    }
    let first = store.list_audit(Page { limit: 3, cursor: None }).await.unwrap();
    let second = store.list_audit(Page { limit: 3, cursor: first.next_cursor.clone() }).await.unwrap();
    let subjects: Vec<_> =
        first.items.iter().chain(&second.items).map(|entry| entry.subject.as_str()).collect();
    assert_eq!(subjects, ["4", "3", "2", "1", "0"]);
    assert_eq!(second.next_cursor, None);
    let bad = store.list_audit(Page { limit: 3, cursor: Some("x".to_owned()) }).await;
    assert!(matches!(bad, Err(ListError::BadCursor)));
}

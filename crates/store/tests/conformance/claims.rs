//! Claim codes, and devices that are claimed again.

use registry::{
    ClaimCode, Epoch, LoginDecision, Ownership, ReclaimPolicy, ReleaseState, SESSION_TOKEN_LIFETIME_MS,
    SessionId, TryLaterReason, UtcTime, decide_login,
};
use store::{Adopted, Claimed, CompleteClaimError, NewSession, Page, Redeemed, SessionCode, Store};
use telemetry::{Pin, Value};

use crate::backend::{Backend, NOW, add_device, device_id, owner, template_id, token, with_template};

const EXPIRES_AT: UtcTime = NOW.plus_ms(SESSION_TOKEN_LIFETIME_MS);
const UID: &str = "4C11AE0D41DE";

fn session_id(number: u8) -> SessionId {
    SessionId::from_random([number; 10])
}

fn code(store: &Store, number: u8) -> ClaimCode {
    store.derive_claim_code(&[number; 16])
}

async fn open_session(store: &Store, number: u8) {
    let nonce = [number; 16];
    let new = NewSession {
        id: session_id(number),
        template_id: template_id(),
        device_name: Some(format!("Name {number}")),
        token: store.derive_token(&nonce),
        code: Some(SessionCode { code: code(store, number), nonce }),
        expires_at: EXPIRES_AT,
    };
    assert!(store.create_session(new, owner()).await.unwrap().has_claim_code);
}

async fn redeem(store: &Store, number: u8, uid: &str, at: UtcTime) -> Redeemed {
    store.redeem_claim_code(code(store, number), uid.to_owned(), at).await.unwrap()
}

/// Opens session `number`, exchanges its code and completes the claim as device `number` at the latest.
async fn claim_by_code(store: &Store, number: u8, uid: &str) -> Claimed {
    open_session(store, number).await;
    assert!(matches!(redeem(store, number, uid, NOW).await, Redeemed::Token { .. }));
    store.complete_claim(session_id(number), device_id(number), NOW).await.unwrap()
}

fn record_of(store: &Store, number: u8) -> LoginDecision {
    decide_login(store.look_up_token(store.derive_token(&[number; 16]).expose().as_bytes()), NOW)
}

async fn steps(store: &Store, number: u8) -> Vec<&'static str> {
    let session = store.session(session_id(number)).await.unwrap().unwrap();
    session.steps.iter().map(|step| step.step.as_str()).collect()
}

pub(crate) async fn a_code_is_worth_its_session_token_for_the_first_device_until_it_logs_in<B: Backend>(
    backend: &B,
) {
    let store = with_template(backend).await;
    open_session(&store, 1).await;
    let first = redeem(&store, 1, UID, NOW).await;
    let expected = Redeemed::Token { session: session_id(1), token: store.derive_token(&[1; 16]) };
    assert_eq!(first, expected);
    assert_eq!(redeem(&store, 1, "another board", NOW).await, Redeemed::Unknown, "one device");
    drop(store);
    let store = backend.open();
    assert_eq!(redeem(&store, 1, UID, NOW).await, expected, "again after a power cut");
    let claimed = store.complete_claim(session_id(1), device_id(1), NOW).await.unwrap();
    assert_eq!(claimed, Claimed { device: device_id(1), epoch: Epoch::FIRST, was_known: false });
    assert_eq!(store.device(device_id(1)).await.unwrap().unwrap().uid.as_deref(), Some(UID));
    assert_eq!(redeem(&store, 1, UID, NOW).await, Redeemed::Unknown, "once");
    assert_eq!(steps(&store, 1).await, ["opened", "code_exchanged", "claimed"]);
}

pub(crate) async fn a_code_ends_with_its_session<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    for number in 1..=2 {
        open_session(&store, number).await;
    }
    store.cancel_session(session_id(1), owner()).await.unwrap();
    assert_eq!(redeem(&store, 1, UID, NOW).await, Redeemed::Unknown);
    let last = EXPIRES_AT.plus_ms(-1);
    assert!(matches!(redeem(&store, 2, UID, last).await, Redeemed::Token { .. }));
    assert_eq!(redeem(&store, 2, UID, EXPIRES_AT).await, Redeemed::Unknown, "before anybody swept it");
    store.expire_sessions(EXPIRES_AT).await.unwrap();
    assert_eq!(redeem(&store, 2, UID, last).await, Redeemed::Unknown);
    let other = ClaimCode::from_random([9; 7]);
    assert_eq!(store.redeem_claim_code(other, UID.to_owned(), NOW).await.unwrap(), Redeemed::Unknown);
}

pub(crate) async fn a_session_whose_code_is_taken_has_none<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    open_session(&store, 1).await;
    let new = |number: u8, code: ClaimCode| NewSession {
        id: session_id(number),
        template_id: template_id(),
        device_name: None,
        token: token(number),
        code: Some(SessionCode { code, nonce: [number; 16] }),
        expires_at: EXPIRES_AT,
    };
    let taken = code(&store, 1);
    assert!(!store.create_session(new(2, taken), owner()).await.unwrap().has_claim_code);
    let mut later = owner();
    later.at = EXPIRES_AT;
    assert!(store.create_session(new(3, taken), later).await.unwrap().has_claim_code, "its session is over");
}

pub(crate) async fn the_same_board_keeps_its_record_and_shows_nothing_of_its_earlier_owner<B: Backend>(
    backend: &B,
) {
    let store = with_template(backend).await;
    claim_by_code(&store, 1, UID).await;
    let value = Value::from_text("secret value").unwrap();
    store.write_values(device_id(1), Epoch::FIRST, vec![(Pin::new(1), value)], NOW).await.unwrap();
    store.set_metadata(device_id(1), Epoch::FIRST, "Owner".to_owned(), "somebody".to_owned()).await.unwrap();
    store.begin_release(device_id(1), owner()).await.unwrap();

    let again = claim_by_code(&store, 2, UID).await;
    let next = Epoch::FIRST.next();
    assert_eq!(again, Claimed { device: device_id(1), epoch: next, was_known: true });
    assert_eq!(store.list_devices(Page::default()).await.unwrap().items.len(), 1);
    let device = store.device(device_id(1)).await.unwrap().unwrap();
    assert_eq!((device.epoch, device.ownership, device.release.is_none()), (next, Ownership::Owned, true));
    assert_eq!(device.name, "Name 2");
    assert_eq!(store.last_values(device_id(1)).await.unwrap(), []);
    for epoch in [Epoch::FIRST, next] {
        let stored = store.metadata(device_id(1), epoch, "Owner".to_owned()).await.unwrap();
        assert_eq!(stored, None);
    }
    // The earlier token is neither let in nor refused, before and after a restart.
    let superseded = LoginDecision::TryLater(TryLaterReason::Superseded);
    assert_eq!(record_of(&store, 1), superseded);
    assert_eq!(record_of(&store, 2), LoginDecision::Accept { device: device_id(1), epoch: next });
    drop(store);
    let store = backend.open();
    assert_eq!(record_of(&store, 1), superseded);
}

pub(crate) async fn a_proven_wipe_of_an_earlier_ownership_stays_proven<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    claim_by_code(&store, 1, UID).await;
    let mut record = store.begin_release(device_id(1), owner()).await.unwrap().record;
    record.state = ReleaseState::Confirmed;
    store.store_release(device_id(1), record, NOW).await.unwrap();
    claim_by_code(&store, 2, UID).await;
    assert!(matches!(record_of(&store, 1), LoginDecision::RefuseInvalid(_)));
}

pub(crate) async fn an_owned_board_is_refused_where_its_template_is_locked<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    claim_by_code(&store, 1, UID).await;
    let locked = store.set_reclaim_policy(template_id(), ReclaimPolicy::Locked, owner()).await.unwrap();
    assert_eq!(locked.unwrap().reclaim, ReclaimPolicy::Locked);
    open_session(&store, 2).await;
    assert_eq!(redeem(&store, 2, UID, NOW).await, Redeemed::Owned { session: session_id(2) });
    assert_eq!(steps(&store, 2).await, ["opened", "claim_refused"]);
    assert!(matches!(record_of(&store, 1), LoginDecision::Accept { .. }), "its owner notices nothing");
    let audit = store.list_audit(Page::default()).await.unwrap();
    assert!(audit.items.iter().any(|entry| entry.action == "device.claim_refused"));
    // Another board may use the code; this one may after its release.
    assert!(matches!(redeem(&store, 2, "another board", NOW).await, Redeemed::Token { .. }));
    store.begin_release(device_id(1), owner()).await.unwrap();
    assert!(claim_by_code(&store, 3, UID).await.was_known);
}

pub(crate) async fn a_board_that_was_locked_after_its_exchange_is_refused_at_the_claim<B: Backend>(
    backend: &B,
) {
    let store = with_template(backend).await;
    claim_by_code(&store, 1, UID).await;
    open_session(&store, 2).await;
    assert!(matches!(redeem(&store, 2, UID, NOW).await, Redeemed::Token { .. }));
    store.set_reclaim_policy(template_id(), ReclaimPolicy::Locked, owner()).await.unwrap();
    let refused = store.complete_claim(session_id(2), device_id(2), NOW).await;
    assert!(matches!(refused, Err(CompleteClaimError::Owned)), "{refused:?}");
}

pub(crate) async fn an_open_template_lets_an_owned_board_go_and_says_so<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    claim_by_code(&store, 1, UID).await;
    assert!(claim_by_code(&store, 2, UID).await.was_known);
    assert_eq!(record_of(&store, 1), LoginDecision::TryLater(TryLaterReason::Superseded));
    let audit = store.list_audit(Page::default()).await.unwrap();
    let notice = audit.items.iter().find(|entry| entry.action == "device.rehomed").unwrap();
    assert!(notice.detail.contains("was not released"), "{notice:?}");
}

pub(crate) async fn a_board_that_claimed_by_a_token_gets_its_older_record_back<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    claim_by_code(&store, 1, UID).await;
    open_session(&store, 2).await;
    let fresh = store.complete_claim(session_id(2), device_id(2), NOW).await.unwrap();
    assert_eq!(fresh.device, device_id(2), "nothing is known of it yet");
    let adopted = store.adopt_uid(device_id(2), Epoch::FIRST, UID.to_owned(), NOW).await.unwrap();
    assert_eq!(adopted, Adopted::Known { device: device_id(1) });
    assert_eq!(store.device(device_id(2)).await.unwrap(), None);
    let next = Epoch::FIRST.next();
    assert_eq!(record_of(&store, 2), LoginDecision::Accept { device: device_id(1), epoch: next });
    let session = store.session(session_id(2)).await.unwrap().unwrap();
    assert_eq!(session.device_id, Some(device_id(1)));
    let again = store.adopt_uid(device_id(1), next, UID.to_owned(), NOW).await.unwrap();
    assert_eq!(again, Adopted::New, "it is that device already");
    let new = store.adopt_uid(device_id(1), next, "unheard of".to_owned(), NOW).await.unwrap();
    assert_eq!(new, Adopted::New);
}

pub(crate) async fn no_key_is_given_or_shown_for_an_epoch_that_was_not_recorded<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    add_device(&store, 1).await;
    let (id, far) = (device_id(1), Epoch::new(1_000_000));
    assert_eq!(store.key_epoch(id.clone()).await.unwrap(), None);
    assert_eq!(store.claim_key_epoch(id.clone(), far).await.unwrap(), None, "too far ahead");
    assert_eq!(store.claim_key_epoch(id.clone(), Epoch::new(0)).await.unwrap(), Some(Epoch::FIRST));
    assert_eq!(store.show_key_epoch(id.clone(), far).await.unwrap(), None);
    assert_eq!(store.show_key_epoch(id.clone(), Epoch::new(7)).await.unwrap(), Some(Epoch::new(7)));
    assert_eq!(store.show_key_epoch(id.clone(), Epoch::new(3)).await.unwrap(), Some(Epoch::new(3)));
    assert_eq!(store.key_epoch(id).await.unwrap(), Some(Epoch::new(7)), "the highest");
}

pub(crate) async fn the_keys_of_the_next_ownership_begin_above_every_earlier_one<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    claim_by_code(&store, 1, UID).await;
    let id = device_id(1);
    // A former owner could say any epoch in the device's place, to get an order signed for later.
    assert_eq!(store.show_key_epoch(id.clone(), Epoch::new(40)).await.unwrap(), Some(Epoch::new(40)));
    claim_by_code(&store, 2, UID).await;
    assert_eq!(store.key_epoch(id.clone()).await.unwrap(), None);
    assert_eq!(store.claim_key_epoch(id.clone(), Epoch::new(2)).await.unwrap(), Some(Epoch::new(41)));
    assert_eq!(store.show_key_epoch(id, Epoch::new(40)).await.unwrap(), None, "not of this ownership");
}

use registry::{
    AdvanceSessionError, Epoch, LoginDecision, Ownership, SESSION_TOKEN_LIFETIME_MS, SessionId, SessionState,
    SessionStep, StepName, TokenRecord, UtcTime, decide_login, status_code,
};
use store::{CompleteClaimError, CreateSessionError, NewSession, Page, Session, SessionError, Store};

use crate::backend::{Backend, NOW, device_id, found, look_up, owner, template_id, token, with_template};

const EXPIRES_AT: UtcTime = NOW.plus_ms(SESSION_TOKEN_LIFETIME_MS);

fn session_id(number: u8) -> SessionId {
    SessionId::from_random([number; 10])
}

fn new_session(number: u8) -> NewSession {
    NewSession {
        id: session_id(number),
        template_id: template_id(),
        device_name: None,
        token: token(number),
        code: None,
        expires_at: EXPIRES_AT,
    }
}

async fn open_session(store: &Store, number: u8) -> Session {
    store.create_session(new_session(number), owner()).await.unwrap()
}

pub(crate) async fn a_claim_turns_the_session_token_into_the_device_token<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    let session = open_session(&store, 1).await;
    assert_eq!((session.state, session.expires_at), (SessionState::Open, EXPIRES_AT));
    let decision = decide_login(look_up(&store, 1), EXPIRES_AT.plus_ms(-1));
    assert_eq!(decision, LoginDecision::CompleteClaim { session: session_id(1) });

    let claimed = store.complete_claim(session_id(1), device_id(1), EXPIRES_AT.plus_ms(-1)).await.unwrap();
    assert_eq!((claimed.device, claimed.epoch), (device_id(1), Epoch::FIRST));
    let record = TokenRecord::Device { device: device_id(1), epoch: Epoch::FIRST };
    assert_eq!(found(&store, 1), record);
    drop(store);

    let store = backend.open();
    assert_eq!(found(&store, 1), record);
    let device = store.device(device_id(1)).await.unwrap().unwrap();
    assert_eq!((device.ownership, device.name.as_str()), (Ownership::Owned, "Air Monitor"));
    let session = store.session(session_id(1)).await.unwrap().unwrap();
    assert_eq!((session.state, session.device_id), (SessionState::Claimed, Some(device_id(1))));
    assert_eq!(store.session_of_device(device_id(1)).await.unwrap(), Some(session_id(1)));
}

pub(crate) async fn a_session_is_claimed_once<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    let opened = open_session(&store, 1).await;
    let mut again = new_session(1);
    again.id = session_id(2);
    assert_eq!(
        store.create_session(again.clone(), owner()).await.unwrap(),
        opened,
        "the same token, the same session"
    );
    let (first, second) = tokio::join!(
        store.complete_claim(session_id(1), device_id(1), NOW),
        store.complete_claim(session_id(1), device_id(2), NOW),
    );
    assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|is_ok| **is_ok).count(), 1);
    assert_eq!(store.list_devices(Page::default()).await.unwrap().items.len(), 1);
    let claimed = store.create_session(again, owner()).await.unwrap();
    assert_eq!((claimed.id, claimed.state), (session_id(1), SessionState::Claimed));
    let unknown = store.complete_claim(session_id(9), device_id(3), NOW).await;
    assert!(matches!(unknown, Err(CompleteClaimError::NotFound)));
}

pub(crate) async fn a_late_claim_is_refused_and_its_token_is_never_answered_with_9<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    open_session(&store, 1).await;
    let late = store.complete_claim(session_id(1), device_id(1), EXPIRES_AT).await;
    let over = AdvanceSessionError::Over { state: SessionState::Expired };
    assert!(matches!(late, Err(CompleteClaimError::State(state)) if state == over), "{late:?}");
    assert_eq!(store.device(device_id(1)).await.unwrap(), None);
    assert_eq!(status_code(&decide_login(look_up(&store, 1), EXPIRES_AT)), 19);
    store.expire_sessions(EXPIRES_AT).await.unwrap();
    assert_eq!(status_code(&decide_login(look_up(&store, 1), EXPIRES_AT)), 19);
}

pub(crate) async fn a_cancelled_session_cannot_be_claimed<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    open_session(&store, 1).await;
    let cancelled = store.cancel_session(session_id(1), owner()).await.unwrap();
    assert_eq!(cancelled.state, SessionState::Cancelled);
    assert_eq!(status_code(&decide_login(look_up(&store, 1), NOW)), 19, "known at once, without a restart");
    assert!(store.complete_claim(session_id(1), device_id(1), NOW).await.is_err());
    assert!(matches!(store.cancel_session(session_id(1), owner()).await, Err(SessionError::State(_))));
    assert!(matches!(store.cancel_session(session_id(2), owner()).await, Err(SessionError::NotFound)));
}

pub(crate) async fn sessions_past_their_time_are_swept<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    let mut stranger = new_session(9);
    stranger.template_id = registry::TemplateId::from_random([9; 10]);
    let outcome = store.create_session(stranger, owner()).await;
    assert!(matches!(outcome, Err(CreateSessionError::TemplateNotFound)));

    for number in 1..=3 {
        open_session(&store, number).await;
    }
    store.complete_claim(session_id(2), device_id(2), NOW).await.unwrap();
    assert_eq!(store.expire_sessions(EXPIRES_AT.plus_ms(-1)).await.unwrap(), []);
    assert_eq!(store.expire_sessions(EXPIRES_AT).await.unwrap(), [session_id(1), session_id(3)]);
    assert_eq!(store.expire_sessions(EXPIRES_AT).await.unwrap(), []);
    let states: Vec<_> = store
        .list_sessions(Page::default())
        .await
        .unwrap()
        .items
        .iter()
        .map(|session| session.state)
        .collect();
    assert_eq!(states, [SessionState::Expired, SessionState::Claimed, SessionState::Expired]);
}

pub(crate) async fn steps_are_shown_in_order_and_bounded<B: Backend>(backend: &B) {
    let store = with_template(backend).await;
    open_session(&store, 1).await;
    let step = |number: u16| SessionStep {
        at: NOW.plus_ms(i64::from(number)),
        step: StepName::DeviceError,
        code: Some(number),
        message: format!("step {number}"),
    };
    for number in 0..250 {
        store.add_session_step(session_id(1), step(number)).await.unwrap();
    }
    let session = store.session(session_id(1)).await.unwrap().unwrap();
    assert_eq!(session.steps.len(), 200);
    assert_eq!(session.steps.first().map(|first| first.step), Some(StepName::Opened));
    assert_eq!(session.steps.last(), Some(&step(198)));
    assert!(matches!(store.add_session_step(session_id(2), step(0)).await, Err(SessionError::NotFound)));
}

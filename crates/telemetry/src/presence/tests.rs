use proptest::prelude::*;

use super::*;

const FIRST: ConnectionNumber = ConnectionNumber(1);
const SECOND: ConnectionNumber = ConnectionNumber(2);

fn online_since_0() -> Presence {
    let mut presence = Presence::new(8_000);
    assert_eq!(presence.handle(0, PresenceEvent::LoggedIn(FIRST)), [PresenceChange::Online]);
    presence
}

#[test]
fn a_reconnect_within_the_wait_does_not_show() {
    let mut presence = online_since_0();
    assert_eq!(presence.handle(1_000, PresenceEvent::Closed(FIRST)), []);
    assert!(presence.is_online());
    assert_eq!(presence.connection(), None);
    assert_eq!(presence.handle(8_999, PresenceEvent::TimerFired), []);
    assert_eq!(presence.handle(8_999, PresenceEvent::LoggedIn(SECOND)), []);
    assert_eq!(presence.connection(), Some(SECOND));
}

#[test]
fn a_closed_link_is_offline_after_the_wait() {
    let mut presence = online_since_0();
    assert_eq!(presence.handle(1_000, PresenceEvent::Closed(FIRST)), []);
    assert_eq!(presence.next_timeout_ms(), Some(9_000));
    assert_eq!(presence.handle(9_000, PresenceEvent::TimerFired), [PresenceChange::Offline]);
    assert_eq!(presence.next_timeout_ms(), None);
}

#[test]
fn silence_counts_towards_the_wait() {
    let mut presence = online_since_0();
    let declared = Heartbeat::from_info(Some("10"), None);
    assert_eq!(presence.handle(5, PresenceEvent::Declared(FIRST, declared)), []);
    assert_eq!(presence.handle(1_000, PresenceEvent::Heard(FIRST)), []);
    assert_eq!(presence.next_timeout_ms(), Some(31_000));
    assert_eq!(presence.handle(30_999, PresenceEvent::TimerFired), []);
    let changes = presence.handle(31_000, PresenceEvent::TimerFired);
    assert_eq!(changes, [PresenceChange::Close(FIRST), PresenceChange::Offline]);
}

#[test]
fn before_the_info_message_the_assumed_heartbeat_counts() {
    assert_eq!(online_since_0().next_timeout_ms(), Some(75_000));
}

#[test]
fn the_newest_login_wins_and_the_older_link_no_longer_counts() {
    let mut presence = online_since_0();
    assert_eq!(presence.handle(10, PresenceEvent::LoggedIn(SECOND)), [PresenceChange::Close(FIRST)]);
    assert_eq!(presence.handle(20, PresenceEvent::Closed(FIRST)), []);
    assert_eq!(presence.handle(5_000, PresenceEvent::Heard(FIRST)), []);
    assert_eq!(presence.next_timeout_ms(), Some(75_010));
    assert_eq!(presence.connection(), Some(SECOND));
}

fn any_event() -> impl Strategy<Value = PresenceEvent> {
    let connection = prop_oneof![Just(FIRST), Just(SECOND)];
    prop_oneof![
        connection.clone().prop_map(PresenceEvent::LoggedIn),
        connection.clone().prop_map(PresenceEvent::Heard),
        connection.clone().prop_map(PresenceEvent::Closed),
        connection.prop_map(|c| PresenceEvent::Declared(c, Heartbeat::from_info(Some("10"), None))),
        Just(PresenceEvent::TimerFired),
    ]
}

proptest! {
    #[test]
    fn changes_alternate_and_agree_with_the_status(
        steps in proptest::collection::vec((0_u64..40_000, any_event()), 0..60),
    ) {
        let mut presence = Presence::new(8_000);
        let (mut now_ms, mut is_online) = (0, false);
        for (wait_ms, event) in steps {
            now_ms += wait_ms;
            for change in presence.handle(now_ms, event) {
                match change {
                    PresenceChange::Online => { prop_assert!(!is_online); is_online = true; }
                    PresenceChange::Offline => { prop_assert!(is_online); is_online = false; }
                    PresenceChange::Close(_) => {}
                }
            }
            prop_assert_eq!(presence.is_online(), is_online);
        }
        // Nobody stays online for ever without being heard.
        for _ in 0..3 {
            if let Some(due_ms) = presence.next_timeout_ms() {
                drop(presence.handle(due_ms, PresenceEvent::TimerFired));
            }
        }
        prop_assert!(!presence.is_online());
    }
}

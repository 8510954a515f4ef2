mod explore;

use super::*;
use crate::{DeviceId, LookedUp, TokenRecord, UtcTime, decide_login, status_code};

/// A stock board logs in.
const LOGGED_IN: ReleaseEvent = ReleaseEvent::LoggedIn { key: BoardKey::None };

/// A board that is recorded to hold a key logs in.
const LOGGED_IN_WITH_KEY: ReleaseEvent = ReleaseEvent::LoggedIn { key: BoardKey::Recorded };

const SHOWS_KEY: ReleaseEvent = ReleaseEvent::Introduced { key: BoardKey::Shown };

const fn found(key: BoardKey) -> ReleaseEvent {
    ReleaseEvent::LinkFound { key }
}

fn at(ms: u64) -> Moment {
    Moment { mono: MonoTime::from_ms(ms), utc: UtcTime::from_unix_ms(i64::try_from(ms).unwrap()) }
}

fn pending() -> Release {
    Release::resume(ReleaseRecord::requested(UtcTime::from_unix_ms(0), None), MonoTime::from_ms(0))
}

/// Lets time pass to `until_ms`, firing each timer when it is due; returns what was done and when.
fn run_until(release: &mut Release, until_ms: u64) -> Vec<(u64, ReleaseAction)> {
    let mut done = Vec::new();
    while let Some(due) = release.next_timeout().filter(|due| due.ms() <= until_ms) {
        let actions = release.handle(at(due.ms()), ReleaseEvent::TimerFired);
        done.extend(actions.into_iter().map(|action| (due.ms(), action)));
    }
    done
}

fn times_of(done: &[(u64, ReleaseAction)], wanted: &ReleaseAction) -> Vec<u64> {
    done.iter().filter(|(_, action)| action == wanted).map(|(ms, _)| *ms).collect()
}

fn login_status(state: ReleaseState) -> u16 {
    let record = TokenRecord::Tombstone { device: DeviceId::from_random([1; 10]), release: state };
    status_code(&decide_login(LookedUp::Found(record), UtcTime::from_unix_ms(0)))
}

#[test]
fn a_board_that_falls_silent_after_the_order_is_inferred_wiped() {
    let mut release = pending();
    let actions = release.handle(at(1_000), LOGGED_IN);
    assert!(matches!(&actions[..], [ReleaseAction::Store(record), ReleaseAction::SendOrder]
        if record.state == ReleaseState::Sent && record.attempts == 1));

    let done = run_until(&mut release, 20_999);
    assert_eq!(times_of(&done, &ReleaseAction::SendProbe), [6_000, 11_000, 16_000]);
    assert!(!release.record().state.is_safe_to_ship());

    let done = run_until(&mut release, 21_000);
    assert!(matches!(&done[..], [(21_000, ReleaseAction::Store(_)), (21_000, ReleaseAction::CloseLink)]));
    assert_eq!(release.record().state, ReleaseState::Inferred);
    assert_eq!(release.record().finished_at, Some(UtcTime::from_unix_ms(21_000)));
    assert_eq!(release.next_timeout(), None);
}

#[test]
fn a_frame_that_was_on_its_way_only_restarts_the_silence() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN));
    assert_eq!(release.handle(at(100), ReleaseEvent::Heard), []);
    let done = run_until(&mut release, 60_000);
    assert_eq!(times_of(&done, &ReleaseAction::SendOrder), [0_u64; 0]);
    assert_eq!(release.record().finished_at, Some(UtcTime::from_unix_ms(20_100)));
}

#[test]
fn a_board_that_keeps_talking_is_ordered_again_and_never_called_safe() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN));
    let mut orders = Vec::new();
    for ms in (0..300_000).step_by(1_000) {
        assert_eq!(times_of(&run_until(&mut release, ms), &ReleaseAction::SendOrder), [0_u64; 0]);
        assert_eq!(release.record().state, ReleaseState::Sent, "at {ms}");
        if release.handle(at(ms), ReleaseEvent::Heard).contains(&ReleaseAction::SendOrder) {
            orders.push(ms);
        }
    }
    assert_eq!(orders, (1..10).map(|n| n * ORDER_REPEAT_MS).collect::<Vec<_>>());
    assert_eq!(release.record().attempts, 10);
    assert!(release.record().explanation().starts_with("Not safe to ship yet"));
}

#[test]
fn an_order_is_repeated_to_a_board_that_is_heard_and_not_to_one_that_may_have_gone() {
    let mut record = ReleaseRecord::requested(UtcTime::from_unix_ms(0), None);
    // Long silence is asked of this board, so that there is time for an order in between.
    record.contradictions = 3;
    let mut release = Release::resume(record, MonoTime::from_ms(0));
    drop(release.handle(at(0), LOGGED_IN));
    assert_eq!(release.handle(at(15_000), ReleaseEvent::Heard), []);
    let done = run_until(&mut release, 60_000);
    assert_eq!(times_of(&done, &ReleaseAction::SendOrder), [0_u64; 0], "it was last heard at 15 s");
    assert_eq!(release.handle(at(60_000), ReleaseEvent::Heard).last(), Some(&ReleaseAction::SendOrder));
    assert_eq!(release.record().attempts, 2);
    drop(release.handle(at(61_000), ReleaseEvent::LinkClosed));
    assert_eq!(release.handle(at(95_000), ReleaseEvent::Heard), [], "bytes read after the link had gone");
}

#[test]
fn a_board_whose_plug_was_pulled_before_the_request_is_not_called_wiped() {
    let mut release = pending();
    assert_eq!(release.handle(at(4_000), found(BoardKey::None)), [ReleaseAction::SendProbe]);
    let done = run_until(&mut release, 600_000);
    assert_eq!(times_of(&done, &ReleaseAction::SendOrder), [4_000 + PROBE_WAIT_MS]);
    assert_eq!(release.record().state, ReleaseState::Pending);
    assert!(matches!(done.last(), Some((_, ReleaseAction::CloseLink))));
    // Nobody was told anything, so the order at its next login is the first.
    assert!(release.record().explanation().contains("it is told to erase itself when"));
    assert_eq!(release.handle(at(700_000), LOGGED_IN).last(), Some(&ReleaseAction::SendOrder));
    assert_eq!(release.record().attempts, 1);
}

#[test]
fn a_quiet_board_that_answers_the_probe_gets_the_order_at_once() {
    let mut release = pending();
    assert_eq!(release.handle(at(35_000), found(BoardKey::None)), [ReleaseAction::SendProbe]);
    let actions = release.handle(at(35_080), ReleaseEvent::Heard);
    assert_eq!(actions.last(), Some(&ReleaseAction::SendOrder));
    run_until(&mut release, 55_080);
    assert_eq!(release.record().state, ReleaseState::Inferred);
}

#[test]
fn the_silence_of_a_device_without_an_order_to_wipe_says_nothing() {
    let mut release = pending();
    let login = ReleaseEvent::LoggedIn { key: BoardKey::NothingObeyed };
    assert_eq!(release.handle(at(0), login).last(), Some(&ReleaseAction::SendOrder));
    drop(release.handle(at(500), ReleaseEvent::Heard));
    drop(release.handle(at(600), ReleaseEvent::Introduced { key: BoardKey::None }));
    run_until(&mut release, 600_000);
    assert_eq!(release.record().state, ReleaseState::Pending);
}

#[test]
fn a_board_that_returns_after_its_wipe_was_inferred_is_ordered_again() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN));
    run_until(&mut release, 20_000);
    assert_eq!(release.record().state, ReleaseState::Inferred);
    assert_eq!(login_status(ReleaseState::Inferred), 200);

    let actions = release.handle(at(50_000), LOGGED_IN);
    assert_eq!(actions.last(), Some(&ReleaseAction::SendOrder));
    let record = release.record();
    assert_eq!((record.state, record.finished_at, record.contradictions), (ReleaseState::Sent, None, 1));
    // The second time it must be silent for twice as long.
    run_until(&mut release, 89_999);
    assert_eq!(release.record().state, ReleaseState::Sent);
    run_until(&mut release, 90_000);
    assert_eq!(release.record().state, ReleaseState::Inferred);
}

#[test]
fn the_silence_asked_of_a_board_grows_to_its_limit_and_no_further() {
    let mut record = ReleaseRecord::requested(UtcTime::from_unix_ms(0), None);
    let silences: Vec<u64> = [0, 1, 4, 5, 6, u32::MAX]
        .into_iter()
        .map(|contradictions| {
            record.contradictions = contradictions;
            record.silence_ms()
        })
        .collect();
    assert_eq!(silences, [20_000, 40_000, 320_000, SILENCE_MAX_MS, SILENCE_MAX_MS, SILENCE_MAX_MS]);
}

#[test]
fn a_fin_does_not_end_the_wait() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN));
    assert_eq!(release.handle(at(500), ReleaseEvent::LinkClosed), []);
    let done = run_until(&mut release, 19_999);
    assert_eq!(done, [], "no probe goes to a closed link");
    run_until(&mut release, 20_000);
    assert_eq!(release.record().state, ReleaseState::Inferred);
}

#[test]
fn a_board_that_reconnects_within_the_silence_is_ordered_again() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN));
    drop(release.handle(at(500), ReleaseEvent::LinkClosed));
    assert_eq!(release.handle(at(5_500), LOGGED_IN).last(), Some(&ReleaseAction::SendOrder));
    run_until(&mut release, 25_499);
    assert_eq!(release.record().state, ReleaseState::Sent);
    assert_eq!(release.record().contradictions, 0);
}

#[test]
fn after_a_restart_an_order_counts_only_if_it_had_reached_a_live_board() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN));
    let mut restarted = Release::resume(release.record().clone(), MonoTime::from_ms(0));
    run_until(&mut restarted, LISTEN_AFTER_RESTART_MS - 1);
    assert_eq!(restarted.record().state, ReleaseState::Sent);
    run_until(&mut restarted, LISTEN_AFTER_RESTART_MS);
    assert_eq!(restarted.record().state, ReleaseState::Inferred);

    let mut release = pending();
    drop(release.handle(at(9_000), found(BoardKey::None)));
    run_until(&mut release, 12_000);
    assert_eq!(release.record().state, ReleaseState::Sent);
    let mut restarted = Release::resume(release.record().clone(), MonoTime::from_ms(0));
    run_until(&mut restarted, u64::MAX);
    assert_eq!(restarted.record().state, ReleaseState::Pending);
}

#[test]
fn the_silence_of_a_board_that_could_have_proved_its_wipe_says_nothing() {
    // It answers the probe, and its plug is pulled right after; it showed its key before.
    let mut release = pending();
    drop(release.handle(at(1_990), found(BoardKey::Shown)));
    let actions = release.handle(at(2_000), ReleaseEvent::Heard);
    assert_eq!(actions.last(), Some(&ReleaseAction::SendOrder));
    let done = run_until(&mut release, u64::MAX);
    assert_eq!(release.record().state, ReleaseState::Pending);
    assert!(matches!(done.last(), Some((22_000, ReleaseAction::CloseLink))));

    // Nor does it after a restart of the server, or after a frame that was on its way.
    drop(release.handle(at(30_000), LOGGED_IN_WITH_KEY));
    drop(release.handle(at(30_010), SHOWS_KEY));
    drop(release.handle(at(30_020), ReleaseEvent::Heard));
    assert_eq!(release.record().state, ReleaseState::Sent);
    let mut restarted = Release::resume(release.record().clone(), MonoTime::from_ms(0));
    run_until(&mut restarted, u64::MAX);
    assert_eq!(restarted.record().state, ReleaseState::Pending);
    run_until(&mut release, u64::MAX);
    assert_eq!(release.record().state, ReleaseState::Pending);
    let text = release.record().explanation();
    assert!(text.contains("nothing shows that it did"), "{text}");
}

#[test]
fn a_board_that_is_recorded_to_hold_a_key_gets_its_order_once_it_has_introduced_itself() {
    let mut release = pending();
    let actions = release.handle(at(0), LOGGED_IN_WITH_KEY);
    assert!(!actions.contains(&ReleaseAction::SendOrder), "it would pass over an unsigned one");
    assert_eq!(release.handle(at(80), ReleaseEvent::Heard), []);
    let actions = release.handle(at(80), SHOWS_KEY);
    assert_eq!(actions.last(), Some(&ReleaseAction::SendOrder));
    assert!(!release.record().order_reached_live_board);
    assert_eq!(release.handle(at(90), SHOWS_KEY), [], "one order is enough");
    // The firmware was replaced by stock since: that obeys the unsigned order.
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN_WITH_KEY));
    drop(release.handle(at(80), ReleaseEvent::Introduced { key: BoardKey::None }));
    run_until(&mut release, 20_080);
    assert_eq!(release.record().state, ReleaseState::Inferred);
}

#[test]
fn a_board_that_leaves_before_its_introduction_is_not_called_wiped() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN_WITH_KEY));
    drop(release.handle(at(900), ReleaseEvent::LinkClosed));
    assert_eq!(run_until(&mut release, u64::MAX), []);
    assert_eq!((release.record().state, release.record().attempts), (ReleaseState::Pending, 0));
}

#[test]
fn a_board_that_never_introduces_itself_is_ordered_all_the_same_and_not_called_wiped() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN_WITH_KEY));
    drop(release.handle(at(4_000), ReleaseEvent::Heard));
    let done = run_until(&mut release, GREETING_WAIT_MS);
    assert_eq!(times_of(&done, &ReleaseAction::SendOrder), [GREETING_WAIT_MS]);
    let mut late = release.clone();
    drop(release.handle(at(6_000), ReleaseEvent::Heard));
    run_until(&mut release, u64::MAX);
    assert_eq!(release.record().state, ReleaseState::Pending);
    // It introduces itself after all, and holds none.
    drop(late.handle(at(6_000), ReleaseEvent::Introduced { key: BoardKey::None }));
    run_until(&mut late, u64::MAX);
    assert_eq!(late.record().state, ReleaseState::Inferred);
}

#[test]
fn a_board_that_was_just_offered_a_key_says_which_order_it_obeys_or_must_log_in_again() {
    let mut release = pending();
    drop(release.handle(at(0), found(BoardKey::Offered)));
    let actions = release.handle(at(0), ReleaseEvent::Heard);
    assert!(matches!(&actions[..], [ReleaseAction::Store(_)]));
    let mut took_it = release.clone();
    assert_eq!(run_until(&mut release, u64::MAX), [(GREETING_WAIT_MS, ReleaseAction::CloseLink)]);
    assert_eq!(release.record().attempts, 0);
    assert_eq!(took_it.handle(at(50), SHOWS_KEY).last(), Some(&ReleaseAction::SendOrder));
    assert!(!took_it.record().order_reached_live_board);
}

#[test]
fn a_key_that_nobody_knew_of_ends_what_silence_says() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN));
    assert!(release.record().order_reached_live_board);
    let actions = release.handle(at(50), SHOWS_KEY);
    assert!(matches!(&actions[..], [ReleaseAction::Store(record), ReleaseAction::SendOrder]
        if record.attempts == 1 && !record.order_reached_live_board));
    assert_eq!(release.handle(at(60), ReleaseEvent::Introduced { key: BoardKey::None }), []);
    run_until(&mut release, u64::MAX);
    assert_eq!(release.record().state, ReleaseState::Pending);
}

#[test]
fn a_receipt_is_final() {
    let mut release = pending();
    drop(release.handle(at(0), LOGGED_IN));
    drop(release.handle(at(900), ReleaseEvent::ReceiptVerified));
    let confirmed = release.clone();
    assert_eq!(confirmed.record().state, ReleaseState::Confirmed);
    for event in [LOGGED_IN, ReleaseEvent::Heard, ReleaseEvent::TimerFired, ReleaseEvent::LinkClosed] {
        let actions = release.handle(at(5_000), event);
        assert!(actions.iter().all(|action| *action == ReleaseAction::CloseLink), "{event:?}");
        assert_eq!(release, confirmed);
    }
    assert_eq!(login_status(ReleaseState::Confirmed), 9);
}

#[test]
fn every_explanation_agrees_with_safe_to_ship() {
    for state in ReleaseState::ALL {
        for last_seen_at in [None, Some(UtcTime::from_unix_ms(0))] {
            for attempts in [0, 1, 2] {
                for order_reached_live_board in [false, true] {
                    let mut record = ReleaseRecord::requested(UtcTime::from_unix_ms(0), last_seen_at);
                    (record.state, record.attempts) = (state, attempts);
                    record.order_reached_live_board = order_reached_live_board;
                    let text = record.explanation();
                    assert_eq!(text.starts_with("Safe to ship:"), state.is_safe_to_ship(), "{text}");
                    assert_eq!(text.starts_with("Not safe to ship yet:"), !state.is_safe_to_ship(), "{text}");
                    // Whoever waits for silence must not wait for that of a board whose silence says nothing.
                    let awaits_silence = text.contains("waiting for it to fall silent");
                    assert!(!awaits_silence || order_reached_live_board, "{text}");
                }
            }
        }
    }
}

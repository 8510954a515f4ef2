use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{DeviceId, LookedUp, TokenRecord, decide_login, status_code};

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
    let actions = release.handle(at(1_000), ReleaseEvent::LoggedIn);
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
    drop(release.handle(at(0), ReleaseEvent::LoggedIn));
    assert_eq!(release.handle(at(100), ReleaseEvent::Heard), []);
    let done = run_until(&mut release, 60_000);
    assert_eq!(times_of(&done, &ReleaseAction::SendOrder), [0_u64; 0]);
    assert_eq!(release.record().finished_at, Some(UtcTime::from_unix_ms(20_100)));
}

#[test]
fn a_board_that_keeps_talking_is_ordered_again_and_never_called_safe() {
    let mut release = pending();
    drop(release.handle(at(0), ReleaseEvent::LoggedIn));
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
    drop(release.handle(at(0), ReleaseEvent::LoggedIn));
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
    let found = ReleaseEvent::LinkFound { last_heard_at: MonoTime::from_ms(1_000) };
    assert_eq!(release.handle(at(4_000), found), [ReleaseAction::SendProbe]);
    let done = run_until(&mut release, 600_000);
    assert_eq!(times_of(&done, &ReleaseAction::SendOrder), [4_000 + PROBE_WAIT_MS]);
    assert_eq!(release.record().state, ReleaseState::Pending);
    assert!(matches!(done.last(), Some((_, ReleaseAction::CloseLink))));
}

#[test]
fn a_quiet_board_that_answers_the_probe_gets_the_order_at_once() {
    let mut release = pending();
    let found = ReleaseEvent::LinkFound { last_heard_at: MonoTime::from_ms(0) };
    assert_eq!(release.handle(at(35_000), found), [ReleaseAction::SendProbe]);
    let actions = release.handle(at(35_080), ReleaseEvent::Heard);
    assert_eq!(actions.last(), Some(&ReleaseAction::SendOrder));
    run_until(&mut release, 55_080);
    assert_eq!(release.record().state, ReleaseState::Inferred);
}

#[test]
fn a_board_that_was_just_heard_gets_the_order_without_a_probe() {
    let mut release = pending();
    let found = ReleaseEvent::LinkFound { last_heard_at: MonoTime::from_ms(9_000) };
    assert_eq!(release.handle(at(9_000 + LIVENESS_FRESH_MS), found).last(), Some(&ReleaseAction::SendOrder));
}

#[test]
fn a_board_that_returns_after_its_wipe_was_inferred_is_ordered_again() {
    let mut release = pending();
    drop(release.handle(at(0), ReleaseEvent::LoggedIn));
    run_until(&mut release, 20_000);
    assert_eq!(release.record().state, ReleaseState::Inferred);
    assert_eq!(login_status(ReleaseState::Inferred), 200);

    let actions = release.handle(at(50_000), ReleaseEvent::LoggedIn);
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
    drop(release.handle(at(0), ReleaseEvent::LoggedIn));
    assert_eq!(release.handle(at(500), ReleaseEvent::LinkClosed), []);
    let done = run_until(&mut release, 19_999);
    assert_eq!(done, [], "no probe goes to a closed link");
    run_until(&mut release, 20_000);
    assert_eq!(release.record().state, ReleaseState::Inferred);
}

#[test]
fn a_board_that_reconnects_within_the_silence_is_ordered_again() {
    let mut release = pending();
    drop(release.handle(at(0), ReleaseEvent::LoggedIn));
    drop(release.handle(at(500), ReleaseEvent::LinkClosed));
    assert_eq!(release.handle(at(5_500), ReleaseEvent::LoggedIn).last(), Some(&ReleaseAction::SendOrder));
    run_until(&mut release, 25_499);
    assert_eq!(release.record().state, ReleaseState::Sent);
    assert_eq!(release.record().contradictions, 0);
}

#[test]
fn after_a_restart_an_order_counts_only_if_it_had_reached_a_live_board() {
    let mut release = pending();
    drop(release.handle(at(0), ReleaseEvent::LoggedIn));
    let mut restarted = Release::resume(release.record().clone(), MonoTime::from_ms(0));
    run_until(&mut restarted, LISTEN_AFTER_RESTART_MS - 1);
    assert_eq!(restarted.record().state, ReleaseState::Sent);
    run_until(&mut restarted, LISTEN_AFTER_RESTART_MS);
    assert_eq!(restarted.record().state, ReleaseState::Inferred);

    let mut release = pending();
    drop(release.handle(at(9_000), ReleaseEvent::LinkFound { last_heard_at: MonoTime::from_ms(0) }));
    run_until(&mut release, 12_000);
    assert_eq!(release.record().state, ReleaseState::Sent);
    let mut restarted = Release::resume(release.record().clone(), MonoTime::from_ms(0));
    run_until(&mut restarted, u64::MAX);
    assert_eq!(restarted.record().state, ReleaseState::Pending);
}

#[test]
fn a_receipt_is_final() {
    let mut release = pending();
    drop(release.handle(at(0), ReleaseEvent::LoggedIn));
    drop(release.handle(at(900), ReleaseEvent::ReceiptVerified));
    let confirmed = release.clone();
    assert_eq!(confirmed.record().state, ReleaseState::Confirmed);
    for event in
        [ReleaseEvent::LoggedIn, ReleaseEvent::Heard, ReleaseEvent::TimerFired, ReleaseEvent::LinkClosed]
    {
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
                let mut record = ReleaseRecord::requested(UtcTime::from_unix_ms(0), last_seen_at);
                (record.state, record.attempts) = (state, attempts);
                let text = record.explanation();
                assert_eq!(text.starts_with("Safe to ship:"), state.is_safe_to_ship(), "{text}");
                assert_eq!(text.starts_with("Not safe to ship yet:"), !state.is_safe_to_ship(), "{text}");
            }
        }
    }
}

/// What a step of the adversary does; times are chosen to hit every limit from both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    RequestWhileConnected { silent_for_ms: u64 },
    LogIn,
    Talk,
    LoseLink,
    Wait { ms: u64 },
    RestartServer,
    Receipt,
}

/// Watches a release from outside and knows what the board really did.
#[derive(Debug, Clone)]
struct Witness {
    release: Release,
    now_ms: u64,
    has_link: bool,
    /// When the latest order went out.
    order_at_ms: Option<u64>,
    /// Last sure sign of life: a login, bytes, or bytes just before the request.
    alive_at_ms: Option<u64>,
    receipt_seen: bool,
    stored: ReleaseRecord,
}

impl Witness {
    fn new() -> Self {
        let release = pending();
        let stored = release.record().clone();
        Self {
            release,
            now_ms: 0,
            has_link: false,
            order_at_ms: None,
            alive_at_ms: None,
            receipt_seen: false,
            stored,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::RequestWhileConnected { silent_for_ms } => {
                self.has_link = true;
                self.now_ms += silent_for_ms;
                let last_heard_at = MonoTime::from_ms(self.now_ms - silent_for_ms);
                self.alive_at_ms = self.alive_at_ms.max(Some(self.now_ms - silent_for_ms));
                self.event(ReleaseEvent::LinkFound { last_heard_at });
            }
            Step::LogIn => {
                self.has_link = true;
                self.alive_at_ms = Some(self.now_ms);
                self.event(ReleaseEvent::LoggedIn);
            }
            Step::Talk if self.has_link => {
                self.alive_at_ms = Some(self.now_ms);
                self.event(ReleaseEvent::Heard);
            }
            Step::LoseLink if self.has_link => {
                self.has_link = false;
                self.event(ReleaseEvent::LinkClosed);
            }
            Step::Receipt if self.has_link && self.order_at_ms.is_some() => {
                self.receipt_seen = true;
                self.event(ReleaseEvent::ReceiptVerified);
            }
            Step::Talk | Step::LoseLink | Step::Receipt => {}
            Step::Wait { ms } => self.wait(ms),
            Step::RestartServer => {
                self.has_link = false;
                self.release = Release::resume(self.stored.clone(), MonoTime::from_ms(self.now_ms));
            }
        }
        self.check();
    }

    fn wait(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while let Some(due) = self.release.next_timeout().filter(|due| due.ms() <= until_ms) {
            self.now_ms = self.now_ms.max(due.ms());
            let before = self.release.clone();
            self.event(ReleaseEvent::TimerFired);
            assert_ne!(self.release, before, "a due timer changes something, or the shell would spin");
        }
        self.now_ms = until_ms;
    }

    fn event(&mut self, event: ReleaseEvent) {
        let was_inferred = self.release.record().state == ReleaseState::Inferred;
        for action in self.release.handle(at(self.now_ms), event) {
            match action {
                ReleaseAction::Store(record) => self.stored = record,
                ReleaseAction::SendOrder => {
                    assert!(self.has_link, "an order needs a link");
                    assert_eq!(
                        self.stored.state,
                        ReleaseState::Sent,
                        "the order is on disk before it is sent"
                    );
                    self.order_at_ms = Some(self.now_ms);
                }
                ReleaseAction::SendProbe => assert!(self.has_link, "a probe needs a link"),
                ReleaseAction::CloseLink => self.has_link = false,
            }
        }
        if !was_inferred && self.release.record().state == ReleaseState::Inferred {
            let order_at_ms = self.order_at_ms.expect("inferred without an order");
            let alive_at_ms =
                self.alive_at_ms.expect("inferred although the board never gave a sign of life");
            assert!(self.now_ms - alive_at_ms >= SILENCE_MS, "inferred although it was heard just now");
            assert!(
                alive_at_ms + LIVENESS_FRESH_MS >= order_at_ms,
                "inferred from an order to a board that may have gone before"
            );
        }
    }

    fn check(&self) {
        let state = self.release.record().state;
        assert_eq!(state == ReleaseState::Confirmed, self.receipt_seen);
        assert_eq!(login_status(self.stored.state) == 9, self.receipt_seen, "a 9 needs a proven wipe");
        assert_eq!(state.is_safe_to_ship(), self.release.record().finished_at.is_some());
        assert_eq!(self.stored.state, state, "what is on disk is what counts");
    }
}

const STEPS: [Step; 12] = [
    Step::RequestWhileConnected { silent_for_ms: LIVENESS_FRESH_MS },
    Step::RequestWhileConnected { silent_for_ms: LIVENESS_FRESH_MS + 1 },
    Step::LogIn,
    Step::Talk,
    Step::LoseLink,
    Step::Wait { ms: 1 },
    Step::Wait { ms: PROBE_WAIT_MS },
    Step::Wait { ms: SILENCE_MS - 1 },
    Step::Wait { ms: SILENCE_MS },
    Step::Wait { ms: LISTEN_AFTER_RESTART_MS },
    Step::RestartServer,
    Step::Receipt,
];

/// Walks every order of steps to a depth of 5 (12^5 = 248,832 ends); [`Witness`] asserts at each of them.
#[test]
fn no_order_of_events_makes_an_unwiped_board_safe_or_refused() {
    let mut seen = BTreeSet::new();
    let mut open = vec![(Witness::new(), 0)];
    while let Some((witness, depth)) = open.pop() {
        seen.insert(witness.release.record().state);
        if depth < 5 {
            for step in STEPS {
                let mut next = witness.clone();
                next.step(step);
                open.push((next, depth + 1));
            }
        }
    }
    assert_eq!(seen.len(), ReleaseState::ALL.len(), "the walk must reach every state");
}

proptest! {
    #[test]
    fn long_lives_keep_the_promise_too(steps in proptest::collection::vec(
        prop_oneof![
            8 => proptest::sample::select(&STEPS[..11]),
            2 => (0_u64..700_000).prop_map(|ms| Step::Wait { ms }),
        ],
        0..120,
    )) {
        let mut witness = Witness::new();
        for step in steps {
            witness.step(step);
        }
        // Once the board obeys and stays away, the release comes to its end.
        witness.step(Step::LogIn);
        witness.step(Step::LoseLink);
        witness.step(Step::Wait { ms: SILENCE_MAX_MS });
        prop_assert_eq!(witness.release.record().state, ReleaseState::Inferred);
    }
}

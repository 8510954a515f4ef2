use proptest::prelude::*;

use super::*;

const ONLINE: StatusIndex = StatusIndex::ONLINE;
const OFFLINE: StatusIndex = StatusIndex::OFFLINE;

fn lifecycle(waits_s: &[u32], ignore_period_s: Option<u32>) -> ConnectionLifecycle {
    let model = ConnectionLifecycle::default().statuses()[0].clone();
    let statuses =
        [0].iter().chain(waits_s).map(|wait_s| StatusSettings { wait_s: *wait_s, ..model.clone() });
    ConnectionLifecycle::new(statuses.collect(), ignore_period_s, false).unwrap()
}

fn shown(status: StatusIndex, at_ms: i64) -> StatusChange {
    StatusChange::Shown { status, at_ms }
}

fn told(status: StatusIndex, at_ms: i64) -> StatusChange {
    StatusChange::Told { status, at_ms }
}

fn connected_at_0(lifecycle: &ConnectionLifecycle) -> ConnectionStatus {
    let mut status = ConnectionStatus::NEW;
    assert_eq!(status.connected(lifecycle, 0), [shown(ONLINE, 0), told(ONLINE, 0)]);
    status
}

#[test]
fn a_device_that_stays_away_is_offline_after_the_wait_of_a_minute() {
    let lifecycle = ConnectionLifecycle::default();
    let mut status = connected_at_0(&lifecycle);
    assert_eq!(status.next_timeout_ms(&lifecycle), None);
    status.left(5_000);
    assert_eq!(status.next_timeout_ms(&lifecycle), Some(65_000));
    assert_eq!(status.advance(&lifecycle, 64_999), []);
    assert_eq!(status.advance(&lifecycle, 70_000), [shown(OFFLINE, 65_000), told(OFFLINE, 65_000)]);
    assert_eq!(status.next_timeout_ms(&lifecycle), None);
    assert_eq!(status.connected(&lifecycle, 80_000), [shown(ONLINE, 80_000), told(ONLINE, 80_000)]);
}

#[test]
fn a_reconnect_within_the_wait_clears_it() {
    let lifecycle = lifecycle(&[60], None);
    let mut status = connected_at_0(&lifecycle);
    status.left(1_000);
    assert_eq!(status.connected(&lifecycle, 60_999), []);
    status.left(61_000);
    assert_eq!(status.advance(&lifecycle, 120_999), [], "the clock began anew");
}

#[test]
fn custom_statuses_apply_one_after_another_from_the_disconnect() {
    let lifecycle = lifecycle(&[60, 600, 3_600], None);
    let mut status = connected_at_0(&lifecycle);
    status.left(0);
    let mut changes = Vec::new();
    while let Some(at) = status.next_timeout_ms(&lifecycle) {
        changes.extend(status.advance(&lifecycle, at));
    }
    let expected = [(1, 60_000), (2, 660_000), (3, 4_260_000)].map(|(number, at)| {
        let index = StatusIndex::new(number);
        [shown(index, at), told(index, at)]
    });
    assert_eq!(changes, expected.concat());
    assert_eq!(status.connected(&lifecycle, 5_000_000).len(), 2);
}

#[test]
fn an_absence_within_the_offline_ignore_period_is_shown_and_not_told() {
    let lifecycle = lifecycle(&[10], Some(300));
    let mut status = connected_at_0(&lifecycle);
    status.left(0);
    assert_eq!(status.advance(&lifecycle, 10_000), [shown(OFFLINE, 10_000)]);
    assert_eq!(status.connected(&lifecycle, 299_999), [shown(ONLINE, 299_999)]);
    status.left(300_000);
    assert_eq!(status.advance(&lifecycle, 310_000), [shown(OFFLINE, 310_000)]);
    assert_eq!(status.advance(&lifecycle, 600_000), [told(OFFLINE, 310_000)]);
    assert_eq!(status.connected(&lifecycle, 600_001), [shown(ONLINE, 600_001), told(ONLINE, 600_001)]);
}

#[test]
fn a_device_that_only_reports_is_online_for_the_wait_after_each_report() {
    let lifecycle = lifecycle(&[60], None);
    let mut status = ConnectionStatus::NEW;
    assert_eq!(status.reported(&lifecycle, 0), [shown(ONLINE, 0), told(ONLINE, 0)]);
    assert_eq!(status.reported(&lifecycle, 59_000), []);
    assert_eq!(status.next_timeout_ms(&lifecycle), Some(119_000));
    assert_eq!(status.advance(&lifecycle, 119_000).len(), 2);
    let mut connected = connected_at_0(&lifecycle);
    assert_eq!(connected.reported(&lifecycle, 10), []);
    assert_eq!(connected.away_since_ms(), None, "a report does not end a connection");
}

#[test]
fn ten_thousand_reconnects_within_the_wait_tell_nothing() {
    let lifecycle = ConnectionLifecycle::default();
    let mut status = connected_at_0(&lifecycle);
    for number in 1..10_000 {
        status.left(number * 1_000);
        assert_eq!(status.connected(&lifecycle, number * 1_000 + 900), []);
    }
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let model = ConnectionLifecycle::default().statuses().to_vec();
    let with = |change: fn(&mut Vec<StatusSettings>)| {
        let mut statuses = model.clone();
        change(&mut statuses);
        ConnectionLifecycle::new(statuses, None, false).unwrap_err()
    };
    assert_eq!(with(|s| s.truncate(1)), MakeEventError::StatusCount);
    assert_eq!(with(|s| s.extend(s.clone().into_iter().chain(s.clone()))), MakeEventError::StatusCount);
    assert_eq!(with(|s| s[0].wait_s = 1), MakeEventError::StatusWait);
    assert_eq!(with(|s| s[1].wait_s = 1_801), MakeEventError::StatusWait);
    assert_eq!(with(|s| s[1].color = Some("red".to_owned())), MakeEventError::Color);
    assert_eq!(with(|s| s[1].name = " ".to_owned()), MakeEventError::Name);
    assert_eq!(ConnectionLifecycle::new(model, Some(0), false), Err(MakeEventError::IgnorePeriod));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Connect,
    Leave,
    Report,
    Wait,
    Restart,
}

fn any_step() -> impl Strategy<Value = (Step, i64)> {
    let step = prop_oneof![
        Just(Step::Connect),
        Just(Step::Leave),
        Just(Step::Report),
        Just(Step::Wait),
        Just(Step::Restart)
    ];
    (step, prop_oneof![0_i64..5_000, 0_i64..400_000])
}

fn any_lifecycle() -> impl Strategy<Value = ConnectionLifecycle> {
    let waits = (0_u32..100, proptest::collection::vec(1_u32..200, 0..3));
    (waits, proptest::option::of(1_u32..300))
        .prop_map(|((offline, custom), ignore)| lifecycle(&[vec![offline], custom].concat(), ignore))
}

/// Plays steps; `looks` is how often time is looked at between them.
fn play(lifecycle: &ConnectionLifecycle, steps: &[(Step, i64)], looks: i64) -> Vec<StatusChange> {
    let (mut status, mut now, mut changes) = (ConnectionStatus::NEW, 0, Vec::new());
    for (step, after_ms) in steps {
        for look in 1..=looks {
            changes.extend(status.advance(lifecycle, now + after_ms * look / looks));
        }
        now += after_ms;
        match step {
            Step::Connect => changes.extend(status.connected(lifecycle, now)),
            Step::Leave => {
                changes.extend(status.advance(lifecycle, now));
                status.left(now);
            }
            Step::Report => changes.extend(status.reported(lifecycle, now)),
            Step::Wait => changes.extend(status.advance(lifecycle, now)),
            Step::Restart => {
                changes.extend(status.advance(lifecycle, now));
                if let (Some(at), Some(since)) = (status.shown_at_ms(), status.away_since_ms()) {
                    status = ConnectionStatus::resume(status.shown(), at, status.told(), since);
                }
            }
        }
    }
    changes
}

proptest! {
    #[test]
    fn what_is_told_is_online_or_the_next_status_and_never_the_same_twice(
        lifecycle in any_lifecycle(),
        steps in proptest::collection::vec(any_step(), 0..60),
    ) {
        let changes = play(&lifecycle, &steps, 1);
        for is_told in [false, true] {
            let statuses: Vec<StatusIndex> = changes
                .iter()
                .filter_map(|change| match change {
                    StatusChange::Told { status, .. } => is_told.then_some(*status),
                    StatusChange::Shown { status, .. } => (!is_told).then_some(*status),
                })
                .collect();
            prop_assert!(statuses.first().is_none_or(|first| *first == ONLINE));
            for pair in statuses.windows(2) {
                let is_next = pair[1].number() == pair[0].number() + 1;
                prop_assert!(is_next || (pair[1] == ONLINE && pair[0] != ONLINE), "{:?}", statuses);
            }
        }
    }

    #[test]
    fn how_often_time_is_looked_at_changes_nothing(
        lifecycle in any_lifecycle(),
        steps in proptest::collection::vec(any_step(), 0..40),
        looks in 2_i64..6,
    ) {
        prop_assert_eq!(play(&lifecycle, &steps, 1), play(&lifecycle, &steps, looks));
    }

    #[test]
    fn the_timeout_is_the_first_moment_with_a_change(
        lifecycle in any_lifecycle(),
        left_at in 0_i64..100_000,
    ) {
        let mut status = connected_at_0(&lifecycle);
        status.left(left_at);
        while let Some(at) = status.next_timeout_ms(&lifecycle) {
            prop_assert_eq!(status.advance(&lifecycle, at - 1), []);
            prop_assert!(!status.advance(&lifecycle, at).is_empty());
        }
        prop_assert_eq!(status.advance(&lifecycle, i64::MAX), []);
    }
}

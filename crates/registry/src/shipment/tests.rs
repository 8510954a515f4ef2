use proptest::prelude::*;

use super::*;

const START: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);
const MINUTE_MS: i64 = 60_000;

fn image() -> FirmwareTag {
    FirmwareTag { kind: "TMPL1".to_owned(), version: "2.0".to_owned(), build: None, library: None }
}

fn runs(version: &str) -> RunningFirmware {
    RunningFirmware {
        kind: Some("TMPL1".to_owned()),
        version: Some(version.to_owned()),
        ..RunningFirmware::default()
    }
}

fn described(delivery: Delivery, version: &str, now: UtcTime) -> Described {
    delivery.described(&image(), ApplyRule::LowerVersion, ATTEMPTS_MAX_DEFAULT, &runs(version), now)
}

fn after(minutes: i64) -> UtcTime {
    START.plus_ms(minutes * MINUTE_MS)
}

#[test]
fn a_device_that_comes_back_with_the_new_version_succeeded() {
    let told = described(Delivery::waiting(START), "1.0", START);
    assert!(told.is_to_be_told);
    let fetching = told.delivery.ordered(START).requested(false, after(1));
    assert_eq!(fetching.downloaded(after(2)).state, DeliveryState::Downloaded);
    let back = described(fetching.downloaded(after(2)), "2.0", after(3));
    assert_eq!((back.delivery.state, back.is_to_be_told), (DeliveryState::Success, false));
}

#[test]
fn a_device_that_comes_back_with_the_old_version_after_a_whole_download_rolled_back() {
    let fetched = Delivery::waiting(START).ordered(START).requested(false, START).downloaded(after(1));
    let back = described(fetched, "1.0", after(2));
    assert_eq!((back.delivery.state, back.is_to_be_told), (DeliveryState::Rollback, false));
    assert!(!described(back.delivery, "1.0", after(10_000)).is_to_be_told);
}

#[test]
fn a_broken_transfer_is_tried_again_until_the_days_attempts_are_used_up() {
    let mut delivery = Delivery::waiting(START);
    for attempt in 0..3 {
        let now = after(10 * attempt);
        let told = described(delivery, "1.0", now);
        assert!(told.is_to_be_told, "attempt {attempt}");
        delivery = told.delivery.ordered(now).requested(false, now).broke(now);
        assert_eq!(delivery.state, DeliveryState::UploadFailure);
    }
    let over = described(delivery, "1.0", after(40));
    assert_eq!((over.delivery.state, over.is_to_be_told), (DeliveryState::DownloadLimit, false));
    assert!(!over.delivery.may_fetch(3, true));
    let next_day = described(over.delivery, "1.0", START.plus_ms(ATTEMPTS_WINDOW_MS));
    assert_eq!((next_day.delivery.attempts, next_day.is_to_be_told), (0, true));
}

#[test]
fn logins_in_quick_succession_do_not_repeat_the_order() {
    let told = Delivery::waiting(START).ordered(START);
    assert!(!described(told, "1.0", START.plus_ms(ORDER_INTERVAL_MS - 1)).is_to_be_told);
    assert!(described(told, "1.0", START.plus_ms(ORDER_INTERVAL_MS)).is_to_be_told);
    // The clock was put back: better one order too many than none for years.
    assert!(described(told, "1.0", START.plus_ms(-1)).is_to_be_told);
}

#[test]
fn a_download_that_goes_on_is_not_another_attempt() {
    let first = Delivery::waiting(START).ordered(START).requested(false, START).broke(START);
    assert_eq!(first.requested(true, after(1)).attempts, 1);
    assert_eq!(first.requested(false, after(1)).attempts, 2);
    // Whoever begins in the middle without ever having begun has begun.
    assert_eq!(Delivery::waiting(START).ordered(START).requested(true, START).attempts, 1);
}

#[test]
fn a_device_that_needs_nothing_is_passed_over_and_says_why() {
    let waiting = Delivery::waiting(START);
    assert_eq!(described(waiting, "2.0", START).delivery.state, DeliveryState::VersionMismatch);
    assert_eq!(described(waiting, "3.0", START).delivery.state, DeliveryState::VersionMismatch);
    let foreign = RunningFirmware { kind: Some("TMPL2".to_owned()), ..runs("1.0") };
    let judged = waiting.described(&image(), ApplyRule::LowerVersion, 3, &foreign, START);
    assert_eq!((judged.delivery.state, judged.is_to_be_told), (DeliveryState::TypeMismatch, false));
    // Its owner put the old firmware back over a cable: now it needs it.
    assert!(described(described(waiting, "2.0", START).delivery, "1.0", after(5)).is_to_be_told);
}

fn counts(succeeded: u64, failed: u64, passed_over: u64, open: u64) -> DeliveryCounts {
    DeliveryCounts { succeeded, failed, passed_over, open }
}

#[test]
fn half_of_the_canaries_must_succeed_before_everyone_gets_it() {
    let canary = |canaries| review(ShipmentStage::Canary, 20, false, &canaries, &DeliveryCounts::default());
    assert_eq!(canary(counts(1, 0, 0, 3)), Review::GoOn);
    assert_eq!(canary(counts(2, 0, 0, 2)), Review::Widen);
    assert_eq!(canary(counts(1, 0, 2, 1)), Review::Widen);
    assert_eq!(canary(counts(0, 0, 4, 0)), Review::GoOn);
    assert_eq!(canary(counts(0, 1, 0, 3)), Review::Stop);
    assert_eq!(canary(counts(9, 1, 0, 0)), Review::Widen);
}

#[test]
fn a_rate_needs_some_devices_before_it_stops_a_shipment_to_everyone() {
    let everyone = |all, is_open_ended| {
        review(ShipmentStage::Everyone, 20, is_open_ended, &DeliveryCounts::default(), &all)
    };
    assert_eq!(everyone(counts(0, 1, 0, 99), false), Review::GoOn);
    assert_eq!(everyone(counts(3, 2, 0, 95), false), Review::Stop);
    assert_eq!(everyone(counts(4, 1, 0, 95), false), Review::GoOn);
    assert_eq!(everyone(counts(0, 1, 0, 0), false), Review::Stop);
    assert_eq!(everyone(counts(5, 1, 2, 0), false), Review::Finish);
    assert_eq!(everyone(counts(5, 1, 2, 0), true), Review::GoOn);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Says(&'static str),
    Fetches { is_continuation: bool },
    Gets,
    Loses,
    Passes(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::sample::select(vec!["1.0", "2.0", "3.0"]).prop_map(Step::Says),
        any::<bool>().prop_map(|is_continuation| Step::Fetches { is_continuation }),
        Just(Step::Gets),
        Just(Step::Loses),
        (1..30_i64 * 60 * MINUTE_MS).prop_map(Step::Passes),
    ]
}

proptest! {
    #[test]
    fn whatever_a_device_does_it_is_never_told_for_ever_and_success_means_the_new_version(steps in prop::collection::vec(step(), 1..60)) {
        let mut delivery = Delivery::waiting(START);
        let (mut now, mut begun_in_a_day) = (START, Vec::new());
        for step in steps {
            match step {
                Step::Says(version) => {
                    let said = described(delivery, version, now);
                    prop_assert!(!(said.is_to_be_told && said.delivery.state.is_over()));
                    if said.delivery.state == DeliveryState::Success && delivery.state != DeliveryState::Success {
                        prop_assert_eq!(version, "2.0");
                    }
                    delivery = if said.is_to_be_told { said.delivery.ordered(now) } else { said.delivery };
                }
                Step::Fetches { is_continuation } if delivery.may_fetch(ATTEMPTS_MAX_DEFAULT, is_continuation) => {
                    let before = delivery.attempts;
                    delivery = delivery.requested(is_continuation, now);
                    if delivery.attempts != before {
                        begun_in_a_day.push(now);
                    }
                }
                Step::Gets => delivery = delivery.downloaded(now),
                Step::Loses => delivery = delivery.broke(now),
                Step::Passes(ms) => now = now.plus_ms(ms),
                Step::Fetches { .. } => {}
            }
            prop_assert!(delivery.attempts <= ATTEMPTS_MAX_DEFAULT);
            // Two windows may touch within any 24 hours, never three.
            begun_in_a_day.retain(|begun| now.ms_since(*begun) < ATTEMPTS_WINDOW_MS);
            prop_assert!(begun_in_a_day.len() <= 2 * ATTEMPTS_MAX_DEFAULT as usize);
        }
    }
}

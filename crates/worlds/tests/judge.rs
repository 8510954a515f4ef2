//! The judge of the worlds sees what is wrong: with other policies, and with faults put in on purpose.
#![expect(clippy::expect_used, reason = "what tests share stops the test when it fails")]

use lifecycle::RecoveryPolicy;
use worlds::{Broken, Finding, Sabotage, WorldSpec, run_world};

/// Enough for every fault to show in the first world.
const SMALL: (usize, u64) = (25, 20);

fn small(seed: u64, policy: RecoveryPolicy) -> WorldSpec {
    let (board_count, day_count) = SMALL;
    WorldSpec { board_count, day_count, is_judged: true, ..WorldSpec::ordinary(seed, policy) }
}

fn finding_of(spec: &WorldSpec) -> Finding {
    run_world(spec).finding.expect("the judge must find the fault")
}

fn sabotaged(sabotage: Sabotage) -> Finding {
    finding_of(&WorldSpec { sabotage: Some(sabotage), ..small(1, RecoveryPolicy::Rehome) })
}

#[test]
fn the_small_world_is_sound_without_a_fault() {
    let outcome = run_world(&small(1, RecoveryPolicy::Rehome));
    assert!(outcome.finding.is_none(), "{}", outcome.finding.unwrap());
}

#[test]
fn stock_firmware_strands_boards() {
    let finding = finding_of(&small(1, RecoveryPolicy::Stock));
    assert!(matches!(finding.broken, Broken::Stranded(_)), "{finding}");
}

#[test]
fn the_forums_workaround_loses_homes() {
    let finding = finding_of(&small(1, RecoveryPolicy::Reset));
    assert_eq!(finding.broken, Broken::HomeLost, "{finding}");
}

#[test]
fn a_door_that_opens_twenty_seconds_late_is_found() {
    let finding = sabotaged(Sabotage::SlowDoor);
    assert!(matches!(finding.broken, Broken::Stranded(_)), "{finding}");
}

#[test]
fn a_door_that_stays_shut_at_run_time_is_found() {
    let finding = sabotaged(Sabotage::NoGrace);
    assert!(matches!(finding.broken, Broken::Stranded(_)), "{finding}");
}

#[test]
fn an_old_home_that_is_tried_late_is_found() {
    let finding = sabotaged(Sabotage::SlowReturn);
    assert_eq!(finding.broken, Broken::OldHomeNotTried, "{finding}");
}

#[test]
fn a_board_that_stays_away_too_long_is_found() {
    let finding = sabotaged(Sabotage::SlowRetries);
    assert_eq!(finding.broken, Broken::NotBack, "{finding}");
}

#[test]
fn a_password_in_free_flash_is_found_after_the_wipe() {
    let finding = sabotaged(Sabotage::Remnant);
    assert!(matches!(finding.broken, Broken::TraceLeft { offset: 0x5000.., .. }), "{finding}");
}

#[test]
fn a_firmware_on_trial_without_end_is_found() {
    let finding = sabotaged(Sabotage::EndlessTrial);
    assert_eq!(finding.broken, Broken::TrialWithoutEnd, "{finding}");
}

#[test]
fn an_image_that_is_not_the_one_that_was_written_is_found() {
    let finding = sabotaged(Sabotage::FalseReadBack);
    assert_eq!(finding.broken, Broken::WrongImage, "{finding}");
}

#[test]
fn a_lock_that_a_restart_opens_is_found() {
    let finding = sabotaged(Sabotage::ForgetfulLock);
    assert_eq!(finding.broken, Broken::LockIgnored, "{finding}");
}

#[test]
fn a_gesture_that_does_not_count_is_found() {
    let finding = sabotaged(Sabotage::DeafToPower);
    assert_eq!(finding.broken, Broken::GestureIgnored, "{finding}");
}

#[test]
fn a_log_in_page_that_nobody_finds_is_found() {
    let finding = sabotaged(Sabotage::NoQuestion);
    assert!(matches!(finding.broken, Broken::Stranded(why) if why.contains("captive")), "{finding}");
}

#[test]
fn a_finding_shows_the_last_events_of_its_board() {
    let finding = sabotaged(Sabotage::SlowDoor);
    let text = finding.to_string();
    assert!(text.contains("boots: PowerOn") && text.contains("CONNECTING_NET"), "{text}");
}

#[test]
fn the_same_seed_is_the_same_world_and_another_is_another() {
    let run = |seed| run_world(&small(seed, RecoveryPolicy::Rehome)).tally;
    let first = run(7);
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}

//! Twenty-five worlds of fifty boards for thirty days: no guarantee is broken in any of them.
//!
//! In several tests so that they run side by side. `cargo xtask worlds --seeds 0..1000` does the rest of a night's work.
#![expect(clippy::panic, reason = "what tests share stops the test when it fails")]

use lifecycle::RecoveryPolicy;
use worlds::{BOARD_COUNT, DAY_COUNT, Tally, WorldSpec, run_world};

fn judge(seeds: std::ops::Range<u64>) {
    let mut tally = Tally::default();
    for seed in seeds {
        let outcome = run_world(&WorldSpec::ordinary(seed, RecoveryPolicy::Rehome));
        if let Some(finding) = outcome.finding {
            panic!("world {seed}, {finding}Replay: cargo xtask worlds --seed {seed} --rehome-only");
        }
        let board_hours = BOARD_COUNT as u64 * DAY_COUNT * 24;
        // Up to the last event of the month; a world that stopped early would show nothing.
        assert!(outcome.tally.board_hours() >= board_hours * 99 / 100, "{:?}", outcome.tally);
        tally.add(&outcome.tally);
    }
    assert_eq!((tally.lost_homes, tally.stranded_boards), (0, 0), "{tally:?}");
    // What is searched for must have been met, and often.
    assert!(tally.torn_operations > 200 && tally.receipts > 100 && tally.trials_failed > 100, "{tally:?}");
    assert!(tally.wipes_without_receipt() > 0 && tally.wipes_by_hand > 50, "{tally:?}");
    assert!(tally.refusals > 1_000 && tally.image_searches > 10_000, "{tally:?}");
    assert!(tally.claims > 100 && tally.gestures > 200 && tally.locks > 30, "{tally:?}");
    assert!(tally.images_confirmed > 300 && tally.images_installed > tally.images_confirmed, "{tally:?}");
    assert!(tally.trials_of_firmware_failed > 50 && tally.torn_updates > 50, "{tally:?}");
    assert!(tally.door_waits.iter().sum::<u64>() > 1_000, "{tally:?}");
}

#[test]
fn worlds_0_to_4_keep_every_guarantee() {
    judge(0..5);
}

#[test]
fn worlds_5_to_9_keep_every_guarantee() {
    judge(5..10);
}

#[test]
fn worlds_10_to_14_keep_every_guarantee() {
    judge(10..15);
}

#[test]
fn worlds_15_to_19_keep_every_guarantee() {
    judge(15..20);
}

#[test]
fn worlds_20_to_24_keep_every_guarantee() {
    judge(20..25);
}

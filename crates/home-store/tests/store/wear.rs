//! Flash lives: the erases that ordinary use costs, measured on the simulated chip.

use embassy_futures::block_on;
use home_store::sim_flash::SimFlash;

use crate::fixtures::{SECTOR_COUNT, open, small_home, visible};

/// 100 boots a day for ten years. Source: guarantee 9.
const BOOT_COUNT: u32 = 100 * 365 * 10;

/// Erases a sector endures. Source: guarantee 9; the usual value of serial NOR flash.
const ERASES_ENDURED: u32 = 100_000;

/// Boots that are played; the rest is computed. Enough to pass each journal sector several times.
const SAMPLE_BOOT_COUNT: u32 = 1_000;

#[test]
fn ten_years_of_boots_with_gestures_and_outages_leave_nine_tenths_of_the_flash_life() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    block_on(open(&mut flash).save_home(&small_home("home"))).unwrap();
    let erases_before = flash.erase_counts().to_vec();
    for boot in 0..SAMPLE_BOOT_COUNT {
        let mut store = open(&mut flash);
        assert_eq!(block_on(store.record_boot()), Ok(boot + 1));
        // The worst ordinary boot: counted as a gesture, then not; an outage that is recorded, then cleared.
        block_on(store.set_gesture_count(1)).unwrap();
        block_on(store.set_gesture_count(0)).unwrap();
        block_on(store.set_last_error(Some(720))).unwrap();
        block_on(store.set_last_error(None)).unwrap();
        // And the cloud is reached over another network than the day before.
        block_on(store.set_last_network(Some(u8::from(boot % 2 == 0)))).unwrap();
    }
    let erases: Vec<u32> =
        flash.erase_counts().iter().zip(&erases_before).map(|(after, before)| after - before).collect();
    let [_, first_journal, second_journal, first_slot, second_slot, _] = erases[..] else {
        panic!("{erases:?}")
    };
    assert_eq!((first_slot, second_slot), (0, 0), "boots must not touch the home");
    let worst = first_journal.max(second_journal);
    assert!(worst >= 5, "the sample is too short to measure: {erases:?}");
    assert!(first_journal.abs_diff(second_journal) <= 1, "wear is uneven: {erases:?}");
    let in_ten_years = (worst + 1) * BOOT_COUNT / SAMPLE_BOOT_COUNT;
    assert!(in_ten_years < ERASES_ENDURED / 10, "{in_ten_years} erases in ten years");
    assert_eq!(visible(&mut open(&mut flash)).home, Some(small_home("home")));
}

#[test]
fn opening_a_store_at_rest_neither_writes_nor_erases() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    block_on(open(&mut flash).save_home(&small_home("home"))).unwrap();
    block_on(open(&mut flash).record_boot()).unwrap();
    let before = flash.clone();
    for _ in 0..3 {
        let mut store = open(&mut flash);
        assert!(block_on(store.load_home()).unwrap().is_some());
    }
    assert_eq!(flash, before);
}

#[test]
fn unchanged_facts_cost_no_write() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    let mut store = open(&mut flash);
    block_on(store.set_last_error(Some(700))).unwrap();
    block_on(store.set_gesture_count(1)).unwrap();
    let once = flash.counters();
    let mut store = open(&mut flash);
    for _ in 0..5 {
        block_on(store.set_last_error(Some(700))).unwrap();
        block_on(store.set_gesture_count(1)).unwrap();
        block_on(store.raise_epoch(home_store::Epoch(0))).unwrap();
    }
    assert_eq!(flash.counters(), once);
}

#[test]
fn saving_and_wiping_cost_two_erases_each() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    block_on(open(&mut flash).record_boot()).unwrap();
    let erases = |flash: &SimFlash| flash.counters().erased_sectors;
    let before = erases(&flash);
    block_on(open(&mut flash).save_home(&small_home("one"))).unwrap();
    assert_eq!(erases(&flash), before + 2);
    block_on(open(&mut flash).wipe()).unwrap();
    assert_eq!(erases(&flash), before + 4);
}

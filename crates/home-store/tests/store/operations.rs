//! What each operation does when nothing goes wrong.

use embassy_futures::block_on;
use home_store::sim_flash::{SECTOR_BYTES, SharedSimFlash, SimFlash};
use home_store::{CheckLayoutError, Epoch, HomeStore, OpenHomeStoreError, Redundancy, StoreLayout};

use crate::fixtures::{LAYOUT, SECTOR_COUNT, find_trace, largest_home, open, small_home, visible};

#[test]
fn new_flash_is_an_empty_store_in_epoch_zero() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    let mut store = open(&mut flash);
    let seen = visible(&mut store);
    assert_eq!((seen.home, seen.epoch, seen.boot_count), (None, Epoch(0), 0));
    assert_eq!((seen.gesture_count, seen.last_error, store.redundancy()), (0, None, Redundancy::Empty));
    assert_eq!(flash, SimFlash::erased(SECTOR_COUNT), "an empty store writes nothing");
}

#[test]
fn saved_home_and_facts_survive_a_reboot() {
    for home in [small_home("kept"), largest_home("kept")] {
        let mut flash = SimFlash::erased(SECTOR_COUNT);
        let mut store = open(&mut flash);
        block_on(store.save_home(&home)).unwrap();
        assert_eq!(store.redundancy(), Redundancy::Full);
        assert_eq!(block_on(store.record_boot()), Ok(1));
        assert_eq!(block_on(store.record_boot()), Ok(2));
        block_on(store.set_gesture_count(4)).unwrap();
        block_on(store.set_last_error(Some(0))).unwrap();
        block_on(store.raise_epoch(Epoch(9))).unwrap();
        let shown = visible(&mut store);
        assert_eq!(shown.home.as_ref(), Some(&home));
        assert_eq!((shown.boot_count, shown.gesture_count), (2, 4));
        assert_eq!((shown.last_error, shown.epoch), (Some(0), Epoch(9)));
        assert_eq!(visible(&mut open(&mut flash)), shown);
    }
}

#[test]
fn replacing_a_home_takes_the_earlier_one_out_of_the_flash() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    let mut store = open(&mut flash);
    block_on(store.save_home(&largest_home("earlier"))).unwrap();
    block_on(store.save_home(&small_home("later"))).unwrap();
    assert_eq!(find_trace(flash.image(), &largest_home("earlier")), None);
    assert!(
        find_trace(flash.image(), &small_home("later")).is_some(),
        "the search itself must find something"
    );
}

#[test]
fn wipe_leaves_no_trace_of_any_earlier_home_and_begins_an_epoch() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    let homes: Vec<_> = (0..6).map(|index| largest_home(&format!("home {index}"))).collect();
    let mut store = open(&mut flash);
    block_on(store.record_boot()).unwrap();
    for home in &homes {
        block_on(store.save_home(home)).unwrap();
    }
    block_on(store.set_last_error(Some(703))).unwrap();
    block_on(store.set_gesture_count(3)).unwrap();
    let report = block_on(store.wipe()).unwrap();
    assert_eq!(report.epoch, Epoch(1));
    assert_eq!(report.erased_bytes as usize, 2 * SECTOR_BYTES);
    let seen = visible(&mut store);
    assert_eq!((seen.home, seen.epoch, seen.last_error, seen.gesture_count), (None, Epoch(1), None, 0));
    assert_eq!(seen.boot_count, 1, "boots are counted for the device, not for its owner");
    for home in &homes {
        assert_eq!(find_trace(flash.image(), home), None);
    }
    assert!(flash.image()[3 * SECTOR_BYTES..5 * SECTOR_BYTES].iter().all(|&byte| byte == 0xFF));
}

#[test]
fn every_wipe_begins_exactly_one_epoch_even_without_a_home() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    for expected in 1..=3 {
        let mut store = open(&mut flash);
        assert_eq!(store.resumed_wipe(), None);
        assert_eq!(block_on(store.wipe()).unwrap().epoch, Epoch(expected));
        assert_eq!(store.epoch(), Epoch(expected));
    }
    assert_eq!(open(&mut flash).epoch(), Epoch(3));
}

#[test]
fn lower_epoch_changes_nothing() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    let mut store = open(&mut flash);
    block_on(store.raise_epoch(Epoch(5))).unwrap();
    block_on(store.raise_epoch(Epoch(4))).unwrap();
    assert_eq!(open(&mut flash).epoch(), Epoch(5));
}

#[test]
fn store_works_with_other_word_sizes() {
    fn check<const WORD_BYTES: usize>() {
        let shared = SharedSimFlash::new(SimFlash::<WORD_BYTES>::erased(SECTOR_COUNT));
        let mut store = block_on(HomeStore::open(shared.clone(), LAYOUT)).unwrap();
        block_on(store.save_home(&largest_home("words"))).unwrap();
        block_on(store.record_boot()).unwrap();
        let mut store = block_on(HomeStore::open(shared.clone(), LAYOUT)).unwrap();
        assert_eq!(block_on(store.load_home()), Ok(Some(largest_home("words"))));
        assert!(shared.with(|flash| find_trace(flash.image(), &largest_home("words"))).is_some());
    }
    check::<1>();
    check::<8>();
    check::<32>();
}

#[test]
fn layout_that_does_not_suit_the_flash_is_refused() {
    let refusal = |layout: StoreLayout| {
        let mut flash = SimFlash::<4>::erased(SECTOR_COUNT);
        match block_on(HomeStore::open(&mut flash, layout)) {
            Err(OpenHomeStoreError::Layout(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal(StoreLayout::at(100)), CheckLayoutError::NotAtSector { offset: 100 });
    assert!(matches!(refusal(StoreLayout::at(3 * 4096)), CheckLayoutError::BeyondFlash { end: 0x7000 }));
    assert!(matches!(refusal(StoreLayout::at(0xFFFF_F000)), CheckLayoutError::BeyondFlash { .. }));
    let one_sector = StoreLayout { journal_sector_count: 1, ..LAYOUT };
    assert_eq!(refusal(one_sector), CheckLayoutError::TooFewSectors);
    let many_sectors = StoreLayout { journal_sector_count: u32::MAX, ..LAYOUT };
    assert!(matches!(refusal(many_sectors), CheckLayoutError::BeyondFlash { .. }));

    let mut wide = SimFlash::<64>::erased(SECTOR_COUNT);
    let result = block_on(HomeStore::open(&mut wide, LAYOUT));
    assert!(matches!(result, Err(OpenHomeStoreError::Layout(CheckLayoutError::UnitSize))));
}

#[test]
fn the_last_network_is_remembered_over_a_start_and_forgotten_with_the_home() {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    let mut store = open(&mut flash);
    assert_eq!(store.last_network(), None);
    block_on(store.save_home(&small_home("home"))).unwrap();
    for position in [0, 15] {
        block_on(store.set_last_network(Some(position))).unwrap();
        let mut again = open(&mut flash);
        assert_eq!(again.last_network(), Some(position));
        // Other facts leave it alone.
        block_on(again.record_boot()).unwrap();
        assert_eq!(again.last_network(), Some(position));
        store = open(&mut flash);
    }
    block_on(store.wipe()).unwrap();
    assert_eq!(open(&mut flash).last_network(), None);
}

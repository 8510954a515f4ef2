//! Flash that holds nonsense, has damaged cells, or belongs to a newer firmware.

use embassy_futures::block_on;
use home_store::sim_flash::{EraseTear, PowerCut, SECTOR_BYTES, SharedSimFlash, SimFlash};
use home_store::{
    AppendRecordError, DecodeHomeError, Epoch, FlashAction, FlashFault, HomeStore, LoadHomeError,
    OpenHomeStoreError, Redundancy, SaveHomeError, WipeHomeError,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::fixtures::{LAYOUT, SECTOR_COUNT, find_trace, largest_home, open, small_home, try_open, visible};

const JOURNAL_OFFSET: usize = SECTOR_BYTES;
const SLOT_OFFSETS: [usize; 2] = [3 * SECTOR_BYTES, 4 * SECTOR_BYTES];

/// A device in epoch 2 that booted once, with a home.
fn provisioned() -> SimFlash {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    let mut store = open(&mut flash);
    block_on(store.raise_epoch(Epoch(2))).unwrap();
    block_on(store.save_home(&largest_home("stored"))).unwrap();
    block_on(store.record_boot()).unwrap();
    flash
}

fn with_garbage(flash: &SimFlash, offset: usize, bytes: &[u8]) -> SimFlash {
    let mut image = flash.image().to_vec();
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
    SimFlash::from_image(image)
}

fn random_image(seed: u64) -> Vec<u8> {
    let mut flash = SimFlash::<4>::erased(SECTOR_COUNT);
    for sector in 0..SECTOR_COUNT {
        let tear = EraseTear::RandomBits { seed: seed.wrapping_add(sector as u64) };
        flash.cut_power(PowerCut::InErase { erased_sectors: 0, tear });
        let from = u32::try_from(sector * SECTOR_BYTES).unwrap();
        let erase = embedded_storage_async::nor_flash::NorFlash::erase(&mut flash, from, from + 4096);
        block_on(erase).unwrap_err();
        flash.power_on();
    }
    flash.into_image()
}

#[test]
fn random_bytes_are_an_empty_store_that_works() {
    for seed in 0..20 {
        let mut flash = SimFlash::from_image(random_image(seed));
        let mut store = open(&mut flash);
        let seen = visible(&mut store);
        assert_eq!((seen.home, seen.epoch, seen.boot_count), (None, Epoch(0), 0));
        assert_eq!(block_on(store.record_boot()), Ok(1));
        block_on(store.save_home(&small_home("after"))).unwrap();
        let mut store = open(&mut flash);
        assert_eq!((store.boot_count(), store.redundancy()), (1, Redundancy::Full));
        assert_eq!(block_on(store.load_home()), Ok(Some(small_home("after"))));
        block_on(store.wipe()).unwrap();
        assert_eq!(find_trace(flash.image(), &small_home("after")), None);
    }
}

#[test]
fn one_ruined_slot_costs_nothing_and_is_restored() {
    for slot_offset in SLOT_OFFSETS {
        for garbage in
            [vec![0; SECTOR_BYTES], random_image(7)[..SECTOR_BYTES].to_vec(), vec![0xFF; SECTOR_BYTES]]
        {
            let mut flash = with_garbage(&provisioned(), slot_offset, &garbage);
            let mut store = open(&mut flash);
            assert_eq!(block_on(store.load_home()), Ok(Some(largest_home("stored"))));
            assert_eq!(store.redundancy(), Redundancy::Full);
            assert_eq!(
                flash.image()[SLOT_OFFSETS[0]..SLOT_OFFSETS[1]],
                flash.image()[SLOT_OFFSETS[1]..][..SECTOR_BYTES]
            );
        }
    }
}

#[test]
fn ruined_journal_keeps_the_home_and_its_epoch() {
    let mut flash = with_garbage(&provisioned(), JOURNAL_OFFSET, &random_image(3)[..2 * SECTOR_BYTES]);
    let mut store = open(&mut flash);
    let seen = visible(&mut store);
    assert_eq!((seen.home, seen.epoch), (Some(largest_home("stored")), Epoch(2)));
    assert_eq!(block_on(store.wipe()).unwrap().epoch, Epoch(3));
    assert_eq!(open(&mut flash).epoch(), Epoch(3));
}

#[test]
fn lost_end_of_a_wipe_does_not_wipe_the_next_home() {
    let mut flash = provisioned();
    block_on(open(&mut flash).wipe()).unwrap();
    // The last record that is written says that the wipe has ended; the one before says that it has begun.
    let journal = &flash.image()[JOURNAL_OFFSET..JOURNAL_OFFSET + SECTOR_BYTES];
    let last = journal.chunks(32).rposition(|cell| cell.iter().any(|&byte| byte != 0xFF)).unwrap();
    block_on(open(&mut flash).save_home(&small_home("next"))).unwrap();
    let mut flash = with_garbage(&flash, JOURNAL_OFFSET + last * 32, &[0; 32]);
    let mut store = open(&mut flash);
    assert!(store.resumed_wipe().is_some());
    assert_eq!(block_on(store.load_home()), Ok(Some(small_home("next"))));
    assert_eq!(store.epoch(), Epoch(3));
}

#[test]
fn flash_without_power_is_an_error_of_every_operation_and_no_harm() {
    let mut flash = provisioned();
    let before = flash.clone();
    flash.power_off();
    assert!(matches!(
        try_open(&mut flash),
        Err(OpenHomeStoreError::Journal(AppendRecordError::Flash { .. }))
    ));
    let shared = SharedSimFlash::new(before.clone());
    let mut store = block_on(HomeStore::open(shared.clone(), LAYOUT)).unwrap();
    shared.with(SimFlash::power_off);
    let is_read = |fault: &FlashFault| fault.action == FlashAction::Read;
    assert!(matches!(block_on(store.load_home()), Err(LoadHomeError::Flash(fault)) if is_read(&fault)));
    assert!(matches!(block_on(store.save_home(&small_home("new"))), Err(SaveHomeError::Flash(_))));
    assert!(matches!(block_on(store.wipe()), Err(WipeHomeError::Flash(_))));
    assert!(block_on(store.record_boot()).is_err());
    assert!(block_on(store.set_last_error(Some(1))).is_err());
    assert!(block_on(store.set_gesture_count(1)).is_err());
    assert!(block_on(store.raise_epoch(Epoch(8))).is_err());
    shared.with(SimFlash::power_on);
    assert!(shared.with(|flash| *flash == before), "nothing was written");
    assert_eq!(block_on(store.record_boot()), Ok(2), "the store works again without being opened anew");
}

/// A dropped future and a driver that fails once look the same to the store as this: the operation ends in the middle
/// and the next one comes without a reboot.
#[test]
fn store_goes_on_after_a_failure_in_the_middle_without_being_opened_again() {
    type Run = fn(&mut HomeStore<SharedSimFlash>) -> bool;
    let operations: [Run; 4] = [
        |store| block_on(store.save_home(&small_home("next"))).is_ok(),
        |store| block_on(store.wipe()).is_ok(),
        |store| block_on(store.record_boot()).is_ok(),
        |store| block_on(store.raise_epoch(Epoch(6))).is_ok(),
    ];
    let mut before = provisioned();
    block_on(open(&mut before).save_home(&small_home("stored"))).unwrap();
    for run in operations {
        let old = visible(&mut open(&mut before.clone()));
        let done = SharedSimFlash::new(before.clone());
        assert!(run(&mut block_on(HomeStore::open(done.clone(), LAYOUT)).unwrap()));
        let new = visible(&mut block_on(HomeStore::open(done.clone(), LAYOUT)).unwrap());
        let work_bytes = done.with(|flash| flash.counters().written_bytes) - before.counters().written_bytes;
        assert!(work_bytes >= 32);
        let in_writes =
            (0..work_bytes).map(|written_bytes| PowerCut::InWrite { written_bytes, torn_mask: 0x3C });
        let tear = EraseTear::RandomBits { seed: 5 };
        let in_erases = (0..2).map(|erased_sectors| PowerCut::InErase { erased_sectors, tear });
        for cut in in_writes.chain(in_erases) {
            let shared = SharedSimFlash::new(before.clone());
            let mut store = block_on(HomeStore::open(shared.clone(), LAYOUT)).unwrap();
            shared.with(|flash| flash.cut_power(cut));
            run(&mut store);
            shared.with(SimFlash::power_on);
            let seen = visible(&mut store);
            assert!(seen == old || seen == new, "{cut:?}: saw {seen:?}");
            let mut rebooted = shared.with(|flash| flash.clone());
            assert_eq!(visible(&mut open(&mut rebooted)), seen, "{cut:?}");
            assert_eq!(block_on(store.record_boot()), Ok(seen.boot_count + 1));
            block_on(store.save_home(&small_home("probe"))).unwrap();
            let seen = visible(&mut block_on(HomeStore::open(shared, LAYOUT)).unwrap());
            assert_eq!((seen.home, seen.epoch), (Some(small_home("probe")), store.epoch()), "{cut:?}");
        }
    }
}

#[test]
fn damaged_cell_in_one_slot_keeps_the_home_readable_and_says_so() {
    let mut flash = provisioned();
    flash.damage(SLOT_OFFSETS[0] + 100, 0xFF);
    let mut store = open(&mut flash);
    assert_eq!(block_on(store.load_home()), Ok(Some(largest_home("stored"))));
    assert_eq!(store.redundancy(), Redundancy::Single);
    assert_eq!(block_on(store.save_home(&largest_home("second"))), Err(SaveHomeError::NotVerified));
    assert_eq!(block_on(store.load_home()), Ok(Some(largest_home("stored"))));
    assert_eq!(
        find_trace(flash.image(), &largest_home("second")),
        None,
        "the rejected home does not stay behind"
    );
}

#[test]
fn wipe_of_a_damaged_sector_is_never_reported_as_done() {
    let mut flash = provisioned();
    flash.damage(SLOT_OFFSETS[1] + 64, 0x01);
    let mut store = open(&mut flash);
    let expected = WipeHomeError::NotErased { offset: u32::try_from(SLOT_OFFSETS[1]).unwrap() + 64 };
    assert_eq!(block_on(store.wipe()), Err(expected));
    assert_eq!(block_on(store.load_home()), Ok(None), "a home that is being wiped is not used any more");
    assert_eq!(try_open(&mut flash).err(), Some(OpenHomeStoreError::ResumeWipe(expected)));
    assert_eq!(find_trace(flash.image(), &largest_home("stored")), None, "what can be erased is erased");
}

#[test]
fn damaged_journal_cell_is_reported_and_then_passed_over() {
    let flash = provisioned();
    let journal = &flash.image()[JOURNAL_OFFSET..JOURNAL_OFFSET + SECTOR_BYTES];
    let free = journal.chunks(32).position(|cell| cell.iter().all(|&byte| byte == 0xFF)).unwrap();
    let shared = SharedSimFlash::new(flash);
    let mut store = block_on(HomeStore::open(shared.clone(), LAYOUT)).unwrap();
    shared.with(|flash| flash.damage(JOURNAL_OFFSET + free * 32, 0xFF));
    assert!(block_on(store.record_boot()).is_err());
    assert_eq!(block_on(store.record_boot()), Ok(2));
}

#[test]
fn a_record_cut_before_its_first_bit_does_not_stop_the_journal() {
    for torn_mask in [0xFF, 0x8D, 0xCF, 0x00] {
        let mut flash = provisioned();
        let boot_count = open(&mut flash).boot_count();
        // 0x72 begins a record: a cut that leaves its zeros unwritten leaves a cell that reads as erased, and that flash
        // with error correction does not write again.
        flash.cut_power(PowerCut::InWrite { written_bytes: 0, torn_mask });
        assert!(block_on(open(&mut flash).record_boot()).is_err());
        flash.power_on();
        let mut store = open(&mut flash);
        assert_eq!(block_on(store.record_boot()), Ok(boot_count + 1), "{torn_mask:#x}");
        assert_eq!(block_on(store.record_boot()), Ok(boot_count + 2), "{torn_mask:#x}");
        assert_eq!(block_on(open(&mut flash).record_boot()), Ok(boot_count + 3), "{torn_mask:#x}");
        let mut store = open(&mut flash);
        block_on(store.wipe()).expect("a wipe can be recorded");
    }
}

/// Writes a home as a newer firmware would: version byte 2 in an intact seal.
fn with_newer_home() -> SimFlash {
    let image = provisioned().into_image();
    let mut patched = image.clone();
    for slot_offset in SLOT_OFFSETS {
        let payload_bytes = u32::from_le_bytes(patched[slot_offset + 12..][..4].try_into().unwrap()) as usize;
        patched[slot_offset + 32] = 2;
        let crc = crc32(&patched[slot_offset + 32..][..payload_bytes]);
        patched[slot_offset + 16..][..4].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32(&patched[slot_offset..][..28]);
        patched[slot_offset + 28..][..4].copy_from_slice(&crc.to_le_bytes());
    }
    SimFlash::from_image(patched)
}

/// Independent of the product's table-driven one.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn home_of_a_newer_firmware_is_an_error_and_stays() {
    let mut flash = with_newer_home();
    let before = flash.clone();
    for _ in 0..2 {
        let mut store = open(&mut flash);
        let newer = DecodeHomeError::NewerVersion { found: 2 };
        assert_eq!(block_on(store.load_home()), Err(LoadHomeError::Decode(newer)));
        assert_eq!(store.redundancy(), Redundancy::Full);
    }
    assert_eq!(flash, before);
    let mut flash = with_garbage(&before, SLOT_OFFSETS[0], &[0; 32]);
    assert_eq!(open(&mut flash).redundancy(), Redundancy::Full, "it is even copied when a slot is ruined");
    assert_eq!(flash.image()[3 * SECTOR_BYTES..], before.image()[3 * SECTOR_BYTES..]);
}

#[test]
fn journal_of_a_newer_firmware_is_an_error_and_stays() {
    let mut image = provisioned().into_image();
    let journal = &image[JOURNAL_OFFSET..JOURNAL_OFFSET + SECTOR_BYTES];
    let last = JOURNAL_OFFSET
        + 32 * journal.chunks(32).rposition(|cell| cell.iter().any(|&byte| byte != 0xFF)).unwrap();
    image[last + 4] = 2;
    let crc = crc32(&image[last..][..28]);
    image[last + 28..][..4].copy_from_slice(&crc.to_le_bytes());
    let mut flash = SimFlash::from_image(image.clone());
    let newer = AppendRecordError::NewerVersion { found: 2 };
    assert_eq!(try_open(&mut flash).err(), Some(OpenHomeStoreError::Journal(newer)));
    assert_eq!(flash.image(), image);
}

/// Gives the newest record of a journal the last number there is.
fn at_last_sequence_number() -> SimFlash {
    let mut image = provisioned().into_image();
    let journal = &image[JOURNAL_OFFSET..JOURNAL_OFFSET + SECTOR_BYTES];
    let last = JOURNAL_OFFSET
        + 32 * journal.chunks(32).rposition(|cell| cell.iter().any(|&byte| byte != 0xFF)).unwrap();
    image[last + 8..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let crc = crc32(&image[last..][..28]);
    image[last + 28..][..4].copy_from_slice(&crc.to_le_bytes());
    SimFlash::from_image(image)
}

#[test]
fn a_journal_at_its_last_sequence_number_begins_anew() {
    let mut flash = at_last_sequence_number();
    for boot_count in 2..300 {
        assert_eq!(block_on(open(&mut flash).record_boot()), Ok(boot_count));
    }
    block_on(open(&mut flash).wipe()).unwrap();
    let seen = visible(&mut open(&mut flash));
    assert_eq!((seen.home, seen.epoch, seen.boot_count), (None, Epoch(3), 299));
}

#[test]
fn a_wipe_at_the_last_sequence_number_is_done_or_not_begun_after_any_power_cut() {
    let tear = EraseTear::RandomBits { seed: 9 };
    let in_writes = (0..64).map(|written_bytes| PowerCut::InWrite { written_bytes, torn_mask: 0x3C });
    let in_erases = (0..4).map(|erased_sectors| PowerCut::InErase { erased_sectors, tear });
    for cut in in_writes.chain(in_erases) {
        let mut flash = at_last_sequence_number();
        flash.cut_power(cut);
        let mut store = open(&mut flash);
        assert!(block_on(store.wipe()).is_err(), "{cut:?}");
        flash.power_on();
        let seen = visible(&mut open(&mut flash));
        match seen.home {
            None => {
                assert_eq!((seen.epoch, seen.boot_count), (Epoch(3), 1), "{cut:?}");
                assert_eq!(find_trace(flash.image(), &largest_home("stored")), None, "{cut:?}");
            }
            Some(home) => {
                assert_eq!((home, seen.epoch), (largest_home("stored"), Epoch(2)), "{cut:?}");
                block_on(open(&mut flash).wipe()).unwrap();
                assert_eq!(open(&mut flash).epoch(), Epoch(3), "{cut:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn scattered_garbage_never_invents_a_home(
        patches in vec((SECTOR_BYTES..5 * SECTOR_BYTES, any::<u8>()), 1..200),
    ) {
        let mut image = provisioned().into_image();
        for (offset, byte) in patches {
            image[offset] = byte;
        }
        let mut flash = SimFlash::from_image(image);
        let mut store = open(&mut flash);
        let home = block_on(store.load_home()).unwrap();
        prop_assert!(home.is_none() || home == Some(largest_home("stored")));
        prop_assert!(store.epoch() <= Epoch(2));
        block_on(store.save_home(&small_home("after"))).unwrap();
        prop_assert_eq!(block_on(store.load_home()), Ok(Some(small_home("after"))));
    }
}

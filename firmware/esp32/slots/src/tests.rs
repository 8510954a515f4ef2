//! The trial of an image, with every power cut and both kinds of boot loader.

mod board;

use board::{BootLoader, MAP, SimulatedFlash, boot, flash_over_cable, is_whole, update};

use crate::otadata::{ENTRY_BYTES, Entry, ImageState, Selection};
use crate::{SECTOR_BYTES, Slot, SlotError, Slots, Standing, VERSION_BYTES_MAX};

const LOADERS: [BootLoader; 2] = [BootLoader::Plain, BootLoader::RollBack];
const IMAGE_BYTES: u32 = SECTOR_BYTES + 1000;

fn new_board() -> SimulatedFlash {
    let mut flash = SimulatedFlash::new();
    flash_over_cable(&mut flash, Slot::First, "1.0.0");
    flash
}

fn slots(running: Slot) -> Slots {
    Slots::new(MAP, running)
}

/// Boots and lets the firmware do its first act.
fn boot_and_start(flash: &mut SimulatedFlash, loader: BootLoader) -> (Slot, Standing) {
    let running = boot(flash, loader).expect("an image boots");
    (running, slots(running).start(flash).unwrap())
}

fn version(flash: &mut SimulatedFlash, slot: Slot) -> std::string::String {
    let mut version = [0; VERSION_BYTES_MAX];
    let length = slots(Slot::First).version(flash, slot, &mut version).unwrap().unwrap();
    std::string::String::from_utf8(version[..length].to_vec()).unwrap()
}

#[test]
fn records_are_those_of_the_boot_loader() {
    // Sequence 1 valid and sequence 2 new, as ESP-IDF writes them.
    let first = Entry { sequence: 1, state: ImageState::Valid }.encode();
    assert_eq!(first[..4], [1, 0, 0, 0]);
    assert_eq!(first[24..], [2, 0, 0, 0, 154, 152, 67, 71]);
    let second = Entry { sequence: 2, state: ImageState::New }.encode();
    assert_eq!(second[24..], [0, 0, 0, 0, 116, 55, 246, 85]);
    assert!(first[4..24].iter().all(|byte| *byte == 0xFF));
}

#[test]
fn damaged_records_count_for_nothing() {
    let whole = Entry { sequence: 7, state: ImageState::Valid }.encode();
    assert_eq!(Entry::decode(&whole), Some(Entry { sequence: 7, state: ImageState::Valid }));
    for index in (0..4).chain(28..32) {
        let mut damaged = whole;
        damaged[index] ^= 0x10;
        assert_eq!(Entry::decode(&damaged), None, "byte {index}");
    }
    assert_eq!(Entry::decode(&[0xFF; ENTRY_BYTES]), None);
    assert_eq!(Entry::decode(&[0; ENTRY_BYTES]), None);
}

#[test]
fn a_new_board_runs_its_first_image_for_good() {
    for loader in LOADERS {
        let mut flash = new_board();
        assert_eq!(boot_and_start(&mut flash, loader), (Slot::First, Standing::Confirmed));
        assert_eq!(flash.operation_count, 0, "an ordinary boot costs no flash");
    }
}

#[test]
fn a_confirmed_image_stays_and_the_next_update_goes_the_other_way() {
    for loader in LOADERS {
        let mut flash = new_board();
        let mut running = Slot::First;
        for number in 1..6 {
            let text = std::format!("1.0.{number}");
            update(&mut flash, slots(running), &text).unwrap();
            running = running.other();
            assert_eq!(boot_and_start(&mut flash, loader), (running, Standing::OnTrial));
            slots(running).confirm(&mut flash).unwrap();
            for _ in 0..3 {
                assert_eq!(boot_and_start(&mut flash, loader), (running, Standing::Confirmed), "{loader:?}");
            }
            assert_eq!(version(&mut flash, running), text);
        }
    }
}

#[test]
fn an_image_that_is_not_confirmed_boots_once() {
    for loader in LOADERS {
        let mut flash = new_board();
        update(&mut flash, slots(Slot::First), "2.0.0").unwrap();
        assert_eq!(boot_and_start(&mut flash, loader), (Slot::Second, Standing::OnTrial));
        assert_eq!(boot_and_start(&mut flash, loader), (Slot::First, Standing::Restored), "{loader:?}");
        assert_eq!(version(&mut flash, Slot::Second), "2.0.0");
        slots(Slot::First).confirm(&mut flash).unwrap();
        assert_eq!(boot_and_start(&mut flash, loader), (Slot::First, Standing::Confirmed), "{loader:?}");
    }
}

#[test]
fn a_boot_loader_with_roll_back_covers_what_crashes_before_its_first_act() {
    let mut flash = new_board();
    update(&mut flash, slots(Slot::First), "2.0.0").unwrap();
    assert_eq!(boot(&mut flash, BootLoader::RollBack), Some(Slot::Second));
    assert_eq!(boot_and_start(&mut flash, BootLoader::RollBack), (Slot::First, Standing::Restored));
    // One without it starts the image again and again, as the guide says.
    let mut flash = new_board();
    update(&mut flash, slots(Slot::First), "2.0.0").unwrap();
    assert_eq!(boot(&mut flash, BootLoader::Plain), Some(Slot::Second));
    assert_eq!(boot(&mut flash, BootLoader::Plain), Some(Slot::Second));
}

#[test]
fn rolling_back_starts_the_former_image() {
    for loader in LOADERS {
        let mut flash = new_board();
        update(&mut flash, slots(Slot::First), "2.0.0").unwrap();
        let (running, _) = boot_and_start(&mut flash, loader);
        slots(running).roll_back(&mut flash).unwrap();
        assert_eq!(boot_and_start(&mut flash, loader), (Slot::First, Standing::Restored));
    }
}

#[test]
fn an_image_that_is_not_whole_is_passed_over() {
    for loader in LOADERS {
        let mut flash = new_board();
        update(&mut flash, slots(Slot::First), "2.0.0").unwrap();
        let end = (MAP.images[1].offset + IMAGE_BYTES) as usize;
        flash.bytes[end - 1] = 0;
        assert_eq!(boot_and_start(&mut flash, loader), (Slot::First, Standing::Restored), "{loader:?}");
        slots(Slot::First).confirm(&mut flash).unwrap();
        assert_eq!(boot_and_start(&mut flash, loader), (Slot::First, Standing::Confirmed));
    }
}

#[test]
fn a_power_cut_at_any_operation_of_an_update_leaves_an_image_that_boots() {
    for loader in LOADERS {
        // A board that has updates behind it: both records are written.
        let mut before = new_board();
        update(&mut before, slots(Slot::First), "2.0.0").unwrap();
        boot_and_start(&mut before, loader);
        slots(Slot::Second).confirm(&mut before).unwrap();
        let mut clean = before.clone();
        clean.operation_count = 0;
        update(&mut clean, slots(Slot::Second), "3.0.0").unwrap();
        let operation_count = clean.operation_count;
        assert!(operation_count > 8, "{operation_count}");
        for cut in 1..=operation_count {
            let mut flash = before.clone();
            flash.operations_left = Some(cut);
            let updated = update(&mut flash, slots(Slot::Second), "3.0.0");
            assert!(updated.is_err(), "cut {cut}");
            let (running, standing) = boot_and_start(&mut flash, loader);
            assert!(is_whole(&flash, running), "cut {cut}");
            // The cut in the last write may leave a record that is whole all the same.
            assert!(
                running == Slot::Second || standing == Standing::OnTrial,
                "cut {cut}: {running:?} {standing:?}"
            );
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_of_a_trial_leaves_one_of_the_two_images() {
    for loader in LOADERS {
        let mut before = new_board();
        update(&mut before, slots(Slot::First), "2.0.0").unwrap();
        for cut in 1..=8 {
            let mut flash = before.clone();
            let running = boot(&mut flash, loader).unwrap();
            assert_eq!(running, Slot::Second);
            flash.operations_left = Some(cut);
            let slots_of_new = slots(running);
            let started = slots_of_new.start(&mut flash);
            let confirmed = started.and_then(|_| slots_of_new.confirm(&mut flash));
            assert_eq!(confirmed.is_ok(), flash.operations_left != Some(0), "cut {cut}");
            // Whatever boots, once it is confirmed it stays, and the home of an update is not lost.
            let (running, _) = boot_and_start(&mut flash, loader);
            slots(running).confirm(&mut flash).unwrap();
            assert_eq!(
                boot_and_start(&mut flash, loader),
                (running, Standing::Confirmed),
                "{loader:?} {cut}"
            );
        }
    }
}

#[test]
fn no_record_names_a_slot_whose_image_is_in_the_making() {
    let mut flash = new_board();
    update(&mut flash, slots(Slot::First), "2.0.0").unwrap();
    let (running, _) = boot_and_start(&mut flash, BootLoader::Plain);
    slots(running).confirm(&mut flash).unwrap();
    // A cable can leave a record of the other slot behind, too.
    flash.bytes[SECTOR_BYTES as usize..][..ENTRY_BYTES]
        .copy_from_slice(&Entry { sequence: 1, state: ImageState::Valid }.encode());
    slots(running).begin(&mut flash, IMAGE_BYTES).unwrap();
    let selection = Selection::read(&mut flash, MAP.otadata).unwrap();
    assert_eq!(selection.selected(), running);
    assert_eq!(selection.newest_of(running.other()), None);
}

#[test]
fn a_confirmation_takes_away_both_records_when_both_refuse_the_other_slot() {
    let mut flash = new_board();
    for (sector, sequence) in [(0, 2), (SECTOR_BYTES, 4)] {
        flash.bytes[sector as usize..][..ENTRY_BYTES]
            .copy_from_slice(&Entry { sequence, state: ImageState::Invalid }.encode());
    }
    assert_eq!(boot_and_start(&mut flash, BootLoader::Plain), (Slot::First, Standing::Restored));
    slots(Slot::First).confirm(&mut flash).unwrap();
    assert_eq!(boot_and_start(&mut flash, BootLoader::Plain), (Slot::First, Standing::Confirmed));
}

#[test]
fn an_image_on_trial_takes_no_update() {
    let mut flash = new_board();
    update(&mut flash, slots(Slot::First), "2.0.0").unwrap();
    let (running, _) = boot_and_start(&mut flash, BootLoader::Plain);
    assert_eq!(slots(running).begin(&mut flash, IMAGE_BYTES), Err(SlotError::Unconfirmed));
    assert_eq!(boot_and_start(&mut flash, BootLoader::Plain), (Slot::First, Standing::Restored));
}

#[test]
fn what_does_not_fit_or_is_for_another_chip_is_refused() {
    let mut flash = new_board();
    let running = slots(Slot::First);
    let capacity = running.capacity_bytes();
    assert_eq!(running.begin(&mut flash, capacity + 1), Err(SlotError::TooLarge));
    assert_eq!(running.begin(&mut flash, 0), Err(SlotError::TooLarge));
    assert_eq!(running.write(&mut flash, capacity, &[0; 4]), Err(SlotError::TooLarge));
    assert_eq!(running.write(&mut flash, u32::MAX - 3, &[0; 4]), Err(SlotError::TooLarge));
    assert_eq!(running.read(&mut flash, 2, &mut [0; 4]), Err(SlotError::TooLarge));
    assert_eq!(running.boot_on_trial(&mut flash), Err(SlotError::NotAnImage));
    flash_over_cable(&mut flash, Slot::Second, "2.0.0");
    flash.bytes[MAP.images[1].offset as usize + 12] = 13;
    assert_eq!(running.boot_on_trial(&mut flash), Err(SlotError::NotAnImage));
    assert_eq!(boot_and_start(&mut flash, BootLoader::Plain), (Slot::First, Standing::Confirmed));
}

#[test]
fn a_slot_without_an_image_has_no_version() {
    let mut flash = new_board();
    assert_eq!(slots(Slot::First).version(&mut flash, Slot::Second, &mut [0; VERSION_BYTES_MAX]), Ok(None));
    assert_eq!(version(&mut flash, Slot::First), "1.0.0");
}

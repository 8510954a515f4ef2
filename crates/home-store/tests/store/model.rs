//! The store equals a plain value in memory, whatever happens in whatever order, power cuts included.

use embassy_futures::block_on;
use home_store::sim_flash::{EraseTear, PowerCut, SimFlash};
use home_store::{Epoch, Home};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::encoding::any_home;
use crate::fixtures::{
    SECTOR_COUNT, Store, Visible, assert_stays_inside_the_layout, open, try_open, visible,
};

#[derive(Clone, Debug)]
enum Operation {
    Save(Box<Home>),
    Wipe,
    RecordBoot,
    RecordManyBoots(u8),
    SetLastError(Option<u16>),
    SetGestureCount(u8),
    RaiseEpoch(u32),
    Reopen,
}

impl Operation {
    /// Returns `false` if the store reported an error.
    fn run(&self, store: &mut Store<'_>) -> bool {
        match self {
            Self::Save(home) => block_on(store.save_home(home)).is_ok(),
            Self::Wipe => block_on(store.wipe()).is_ok(),
            Self::RecordBoot => block_on(store.record_boot()).is_ok(),
            Self::RecordManyBoots(count) => (0..*count).all(|_| block_on(store.record_boot()).is_ok()),
            Self::SetLastError(code) => block_on(store.set_last_error(*code)).is_ok(),
            Self::SetGestureCount(count) => block_on(store.set_gesture_count(*count)).is_ok(),
            Self::RaiseEpoch(epoch) => block_on(store.raise_epoch(Epoch(*epoch))).is_ok(),
            Self::Reopen => true,
        }
    }

    fn apply(&self, model: &mut Visible) {
        match self {
            Self::Save(home) => model.home = Some(Home::clone(home)),
            Self::Wipe => {
                model.home = None;
                model.epoch.0 += 1;
                model.last_error = None;
                model.gesture_count = 0;
            }
            Self::RecordBoot => model.boot_count += 1,
            Self::RecordManyBoots(count) => model.boot_count += u32::from(*count),
            Self::SetLastError(code) => model.last_error = *code,
            Self::SetGestureCount(count) => model.gesture_count = *count,
            Self::RaiseEpoch(epoch) => model.epoch = model.epoch.max(Epoch(*epoch)),
            Self::Reopen => {}
        }
    }
}

fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => any_home().prop_map(|home| Operation::Save(Box::new(home))),
        2 => Just(Operation::Wipe),
        3 => Just(Operation::RecordBoot),
        1 => (1..150_u8).prop_map(Operation::RecordManyBoots),
        2 => option::of(any::<u16>()).prop_map(Operation::SetLastError),
        2 => any::<u8>().prop_map(Operation::SetGestureCount),
        1 => (0..20_u32).prop_map(Operation::RaiseEpoch),
        1 => Just(Operation::Reopen),
    ]
}

fn any_cut() -> impl Strategy<Value = PowerCut> {
    let tear = prop_oneof![
        Just(EraseTear::NotBegun),
        Just(EraseTear::Cleared),
        Just(EraseTear::Completed),
        (0..4096_usize).prop_map(|bytes| EraseTear::HeadErased { bytes }),
        (0..4096_usize).prop_map(|bytes| EraseTear::TailErased { bytes }),
        any::<u64>().prop_map(|seed| EraseTear::SomeBitsErased { seed }),
        any::<u64>().prop_map(|seed| EraseTear::RandomBits { seed }),
    ];
    let written_bytes = prop_oneof![0..64_u64, 0..7000_u64];
    prop_oneof![
        3 => (written_bytes, any::<u8>())
            .prop_map(|(written_bytes, torn_mask)| PowerCut::InWrite { written_bytes, torn_mask }),
        1 => (0..3_u64, tear).prop_map(|(erased_sectors, tear)| PowerCut::InErase { erased_sectors, tear }),
    ]
}

/// Runs one operation and reboots; after an error the model takes over whichever whole state is there.
fn step(
    flash: &mut SimFlash,
    model: &mut Visible,
    operation: &Operation,
    cuts: &[PowerCut],
) -> Result<(), TestCaseError> {
    let before = model.clone();
    let mut after = model.clone();
    operation.apply(&mut after);
    let mut cuts = cuts.iter();
    if let Some(cut) = cuts.next() {
        flash.cut_power(*cut);
    }
    let has_succeeded = try_open(flash).is_ok_and(|mut store| operation.run(&mut store));
    for cut in cuts {
        flash.power_on();
        flash.cut_power(*cut);
        drop(try_open(flash));
    }
    flash.power_on();
    let seen = visible(&mut open(flash));
    if has_succeeded {
        prop_assert_eq!(&seen, &after);
    } else if let Operation::RecordManyBoots(_) = operation {
        prop_assert!((before.boot_count..=after.boot_count).contains(&seen.boot_count));
        prop_assert_eq!(&seen, &Visible { boot_count: seen.boot_count, ..before });
    } else {
        prop_assert!(seen == before || seen == after, "saw {:?}, expected {:?} or {:?}", seen, before, after);
    }
    *model = seen;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn store_equals_a_value_in_memory_through_random_power_cuts(
        steps in vec((any_operation(), vec(any_cut(), 0..3)), 1..25),
    ) {
        let mut flash = SimFlash::erased(SECTOR_COUNT);
        let mut model = visible(&mut open(&mut flash));
        for (operation, cuts) in &steps {
            step(&mut flash, &mut model, operation, cuts)?;
        }
        assert_stays_inside_the_layout(&flash);
    }

    #[test]
    fn store_that_stays_open_shows_what_a_reboot_would_show(operations in vec(any_operation(), 1..25)) {
        let mut flash = SimFlash::erased(SECTOR_COUNT);
        let mut model = visible(&mut open(&mut flash));
        let mut store = open(&mut flash);
        for operation in &operations {
            prop_assert!(operation.run(&mut store));
            operation.apply(&mut model);
            prop_assert_eq!(&visible(&mut store), &model);
        }
        prop_assert_eq!(&visible(&mut open(&mut flash)), &model);
    }
}

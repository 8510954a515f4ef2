//! The power fails at every byte written and in every erase of every operation, and again at the repair that follows.
//!
//! Small homes are cut at every byte, between two bytes and within one, and in every erase with every tear.
//!
//! The repair after it is cut as well, with strides that keep the run short: after a cut at the edge of a cell (32
//! bytes) at every byte and with every tear; after a cut in an erase at every `STRIDE_AFTER_ERASE`-th byte and with
//! every tear; after any other cut at every `STRIDE_AFTER_WRITE`-th byte and with every `STRIDE_OF_TEARS`-th tear. The
//! strides begin at another point after each first cut, so that together they meet all points.
//!
//! The largest home is cut at every `STRIDE_OF_LARGEST`-th byte, and at every byte of the two cells at both ends of
//! each slot.

use embassy_futures::block_on;
use home_store::sim_flash::{EraseTear, OperationCounters, PowerCut, SECTOR_BYTES, SimFlash};
use home_store::{Epoch, Home};

use crate::fixtures::{
    SECTOR_COUNT, Store, TraceSearch, Visible, assert_stays_inside_the_layout, find_trace, largest_home,
    open, small_home, try_open, visible,
};

const CELL_BYTES: u64 = 32;
const STRIDE_AFTER_ERASE: u64 = 7;
const STRIDE_AFTER_WRITE: u64 = 41;
const STRIDE_OF_TEARS: u64 = 5;
const STRIDE_OF_LARGEST: u64 = 397;

/// Bits of the byte in flight that the cut leaves unwritten: the byte is left alone, or torn.
const TORN_MASKS: [u8; 2] = [0xFF, 0xA5];

#[derive(Clone, Debug)]
enum Operation {
    Save(Box<Home>),
    Wipe,
    RecordBoot,
    SetLastError(Option<u16>),
    SetGestureCount(u8),
    RaiseEpoch(Epoch),
    /// Only what opening does.
    Open,
}

impl Operation {
    /// `true` if the operation reported success.
    fn run(&self, store: &mut Store<'_>) -> bool {
        match self {
            Self::Save(home) => block_on(store.save_home(home)).is_ok(),
            Self::Wipe => block_on(store.wipe()).is_ok(),
            Self::RecordBoot => block_on(store.record_boot()).is_ok(),
            Self::SetLastError(code) => block_on(store.set_last_error(*code)).is_ok(),
            Self::SetGestureCount(count) => block_on(store.set_gesture_count(*count)).is_ok(),
            Self::RaiseEpoch(epoch) => block_on(store.raise_epoch(*epoch)).is_ok(),
            Self::Open => true,
        }
    }

    fn open_and_run(&self, flash: &mut SimFlash) -> bool {
        match try_open(flash) {
            Ok(mut store) => self.run(&mut store),
            Err(_) => false,
        }
    }
}

fn erase_tears(seed: u64) -> Vec<EraseTear> {
    vec![
        EraseTear::NotBegun,
        EraseTear::Cleared,
        EraseTear::HeadErased { bytes: 32 },
        EraseTear::HeadErased { bytes: 64 },
        EraseTear::HeadErased { bytes: 2048 },
        EraseTear::TailErased { bytes: 32 },
        EraseTear::TailErased { bytes: 80 },
        EraseTear::TailErased { bytes: 4092 },
        EraseTear::SomeBitsErased { seed },
        EraseTear::RandomBits { seed },
        EraseTear::Completed,
    ]
}

fn cuts_in_erases(erased_sectors: u64, seed: u64) -> impl Iterator<Item = PowerCut> {
    (0..erased_sectors).flat_map(move |index| {
        let tears = erase_tears(seed.wrapping_mul(31).wrapping_add(index));
        tears.into_iter().map(move |tear| PowerCut::InErase { erased_sectors: index, tear })
    })
}

fn difference(after: OperationCounters, before: OperationCounters) -> OperationCounters {
    OperationCounters {
        written_bytes: after.written_bytes - before.written_bytes,
        erased_sectors: after.erased_sectors - before.erased_sectors,
    }
}

/// One operation on one flash, with the two states that may be seen after a cut.
struct Experiment {
    before: SimFlash,
    operation: Operation,
    old: Visible,
    new: Visible,
    old_traces: Option<TraceSearch>,
    new_traces: Option<TraceSearch>,
    work: OperationCounters,
    /// First cuts done and repairs cut, to show that the experiment is no empty loop.
    first_cut_count: u64,
    nested_cut_count: u64,
}

impl Experiment {
    fn new(before: &SimFlash, operation: Operation) -> Self {
        let old = visible(&mut open(&mut before.clone()));
        let mut done = before.clone();
        assert!(operation.open_and_run(&mut done), "{operation:?} works without a cut");
        let work = difference(done.counters(), before.counters());
        let new = visible(&mut open(&mut done));
        Self {
            before: before.clone(),
            operation,
            old_traces: old.home.as_ref().map(TraceSearch::of),
            new_traces: new.home.as_ref().map(TraceSearch::of),
            old,
            new,
            work,
            first_cut_count: 0,
            nested_cut_count: 0,
        }
    }

    /// Cuts at every byte with every torn mask, and in every erase with every tear.
    fn cut_everywhere(&mut self) {
        for written_bytes in 0..self.work.written_bytes {
            let is_cell_edge = written_bytes.is_multiple_of(CELL_BYTES);
            for torn_mask in TORN_MASKS {
                let stride = if is_cell_edge && torn_mask == 0xFF { 1 } else { STRIDE_AFTER_WRITE };
                self.cut_at(PowerCut::InWrite { written_bytes, torn_mask }, stride, written_bytes);
            }
        }
        for (shift, cut) in (0..).zip(cuts_in_erases(self.work.erased_sectors, 1)) {
            self.cut_at(cut, STRIDE_AFTER_ERASE, shift);
        }
        assert!(self.first_cut_count >= self.work.written_bytes * 2 + self.work.erased_sectors * 11);
    }

    fn cut_sparsely(&mut self) {
        let half = self.work.written_bytes / 2;
        let near = |written_bytes: u64, point: u64| written_bytes.abs_diff(point) <= 2 * CELL_BYTES;
        for written_bytes in 0..self.work.written_bytes {
            let is_edge =
                near(written_bytes, 0) || near(written_bytes, half) || near(written_bytes, half * 2);
            if is_edge || written_bytes.is_multiple_of(STRIDE_OF_LARGEST) {
                self.cut_at(PowerCut::InWrite { written_bytes, torn_mask: 0xA5 }, 1999, written_bytes);
            }
        }
        for cut in cuts_in_erases(self.work.erased_sectors, 2) {
            self.cut_at(cut, 1999, 0);
        }
    }

    fn cut_at(&mut self, cut: PowerCut, nested_stride: u64, shift: u64) {
        self.first_cut_count += 1;
        let mut flash = self.before.clone();
        flash.cut_power(cut);
        let has_succeeded = self.operation.open_and_run(&mut flash);
        assert!(!flash.is_powered(), "{:?}: {cut:?} never happened", self.operation);
        flash.power_on();

        let mut repaired = flash.clone();
        let seen = self.check(&mut repaired, cut, None);
        assert!(
            !has_succeeded || seen == self.new,
            "{:?} reported success before it was durable, {cut:?}",
            self.operation
        );
        self.check_usable(&mut repaired, &seen);

        let repair = difference(repaired_work(&flash), flash.counters());
        let first_point = shift % nested_stride;
        let points = (first_point..repair.written_bytes).step_by(usize::try_from(nested_stride).unwrap());
        let in_writes = points.map(|written_bytes| PowerCut::InWrite { written_bytes, torn_mask: 0xA5 });
        let tear_stride = if nested_stride > STRIDE_AFTER_ERASE { STRIDE_OF_TEARS } else { 1 };
        let in_erases = cuts_in_erases(repair.erased_sectors, 3)
            .skip(usize::try_from(shift % tear_stride).unwrap())
            .step_by(usize::try_from(tear_stride).unwrap());
        for nested in in_writes.chain(in_erases) {
            self.nested_cut_count += 1;
            self.cut_repair(flash.clone(), cut, nested);
        }
    }

    fn cut_repair(&self, mut flash: SimFlash, cut: PowerCut, nested: PowerCut) {
        flash.cut_power(nested);
        // What the interrupted boot showed before the power failed must stay true.
        let shown = try_open(&mut flash).ok().and_then(|mut store| block_on(store.load_home()).ok());
        assert!(!flash.is_powered(), "{nested:?} never happened after {cut:?}");
        flash.power_on();
        let seen = self.check(&mut flash, cut, Some(nested));
        assert!(
            shown.is_none_or(|home| home == seen.home),
            "a home was shown, then another, {cut:?}, {nested:?}"
        );
    }

    /// Boots and demands the whole old or the whole new state, and no trace of the other home.
    fn check(&self, flash: &mut SimFlash, cut: PowerCut, nested: Option<PowerCut>) -> Visible {
        let seen = visible(&mut open(flash));
        assert!(
            seen == self.old || seen == self.new,
            "{:?} cut at {cut:?}, repair at {nested:?}: saw {seen:?}, expected {:?} or {:?}",
            self.operation,
            self.old,
            self.new
        );
        assert!(seen.epoch >= self.old.epoch, "the epoch went back");
        let again = visible(&mut open(flash));
        assert_eq!(seen, again, "the next boot shows something else, {cut:?}, {nested:?}");
        let gone = if seen == self.new { &self.old_traces } else { &self.new_traces };
        let has_repaired = seen.home.is_some() || seen.epoch > self.old.epoch || !is_seal_torn(flash.image());
        if let (Some(gone), true, true) = (gone, has_repaired, self.old.home != self.new.home) {
            assert_eq!(gone.find(flash.image()), None, "{:?}, {cut:?}, {nested:?}", self.operation);
        }
        assert_stays_inside_the_layout(flash);
        seen
    }

    fn check_usable(&self, flash: &mut SimFlash, seen: &Visible) {
        let mut store = open(flash);
        assert_eq!(block_on(store.record_boot()), Ok(seen.boot_count + 1));
        block_on(store.save_home(&small_home("probe"))).expect("a home can be saved after the cut");
        block_on(store.set_last_error(Some(723))).expect("an error can be recorded after the cut");
        let mut store = open(flash);
        let now = visible(&mut store);
        assert_eq!((now.home, now.last_error), (Some(small_home("probe")), Some(723)));
        let report = block_on(store.wipe()).expect("the home can be wiped after the cut");
        assert_eq!(report.epoch, Epoch(seen.epoch.0 + 1));
        assert_eq!(visible(&mut open(flash)).home, None);
        for traces in [&self.old_traces, &self.new_traces].into_iter().flatten() {
            assert_eq!(traces.find(flash.image()), None);
        }
    }
}

/// Whether one of the slots begins with bytes that are no seal: a save was cut while it wrote its last cell. What is
/// behind it may be a home that reads wrongly, so it stays.
fn is_seal_torn(image: &[u8]) -> bool {
    let slots = image[3 * SECTOR_BYTES..].chunks(SECTOR_BYTES).take(2);
    slots.into_iter().any(|slot| slot[..32].iter().any(|&byte| byte != 0xFF))
}

/// What the flash will have done after one undisturbed boot.
fn repaired_work(flash: &SimFlash) -> OperationCounters {
    let mut copy = flash.clone();
    open(&mut copy).into_flash().counters()
}

/// A device that booted a few times in epoch 1 without a home.
fn unprovisioned() -> SimFlash {
    let mut flash = SimFlash::erased(SECTOR_COUNT);
    let mut store = open(&mut flash);
    block_on(store.record_boot()).unwrap();
    block_on(store.wipe()).unwrap();
    block_on(store.record_boot()).unwrap();
    flash
}

/// A device at rest with the home "older", which it holds twice.
fn provisioned() -> SimFlash {
    let mut flash = unprovisioned();
    let mut store = open(&mut flash);
    block_on(store.save_home(&small_home("older"))).unwrap();
    block_on(store.set_last_error(Some(720))).unwrap();
    block_on(store.set_gesture_count(2)).unwrap();
    flash
}

/// The home "older" in one slot, and in the other a third home that is neither old nor new: the power failed before
/// the second copy was renewed.
fn with_third_home() -> SimFlash {
    let mut flash = unprovisioned();
    block_on(open(&mut flash).save_home(&small_home("third"))).unwrap();
    flash.cut_power(PowerCut::InErase { erased_sectors: 1, tear: EraseTear::NotBegun });
    block_on(open(&mut flash).save_home(&small_home("older")))
        .expect("the home is complete before the second erase");
    assert!(!flash.is_powered());
    flash.power_on();
    for name in ["third", "older"] {
        assert!(
            find_trace(flash.image(), &small_home(name)).is_some(),
            "the image must hold the home {name}"
        );
    }
    flash
}

/// Fills the journal's sector so that the next record must erase one: `free_cell_count` records still fit.
fn with_journal_almost_full(mut flash: SimFlash, free_cell_count: u64) -> SimFlash {
    let mut store_at_rest = flash.clone();
    let mut record_count = 0;
    loop {
        let erased_before = store_at_rest.counters().erased_sectors;
        block_on(open(&mut store_at_rest).record_boot()).unwrap();
        if store_at_rest.counters().erased_sectors > erased_before {
            break;
        }
        record_count += 1;
    }
    for _ in 0..record_count - free_cell_count {
        block_on(open(&mut flash).record_boot()).unwrap();
    }
    flash
}

fn cut_everywhere(before: &SimFlash, operation: Operation) -> Experiment {
    let mut experiment = Experiment::new(before, operation);
    experiment.cut_everywhere();
    experiment
}

#[test]
fn first_home_is_stored_whole_or_not_at_all() {
    let experiment = cut_everywhere(&unprovisioned(), Operation::Save(Box::new(small_home("newer"))));
    assert_eq!(experiment.old.home, None);
    assert!(experiment.nested_cut_count > 1000, "{}", experiment.nested_cut_count);
}

#[test]
fn replaced_home_is_the_whole_old_or_the_whole_new_one() {
    let experiment = cut_everywhere(&provisioned(), Operation::Save(Box::new(small_home("newer"))));
    assert_eq!(
        (experiment.old.home, experiment.new.home),
        (Some(small_home("older")), Some(small_home("newer")))
    );
    assert!(experiment.nested_cut_count > 1000, "{}", experiment.nested_cut_count);
}

#[test]
fn replaced_home_never_turns_into_a_third_one_left_in_the_other_slot() {
    let experiment = cut_everywhere(&with_third_home(), Operation::Save(Box::new(small_home("newer"))));
    assert_eq!(
        (experiment.old.home, experiment.new.home),
        (Some(small_home("older")), Some(small_home("newer")))
    );
}

#[test]
fn repair_after_a_cut_never_brings_back_the_home_before() {
    let experiment = cut_everywhere(&with_third_home(), Operation::Open);
    assert_eq!(experiment.old, experiment.new);
    assert!(experiment.work.erased_sectors > 0, "opening repaired nothing");
}

#[test]
fn wipe_happens_whole_or_not_at_all() {
    for before in [provisioned(), with_third_home()] {
        let experiment = cut_everywhere(&before, Operation::Wipe);
        assert_eq!(experiment.new.home, None);
        assert_eq!(experiment.new.epoch, Epoch(experiment.old.epoch.0 + 1));
        assert!(experiment.nested_cut_count > 100, "{}", experiment.nested_cut_count);
    }
}

#[test]
fn wipe_across_a_journal_sector_happens_whole_or_not_at_all() {
    for free_cell_count in [0, 1] {
        cut_everywhere(&with_journal_almost_full(provisioned(), free_cell_count), Operation::Wipe);
    }
}

#[test]
fn small_facts_change_whole_or_not_at_all() {
    let operations = [
        Operation::RecordBoot,
        Operation::SetLastError(None),
        Operation::SetLastError(Some(731)),
        Operation::SetGestureCount(5),
        Operation::RaiseEpoch(Epoch(7)),
    ];
    for operation in operations {
        let before = provisioned();
        let experiment = cut_everywhere(&before, operation.clone());
        assert_ne!(experiment.old, experiment.new, "{operation:?} changes something");
        let experiment = cut_everywhere(&with_journal_almost_full(before, 0), operation);
        assert_eq!(experiment.work.erased_sectors, 1, "the journal's next sector is begun");
    }
}

#[test]
fn largest_home_is_replaced_whole_or_not_at_all() {
    let mut before = unprovisioned();
    block_on(open(&mut before).save_home(&largest_home("older"))).unwrap();
    let mut experiment = Experiment::new(&before, Operation::Save(Box::new(largest_home("newer"))));
    experiment.cut_sparsely();
    assert!(experiment.first_cut_count > 250, "{}", experiment.first_cut_count);
}

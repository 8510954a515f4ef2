//! The store: homes in slots, facts in the journal, and the order of steps that makes each operation all-or-nothing.

use core::fmt;

use embedded_storage_async::nor_flash::NorFlash;

use crate::access::FlashFault;
use crate::encoding::{HOME_BYTES_MAX, decode_home, encode_home};
use crate::journal::{AppendRecordError, Epoch, Facts, Journal};
use crate::layout::{CheckLayoutError, SLOT_COUNT, StoreLayout, slot_bytes};
use crate::slots::{self, Seal, SlotPair};
use crate::{DecodeHomeError, Home};

/// The stored home, the epoch, the counters and the last error of one device.
///
/// # Cancel safety
///
/// Dropping the future of any method is like a power cut at that point: the store stays usable and holds the whole old
/// or the whole new state. Getters may then show the old state until the next operation.
pub struct HomeStore<F> {
    flash: F,
    layout: StoreLayout,
    journal: Journal,
    redundancy: Redundancy,
    resumed_wipe: Option<WipeReport>,
}

/// The flash is left out: a driver's `Debug` may show what it holds.
impl<F> fmt::Debug for HomeStore<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HomeStore")
            .field("layout", &self.layout)
            .field("facts", &self.journal.facts())
            .field("redundancy", &self.redundancy)
            .finish_non_exhaustive()
    }
}

/// How many sound copies of the home the flash holds, as far as the last operation knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redundancy {
    /// No home is stored.
    Empty,
    /// One copy; the other slot could not be rewritten. The next [`HomeStore::open`] tries again.
    Single,
    /// Two copies.
    Full,
}

/// What a finished wipe did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WipeReport {
    /// The epoch that begins with this wipe.
    pub epoch: Epoch,
    /// Bytes that were erased and read back as erased.
    pub erased_bytes: u32,
}

impl<F: NorFlash> HomeStore<F> {
    /// Opens the store: finishes an interrupted wipe, then restores the second copy of the home where it is missing, and
    /// takes away what a first save left that was cut short.
    ///
    /// Flash that holds nothing valid (new, or random bytes) opens as an empty store in epoch 0, without a write.
    ///
    /// # Errors
    ///
    /// [`OpenHomeStoreError`]. A device that gets one behaves as without a home: its hotspot opens.
    pub async fn open(flash: F, layout: StoreLayout) -> Result<Self, OpenHomeStoreError> {
        Self::open_or_return(flash, layout).await.map_err(|(_, error)| error)
    }

    /// Opens the store as [`Self::open`] does, and hands the flash back where that fails, so that it can be tried again.
    ///
    /// # Errors
    ///
    /// [`OpenHomeStoreError`]. A home may be stored that could not be read.
    pub async fn open_or_return(flash: F, layout: StoreLayout) -> Result<Self, (F, OpenHomeStoreError)> {
        let journal = Journal::new(layout);
        let mut store = Self { flash, layout, journal, redundancy: Redundancy::Empty, resumed_wipe: None };
        match store.start().await {
            Ok(()) => Ok(store),
            Err(error) => Err((store.flash, error)),
        }
    }

    async fn start(&mut self) -> Result<(), OpenHomeStoreError> {
        self.layout.check(&self.flash)?;
        self.journal.refresh(&mut self.flash).await?;
        let slots = SlotPair::scan(&mut self.flash, self.layout).await?;
        self.journal.raise_epoch(Epoch(slots.epoch_max()));
        if self.journal.facts().is_wipe_pending {
            self.resumed_wipe = Some(self.finish_wipe().await?);
        }
        let slots = SlotPair::scan(&mut self.flash, self.layout).await?;
        self.restore_mirror(slots).await;
        Ok(())
    }

    /// Reads the stored home; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`LoadHomeError`]; the stored home is kept in every case.
    pub async fn load_home(&mut self) -> Result<Option<Home>, LoadHomeError> {
        self.journal.refresh(&mut self.flash).await?;
        if self.journal.facts().is_wipe_pending {
            return Ok(None);
        }
        let slots = SlotPair::scan(&mut self.flash, self.layout).await?;
        let Some(newest) = slots.newest() else { return Ok(None) };
        let mut buffer = [0; HOME_BYTES_MAX];
        let payload = slots::read_payload(&mut self.flash, self.layout, newest, &mut buffer).await?;
        Ok(Some(decode_home(payload)?))
    }

    /// Replaces the stored home. After `Ok` nothing of the earlier home is in the flash, unless [`Self::redundancy`] is
    /// [`Redundancy::Single`].
    ///
    /// Costs two sector erases. Does not compare with the stored home first.
    ///
    /// # Errors
    ///
    /// [`SaveHomeError`]. The earlier home then holds, with one exception: if the flash failed after the new home was
    /// complete but before it was read back, the new one holds. [`Self::load_home`] tells.
    pub async fn save_home(&mut self, home: &Home) -> Result<(), SaveHomeError> {
        self.journal.refresh(&mut self.flash).await?;
        if self.journal.facts().is_wipe_pending {
            self.finish_wipe().await?;
        }
        let slots = SlotPair::scan(&mut self.flash, self.layout).await?;
        let facts = self.journal.facts();
        let generation = slots.generation_max().max(facts.wiped_generation).saturating_add(1);
        let target_index = slots.newest().map_or(0, |(index, _)| slots::other_slot(index));
        let payload = encode_home(home);
        let seal = Seal::over(&payload, generation, facts.epoch.0);
        slots::write_slot(&mut self.flash, self.layout, target_index, &payload, seal).await?;
        let found = slots::scan_slot(&mut self.flash, self.layout, target_index).await?;
        if found != Some(seal) {
            // The rejected copy must not come to life later, should the sector read differently then.
            let remains = SlotPair::scan(&mut self.flash, self.layout).await?;
            self.restore_mirror(remains).await;
            return Err(SaveHomeError::NotVerified);
        }
        self.replace_mirror((target_index, seal)).await;
        Ok(())
    }

    /// Erases the stored home and everything left of earlier ones, reads the erased sectors back, and begins a new
    /// epoch. Last error, last network and gesture counter are cleared, the boot counter is kept.
    ///
    /// The intention is recorded first, so once begun a wipe always ends: at the next [`Self::open`] if need be. Wiping
    /// an empty store is allowed and begins a new epoch too. Costs two sector erases.
    ///
    /// # Errors
    ///
    /// [`WipeHomeError`]; from then on the store shows no home and the wipe is tried again by the next `open`,
    /// `save_home` or `wipe`, unless not even the intention could be recorded.
    pub async fn wipe(&mut self) -> Result<WipeReport, WipeHomeError> {
        self.journal.refresh(&mut self.flash).await?;
        if !self.journal.facts().is_wipe_pending {
            let slots = SlotPair::scan(&mut self.flash, self.layout).await?;
            let record_intention = |facts: &mut Facts| {
                facts.is_wipe_pending = true;
                facts.epoch = Epoch(facts.epoch.0.saturating_add(1));
                facts.wiped_generation = facts.wiped_generation.max(slots.generation_max());
                facts.last_error = None;
                facts.last_network = None;
                facts.gesture_count = 0;
            };
            self.journal.update(&mut self.flash, record_intention).await?;
        }
        self.finish_wipe().await
    }

    /// The current epoch. Never lower than any that this store showed before.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.journal.facts().epoch
    }

    /// Takes over a higher epoch that the cloud knows; a lower one changes nothing.
    ///
    /// # Errors
    ///
    /// [`UpdateJournalError`]; the epoch is then the old or the new one.
    pub async fn raise_epoch(&mut self, epoch: Epoch) -> Result<(), UpdateJournalError> {
        Ok(self.journal.update(&mut self.flash, |facts| facts.epoch = facts.epoch.max(epoch)).await?)
    }

    /// Counts one boot and returns the new count. Call it once, after [`Self::open`].
    ///
    /// # Errors
    ///
    /// [`UpdateJournalError`]; the boot may then be counted or not.
    pub async fn record_boot(&mut self) -> Result<u32, UpdateJournalError> {
        let count = |facts: &mut Facts| facts.boot_count = facts.boot_count.saturating_add(1);
        self.journal.update(&mut self.flash, count).await?;
        Ok(self.boot_count())
    }

    /// Boots recorded so far.
    #[must_use]
    pub fn boot_count(&self) -> u32 {
        self.journal.facts().boot_count
    }

    /// Short power-ups in a row, as [`Self::set_gesture_count`] left it.
    #[must_use]
    pub fn gesture_count(&self) -> u8 {
        self.journal.facts().gesture_count
    }

    /// Stores the number of short power-ups in a row. The same number costs no write.
    ///
    /// # Errors
    ///
    /// [`UpdateJournalError`]; the number is then the old or the new one.
    pub async fn set_gesture_count(&mut self, gesture_count: u8) -> Result<(), UpdateJournalError> {
        Ok(self.journal.update(&mut self.flash, |facts| facts.gesture_count = gesture_count).await?)
    }

    /// The code of the last error, as [`Self::set_last_error`] left it.
    #[must_use]
    pub fn last_error(&self) -> Option<u16> {
        self.journal.facts().last_error
    }

    /// Stores or clears the code of the last error. The same code costs no write.
    ///
    /// # Errors
    ///
    /// [`UpdateJournalError`]; the code is then the old or the new one.
    pub async fn set_last_error(&mut self, last_error: Option<u16>) -> Result<(), UpdateJournalError> {
        Ok(self.journal.update(&mut self.flash, |facts| facts.last_error = last_error).await?)
    }

    /// Position in the stored home of the network over which the cloud was reached last, as [`Self::set_last_network`]
    /// left it. It may lie beyond the end of a home that was stored since.
    #[must_use]
    pub fn last_network(&self) -> Option<u8> {
        self.journal.facts().last_network
    }

    /// Stores or clears the position of the network over which the cloud was reached last. The same position costs no
    /// write.
    ///
    /// # Errors
    ///
    /// [`UpdateJournalError`]; the position is then the old or the new one.
    pub async fn set_last_network(&mut self, position: Option<u8>) -> Result<(), UpdateJournalError> {
        Ok(self.journal.update(&mut self.flash, |facts| facts.last_network = position).await?)
    }

    /// The wipe that [`Self::open`] had to finish, if any.
    #[must_use]
    pub fn resumed_wipe(&self) -> Option<WipeReport> {
        self.resumed_wipe
    }

    /// How many sound copies of the home there are.
    #[must_use]
    pub fn redundancy(&self) -> Redundancy {
        self.redundancy
    }

    /// Ends the store and hands the flash back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// Erases what the recorded intention covers. Every step may be repeated, so it does not matter where the first
    /// attempt ended.
    async fn finish_wipe(&mut self) -> Result<WipeReport, WipeHomeError> {
        let wiped_generation = self.journal.facts().wiped_generation;
        let mut erased_bytes = 0_u32;
        for slot_index in 0..SLOT_COUNT {
            let seal = slots::scan_slot(&mut self.flash, self.layout, slot_index).await?;
            if seal.is_some_and(|seal| seal.generation > wiped_generation) {
                // Saved after this wipe had ended: the record that said so is lost, the new home is not to blame.
                continue;
            }
            let written = slots::erase_slot_verified(&mut self.flash, self.layout, slot_index).await?;
            if let Some(offset) = written {
                return Err(WipeHomeError::NotErased { offset });
            }
            erased_bytes = erased_bytes.saturating_add(slot_bytes::<F>());
        }
        self.redundancy = Redundancy::Empty;
        self.journal.update(&mut self.flash, |facts| facts.is_wipe_pending = false).await?;
        Ok(WipeReport { epoch: self.epoch(), erased_bytes })
    }

    async fn restore_mirror(&mut self, slots: SlotPair) {
        match slots.newest() {
            None => self.clear_remains().await,
            Some(_) if slots.is_mirrored() => self.redundancy = Redundancy::Full,
            Some(newest) => self.replace_mirror(newest).await,
        }
    }

    /// Takes away what is left of a first home whose save was cut short. Foreign flash, whose journal is not ours, stays
    /// as it is. A failure is no error: the next `open` tries again.
    async fn clear_remains(&mut self) {
        self.redundancy = Redundancy::Empty;
        for slot_index in 0..SLOT_COUNT {
            if !self.journal.is_begun()
                || slots::clear_unsealed(&mut self.flash, self.layout, slot_index).await.is_err()
            {
                return;
            }
        }
    }

    /// A failure here is no error of the operation: the home is complete, and a device with one damaged sector must
    /// still reach its owner.
    async fn replace_mirror(&mut self, newest: (u32, Seal)) {
        self.redundancy = Redundancy::Single;
        let (source_index, seal) = newest;
        if slots::mirror_slot(&mut self.flash, self.layout, newest).await.is_err() {
            return;
        }
        let copy = slots::scan_slot(&mut self.flash, self.layout, slots::other_slot(source_index)).await;
        if copy == Ok(Some(seal)) {
            self.redundancy = Redundancy::Full;
        }
    }
}

/// The store could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenHomeStoreError {
    /// The layout does not suit the flash.
    #[error("the layout does not suit the flash")]
    Layout(#[from] CheckLayoutError),
    /// The flash could not be read.
    #[error("reading the homes failed")]
    Flash(#[from] FlashFault),
    /// The journal could not be read.
    #[error("reading the journal failed")]
    Journal(#[from] AppendRecordError),
    /// A wipe that was cut short could not be finished.
    #[error("finishing an interrupted wipe failed")]
    ResumeWipe(#[from] WipeHomeError),
}

/// The home could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadHomeError {
    /// The flash could not be read.
    #[error("reading the home failed")]
    Flash(#[from] FlashFault),
    /// The journal could not be read.
    #[error("reading the journal failed")]
    Journal(#[from] AppendRecordError),
    /// The stored bytes are intact, but this firmware cannot read them.
    #[error("the stored home cannot be decoded")]
    Decode(#[from] DecodeHomeError),
}

/// The home could not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaveHomeError {
    /// The flash failed.
    #[error("writing the home failed")]
    Flash(#[from] FlashFault),
    /// The journal could not be read.
    #[error("reading the journal failed")]
    Journal(#[from] AppendRecordError),
    /// What was read back is not what was written; the sector is damaged.
    #[error("the home did not read back as written")]
    NotVerified,
    /// A wipe that was cut short must end first, and did not.
    #[error("finishing an interrupted wipe failed")]
    ResumeWipe(#[from] WipeHomeError),
}

/// The home could not be wiped, or not be shown to be wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WipeHomeError {
    /// The flash failed.
    #[error("erasing the home failed")]
    Flash(#[from] FlashFault),
    /// The intention or the end of the wipe could not be recorded.
    #[error("recording the wipe failed")]
    Journal(#[from] AppendRecordError),
    /// A sector does not become erased; it is damaged and may still hold parts of a home.
    #[error("the flash at {offset:#x} stays written after its erase")]
    NotErased {
        /// First cell that is not erased.
        offset: u32,
    },
}

/// A fact could not be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("recording in the journal failed")]
pub struct UpdateJournalError(#[from] pub AppendRecordError);

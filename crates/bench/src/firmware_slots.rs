//! The two firmware slots of a board and its boot loader, on simulated flash of their own.
//!
//! As on ESP32: two sectors take turns in holding a small record of which slot boots, so that a torn record leaves the
//! one before. A board that was never updated runs the firmware it was built with and has no flash here at all.

use std::cell::RefCell;
use std::rc::Rc;

use device::{FirmwareVersion, SlotState};
use embedded_storage_async::nor_flash::{NorFlash as _, ReadNorFlash as _};
use home_store::sim_flash::{PowerCut, SECTOR_BYTES, SharedSimFlash, SimFlash, SimFlashError};
use lifecycle::SlotFault;

use crate::firmware_image::FirmwareTag;

/// Sectors of one slot: 64 KiB. Real ones are larger; nothing in here depends on it.
const SLOT_SECTORS: u32 = 16;
/// Bytes that a slot holds.
pub const SLOT_BYTES: u32 = SLOT_SECTORS * SECTOR_STEP;
/// Sectors in which the record takes turns.
const RECORD_SECTORS: u32 = 2;
/// Bytes of a record.
const RECORD_BYTES: usize = 24;
/// First bytes of a record.
const RECORD_MAGIC: u32 = 0x5348_4F54;
/// Unit of writing.
const WORD_BYTES: usize = 4;

/// [`SECTOR_BYTES`] as flash addresses count.
const SECTOR_STEP: u32 = 4096;
const _: () = assert!(SECTOR_STEP as usize == SECTOR_BYTES);

/// One of the two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    A,
    B,
}

impl Slot {
    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }

    const fn offset(self) -> u32 {
        match self {
            Self::A => RECORD_SECTORS * SECTOR_STEP,
            Self::B => RECORD_SECTORS * SECTOR_STEP + SLOT_BYTES,
        }
    }
}

/// How far the image in the slot that does not boot for good has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    None,
    /// Whole, and to be booted next.
    New,
    /// Booted once.
    Trying,
    /// Booted once, in vain.
    Failed,
}

/// Which slot boots. Without any record the board runs in slot A what it was built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    sequence: u32,
    confirmed: Slot,
    candidate: Candidate,
    /// Image bytes in each slot; 0 is what the board was built with, or nothing.
    image_bytes: [u32; 2],
}

const FACTORY: Record =
    Record { sequence: 0, confirmed: Slot::A, candidate: Candidate::None, image_bytes: [0, 0] };

/// What a boot starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The image; `None` is what the board was built with.
    pub image: Option<Vec<u8>>,
    /// Whether it has to prove itself.
    pub state: SlotState,
}

/// The slots of one board; clones are the same slots.
#[derive(Clone, Debug, Default)]
pub struct SlotStore {
    flash: Rc<RefCell<Option<SharedSimFlash>>>,
    built_in_version: Rc<RefCell<String>>,
    /// Tag of the image that the last boot started.
    running_tag: Rc<RefCell<Option<FirmwareTag>>>,
}

impl SlotStore {
    /// Does what a boot loader does at every start: gives a new image its one boot, and takes back one that had it.
    pub async fn boot(&self, built_in_version: &str) -> Started {
        built_in_version.clone_into(&mut self.built_in_version.borrow_mut());
        let record = self.record();
        let next = match record.candidate {
            Candidate::New => Record { candidate: Candidate::Trying, ..record },
            Candidate::Trying => Record { candidate: Candidate::Failed, ..record },
            Candidate::None | Candidate::Failed => record,
        };
        // What could not be noted must not be tried: it would be tried for ever.
        let noted = if next == record { Ok(()) } else { self.write_record(next).await };
        let current = if noted.is_ok() { next } else { Record { candidate: Candidate::Failed, ..record } };
        let (slot, state) = match current.candidate {
            Candidate::Trying => (
                current.confirmed.other(),
                SlotState::OnTrial { former: self.version_in(&current, current.confirmed) },
            ),
            Candidate::Failed => {
                let tried = self.version_in(&current, current.confirmed.other());
                (current.confirmed, SlotState::Restored { tried })
            }
            Candidate::None | Candidate::New => (current.confirmed, SlotState::Confirmed),
        };
        let image = self.image_in(&current, slot);
        *self.running_tag.borrow_mut() = image.as_deref().and_then(FirmwareTag::find);
        Started { image, state }
    }

    /// Returns the tag of the running image; `None` when the board runs what it was built with.
    #[must_use]
    pub fn running_tag(&self) -> Option<FirmwareTag> {
        self.running_tag.borrow().clone()
    }

    /// See [`device::FirmwareSlots::begin_image`].
    ///
    /// # Errors
    /// [`SlotFault`] when the image is too large, the running one is not confirmed, or the flash fails.
    pub async fn begin_image(&self, image_bytes: u32) -> Result<(), SlotFault> {
        let record = self.record();
        if image_bytes > SLOT_BYTES || record.candidate == Candidate::Trying {
            return Err(SlotFault);
        }
        // Nothing may point to the slot while it is written.
        let mut next = Record { candidate: Candidate::None, ..record };
        if let Some(bytes) = next.image_bytes.get_mut(record.confirmed.other().index()) {
            *bytes = 0;
        }
        self.write_record(next).await
    }

    /// See [`device::FirmwareSlots::write_image`].
    ///
    /// # Errors
    /// [`SlotFault`] when the flash fails.
    pub async fn write_image(&self, offset: u32, bytes: &[u8]) -> Result<(), SlotFault> {
        let at = self.record().confirmed.other().offset().saturating_add(offset);
        if offset.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX)) > SLOT_BYTES {
            return Err(SlotFault);
        }
        let mut flash = self.flash();
        if offset.is_multiple_of(SECTOR_STEP) {
            flash.erase(at, at.saturating_add(SECTOR_STEP)).await.map_err(slot_fault)?;
        }
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(WORD_BYTES), 0xFF);
        flash.write(at, &padded).await.map_err(slot_fault)
    }

    /// See [`device::FirmwareSlots::read_image`].
    ///
    /// # Errors
    /// [`SlotFault`] when the flash fails.
    pub async fn read_image(&self, offset: u32, buffer: &mut [u8]) -> Result<(), SlotFault> {
        let at = self.record().confirmed.other().offset().saturating_add(offset);
        let mut padded = vec![0; buffer.len().next_multiple_of(WORD_BYTES)];
        self.flash().read(at, &mut padded).await.map_err(slot_fault)?;
        buffer.iter_mut().zip(padded).for_each(|(target, byte)| *target = byte);
        Ok(())
    }

    /// See [`device::FirmwareSlots::boot_on_trial`].
    ///
    /// # Errors
    /// [`SlotFault`] when the flash fails.
    pub async fn boot_on_trial(&self, image_bytes: u32) -> Result<(), SlotFault> {
        let mut next = Record { candidate: Candidate::New, ..self.record() };
        if let Some(bytes) = next.image_bytes.get_mut(next.confirmed.other().index()) {
            *bytes = image_bytes;
        }
        self.write_record(next).await
    }

    /// See [`device::FirmwareSlots::confirm_firmware`].
    ///
    /// # Errors
    /// [`SlotFault`] when the flash fails.
    pub async fn confirm_firmware(&self) -> Result<(), SlotFault> {
        let record = self.record();
        match record.candidate {
            Candidate::Trying => {
                let confirmed = record.confirmed.other();
                self.write_record(Record { confirmed, candidate: Candidate::None, ..record }).await
            }
            Candidate::Failed => self.write_record(Record { candidate: Candidate::None, ..record }).await,
            Candidate::None | Candidate::New => Ok(()),
        }
    }

    /// See [`device::FirmwareSlots::roll_back_firmware`].
    ///
    /// # Errors
    /// [`SlotFault`] when the flash fails.
    pub async fn roll_back_firmware(&self) -> Result<(), SlotFault> {
        let record = self.record();
        if record.candidate == Candidate::Trying {
            self.write_record(Record { candidate: Candidate::Failed, ..record }).await?;
        }
        Ok(())
    }

    /// Makes the written image boot for good at once, as stock firmware does.
    ///
    /// # Errors
    /// [`SlotFault`] when the flash fails.
    pub async fn install_untried(&self, image_bytes: u32) -> Result<(), SlotFault> {
        let record = self.record();
        let mut next = Record { confirmed: record.confirmed.other(), candidate: Candidate::None, ..record };
        if let Some(bytes) = next.image_bytes.get_mut(next.confirmed.index()) {
            *bytes = image_bytes;
        }
        self.write_record(next).await
    }

    pub(crate) fn power_on(&self) {
        if let Some(flash) = self.flash.borrow().as_ref() {
            flash.with(SimFlash::power_on);
        }
    }

    /// Lets the power of the slots' flash fail in the middle of a coming operation, until the board gets power anew.
    pub fn cut_power(&self, cut: PowerCut) {
        self.flash().with(|flash| flash.cut_power(cut));
    }

    fn flash(&self) -> SharedSimFlash {
        let make = || SharedSimFlash::new(SimFlash::erased((RECORD_SECTORS + 2 * SLOT_SECTORS) as usize));
        self.flash.borrow_mut().get_or_insert_with(make).clone()
    }

    fn image_in(&self, record: &Record, slot: Slot) -> Option<Vec<u8>> {
        let image_bytes = *record.image_bytes.get(slot.index())?;
        let flash = self.flash.borrow().clone().filter(|_| image_bytes > 0)?;
        let (start, image_bytes) = (slot.offset() as usize, image_bytes as usize);
        flash.with(|flash| Some(flash.image().get(start..start.checked_add(image_bytes)?)?.to_vec()))
    }

    fn version_in(&self, record: &Record, slot: Slot) -> FirmwareVersion {
        let version = match self.image_in(record, slot) {
            Some(image) => FirmwareTag::find(&image).map(|tag| tag.version).unwrap_or_default(),
            None => self.built_in_version.borrow().clone(),
        };
        FirmwareVersion::try_from(version.as_str()).unwrap_or_default()
    }

    fn record(&self) -> Record {
        let Some(flash) = self.flash.borrow().clone() else {
            return FACTORY;
        };
        let stored = [0, SECTOR_BYTES].into_iter().filter_map(|start| {
            flash.with(|flash| flash.image().get(start..start + RECORD_BYTES).and_then(Record::decode))
        });
        stored.max_by_key(|record| record.sequence).unwrap_or(FACTORY)
    }

    /// Writes into the sector that does not hold the present record.
    async fn write_record(&self, record: Record) -> Result<(), SlotFault> {
        let sequence = self.record().sequence.saturating_add(1);
        let at = if sequence.is_multiple_of(2) { 0 } else { SECTOR_STEP };
        let mut flash = self.flash();
        flash.erase(at, at.saturating_add(SECTOR_STEP)).await.map_err(slot_fault)?;
        flash.write(at, &Record { sequence, ..record }.encode()).await.map_err(slot_fault)
    }
}

impl Record {
    fn encode(&self) -> [u8; RECORD_BYTES] {
        let candidate = match self.candidate {
            Candidate::None => 0,
            Candidate::New => 1,
            Candidate::Trying => 2,
            Candidate::Failed => 3,
        };
        let confirmed = u8::from(self.confirmed == Slot::B);
        let [bytes_a, bytes_b] = self.image_bytes;
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        bytes.extend(RECORD_MAGIC.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend([confirmed, candidate, 0, 0]);
        bytes.extend(bytes_a.to_le_bytes());
        bytes.extend(bytes_b.to_le_bytes());
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes.first_chunk().copied().unwrap_or([0; RECORD_BYTES])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |index: usize| -> Option<u32> {
            Some(u32::from_le_bytes(*bytes.get(index * WORD_BYTES..)?.first_chunk()?))
        };
        let covered = bytes.get(..RECORD_BYTES - WORD_BYTES)?;
        if word(0)? != RECORD_MAGIC || word(5)? != checksum(covered) {
            return None;
        }
        let [confirmed, candidate, _, _] = word(2)?.to_le_bytes();
        let candidate = match candidate {
            0 => Candidate::None,
            1 => Candidate::New,
            2 => Candidate::Trying,
            3 => Candidate::Failed,
            _ => return None,
        };
        let confirmed = if confirmed == 0 { Slot::A } else { Slot::B };
        Some(Self { sequence: word(1)?, confirmed, candidate, image_bytes: [word(3)?, word(4)?] })
    }
}

/// FNV-1a over the bytes. Source: draft-eastlake-fnv, section 4.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn slot_fault(_error: SimFlashError) -> SlotFault {
    SlotFault
}

#[cfg(test)]
mod tests;

//! Two slots for firmware on Espressif's chips: which one boots, and for how long.
//!
//! Start at [`Slots`]. The chip's boot loader starts the slot that the partition `otadata` names ([`otadata`]). A new
//! image gets one boot. Its first act, [`Slots::start`], is to name the former image again; only [`Slots::confirm`]
//! names the new one for good. So every end of that boot, by watchdog, panic or power cut, leads back to the former
//! image, with any boot loader. A boot loader built with roll-back covers the moments before that first act as well.
//! Decision 0030 tells why.
//!
//! The crate knows offsets and bytes, and no chip: flash is an argument, and its tests run on any computer.
#![no_std]

#[cfg(test)]
extern crate std;

mod otadata;

use embedded_storage::nor_flash::NorFlash;

use otadata::{Entry, ImageState, Selection};

/// Smallest unit of an erase. Source: `esp-storage`; data sheets of the flash chips on these modules.
pub const SECTOR_BYTES: u32 = 4096;
/// Longest version that an image can carry. Source: ESP-IDF, `esp_app_desc_t`.
pub const VERSION_BYTES_MAX: usize = 32;
/// First byte of every image. Source: ESP-IDF, `ESP_IMAGE_HEADER_MAGIC`.
const IMAGE_MAGIC: u8 = 0xE9;
/// Where an image names its chip. Source: ESP-IDF, `esp_image_header_t`.
const CHIP_ID_OFFSET: usize = 12;
/// The description follows the headers of image (24 bytes) and first segment (8). Source: ESP-IDF, `esp_app_desc_t`.
const DESCRIPTION_OFFSET: u32 = 32;
const DESCRIPTION_MAGIC: u32 = 0xABCD_5432;
/// Where the description has the version.
const VERSION_OFFSET: u32 = DESCRIPTION_OFFSET + 16;
/// Flash is read in whole words.
const WORD_BYTES: u32 = 4;
/// Bytes that are read or written at once.
const PIECE_BYTES: usize = 512;

/// A part of the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First byte, at a sector boundary.
    pub offset: u32,
    /// Length in bytes, whole sectors.
    pub length_bytes: u32,
}

/// Where everything lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotMap {
    /// The partition `otadata`, two sectors.
    pub otadata: Region,
    /// The partitions `ota_0` and `ota_1`.
    pub images: [Region; 2],
    /// The chip, as images name it. Source: ESP-IDF, `esp_chip_id_t`.
    pub chip_id: u16,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `ota_0`.
    First,
    /// `ota_1`.
    Second,
}

impl Slot {
    /// The one that is not this.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// How sure the running image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It boots for good.
    Confirmed,
    /// This is its only boot unless it is confirmed.
    OnTrial,
    /// It boots for good, after the image in the other slot did not prove itself.
    Restored,
}

/// Something about the slots did not work. The image that booted for good before does so still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// The flash refused.
    #[error("the flash could not be read, written or erased")]
    Flash,
    /// What was written reads back otherwise.
    #[error("the flash does not hold what was written")]
    ReadBack,
    /// The image or the access does not fit the slot.
    #[error("the slot is too small")]
    TooLarge,
    /// The other slot holds no image for this chip.
    #[error("the slot holds no image for this chip")]
    NotAnImage,
    /// An image that is itself on trial makes room for no other.
    #[error("the running image is not confirmed yet")]
    Unconfirmed,
    /// The partition names the slots more often than it can count.
    #[error("the slots were changed too often")]
    Exhausted,
}

/// The slots of the board that runs from one of them.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    map: SlotMap,
    running: Slot,
}

impl Slots {
    /// Says where the slots lie and which one runs.
    #[must_use]
    pub const fn new(map: SlotMap, running: Slot) -> Self {
        Self { map, running }
    }

    /// Bytes that the other slot holds.
    #[must_use]
    pub const fn capacity_bytes(&self) -> u32 {
        self.other_region().length_bytes
    }

    /// Says how sure the running image is. Comes first after a start: the boot of an image on trial becomes its last.
    ///
    /// # Errors
    /// [`SlotError`]. The image runs without slots then, and the next start tries again: an image on trial may get a boot too
    /// many, which is better than a board that restarts for ever.
    pub fn start<F: NorFlash>(&self, flash: &mut F) -> Result<Standing, SlotError> {
        let selection = Selection::read(flash, self.map.otadata)?;
        let own = selection.newest_of(self.running);
        let other = selection.newest_of(self.running.other());
        let is_selected = selection.selected() == self.running;
        if own.is_some_and(|entry| entry.state.is_unproven()) {
            if is_selected {
                self.select(flash, selection, self.running.other(), ImageState::Valid)?;
            }
            return Ok(Standing::OnTrial);
        }
        let was_refused = other.is_some_and(|entry| entry.state.is_unproven() || entry.state.is_refused());
        Ok(if is_selected && !was_refused { Standing::Confirmed } else { Standing::Restored })
    }

    /// Gives up what the other slot holds, so that an image of `image_bytes` can be written.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn begin<F: NorFlash>(&self, flash: &mut F, image_bytes: u32) -> Result<(), SlotError> {
        let region = self.other_region();
        if image_bytes == 0 || image_bytes > region.length_bytes {
            return Err(SlotError::TooLarge);
        }
        let own = Selection::read(flash, self.map.otadata)?.newest_of(self.running);
        if own.is_some_and(|entry| entry.state.is_unproven()) {
            return Err(SlotError::Unconfirmed);
        }
        // Nothing may name a slot whose image is in the making.
        self.make_sure_of_running(flash)?;
        erase(flash, region.offset, SECTOR_BYTES)
    }

    /// Writes a piece of the image; offsets grow, and each but the last piece ends at a multiple of four bytes.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn write<F: NorFlash>(&self, flash: &mut F, offset: u32, bytes: &[u8]) -> Result<(), SlotError> {
        let start = self.within_other(offset, bytes.len())?;
        let mut at = start;
        for piece in bytes.chunks(PIECE_BYTES) {
            let mut padded = [0xFF; PIECE_BYTES];
            padded.iter_mut().zip(piece).for_each(|(target, source)| *target = *source);
            let padded = padded.get(..whole_words(piece.len())).unwrap_or_default();
            let end = at.saturating_add(length(padded)?);
            // Each sector is erased when the first byte that lies in it is about to be written.
            let sector = at.next_multiple_of(SECTOR_BYTES);
            if sector < end {
                erase(flash, sector, SECTOR_BYTES)?;
            }
            flash.write(at, padded).or(Err(SlotError::Flash))?;
            at = end;
        }
        Ok(())
    }

    /// Reads back what was written; `offset` is a multiple of four.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn read<F: NorFlash>(&self, flash: &mut F, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        let start = self.within_other(offset, bytes.len())?;
        read(flash, start, bytes)
    }

    /// Makes the next boot the trial of the image in the other slot.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn boot_on_trial<F: NorFlash>(&self, flash: &mut F) -> Result<(), SlotError> {
        let mut header = [0; 16];
        read(flash, self.other_region().offset, &mut header)?;
        let chip_id =
            header.get(CHIP_ID_OFFSET..).and_then(<[u8]>::first_chunk).copied().map(u16::from_le_bytes);
        if header.first() != Some(&IMAGE_MAGIC) || chip_id != Some(self.map.chip_id) {
            return Err(SlotError::NotAnImage);
        }
        let selection = Selection::read(flash, self.map.otadata)?;
        self.select(flash, selection, self.running.other(), ImageState::New)
    }

    /// Makes the running image boot for good, and forgets that the other one failed.
    ///
    /// # Errors
    /// [`SlotError`]. The next boot starts either of the two.
    pub fn confirm<F: NorFlash>(&self, flash: &mut F) -> Result<(), SlotError> {
        self.make_sure_of_running(flash)
    }

    /// Makes the other image boot for good, where it does not already. A restart follows.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn roll_back<F: NorFlash>(&self, flash: &mut F) -> Result<(), SlotError> {
        let selection = Selection::read(flash, self.map.otadata)?;
        if selection.selected() == self.running {
            self.select(flash, selection, self.running.other(), ImageState::Valid)?;
        }
        Ok(())
    }

    /// Reads the version of the image in a slot; returns its length in `version`, `None` where there is none.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn version<F: NorFlash>(
        &self,
        flash: &mut F,
        slot: Slot,
        version: &mut [u8; VERSION_BYTES_MAX],
    ) -> Result<Option<usize>, SlotError> {
        let region = self.region(slot);
        let mut magic = [0; 4];
        read(flash, region.offset.saturating_add(DESCRIPTION_OFFSET), &mut magic)?;
        if u32::from_le_bytes(magic) != DESCRIPTION_MAGIC {
            return Ok(None);
        }
        read(flash, region.offset.saturating_add(VERSION_OFFSET), version)?;
        Ok(version.iter().position(|byte| *byte == 0).or(Some(VERSION_BYTES_MAX)))
    }

    const fn region(&self, slot: Slot) -> Region {
        let [first, second] = self.map.images;
        match slot {
            Slot::First => first,
            Slot::Second => second,
        }
    }

    const fn other_region(&self) -> Region {
        self.region(self.running.other())
    }

    fn within_other(&self, offset: u32, length_bytes: usize) -> Result<u32, SlotError> {
        let region = self.other_region();
        let length_bytes = u32::try_from(length_bytes).or(Err(SlotError::TooLarge))?;
        let is_within = offset.checked_add(length_bytes).is_some_and(|end| end <= region.length_bytes);
        if is_within && offset.is_multiple_of(WORD_BYTES) {
            Ok(region.offset.saturating_add(offset))
        } else {
            Err(SlotError::TooLarge)
        }
    }

    /// Names the running image for good, then takes away what names the other one.
    fn make_sure_of_running<F: NorFlash>(&self, flash: &mut F) -> Result<(), SlotError> {
        let mut selection = Selection::read(flash, self.map.otadata)?;
        let own = selection.newest_of(self.running);
        let is_sure =
            selection.selected() == self.running && own.is_none_or(|entry| !entry.state.is_unproven());
        if !is_sure {
            self.select(flash, selection, self.running, ImageState::Valid)?;
            selection = Selection::read(flash, self.map.otadata)?;
        }
        let mut sectors = selection.sectors_of(self.running.other());
        sectors
            .try_for_each(|sector| erase(flash, self.map.otadata.offset.saturating_add(sector), SECTOR_BYTES))
    }

    /// Writes a record that counts more than the others, over the one that counts least: until it is whole, the boot
    /// loader goes by the other.
    fn select<F: NorFlash>(
        &self,
        flash: &mut F,
        selection: Selection,
        slot: Slot,
        state: ImageState,
    ) -> Result<(), SlotError> {
        let entry = Entry { sequence: selection.next_sequence(slot).ok_or(SlotError::Exhausted)?, state };
        let sector = self.map.otadata.offset.saturating_add(selection.spare_sector());
        let written = entry.encode();
        erase(flash, sector, SECTOR_BYTES)?;
        flash.write(sector, &written).or(Err(SlotError::Flash))?;
        let mut found = [0; otadata::ENTRY_BYTES];
        read(flash, sector, &mut found)?;
        if found == written { Ok(()) } else { Err(SlotError::ReadBack) }
    }
}

fn erase<F: NorFlash>(flash: &mut F, offset: u32, length_bytes: u32) -> Result<(), SlotError> {
    flash.erase(offset, offset.saturating_add(length_bytes)).or(Err(SlotError::Flash))
}

/// Reads any number of bytes from a word boundary.
fn read<F: NorFlash>(flash: &mut F, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
    let mut at = offset;
    for part in bytes.chunks_mut(PIECE_BYTES) {
        let mut words = [0; PIECE_BYTES];
        let words = words.get_mut(..whole_words(part.len())).unwrap_or_default();
        flash.read(at, words).or(Err(SlotError::Flash))?;
        part.iter_mut().zip(words.iter()).for_each(|(target, source)| *target = *source);
        at = at.saturating_add(length(words)?);
    }
    Ok(())
}

const fn whole_words(length_bytes: usize) -> usize {
    length_bytes.next_multiple_of(WORD_BYTES as usize)
}

fn length(bytes: &[u8]) -> Result<u32, SlotError> {
    u32::try_from(bytes.len()).or(Err(SlotError::TooLarge))
}

#[cfg(test)]
mod tests;

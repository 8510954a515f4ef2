//! Where the store lies in the flash.

use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};

use crate::access::{CELL_BYTES, usize_to_u32};
use crate::slots::SLOT_BYTES_MIN;

/// Journal sectors of the default layout. Two are the least; with 4096 bytes each they carry ten years of boots.
pub const JOURNAL_SECTOR_COUNT: u32 = 2;

/// Home slots: one to write, one to keep.
pub(crate) const SLOT_COUNT: u32 = 2;

/// The part of the flash that the store uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLayout {
    /// First byte, at a sector boundary.
    pub offset: u32,
    /// Sectors of the journal, 2 or more.
    pub journal_sector_count: u32,
}

impl StoreLayout {
    /// The default layout from `offset` on: [`JOURNAL_SECTOR_COUNT`] journal sectors and two home slots.
    #[must_use]
    pub const fn at(offset: u32) -> Self {
        Self { offset, journal_sector_count: JOURNAL_SECTOR_COUNT }
    }

    /// Bytes that the store uses on flash of the kind `F`; 16 KiB for the default layout with sectors of 4096 bytes.
    #[must_use]
    pub const fn total_bytes<F: NorFlash>(self) -> u32 {
        self.journal_sector_count
            .saturating_mul(sector_bytes::<F>())
            .saturating_add(slot_bytes::<F>().saturating_mul(SLOT_COUNT))
    }

    pub(crate) fn slot_offset<F: NorFlash>(self, slot_index: u32) -> u32 {
        let journal_bytes = self.journal_sector_count.saturating_mul(sector_bytes::<F>());
        self.offset.saturating_add(journal_bytes).saturating_add(slot_bytes::<F>().saturating_mul(slot_index))
    }

    /// After this check no offset inside the layout overflows or leaves the flash.
    pub(crate) fn check<F: NorFlash + ReadNorFlash>(self, flash: &F) -> Result<(), CheckLayoutError> {
        let fits_cells = |unit_bytes: usize| unit_bytes > 0 && CELL_BYTES.is_multiple_of(unit_bytes);
        if !fits_cells(F::READ_SIZE)
            || !fits_cells(F::WRITE_SIZE)
            || !F::ERASE_SIZE.is_multiple_of(CELL_BYTES)
        {
            return Err(CheckLayoutError::UnitSize);
        }
        if F::ERASE_SIZE == 0 || self.journal_sector_count < 2 {
            return Err(CheckLayoutError::TooFewSectors);
        }
        if !self.offset.is_multiple_of(sector_bytes::<F>()) {
            return Err(CheckLayoutError::NotAtSector { offset: self.offset });
        }
        let end = u64::from(self.offset)
            + u64::from(self.journal_sector_count) * F::ERASE_SIZE as u64
            + u64::from(SLOT_COUNT) * u64::from(slot_bytes::<F>());
        if end > flash.capacity() as u64 || end > u64::from(u32::MAX) {
            return Err(CheckLayoutError::BeyondFlash { end });
        }
        Ok(())
    }
}

pub(crate) const fn sector_bytes<F: NorFlash>() -> u32 {
    usize_to_u32(F::ERASE_SIZE)
}

/// A slot is the least number of whole sectors that holds the largest home with its seal.
pub(crate) const fn slot_bytes<F: NorFlash>() -> u32 {
    let sector_bytes = sector_bytes::<F>();
    if sector_bytes == 0 { 0 } else { SLOT_BYTES_MIN.div_ceil(sector_bytes).saturating_mul(sector_bytes) }
}

/// The layout does not suit the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckLayoutError {
    /// The flash cannot read or write units of 32 bytes, or its sectors are no multiple of them.
    #[error("the flash's read, write or erase size does not fit records of {CELL_BYTES} bytes")]
    UnitSize,
    /// The journal needs two sectors so that one is always whole.
    #[error("the journal needs at least two sectors")]
    TooFewSectors,
    /// The layout must begin at a sector boundary.
    #[error("offset {offset:#x} is not at a sector boundary")]
    NotAtSector {
        /// The offset that was given.
        offset: u32,
    },
    /// The layout is larger than the flash.
    #[error("the layout ends at {end:#x}, beyond the flash")]
    BeyondFlash {
        /// First byte after the layout.
        end: u64,
    },
}

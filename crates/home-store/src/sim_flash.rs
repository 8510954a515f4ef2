//! A simulated NOR flash that is stricter than real chips, with power cuts, torn operations and damaged cells.
//!
//! It refuses what real chips silently do wrong: setting a bit by writing, writing a word twice, accesses that are not
//! aligned. Needs the standard library; for tests and for the virtual bench.

mod shared;

use core::fmt;
use std::vec::Vec;

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

pub use shared::SharedSimFlash;

/// Bytes per sector, the unit of erasing. Source: every serial NOR flash that ESP32 boards carry has 4 KiB sectors.
pub const SECTOR_BYTES: usize = 4096;

const ERASED_BYTE: u8 = 0xFF;

/// Simulated flash whose write unit is `WORD_BYTES`: 4 as the ESP32 driver, or any other power of two up to 32.
#[derive(Clone, PartialEq, Eq)]
pub struct SimFlash<const WORD_BYTES: usize = 4> {
    image: Vec<u8>,
    /// One entry per word: written since its last erase.
    is_word_written: Vec<bool>,
    erase_counts: Vec<u32>,
    damages: Vec<Damage>,
    word_rule: WordRule,
    power: Power,
    counters: OperationCounters,
}

/// The content is left out: it holds secrets, and 16 KiB help nobody.
impl<const WORD_BYTES: usize> fmt::Debug for SimFlash<WORD_BYTES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SimFlash")
            .field("bytes", &self.image.len())
            .field("power", &self.power)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// Whether a word may be written more than once between two erases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordRule {
    /// Once only, as chips with error correction demand.
    WriteOnce,
    /// Any number of times, as long as bits only go from 1 to 0.
    ClearBits,
}

/// When the power fails. Bytes and erases are counted from the call of [`SimFlash::cut_power`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// While the byte after `written_bytes` is being written.
    InWrite {
        /// Bytes that are still written whole.
        written_bytes: u64,
        /// Bits of the next byte that keep their old value; `0xFF` leaves the byte alone.
        torn_mask: u8,
    },
    /// During a sector erase.
    InErase {
        /// Sector erases that are still done whole.
        erased_sectors: u64,
        /// What the sector looks like afterwards.
        tear: EraseTear,
    },
}

/// The state in which a power cut leaves a sector that was being erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraseTear {
    /// As before.
    NotBegun,
    /// All zeros: chips write zeros before they erase.
    Cleared,
    /// The first `bytes` are erased, the rest is as before.
    HeadErased {
        /// Length of the erased part.
        bytes: usize,
    },
    /// The first `bytes` are as before, the rest is erased.
    TailErased {
        /// Length of the part that is left.
        bytes: usize,
    },
    /// Every bit that was 0 is 0 or 1 at random.
    SomeBitsErased {
        /// Seed of the random bits.
        seed: u64,
    },
    /// Every bit is random.
    RandomBits {
        /// Seed of the random bits.
        seed: u64,
    },
    /// Erased, only the answer never came.
    Completed,
}

/// What was done to the flash since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationCounters {
    /// Bytes written.
    pub written_bytes: u64,
    /// Sectors erased, torn erases included.
    pub erased_sectors: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    CutAt(PowerCut),
    Off,
}

/// Bits that stay 0 whatever is written or erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Damage {
    offset: usize,
    zero_mask: u8,
}

/// Why the simulated flash refused or failed an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SimFlashError {
    /// Offset or length is no multiple of the unit.
    #[error("{length_bytes} bytes at {offset:#x} are not aligned to the flash's unit")]
    NotAligned {
        /// First byte.
        offset: usize,
        /// Number of bytes.
        length_bytes: usize,
    },
    /// The operation reaches beyond the end.
    #[error("{length_bytes} bytes at {offset:#x} reach beyond the flash")]
    OutOfBounds {
        /// First byte.
        offset: usize,
        /// Number of bytes.
        length_bytes: usize,
    },
    /// The write would set a bit that is 0.
    #[error("writing at {offset:#x} would set a cleared bit")]
    SetsClearedBit {
        /// The byte concerned.
        offset: usize,
    },
    /// The word was written before, and the flash allows that only once.
    #[error("the word at {offset:#x} was written before")]
    WordWrittenTwice {
        /// The word concerned.
        offset: usize,
    },
    /// The power failed during this or an earlier operation.
    #[error("the flash has no power")]
    PowerOff,
}

impl NorFlashError for SimFlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned { .. } => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds { .. } => NorFlashErrorKind::OutOfBounds,
            _ => NorFlashErrorKind::Other,
        }
    }
}

impl<const WORD_BYTES: usize> SimFlash<WORD_BYTES> {
    /// Makes an erased flash of `sector_count` sectors with [`WordRule::WriteOnce`].
    #[must_use]
    pub fn erased(sector_count: usize) -> Self {
        Self::from_image(std::vec![ERASED_BYTE; sector_count * SECTOR_BYTES])
    }

    /// Makes a flash with this content, filled up with erased bytes to whole sectors. Words that are not erased count
    /// as written.
    #[must_use]
    pub fn from_image(mut image: Vec<u8>) -> Self {
        image.resize(image.len().next_multiple_of(SECTOR_BYTES), ERASED_BYTE);
        let is_written = |word: &[u8]| word.iter().any(|&byte| byte != ERASED_BYTE);
        Self {
            is_word_written: image.chunks(WORD_BYTES).map(is_written).collect(),
            erase_counts: std::vec![0; image.len() / SECTOR_BYTES],
            damages: Vec::new(),
            word_rule: WordRule::WriteOnce,
            power: Power::On,
            counters: OperationCounters::default(),
            image,
        }
    }

    /// Changes whether words may be written more than once.
    #[must_use]
    pub fn with_word_rule(mut self, word_rule: WordRule) -> Self {
        self.word_rule = word_rule;
        self
    }

    /// The raw content.
    #[must_use]
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// Ends the simulation and returns the raw content.
    #[must_use]
    pub fn into_image(self) -> Vec<u8> {
        self.image
    }

    /// Erases per sector, since the flash was made.
    #[must_use]
    pub fn erase_counts(&self) -> &[u32] {
        &self.erase_counts
    }

    /// What was done since the flash was made.
    #[must_use]
    pub fn counters(&self) -> OperationCounters {
        self.counters
    }

    /// Arms a power cut. Replaces an earlier one.
    pub fn cut_power(&mut self, cut: PowerCut) {
        self.power = Power::CutAt(cut);
    }

    /// Every operation fails from now on, until [`Self::power_on`].
    pub fn power_off(&mut self) {
        self.power = Power::Off;
    }

    /// Gives the flash power and disarms a cut that has not happened.
    pub fn power_on(&mut self) {
        self.power = Power::On;
    }

    /// The flash has power.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.power != Power::Off
    }

    /// Damages a cell: the bits of `zero_mask` read 0 from now on, whatever is written or erased. Does nothing beyond
    /// the end of the flash.
    pub fn damage(&mut self, offset: usize, zero_mask: u8) {
        self.damages.push(Damage { offset, zero_mask });
        self.apply_damages();
    }

    fn read_now(&self, offset: u32, bytes: &mut [u8]) -> Result<(), SimFlashError> {
        let offset = self.check_range(offset, bytes.len(), WORD_BYTES)?;
        let stored = offset.checked_add(bytes.len()).and_then(|end| self.image.get(offset..end));
        bytes.copy_from_slice(stored.unwrap_or_default());
        Ok(())
    }

    fn write_now(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimFlashError> {
        let offset = self.check_range(offset, bytes.len(), WORD_BYTES)?;
        self.check_write(offset, bytes)?;
        let result =
            bytes.iter().enumerate().try_for_each(|(index, &byte)| self.write_byte(offset + index, byte));
        self.apply_damages();
        result
    }

    fn erase_now(&mut self, from: u32, to: u32) -> Result<(), SimFlashError> {
        let length_bytes = to.saturating_sub(from) as usize;
        let offset = self.check_range(from, length_bytes, SECTOR_BYTES)?;
        let first = offset / SECTOR_BYTES;
        (first..first + length_bytes / SECTOR_BYTES)
            .try_for_each(|sector_index| self.erase_sector(sector_index))
    }

    fn apply_damages(&mut self) {
        for damage in &self.damages {
            if let Some(byte) = self.image.get_mut(damage.offset) {
                *byte &= !damage.zero_mask;
            }
        }
    }

    fn check_range(
        &self,
        offset: u32,
        length_bytes: usize,
        unit_bytes: usize,
    ) -> Result<usize, SimFlashError> {
        let offset = offset as usize;
        if self.power == Power::Off {
            return Err(SimFlashError::PowerOff);
        }
        if !offset.is_multiple_of(unit_bytes) || !length_bytes.is_multiple_of(unit_bytes) {
            return Err(SimFlashError::NotAligned { offset, length_bytes });
        }
        if offset.checked_add(length_bytes).is_none_or(|end| end > self.image.len()) {
            return Err(SimFlashError::OutOfBounds { offset, length_bytes });
        }
        Ok(offset)
    }

    /// Refuses the whole write before any byte of it is written.
    fn check_write(&self, offset: usize, bytes: &[u8]) -> Result<(), SimFlashError> {
        let words = self.is_word_written.iter().skip(offset / WORD_BYTES).take(bytes.len() / WORD_BYTES);
        if self.word_rule == WordRule::WriteOnce
            && let Some(index) = words.clone().position(|&is_written| is_written)
        {
            return Err(SimFlashError::WordWrittenTwice { offset: offset + index * WORD_BYTES });
        }
        // A damaged bit reads 0 although it is erased; real chips do not notice when it is written as 1.
        let sets_bit = |(index, (&old, &new)): (usize, (&u8, &u8))| {
            let damaged: u8 =
                self.damages.iter().filter(|d| d.offset == offset + index).map(|d| d.zero_mask).sum();
            new & !old & !damaged != 0
        };
        let stored = self.image.iter().skip(offset);
        match stored.zip(bytes).enumerate().position(sets_bit) {
            Some(index) => Err(SimFlashError::SetsClearedBit { offset: offset + index }),
            None => Ok(()),
        }
    }

    fn write_byte(&mut self, offset: usize, value: u8) -> Result<(), SimFlashError> {
        let mut kept_mask = 0;
        if let Power::CutAt(PowerCut::InWrite { written_bytes, torn_mask }) = &mut self.power {
            if let Some(rest) = written_bytes.checked_sub(1) {
                *written_bytes = rest;
            } else {
                kept_mask = *torn_mask;
                self.power = Power::Off;
            }
        }
        if kept_mask != u8::MAX {
            if let Some(byte) = self.image.get_mut(offset) {
                *byte &= value | kept_mask;
            }
            if let Some(is_written) = self.is_word_written.get_mut(offset / WORD_BYTES) {
                *is_written = true;
            }
        }
        if self.power == Power::Off {
            return Err(SimFlashError::PowerOff);
        }
        self.counters.written_bytes += 1;
        Ok(())
    }

    fn erase_sector(&mut self, sector_index: usize) -> Result<(), SimFlashError> {
        let mut tear = EraseTear::Completed;
        if let Power::CutAt(PowerCut::InErase { erased_sectors, tear: armed }) = &mut self.power {
            if let Some(rest) = erased_sectors.checked_sub(1) {
                *erased_sectors = rest;
            } else {
                tear = *armed;
                self.power = Power::Off;
            }
        }
        if let Some(sector) = self.image.chunks_mut(SECTOR_BYTES).nth(sector_index) {
            tear.apply(sector);
        }
        self.apply_damages();
        self.note_erase(sector_index, tear);
        if self.power == Power::Off { Err(SimFlashError::PowerOff) } else { Ok(()) }
    }

    fn note_erase(&mut self, sector_index: usize, tear: EraseTear) {
        self.counters.erased_sectors += 1;
        if let Some(count) = self.erase_counts.get_mut(sector_index) {
            *count += 1;
        }
        let contents = self.image.chunks(WORD_BYTES).skip(sector_index * SECTOR_BYTES / WORD_BYTES);
        let words = self.is_word_written.iter_mut().skip(sector_index * SECTOR_BYTES / WORD_BYTES);
        for (is_written, content) in words.zip(contents).take(SECTOR_BYTES / WORD_BYTES) {
            // Words that a torn erase left readable as erased are taken as writable: the reader cannot tell either.
            *is_written = tear != EraseTear::Completed && content.iter().any(|&byte| byte != ERASED_BYTE);
        }
    }
}

impl EraseTear {
    fn apply(self, sector: &mut [u8]) {
        match self {
            Self::NotBegun => {}
            Self::Cleared => sector.fill(0),
            Self::Completed => sector.fill(ERASED_BYTE),
            Self::HeadErased { bytes } => sector.iter_mut().take(bytes).for_each(|byte| *byte = ERASED_BYTE),
            Self::TailErased { bytes } => sector.iter_mut().skip(bytes).for_each(|byte| *byte = ERASED_BYTE),
            Self::SomeBitsErased { seed } => {
                let mut random = RandomBytes(seed);
                for byte in sector {
                    *byte |= random.next_byte();
                }
            }
            Self::RandomBits { seed } => {
                let mut random = RandomBytes(seed);
                for byte in sector {
                    *byte = random.next_byte();
                }
            }
        }
    }
}

/// `SplitMix64`: the same seed gives the same bytes everywhere. Source: Steele, Lea, Flood, OOPSLA 2014.
struct RandomBytes(u64);

impl RandomBytes {
    fn next_byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let [byte, ..] = (value ^ (value >> 31)).to_le_bytes();
        byte
    }
}

impl<const WORD_BYTES: usize> ErrorType for SimFlash<WORD_BYTES> {
    type Error = SimFlashError;
}

impl<const WORD_BYTES: usize> ReadNorFlash for SimFlash<WORD_BYTES> {
    const READ_SIZE: usize = WORD_BYTES;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimFlashError> {
        self.read_now(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.image.len()
    }
}

impl<const WORD_BYTES: usize> NorFlash for SimFlash<WORD_BYTES> {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = SECTOR_BYTES;

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimFlashError> {
        self.write_now(offset, bytes)
    }

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), SimFlashError> {
        self.erase_now(from, to)
    }
}

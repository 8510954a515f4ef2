//! The partition that tells the boot loader which slot to start: two sectors with a record each.
//!
//! The record with the higher sequence number counts; (number - 1) modulo 2 is the slot. Source: ESP-IDF,
//! `esp_ota_select_entry_t` and `bootloader_common_get_active_otadata`. `esp-bootloader-esp-idf` has the same records,
//! but gives up for ever when a power cut left one of them torn, which is just when they are needed.

use embedded_storage::nor_flash::NorFlash;

use crate::{Region, SECTOR_BYTES, Slot, SlotError, read};

/// Bytes of one record.
pub(crate) const ENTRY_BYTES: usize = 32;
/// A sequence number that was never written.
const ERASED: u32 = u32::MAX;
/// Where a record has its state.
const STATE_OFFSET: usize = 24;
const SECTOR_COUNT: u32 = 2;

/// What the boot loader is told of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageState {
    /// Never started.
    New,
    /// A boot loader with roll-back has started it once.
    PendingVerify,
    Valid,
    Invalid,
    /// A boot loader with roll-back will not start it again.
    Aborted,
    /// Nobody said, as after flashing over USB.
    Undefined,
}

impl ImageState {
    const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::New,
            1 => Self::PendingVerify,
            2 => Self::Valid,
            3 => Self::Invalid,
            4 => Self::Aborted,
            u32::MAX => Self::Undefined,
            _ => return None,
        })
    }

    const fn code(self) -> u32 {
        match self {
            Self::New => 0,
            Self::PendingVerify => 1,
            Self::Valid => 2,
            Self::Invalid => 3,
            Self::Aborted => 4,
            Self::Undefined => u32::MAX,
        }
    }

    pub(crate) const fn is_unproven(self) -> bool {
        matches!(self, Self::New | Self::PendingVerify)
    }

    /// The boot loader passes such a record over.
    pub(crate) const fn is_refused(self) -> bool {
        matches!(self, Self::Invalid | Self::Aborted)
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// From 1.
    pub(crate) sequence: u32,
    pub(crate) state: ImageState,
}

impl Entry {
    pub(crate) const fn slot(self) -> Slot {
        if self.sequence % 2 == 1 { Slot::First } else { Slot::Second }
    }

    pub(crate) fn encode(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0xFF; ENTRY_BYTES];
        let fields = [
            (0, self.sequence),
            (STATE_OFFSET, self.state.code()),
            (STATE_OFFSET + 4, checksum(self.sequence)),
        ];
        for (offset, value) in fields {
            let field = bytes.iter_mut().skip(offset);
            field.zip(value.to_le_bytes()).for_each(|(target, source)| *target = source);
        }
        bytes
    }

    /// Reads a record; `None` for an empty or damaged one.
    pub(crate) fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let word = |offset: usize| Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?));
        let sequence = word(0)?;
        let is_sound = sequence != 0 && sequence != ERASED && word(STATE_OFFSET + 4)? == checksum(sequence);
        // A state that nobody knows, as a torn write leaves it, is no reason to start an image.
        let state = ImageState::from_code(word(STATE_OFFSET)?)?;
        is_sound.then_some(Self { sequence, state })
    }
}

/// CRC-32 of the sequence number alone, from 0 and inverted. Source: ESP-IDF, `esp_rom_crc32_le(UINT32_MAX, …)`.
fn checksum(sequence: u32) -> u32 {
    let shift = |register: u32| (register >> 1) ^ (0xEDB8_8320 * (register & 1));
    let mut register = 0_u32;
    for byte in sequence.to_le_bytes() {
        register = (0..8).fold(register ^ u32::from(byte), |register, _| shift(register));
    }
    !register
}

/// Both records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection {
    entries: [Option<Entry>; 2],
}

impl Selection {
    pub(crate) fn read<F: NorFlash>(flash: &mut F, region: Region) -> Result<Self, SlotError> {
        if region.length_bytes < SECTOR_COUNT * SECTOR_BYTES {
            return Err(SlotError::TooLarge);
        }
        let mut entries = [None; 2];
        for (entry, sector) in entries.iter_mut().zip([0, SECTOR_BYTES]) {
            let mut bytes = [0; ENTRY_BYTES];
            read(flash, region.offset.saturating_add(sector), &mut bytes)?;
            *entry = Entry::decode(&bytes);
        }
        Ok(Self { entries })
    }

    /// The slot that the boot loader starts when its image is whole.
    pub(crate) fn selected(&self) -> Slot {
        self.selected_entry().map_or(Slot::First, Entry::slot)
    }

    pub(crate) fn newest_of(&self, slot: Slot) -> Option<Entry> {
        let of_slot = self.entries.into_iter().flatten().filter(|entry| entry.slot() == slot);
        of_slot.max_by_key(|entry| entry.sequence)
    }

    /// The sectors whose records name `slot`.
    pub(crate) fn sectors_of(&self, slot: Slot) -> impl Iterator<Item = u32> {
        let entries = self.entries.into_iter().enumerate();
        entries
            .filter(move |(_, entry)| entry.is_some_and(|entry| entry.slot() == slot))
            .map(|(index, _)| sector_offset(index))
    }

    /// The sector that may be erased: not the one the boot loader goes by.
    pub(crate) fn spare_sector(&self) -> u32 {
        let [first, _] = self.entries;
        sector_offset(usize::from(first.is_some() && first == self.selected_entry()))
    }

    /// The next number that names `slot`; `None` at the end of all numbers.
    pub(crate) fn next_sequence(&self, slot: Slot) -> Option<u32> {
        let highest =
            self.entries.into_iter().flatten().map(|entry| entry.sequence).max().unwrap_or_default();
        let next = highest.checked_add(1)?;
        let next = if (Entry { sequence: next, state: ImageState::New }).slot() == slot {
            next
        } else {
            next.checked_add(1)?
        };
        (next != ERASED).then_some(next)
    }

    fn selected_entry(&self) -> Option<Entry> {
        let startable = self.entries.into_iter().flatten().filter(|entry| !entry.state.is_refused());
        startable.max_by_key(|entry| entry.sequence)
    }
}

const fn sector_offset(index: usize) -> u32 {
    if index == 0 { 0 } else { SECTOR_BYTES }
}

//! A board: flash that loses power, and a boot loader that does what ESP-IDF's does.

use std::vec;
use std::vec::Vec;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

use crate::otadata::{ENTRY_BYTES, Entry, ImageState, Selection};
use crate::{Region, SECTOR_BYTES, Slot, SlotMap, Slots};

pub(super) const CHIP_ID: u16 = 5;
pub(super) const MAP: SlotMap = SlotMap {
    otadata: Region { offset: 0, length_bytes: 2 * SECTOR_BYTES },
    images: [
        Region { offset: 2 * SECTOR_BYTES, length_bytes: 2 * SECTOR_BYTES },
        Region { offset: 4 * SECTOR_BYTES, length_bytes: 2 * SECTOR_BYTES },
    ],
    chip_id: CHIP_ID,
};

/// The power went, or the flash would not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PowerCut;

impl NorFlashError for PowerCut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

#[derive(Clone)]
pub(super) struct SimulatedFlash {
    pub(super) bytes: Vec<u8>,
    /// Operations until the power goes; `None` never.
    pub(super) operations_left: Option<usize>,
    pub(super) operation_count: usize,
}

impl SimulatedFlash {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0xFF; 6 * SECTOR_BYTES as usize], operations_left: None, operation_count: 0 }
    }

    /// Counts an operation; says whether it is the one in which the power goes.
    fn is_cut(&mut self) -> Result<bool, PowerCut> {
        self.operation_count += 1;
        match &mut self.operations_left {
            Some(0) => Err(PowerCut),
            Some(left) => {
                *left -= 1;
                Ok(*left == 0)
            }
            None => Ok(false),
        }
    }
}

impl ErrorType for SimulatedFlash {
    type Error = PowerCut;
}

impl ReadNorFlash for SimulatedFlash {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerCut> {
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4), "the chip reads whole words");
        if self.operations_left == Some(0) {
            return Err(PowerCut);
        }
        let offset = offset as usize;
        bytes.copy_from_slice(&self.bytes[offset..offset + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for SimulatedFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR_BYTES as usize;

    /// A cut leaves the first half erased.
    fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerCut> {
        assert!(from.is_multiple_of(SECTOR_BYTES) && to.is_multiple_of(SECTOR_BYTES) && from < to);
        let is_cut = self.is_cut()?;
        let (from, to) = (from as usize, to as usize);
        let end = if is_cut { from + (to - from) / 2 } else { to };
        self.bytes[from..end].fill(0xFF);
        if is_cut { Err(PowerCut) } else { Ok(()) }
    }

    /// A cut leaves the first half written. Writing only clears bits.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerCut> {
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4), "the chip writes whole words");
        let is_cut = self.is_cut()?;
        let count = if is_cut { bytes.len() / 2 } else { bytes.len() };
        let offset = offset as usize;
        for (cell, byte) in self.bytes[offset..].iter_mut().zip(&bytes[..count]) {
            assert_eq!(*cell & byte, *byte, "a write without an erase");
            *cell &= byte;
        }
        if is_cut { Err(PowerCut) } else { Ok(()) }
    }
}

/// Which boot loader the board has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BootLoader {
    Plain,
    RollBack,
}

/// An image: header, description, and bytes that a whole image has to its end.
pub(super) fn image(version: &str) -> Vec<u8> {
    let mut image = vec![0x5A; SECTOR_BYTES as usize + 1000];
    image[0] = 0xE9;
    image[12..14].copy_from_slice(&CHIP_ID.to_le_bytes());
    image[32..36].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    image[48..80].fill(0);
    image[48..48 + version.len()].copy_from_slice(version.as_bytes());
    image
}

pub(super) fn is_whole(flash: &SimulatedFlash, slot: Slot) -> bool {
    let start = MAP.images[usize::from(slot == Slot::Second)].offset as usize;
    let bytes = &flash.bytes[start..start + SECTOR_BYTES as usize + 1000];
    bytes[0] == 0xE9 && bytes[80..].iter().all(|byte| *byte == 0x5A)
}

/// Chooses the slot to start. Source: ESP-IDF, `bootloader_utility_get_selected_boot_partition` and
/// `bootloader_utility_load_boot_image`: the selected slot, else the ones before it, else the ones after it.
pub(super) fn boot(flash: &mut SimulatedFlash, loader: BootLoader) -> Option<Slot> {
    flash.operations_left = None;
    if loader == BootLoader::RollBack {
        change_states(flash, ImageState::PendingVerify, ImageState::Aborted);
    }
    let selected = Selection::read(flash, MAP.otadata).unwrap().selected();
    if loader == BootLoader::RollBack {
        change_selected_state(flash, ImageState::New, ImageState::PendingVerify);
    }
    [selected, selected.other()].into_iter().find(|slot| is_whole(flash, *slot))
}

fn change_states(flash: &mut SimulatedFlash, from: ImageState, to: ImageState) {
    for sector in [0, SECTOR_BYTES] {
        change_state(flash, sector, from, to);
    }
}

fn change_selected_state(flash: &mut SimulatedFlash, from: ImageState, to: ImageState) {
    let selection = Selection::read(flash, MAP.otadata).unwrap();
    if let Some(sector) = selection.sectors_of(selection.selected()).next() {
        change_state(flash, sector, from, to);
    }
}

fn change_state(flash: &mut SimulatedFlash, sector: u32, from: ImageState, to: ImageState) {
    let at = sector as usize;
    let bytes: [u8; ENTRY_BYTES] = flash.bytes[at..at + ENTRY_BYTES].try_into().unwrap();
    if let Some(entry) = Entry::decode(&bytes).filter(|entry| entry.state == from) {
        let changed = Entry { state: to, ..entry }.encode();
        flash.bytes[at..at + ENTRY_BYTES].copy_from_slice(&changed);
    }
}

/// Puts an image into a slot as a cable does.
pub(super) fn flash_over_cable(flash: &mut SimulatedFlash, slot: Slot, version: &str) {
    let start = MAP.images[usize::from(slot == Slot::Second)].offset as usize;
    let image = image(version);
    flash.bytes[start..start + image.len()].copy_from_slice(&image);
}

/// Downloads an image as the agent does and asks for its trial.
pub(super) fn update(
    flash: &mut SimulatedFlash,
    slots: Slots,
    version: &str,
) -> Result<(), crate::SlotError> {
    let image = image(version);
    slots.begin(flash, length_of(&image))?;
    for (offset, piece) in (0..).step_by(2048).zip(image.chunks(2048)) {
        slots.write(flash, offset, piece)?;
    }
    let mut found = vec![0; image.len()];
    slots.read(flash, 0, &mut found)?;
    assert!(found == image, "the image reads back");
    slots.boot_on_trial(flash)
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

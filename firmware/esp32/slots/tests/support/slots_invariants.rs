//! What must hold for any flash with two slots, whatever is in it. Shared by the replayed corpus and the fuzz target.

use std::convert::Infallible;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use firmware_slots::{Region, SECTOR_BYTES, Slot, SlotError, SlotMap, Slots, Standing, VERSION_BYTES_MAX};

const CHIP_ID: u16 = 5;
const IMAGE_BYTES: u32 = 2 * SECTOR_BYTES;
const MAP: SlotMap = SlotMap {
    otadata: Region { offset: 0, length_bytes: 2 * SECTOR_BYTES },
    images: [
        Region { offset: 2 * SECTOR_BYTES, length_bytes: IMAGE_BYTES },
        Region { offset: 4 * SECTOR_BYTES, length_bytes: IMAGE_BYTES },
    ],
    chip_id: CHIP_ID,
};
/// Bytes of a record, and where it has the checksum of its first four.
const RECORD_BYTES: usize = 32;
const CHECKSUM_OFFSET: usize = 28;

/// Bit 0 of byte 0 says which slot runs, bit 1 whether the records' checksums are made right: they are no secret, and hardly
/// any input would get past them. Two records follow; the rest is the beginning of the other slot.
pub(crate) fn check_slots(input: &[u8]) {
    let Some((flags, input)) = input.split_first() else { return };
    let running = if flags & 1 == 0 { Slot::First } else { Slot::Second };
    let flash = Flash::holding(input, running.other(), flags & 2 != 0);
    check_versions(&flash, running);
    check_trial(&flash, running);
    check_confirmation(&flash, running);
    check_roll_back(&flash, running);
    check_download(&flash, running);
}

fn check_versions(flash: &Flash, running: Slot) {
    for slot in [Slot::First, Slot::Second] {
        let mut version = [0xAA; VERSION_BYTES_MAX];
        let found = Slots::new(MAP, running).version(&mut flash.clone(), slot, &mut version).unwrap();
        let is_text_end = found.is_none_or(|length| version[..length].iter().all(|byte| *byte != 0));
        assert!(is_text_end && found.is_none_or(|length| length <= VERSION_BYTES_MAX), "{found:?}");
    }
}

/// Only an image for this chip gets a trial, and its first boot is its only one.
fn check_trial(flash: &Flash, running: Slot) {
    let mut flash = flash.clone();
    let start = offset_of(running.other());
    let is_image = flash.0[start] == 0xE9 && flash.0[start + 12..start + 14] == CHIP_ID.to_le_bytes();
    match Slots::new(MAP, running).boot_on_trial(&mut flash) {
        Ok(()) => assert!(is_image),
        Err(SlotError::NotAnImage) => return assert!(!is_image),
        Err(error) => return assert_eq!(error, SlotError::Exhausted),
    }
    match Slots::new(MAP, running.other()).start(&mut flash) {
        Ok(standing) => assert_eq!(standing, Standing::OnTrial),
        Err(error) => return assert_eq!(error, SlotError::Exhausted),
    }
    let standing = Slots::new(MAP, running).start(&mut flash);
    assert_eq!(standing, Ok(Standing::Restored), "the former image boots next");
}

fn check_confirmation(flash: &Flash, running: Slot) {
    let mut flash = flash.clone();
    let slots = Slots::new(MAP, running);
    let before = slots.start(&mut flash);
    match slots.confirm(&mut flash) {
        Ok(()) => assert_eq!(slots.start(&mut flash), Ok(Standing::Confirmed), "before: {before:?}"),
        Err(error) => assert_eq!(error, SlotError::Exhausted),
    }
}

fn check_roll_back(flash: &Flash, running: Slot) {
    let mut flash = flash.clone();
    let slots = Slots::new(MAP, running);
    match slots.roll_back(&mut flash) {
        // A second one has nothing left to do.
        Ok(()) => {
            let after = flash.clone();
            assert_eq!(slots.roll_back(&mut flash), Ok(()));
            assert!(flash.0 == after.0);
        }
        Err(error) => assert_eq!(error, SlotError::Exhausted),
    }
}

/// Whatever the records say, a download touches no byte of the running image, and the running image boots meanwhile.
fn check_download(flash: &Flash, running: Slot) {
    let mut flash = flash.clone();
    let own = offset_of(running)..offset_of(running) + IMAGE_BYTES as usize;
    let before = flash.0[own.clone()].to_vec();
    let slots = Slots::new(MAP, running);
    match slots.begin(&mut flash, IMAGE_BYTES) {
        Ok(()) => {}
        Err(error) => {
            return assert!(matches!(error, SlotError::Unconfirmed | SlotError::Exhausted), "{error}");
        }
    }
    assert_eq!(slots.start(&mut flash), Ok(Standing::Confirmed));
    let image = vec![0x5A; IMAGE_BYTES as usize];
    slots.write(&mut flash, 0, &image).unwrap();
    assert_eq!(slots.write(&mut flash, IMAGE_BYTES, &[0; 4]), Err(SlotError::TooLarge));
    let mut found = vec![0; image.len()];
    slots.read(&mut flash, 0, &mut found).unwrap();
    assert!(found == image && flash.0[own] == before);
}

fn offset_of(slot: Slot) -> usize {
    MAP.images[usize::from(slot == Slot::Second)].offset as usize
}

/// Flash without a fault.
#[derive(Clone)]
struct Flash(Vec<u8>);

impl Flash {
    fn holding(input: &[u8], other: Slot, is_checksum_right: bool) -> Self {
        let mut bytes = vec![0xFF; 6 * SECTOR_BYTES as usize];
        let mut rest = input;
        for sector in [0, SECTOR_BYTES as usize] {
            let (record, after) = rest.split_at(rest.len().min(RECORD_BYTES));
            bytes[sector..sector + record.len()].copy_from_slice(record);
            if is_checksum_right && record.len() == RECORD_BYTES {
                let checksum = crc32(&record[..4]);
                bytes[sector + CHECKSUM_OFFSET..sector + RECORD_BYTES]
                    .copy_from_slice(&checksum.to_le_bytes());
            }
            rest = after;
        }
        let rest = &rest[..rest.len().min(IMAGE_BYTES as usize)];
        bytes[offset_of(other)..offset_of(other) + rest.len()].copy_from_slice(rest);
        Self(bytes)
    }
}

/// Independent of the product's. It begins with 0, as the ROM's does when it is given all ones.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = 0;
    for bit in bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(*byte >> bit & 1))) {
        crc = (crc >> 1) ^ if (crc ^ bit) & 1 == 1 { 0xEDB8_8320 } else { 0 };
    }
    !crc
}

impl ErrorType for Flash {
    type Error = Infallible;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        let offset = offset as usize;
        bytes.copy_from_slice(&self.0[offset..offset + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR_BYTES as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        let offset = offset as usize;
        for (cell, byte) in self.0[offset..].iter_mut().zip(bytes) {
            assert_eq!(*cell & byte, *byte, "a write without an erase");
            *cell &= byte;
        }
        Ok(())
    }
}

//! The two slots for firmware on this chip: partitions and flash for `firmware-slots`, which decides.

use core::cell::RefCell;

use esp_bootloader_esp_idf::partitions::{PARTITION_TABLE_MAX_LEN, PartitionEntry, read_partition_table};
use esp_storage::FlashStorage;
use firmware_slots::{Region, Slot, SlotError, SlotMap, Slots, Standing, VERSION_BYTES_MAX};

mod built_in {
    include!(concat!(env!("OUT_DIR"), "/firmware_key.rs"));
}

/// The public key of `REHOME_FIRMWARE_KEY`, by which every image must be signed.
pub(crate) use built_in::FIRMWARE_KEY;

/// The chip as images name it. Source: ESP-IDF, `esp_chip_id_t`.
#[cfg(feature = "esp32c3")]
const CHIP_ID: u16 = 5;
#[cfg(feature = "esp32c6")]
const CHIP_ID: u16 = 13;

/// The flash, which home and slots share. Every access ends before anything else runs.
pub(crate) type SharedFlash = RefCell<FlashStorage<'static>>;

/// A version, as an image carries it.
pub(crate) type VersionText = heapless::String<VERSION_BYTES_MAX>;

/// The slots of this board.
pub(crate) struct ChipSlots {
    flash: &'static SharedFlash,
    slots: Slots,
    running: Slot,
    standing: Standing,
}

impl ChipSlots {
    /// Finds the slots and does the first act of a trial; `None` on a board that was flashed without two slots.
    ///
    /// # Errors
    /// As [`Slots::start`].
    pub(crate) fn start(flash: &'static SharedFlash) -> Result<Option<Self>, SlotError> {
        let Some((map, running)) = find_slots(&mut flash.borrow_mut()) else {
            return Ok(None);
        };
        let slots = Slots::new(map, running);
        let standing = slots.start(&mut *flash.borrow_mut())?;
        Ok(Some(Self { flash, slots, running, standing }))
    }

    /// How sure the running image was at the start.
    pub(crate) const fn standing(&self) -> Standing {
        self.standing
    }

    /// Version of the image in the other slot; empty when there is none.
    pub(crate) fn other_version(&self) -> VersionText {
        let mut bytes = [0; VERSION_BYTES_MAX];
        let read = self.slots.version(&mut *self.flash.borrow_mut(), self.running.other(), &mut bytes);
        let length = read.ok().flatten().unwrap_or_default();
        let text = core::str::from_utf8(bytes.get(..length).unwrap_or_default()).unwrap_or_default();
        VersionText::try_from(text).unwrap_or_default()
    }
}

/// What the agent's updates call.
impl ChipSlots {
    pub(crate) const fn capacity_bytes(&self) -> u32 {
        self.slots.capacity_bytes()
    }

    pub(crate) fn begin(&self, image_bytes: u32) -> Result<(), SlotError> {
        self.slots.begin(&mut *self.flash.borrow_mut(), image_bytes)
    }

    pub(crate) fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), SlotError> {
        self.slots.write(&mut *self.flash.borrow_mut(), offset, bytes)
    }

    pub(crate) fn read(&self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        self.slots.read(&mut *self.flash.borrow_mut(), offset, bytes)
    }

    pub(crate) fn boot_on_trial(&self) -> Result<(), SlotError> {
        self.slots.boot_on_trial(&mut *self.flash.borrow_mut())
    }

    pub(crate) fn confirm(&mut self) -> Result<(), SlotError> {
        self.slots.confirm(&mut *self.flash.borrow_mut())?;
        self.standing = Standing::Confirmed;
        Ok(())
    }

    pub(crate) fn roll_back(&self) -> Result<(), SlotError> {
        self.slots.roll_back(&mut *self.flash.borrow_mut())
    }
}

fn find_slots(flash: &mut FlashStorage<'static>) -> Option<(SlotMap, Slot)> {
    let mut buffer = [0; PARTITION_TABLE_MAX_LEN];
    let table = read_partition_table(flash, &mut buffer).ok()?;
    let region = |entry: PartitionEntry| Region { offset: entry.offset(), length_bytes: entry.len() };
    let named = |name: &str| table.iter().find(|entry| entry.label_as_str() == name).map(region);
    // By name: the library's search by type panics at types of one's own, of which this table has two.
    let images = [named("ota_0")?, named("ota_1")?];
    let booted = table.booted_partition().ok().flatten()?;
    let running = match images.iter().position(|image| image.offset == booted.offset())? {
        0 => Slot::First,
        _ => Slot::Second,
    };
    Some((SlotMap { otadata: named("otadata")?, images, chip_id: CHIP_ID }, running))
}

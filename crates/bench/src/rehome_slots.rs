//! The firmware slots of a bench board as the agent sees them.

use device::{FirmwareSlots, ImageFacts, SlotState};
use lifecycle::SlotFault;

use crate::firmware_slots::{SLOT_BYTES, SlotStore};
use crate::rehome_platform::BenchPlatform;

/// The slots, and what the boot loader found.
#[derive(Debug)]
pub(crate) struct BenchSlots {
    pub(crate) store: SlotStore,
    pub(crate) state: SlotState,
    pub(crate) key: Option<[u8; 32]>,
}

impl FirmwareSlots for BenchPlatform {
    fn slot_bytes(&self) -> Option<u32> {
        Some(SLOT_BYTES)
    }

    fn firmware_key(&self) -> Option<[u8; 32]> {
        self.slots.key
    }

    fn slot_state(&self) -> SlotState {
        self.slots.state.clone()
    }

    async fn begin_image(&mut self, image_bytes: u32) -> Result<(), SlotFault> {
        self.slots.store.begin_image(image_bytes).await
    }

    async fn write_image(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotFault> {
        self.slots.store.write_image(offset, bytes).await
    }

    async fn read_image(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), SlotFault> {
        self.slots.store.read_image(offset, buffer).await
    }

    async fn boot_on_trial(&mut self, image: &ImageFacts) -> Result<(), SlotFault> {
        self.slots.store.boot_on_trial(image.image_bytes).await
    }

    async fn confirm_firmware(&mut self) -> Result<(), SlotFault> {
        self.slots.store.confirm_firmware().await
    }

    async fn roll_back_firmware(&mut self) -> Result<(), SlotFault> {
        self.slots.store.roll_back_firmware().await
    }
}

//! A simulated flash that is looked at from outside while a store uses it.

use std::sync::{Arc, Mutex, PoisonError};

use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

use super::{SECTOR_BYTES, SimFlash, SimFlashError};

/// A handle on one simulated flash; clones share it. A store owns one, the bench keeps another.
#[derive(Clone, Debug)]
pub struct SharedSimFlash<const WORD_BYTES: usize = 4>(Arc<Mutex<SimFlash<WORD_BYTES>>>);

impl<const WORD_BYTES: usize> SharedSimFlash<WORD_BYTES> {
    /// Shares `flash`.
    #[must_use]
    pub fn new(flash: SimFlash<WORD_BYTES>) -> Self {
        Self(Arc::new(Mutex::new(flash)))
    }

    /// Looks at or changes the flash between two operations of the store.
    pub fn with<R>(&self, action: impl FnOnce(&mut SimFlash<WORD_BYTES>) -> R) -> R {
        // A panic of another holder leaves bytes in the flash as a power cut would, which is a valid state.
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<const WORD_BYTES: usize> ErrorType for SharedSimFlash<WORD_BYTES> {
    type Error = SimFlashError;
}

impl<const WORD_BYTES: usize> ReadNorFlash for SharedSimFlash<WORD_BYTES> {
    const READ_SIZE: usize = WORD_BYTES;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimFlashError> {
        self.with(|flash| flash.read_now(offset, bytes))
    }

    fn capacity(&self) -> usize {
        self.with(|flash| flash.image.len())
    }
}

impl<const WORD_BYTES: usize> NorFlash for SharedSimFlash<WORD_BYTES> {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = SECTOR_BYTES;

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimFlashError> {
        self.with(|flash| flash.write_now(offset, bytes))
    }

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), SimFlashError> {
        self.with(|flash| flash.erase_now(from, to))
    }
}

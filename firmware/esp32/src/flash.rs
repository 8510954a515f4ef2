//! The flash chip: partitions by name, and the home's partition as the store wants it.

use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use esp_bootloader_esp_idf::partitions::{PARTITION_TABLE_MAX_LEN, read_partition_table};
use esp_storage::{FlashStorage, FlashStorageError};
use factory_image::{FactoryImage, ParseFactoryImageError, RECORD_BYTES};

use crate::slots::SharedFlash;

/// Where a partition lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partition {
    pub(crate) offset: u32,
    pub(crate) length_bytes: u32,
}

/// Finds a partition by its name in `partitions.csv`.
pub(crate) fn find_partition(flash: &mut FlashStorage<'static>, name: &str) -> Option<Partition> {
    let mut buffer = [0; PARTITION_TABLE_MAX_LEN];
    let table = read_partition_table(flash, &mut buffer).ok()?;
    let entry = table.iter().find(|entry| entry.label_as_str() == name)?;
    Some(Partition { offset: entry.offset(), length_bytes: entry.len() })
}

/// Reads UID and PoP; `None` when there is no such partition.
pub(crate) fn read_factory_image(
    flash: &mut FlashStorage<'static>,
) -> Option<Result<FactoryImage, ParseFactoryImageError>> {
    let partition = find_partition(flash, "factory_data")?;
    let mut record = [0; RECORD_BYTES];
    flash.read_nor(partition.offset, &mut record).ok()?;
    Some(FactoryImage::parse(&record))
}

/// One partition as a flash of its own; nothing outside it can be reached.
///
/// The chip is written by a blocking routine in ROM: a sector erase takes up to 0.4 s in which nothing else runs, which
/// the radio survives. Source: data sheets of common 4 MiB chips; `esp-storage`.
pub(crate) struct PartitionFlash {
    flash: &'static SharedFlash,
    partition: Partition,
}

impl PartitionFlash {
    pub(crate) fn new(flash: &'static SharedFlash, partition: Partition) -> Self {
        Self { flash, partition }
    }

    fn absolute(&self, offset: u32, length_bytes: usize) -> Result<u32, FlashStorageError> {
        let length_bytes = u32::try_from(length_bytes).or(Err(FlashStorageError::OutOfBounds))?;
        let end = offset.checked_add(length_bytes).ok_or(FlashStorageError::OutOfBounds)?;
        if end > self.partition.length_bytes {
            return Err(FlashStorageError::OutOfBounds);
        }
        self.partition.offset.checked_add(offset).ok_or(FlashStorageError::OutOfBounds)
    }
}

impl ErrorType for PartitionFlash {
    type Error = FlashStorageError;
}

impl ReadNorFlash for PartitionFlash {
    const READ_SIZE: usize = FlashStorage::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashStorageError> {
        let offset = self.absolute(offset, bytes.len())?;
        self.flash.borrow_mut().read_nor(offset, bytes)
    }

    fn capacity(&self) -> usize {
        usize::try_from(self.partition.length_bytes).unwrap_or_default()
    }
}

impl NorFlash for PartitionFlash {
    const WRITE_SIZE: usize = FlashStorage::WRITE_SIZE;
    const ERASE_SIZE: usize = FlashStorage::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashStorageError> {
        let length_bytes = to.checked_sub(from).ok_or(FlashStorageError::OutOfBounds)?;
        let length_bytes = usize::try_from(length_bytes).or(Err(FlashStorageError::OutOfBounds))?;
        let first = self.absolute(from, length_bytes)?;
        let last = self.absolute(to, 0)?;
        self.flash.borrow_mut().erase(first, last)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashStorageError> {
        let offset = self.absolute(offset, bytes.len())?;
        self.flash.borrow_mut().write_nor(offset, bytes)
    }
}

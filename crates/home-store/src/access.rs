//! Flash operations with errors that say what was done where, independent of the driver's type.

use embedded_storage_async::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind};

/// Unit of reading and writing in bytes: a multiple of the write size of every supported chip (ESP32: 4, STM32H7: 32).
pub(crate) const CELL_BYTES: usize = 32;

/// The value of a byte after an erase. Source: JEDEC JESD216; NOR flash erases to ones.
pub(crate) const ERASED_BYTE: u8 = 0xFF;

/// What was done to the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashAction {
    /// Reading bytes.
    Read,
    /// Writing bytes.
    Write,
    /// Erasing sectors.
    Erase,
}

/// The flash driver refused or failed an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("flash driver failed: {action:?} at {offset:#x}: {kind}")]
pub struct FlashFault {
    /// What was done.
    pub action: FlashAction,
    /// First byte concerned.
    pub offset: u32,
    /// The driver's reason.
    pub kind: NorFlashErrorKind,
}

pub(crate) async fn read<F: NorFlash>(
    flash: &mut F,
    offset: u32,
    bytes: &mut [u8],
) -> Result<(), FlashFault> {
    let result = flash.read(offset, bytes).await;
    result.map_err(|error| FlashFault { action: FlashAction::Read, offset, kind: error.kind() })
}

pub(crate) async fn write<F: NorFlash>(flash: &mut F, offset: u32, bytes: &[u8]) -> Result<(), FlashFault> {
    let result = flash.write(offset, bytes).await;
    result.map_err(|error| FlashFault { action: FlashAction::Write, offset, kind: error.kind() })
}

pub(crate) async fn erase<F: NorFlash>(
    flash: &mut F,
    offset: u32,
    length_bytes: u32,
) -> Result<(), FlashFault> {
    let result = flash.erase(offset, offset.saturating_add(length_bytes)).await;
    result.map_err(|error| FlashFault { action: FlashAction::Erase, offset, kind: error.kind() })
}

/// Reads one cell.
pub(crate) async fn read_cell<F: NorFlash>(
    flash: &mut F,
    offset: u32,
) -> Result<[u8; CELL_BYTES], FlashFault> {
    let mut cell = [0; CELL_BYTES];
    read(flash, offset, &mut cell).await?;
    Ok(cell)
}

/// Returns the first cell in the range that is not erased. `length_bytes` must be whole cells.
pub(crate) async fn find_written_cell<F: NorFlash>(
    flash: &mut F,
    offset: u32,
    length_bytes: u32,
) -> Result<Option<u32>, FlashFault> {
    let mut position = offset;
    let end = offset.saturating_add(length_bytes);
    while position < end {
        if !is_erased(&read_cell(flash, position).await?) {
            return Ok(Some(position));
        }
        position = position.saturating_add(usize_to_u32(CELL_BYTES));
    }
    Ok(None)
}

pub(crate) fn is_erased(cell: &[u8; CELL_BYTES]) -> bool {
    *cell == [ERASED_BYTE; CELL_BYTES]
}

/// Flash offsets are 32-bit; every length converted here is far below that on any target.
#[expect(clippy::cast_possible_truncation, reason = "lengths of sectors, cells and homes are below 2^32")]
pub(crate) const fn usize_to_u32(length: usize) -> u32 {
    length as u32
}

/// Every target of this crate has pointers of at least 32 bits.
pub(crate) const fn u32_to_usize(length: u32) -> usize {
    length as usize
}

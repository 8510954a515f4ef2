//! The two home slots: each a payload of bytes and a seal that makes it valid.
//!
//! The seal lies in the first cell and is written last. A slot without a whole seal, or whose payload does not match
//! it, holds nothing. The seal's form never changes: what the payload means is the encoding's matter, so that a home of
//! a newer firmware can be told apart, kept and copied.

use embedded_storage_async::nor_flash::NorFlash;

use crate::access::{self, CELL_BYTES, ERASED_BYTE, FlashFault, u32_to_usize, usize_to_u32};
use crate::crc::Crc32;
use crate::encoding::HOME_BYTES_MAX;
use crate::layout::{SLOT_COUNT, StoreLayout, slot_bytes};

/// Bytes that a slot must have: the seal and the longest payload in whole cells.
pub(crate) const SLOT_BYTES_MIN: u32 = usize_to_u32(CELL_BYTES + HOME_BYTES_MAX.next_multiple_of(CELL_BYTES));

const SEAL_MAGIC: [u8; 4] = *b"rhH1";
const SEAL_BYTES: u32 = usize_to_u32(CELL_BYTES);

/// Erases tried before a slot counts as damaged. A second one cures a sector that was left half-erased and marginal.
const ERASE_ATTEMPT_COUNT_MAX: u32 = 3;

/// What makes a slot valid. Two slots with equal seals hold the same home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// Grows with every home saved; the greater one is the newer home.
    pub(crate) generation: u32,
    /// The epoch in which the home was saved; the journal's epoch can never be lower.
    pub(crate) epoch: u32,
    payload_bytes: u32,
    payload_crc: u32,
}

impl Seal {
    pub(crate) fn over(payload: &[u8], generation: u32, epoch: u32) -> Self {
        Self {
            generation,
            epoch,
            payload_bytes: usize_to_u32(payload.len()),
            payload_crc: Crc32::of(payload),
        }
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        u32_to_usize(self.payload_bytes)
    }

    fn to_cell(self) -> [u8; CELL_BYTES] {
        let [a, b, c, d] = SEAL_MAGIC;
        let [g0, g1, g2, g3] = self.generation.to_le_bytes();
        let [e0, e1, e2, e3] = self.epoch.to_le_bytes();
        let [n0, n1, n2, n3] = self.payload_bytes.to_le_bytes();
        let [p0, p1, p2, p3] = self.payload_crc.to_le_bytes();
        let body = [
            a, b, c, d, g0, g1, g2, g3, e0, e1, e2, e3, n0, n1, n2, n3, p0, p1, p2, p3, 0, 0, 0, 0, 0, 0, 0,
            0,
        ];
        close_cell(&body)
    }

    fn from_cell(cell: &[u8; CELL_BYTES]) -> Option<Self> {
        let body = open_cell(cell, SEAL_MAGIC)?;
        let mut words = body.as_chunks::<4>().0.iter().skip(1).copied();
        let mut next_u32 = || words.next().map(u32::from_le_bytes);
        let (generation, epoch) = (next_u32()?, next_u32()?);
        let (payload_bytes, payload_crc) = (next_u32()?, next_u32()?);
        (u32_to_usize(payload_bytes) <= HOME_BYTES_MAX).then_some(Self {
            generation,
            epoch,
            payload_bytes,
            payload_crc,
        })
    }
}

/// Appends the checksum to the first 28 bytes of a cell.
pub(crate) fn close_cell(body: &[u8; CELL_BYTES - 4]) -> [u8; CELL_BYTES] {
    let mut cell = [0; CELL_BYTES];
    let crc = Crc32::of(body).to_le_bytes();
    for (target, &byte) in cell.iter_mut().zip(body.iter().chain(&crc)) {
        *target = byte;
    }
    cell
}

/// Returns the first 28 bytes of a cell if it begins with `magic` and its checksum is right.
pub(crate) fn open_cell(cell: &[u8; CELL_BYTES], magic: [u8; 4]) -> Option<[u8; CELL_BYTES - 4]> {
    if !cell.starts_with(&magic) {
        return None;
    }
    let (body, crc) = cell.split_last_chunk::<4>()?;
    let body = <[u8; CELL_BYTES - 4]>::try_from(body).ok()?;
    (Crc32::of(&body).to_le_bytes() == *crc).then_some(body)
}

/// The seals found in the two slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotPair {
    seals: [Option<Seal>; 2],
}

impl SlotPair {
    /// Reads both slots whole. Costs two reads of a home, no write.
    pub(crate) async fn scan<F: NorFlash>(flash: &mut F, layout: StoreLayout) -> Result<Self, FlashFault> {
        let first = scan_slot(flash, layout, 0).await?;
        let second = scan_slot(flash, layout, 1).await?;
        Ok(Self { seals: [first, second] })
    }

    /// Index and seal of the slot with the newest home.
    pub(crate) fn newest(&self) -> Option<(u32, Seal)> {
        match self.seals {
            [Some(first), Some(second)] if second.generation > first.generation => Some((1, second)),
            [Some(first), _] => Some((0, first)),
            [None, second] => second.map(|seal| (1, seal)),
        }
    }

    pub(crate) fn is_mirrored(&self) -> bool {
        let [first, second] = self.seals;
        first.is_some() && first == second
    }

    pub(crate) fn generation_max(&self) -> u32 {
        self.newest().map_or(0, |(_, seal)| seal.generation)
    }

    pub(crate) fn epoch_max(&self) -> u32 {
        self.seals.iter().flatten().map(|seal| seal.epoch).max().unwrap_or(0)
    }
}

/// Reads a slot and returns its seal if the whole slot is valid.
pub(crate) async fn scan_slot<F: NorFlash>(
    flash: &mut F,
    layout: StoreLayout,
    slot_index: u32,
) -> Result<Option<Seal>, FlashFault> {
    let offset = layout.slot_offset::<F>(slot_index);
    let Some(seal) = Seal::from_cell(&access::read_cell(flash, offset).await?) else {
        return Ok(None);
    };
    let mut crc = Crc32::new();
    let mut position = offset.saturating_add(SEAL_BYTES);
    let mut remaining = seal.payload_bytes();
    while remaining > 0 {
        let cell = access::read_cell(flash, position).await?;
        let used = remaining.min(CELL_BYTES);
        crc.update(cell.get(..used).unwrap_or_default());
        remaining = remaining.saturating_sub(used);
        position = position.saturating_add(SEAL_BYTES);
    }
    Ok((crc.finish() == seal.payload_crc).then_some(seal))
}

/// Reads the payload of a valid slot into `out` and returns its part that is filled.
pub(crate) async fn read_payload<'a, F: NorFlash>(
    flash: &mut F,
    layout: StoreLayout,
    (slot_index, seal): (u32, Seal),
    out: &'a mut [u8; HOME_BYTES_MAX],
) -> Result<&'a [u8], FlashFault> {
    let mut position = layout.slot_offset::<F>(slot_index);
    let filled = out.get_mut(..seal.payload_bytes()).unwrap_or_default();
    for piece in filled.chunks_mut(CELL_BYTES) {
        position = position.saturating_add(SEAL_BYTES);
        let cell = access::read_cell(flash, position).await?;
        for (target, byte) in piece.iter_mut().zip(cell) {
            *target = byte;
        }
    }
    Ok(filled)
}

/// Erases a slot, then writes payload and seal, the seal last: it is what makes the home exist.
pub(crate) async fn write_slot<F: NorFlash>(
    flash: &mut F,
    layout: StoreLayout,
    slot_index: u32,
    payload: &[u8],
    seal: Seal,
) -> Result<(), FlashFault> {
    let offset = layout.slot_offset::<F>(slot_index);
    access::erase(flash, offset, slot_bytes::<F>()).await?;
    let mut position = offset;
    for piece in payload.chunks(CELL_BYTES) {
        position = position.saturating_add(SEAL_BYTES);
        let mut cell = [ERASED_BYTE; CELL_BYTES];
        for (target, &byte) in cell.iter_mut().zip(piece) {
            *target = byte;
        }
        access::write(flash, position, &cell).await?;
    }
    access::write(flash, offset, &seal.to_cell()).await
}

/// Copies the home of a valid slot over the other slot, cell by cell, the seal last.
pub(crate) async fn mirror_slot<F: NorFlash>(
    flash: &mut F,
    layout: StoreLayout,
    (source_index, seal): (u32, Seal),
) -> Result<(), FlashFault> {
    let source = layout.slot_offset::<F>(source_index);
    let target = layout.slot_offset::<F>(other_slot(source_index));
    access::erase(flash, target, slot_bytes::<F>()).await?;
    let mut distance = SEAL_BYTES;
    while distance < SEAL_BYTES.saturating_add(seal.payload_bytes) {
        let cell = access::read_cell(flash, source.saturating_add(distance)).await?;
        access::write(flash, target.saturating_add(distance), &cell).await?;
        distance = distance.saturating_add(SEAL_BYTES);
    }
    access::write(flash, target, &seal.to_cell()).await
}

/// Erases a slot that holds bytes and no seal: parts of a home that never was one. A slot whose seal is damaged stays:
/// flash that reads wrongly while the supply is low must not cost a home.
pub(crate) async fn clear_unsealed<F: NorFlash>(
    flash: &mut F,
    layout: StoreLayout,
    slot_index: u32,
) -> Result<(), FlashFault> {
    let offset = layout.slot_offset::<F>(slot_index);
    let is_unsealed = access::is_erased(&access::read_cell(flash, offset).await?);
    if is_unsealed && access::find_written_cell(flash, offset, slot_bytes::<F>()).await?.is_some() {
        access::erase(flash, offset, slot_bytes::<F>()).await?;
    }
    Ok(())
}

/// Erases a slot until it reads back erased. Returns the first offset that stayed written, if the sector is damaged.
pub(crate) async fn erase_slot_verified<F: NorFlash>(
    flash: &mut F,
    layout: StoreLayout,
    slot_index: u32,
) -> Result<Option<u32>, FlashFault> {
    let offset = layout.slot_offset::<F>(slot_index);
    let mut written = None;
    for _ in 0..ERASE_ATTEMPT_COUNT_MAX {
        access::erase(flash, offset, slot_bytes::<F>()).await?;
        written = access::find_written_cell(flash, offset, slot_bytes::<F>()).await?;
        if written.is_none() {
            break;
        }
    }
    Ok(written)
}

pub(crate) fn other_slot(slot_index: u32) -> u32 {
    SLOT_COUNT.saturating_sub(1).saturating_sub(slot_index)
}

//! Rehome's own store. Source: the layout in the documentation of `home-store` and its records; a test there and one here
//! read what the real store wrote.

use std::collections::BTreeMap;

use home_store::{HOME_BYTES_MAX, decode_home};

use crate::SECTOR_BYTES;
use crate::bytes::{array_at, positions_of, slice_at, u8_at, u16_at, u32_at};
use crate::finding::{
    Certainty, Content, Finding, Inspection, Liveness, MaskedHome, Note, Region, StoreFacts,
};

const SEAL_MAGIC: [u8; 4] = *b"rhH1";
const RECORD_MAGIC: [u8; 4] = *b"rhJ1";

/// Bytes of a seal and of a journal record.
const CELL_BYTES: usize = 32;

/// Records of a sector. A journal with a greater sequence number has been in both of its sectors.
const RECORDS_PER_SECTOR: u32 = 128;

/// Home slots of a store, one sector each.
const SLOT_COUNT: usize = 2;

pub(crate) fn find(image: &[u8], inspection: &mut Inspection) {
    for offset in positions_of(image, SEAL_MAGIC) {
        if let Some(finding) = read_slot(image, offset) {
            inspection.findings.push(finding);
        }
    }
    let sealed = inspection.covered();
    for (slot_sector, certainty) in slots_of_journals(image, inspection) {
        let Some(offset) = slot_sector.checked_mul(SECTOR_BYTES) else { continue };
        if certainty == Certainty::Certain && offset >= image.len() {
            inspection.notes.push(Note::MissingHomeSlot { offset });
        } else if !sealed.contains(offset) {
            find_remains(image, offset, certainty, inspection);
        }
    }
}

fn read_slot(image: &[u8], offset: usize) -> Option<Finding> {
    checked_cell(image, offset)?;
    let (generation, epoch) = (u32_at(image, offset + 4)?, u32_at(image, offset + 8)?);
    let payload_bytes = usize::try_from(u32_at(image, offset + 12)?).ok()?;
    let payload_crc = u32_at(image, offset + 16)?;
    let payload = slice_at(image, offset + CELL_BYTES, payload_bytes.min(HOME_BYTES_MAX));
    let home = payload
        .filter(|payload| payload.len() == payload_bytes && crc32fast::hash(payload) == payload_crc)
        .and_then(|payload| decode_home(payload).ok());
    Some(Finding {
        region: Region { offset, length_bytes: SECTOR_BYTES.min(image.len().saturating_sub(offset)) },
        certainty: Certainty::Certain,
        liveness: Liveness::Unknown,
        holds_home: true,
        content: Content::RehomeHome { generation, epoch, home: home.as_ref().map(MaskedHome::of) },
    })
}

/// The cell at `offset` if its checksum is right.
fn checked_cell(image: &[u8], offset: usize) -> Option<[u8; CELL_BYTES]> {
    let cell = array_at::<CELL_BYTES>(image, offset)?;
    let (body, crc) = cell.split_last_chunk::<4>()?;
    (crc32fast::hash(body).to_le_bytes() == *crc).then_some(cell)
}

#[derive(Clone, Copy)]
struct JournalSector {
    newest_sequence: u32,
    facts: StoreFacts,
}

/// Reads the journals and returns the sectors in which the default layout keeps homes.
fn slots_of_journals(image: &[u8], inspection: &mut Inspection) -> Vec<(usize, Certainty)> {
    let sectors = journal_sectors(image);
    let mut slots = Vec::new();
    for (&sector, first) in &sectors {
        if sector.checked_sub(1).is_some_and(|previous| sectors.contains_key(&previous)) {
            continue;
        }
        let second = sectors.get(&(sector + 1));
        let newest = second.filter(|second| second.newest_sequence > first.newest_sequence).unwrap_or(first);
        inspection.stores.push(newest.facts);
        if second.is_some() || newest.newest_sequence <= RECORDS_PER_SECTOR {
            slots.extend((0..SLOT_COUNT).map(|index| (sector + 2 + index, Certainty::Certain)));
        } else {
            // The power went while one of two sectors was erased; nothing tells which, so both places are looked at.
            slots.extend((0..=SLOT_COUNT).map(|index| (sector + 1 + index, Certainty::Perhaps)));
        }
    }
    slots
}

fn journal_sectors(image: &[u8]) -> BTreeMap<usize, JournalSector> {
    let mut sectors = BTreeMap::new();
    for offset in positions_of(image, RECORD_MAGIC).filter(|offset| offset.is_multiple_of(CELL_BYTES)) {
        let Some((sequence, facts)) = read_record(image, offset) else { continue };
        let found = JournalSector { newest_sequence: sequence, facts };
        let newest = sectors.entry(offset / SECTOR_BYTES).or_insert(found);
        if newest.newest_sequence < sequence {
            *newest = found;
        }
    }
    sectors
}

fn read_record(image: &[u8], offset: usize) -> Option<(u32, StoreFacts)> {
    const WIPE_IS_PENDING: u8 = 1 << 0;
    const HAS_LAST_ERROR: u8 = 1 << 1;

    let cell = checked_cell(image, offset)?;
    let flags = u8_at(&cell, 5)?;
    let last_error = u16_at(&cell, 24)?;
    let facts = StoreFacts {
        offset,
        epoch: u32_at(&cell, 12)?,
        boot_count: u32_at(&cell, 16)?,
        last_error: (flags & HAS_LAST_ERROR != 0).then_some(last_error),
        is_wipe_pending: flags & WIPE_IS_PENDING != 0,
    };
    Some((u32_at(&cell, 8)?, facts))
}

/// An interrupted save or wipe leaves bytes without a seal.
fn find_remains(image: &[u8], offset: usize, certainty: Certainty, inspection: &mut Inspection) {
    let Some(bytes) = image.get(offset..).filter(|bytes| !bytes.is_empty()) else { return };
    let bytes = bytes.get(..SECTOR_BYTES).unwrap_or(bytes);
    let written_bytes = bytes.iter().filter(|&&byte| byte != 0xFF).count();
    if written_bytes == 0 {
        return;
    }
    inspection.findings.push(Finding {
        region: Region { offset, length_bytes: bytes.len() },
        certainty,
        liveness: Liveness::Deleted,
        holds_home: true,
        content: Content::RehomeRemains { written_bytes },
    });
}

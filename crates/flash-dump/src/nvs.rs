//! ESP32's key-value store: pages of entries. Source: ESP-IDF Programming Guide, "Non-Volatile Storage Library",
//! internals.
//!
//! An entry that is deleted or replaced keeps its bytes until its page is erased, which may take years.

use crate::SECTOR_BYTES;
use crate::bytes::{array_at, slice_at, u8_at, u16_at, u32_at};
use crate::finding::Region;

/// Bytes of an entry; the page's header and its table of states have the same size.
const ENTRY_BYTES: usize = 32;

/// Entries of a page.
const ENTRY_COUNT: usize = 126;

/// Start of a page's entries.
const ENTRIES_OFFSET: usize = 64;

const TYPE_U8: u8 = 0x01;
const TYPE_TEXT: u8 = 0x21;
const TYPE_BLOB_OF_VERSION_1: u8 = 0x41;
const TYPE_BLOB: u8 = 0x42;

/// A page whose header is sound.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) offset: usize,
    bytes: &'a [u8],
}

/// An entry whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Number of its namespace; 0 is the list of namespaces.
    pub(crate) namespace_index: u8,
    pub(crate) key: &'a str,
    pub(crate) value: Value<'a>,
    pub(crate) is_deleted: bool,
    /// Entry and value.
    pub(crate) region: Region,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    U8(u8),
    /// Without its NUL.
    Text(&'a [u8]),
    /// One chunk; long values have several.
    Blob(&'a [u8]),
    /// Numbers and lists of chunks, which nothing here needs.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryState {
    Free,
    Written,
    Deleted,
}

/// The pages of a dump, grouped into partitions: pages that follow each other, unused pages between them included.
pub(crate) fn partitions(image: &[u8]) -> Vec<Vec<Page<'_>>> {
    let mut partitions: Vec<Vec<Page<'_>>> = Vec::new();
    let mut is_apart = true;
    for (index, bytes) in image.as_chunks::<SECTOR_BYTES>().0.iter().enumerate() {
        let Some(page) = Page::read(index * SECTOR_BYTES, bytes) else {
            is_apart |= bytes.iter().any(|&byte| byte != 0xFF);
            continue;
        };
        match partitions.last_mut() {
            Some(partition) if !is_apart => partition.push(page),
            _ => partitions.push(vec![page]),
        }
        is_apart = false;
    }
    partitions
}

impl<'a> Page<'a> {
    fn read(offset: usize, bytes: &'a [u8]) -> Option<Self> {
        let crc = nvs_crc(&[slice_at(bytes, 4, 24)?]);
        (u32_at(bytes, 28)? == crc).then_some(Self { offset, bytes })
    }

    /// The readable entries, and the number of those in use that are not.
    pub(crate) fn entries(&self) -> (Vec<Entry<'a>>, usize) {
        let mut entries = Vec::new();
        let mut unreadable_count = 0;
        let mut index = 0;
        while index < ENTRY_COUNT {
            let state = self.state(index);
            let entry = if state == EntryState::Free { None } else { self.entry(index, state) };
            if let Some((entry, span)) = entry {
                entries.push(entry);
                index += span;
            } else {
                unreadable_count += usize::from(state == EntryState::Written && !self.is_blank(index));
                index += 1;
            }
        }
        (entries, unreadable_count)
    }

    /// An entry that was overwritten with the erased state; the firmware drops it at its next boot.
    fn is_blank(&self, index: usize) -> bool {
        slice_at(self.bytes, ENTRIES_OFFSET + index * ENTRY_BYTES, ENTRY_BYTES)
            .is_some_and(|entry| entry.iter().all(|&byte| byte == 0xFF))
    }

    /// Two bits an entry, the least significant first.
    fn state(&self, index: usize) -> EntryState {
        let byte = u8_at(self.bytes, ENTRY_BYTES + index / 4).unwrap_or(0xFF);
        match byte >> (index % 4 * 2) & 0b11 {
            0b11 => EntryState::Free,
            0b10 => EntryState::Written,
            _ => EntryState::Deleted,
        }
    }

    fn entry(&self, index: usize, state: EntryState) -> Option<(Entry<'a>, usize)> {
        let offset = ENTRIES_OFFSET + index * ENTRY_BYTES;
        let entry = slice_at(self.bytes, offset, ENTRY_BYTES)?;
        let [namespace_index, kind, span, _chunk_index] = array_at(entry, 0)?;
        let crc = nvs_crc(&[slice_at(entry, 0, 4)?, slice_at(entry, 8, 24)?]);
        let span = usize::from(span);
        if u32_at(entry, 4)? != crc || span == 0 || index + span > ENTRY_COUNT {
            return None;
        }
        let key = slice_at(entry, 8, 16)?.split(|&byte| byte == 0).next()?;
        let key = str::from_utf8(key).ok()?;
        let value_bytes = usize::from(u16_at(entry, 24)?).min((span - 1) * ENTRY_BYTES);
        let stored = slice_at(self.bytes, offset + ENTRY_BYTES, value_bytes)?;
        let value = match kind {
            TYPE_U8 => Value::U8(u8_at(entry, 24)?),
            TYPE_TEXT => Value::Text(stored.split(|&byte| byte == 0).next().unwrap_or_default()),
            TYPE_BLOB | TYPE_BLOB_OF_VERSION_1 => Value::Blob(stored),
            _ => Value::Other,
        };
        let region = Region { offset: self.offset + offset, length_bytes: span * ENTRY_BYTES };
        let is_deleted = state == EntryState::Deleted;
        Some((Entry { namespace_index, key, value, is_deleted, region }, span))
    }
}

/// CRC-32 with the initial value that this store uses: the register begins at 0 where the usual form begins at all ones.
fn nvs_crc(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

//! The key-value area of the emulated flash: names and values, as the chip's preferences library offers them.
//!
//! The layout is ours; the reference only names the keys. Two sectors take turns: the new content is written whole to
//! one, then the other is erased, so that a power cut leaves either content and nothing old stays behind.

use std::collections::BTreeMap;

use embedded_storage_async::nor_flash::{ErrorType, NorFlash};

/// Size of one sector in bytes.
const SECTOR_BYTES: usize = 4096;
/// Marks a written sector.
const MAGIC: [u8; 4] = *b"EGKV";
/// Magic, sequence number, length of the entries, checksum; 4 bytes each.
const HEADER_BYTES: usize = 16;
/// Writes are a multiple of this many bytes. Source: write unit of the simulated flash.
const WORD_BYTES: usize = 4;

/// Why the content was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WriteKeyValuesError<E: std::fmt::Debug + std::error::Error + 'static> {
    /// More than a sector.
    #[error("the values do not fit a sector")]
    Full,
    /// The flash failed.
    #[error("writing the flash failed")]
    Flash(#[source] E),
}

/// Names and values, `namespace/key`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct KeyValues {
    entries: BTreeMap<String, Vec<u8>>,
    sequence: u32,
}

/// Values may be secrets.
impl std::fmt::Debug for KeyValues {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.entries.keys()).finish()
    }
}

impl KeyValues {
    /// Reads the newer of the two sectors at the start of `image`; empty when neither is whole.
    pub(super) fn decode(image: &[u8]) -> Self {
        let sectors = image.chunks(SECTOR_BYTES).take(2);
        sectors.filter_map(decode_sector).max_by_key(|found| found.sequence).unwrap_or_default()
    }

    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    pub(super) fn set(&mut self, key: &str, value: &[u8]) {
        self.entries.insert(key.to_owned(), value.to_vec());
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// Writes everything to the other sector, then erases the former one.
    pub(super) async fn write<F: NorFlash>(
        &mut self,
        flash: &mut F,
    ) -> Result<(), WriteKeyValuesError<<F as ErrorType>::Error>>
    where
        <F as ErrorType>::Error: std::error::Error + 'static,
    {
        let sequence = self.sequence.wrapping_add(1);
        let sector = self.encode(sequence).ok_or(WriteKeyValuesError::Full)?;
        let sector_bytes = u32::try_from(SECTOR_BYTES).unwrap_or(u32::MAX);
        let (target, former) = if sequence.is_multiple_of(2) { (0, sector_bytes) } else { (sector_bytes, 0) };
        flash.erase(target, target + sector_bytes).await.map_err(WriteKeyValuesError::Flash)?;
        flash.write(target, &sector).await.map_err(WriteKeyValuesError::Flash)?;
        flash.erase(former, former + sector_bytes).await.map_err(WriteKeyValuesError::Flash)?;
        self.sequence = sequence;
        Ok(())
    }

    fn encode(&self, sequence: u32) -> Option<Vec<u8>> {
        let mut entries = Vec::new();
        for (key, value) in &self.entries {
            entries.push(u8::try_from(key.len()).ok()?);
            entries.extend(key.as_bytes());
            entries.extend(u16::try_from(value.len()).ok()?.to_le_bytes());
            entries.extend(value);
        }
        let mut sector = MAGIC.to_vec();
        sector.extend(sequence.to_le_bytes());
        sector.extend(u32::try_from(entries.len()).ok()?.to_le_bytes());
        sector.extend(checksum(sequence, &entries).to_le_bytes());
        sector.extend(entries);
        sector.resize(sector.len().next_multiple_of(WORD_BYTES), u8::MAX);
        (sector.len() <= SECTOR_BYTES).then_some(sector)
    }
}

fn decode_sector(sector: &[u8]) -> Option<KeyValues> {
    let (header, rest) = sector.split_at_checked(HEADER_BYTES)?;
    let (words, []) = header.as_chunks::<4>() else { return None };
    let [magic, sequence, length, sum] = words else { return None };
    let sequence = u32::from_le_bytes(*sequence);
    let entries = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    if *magic != MAGIC || checksum(sequence, entries) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut found = KeyValues { entries: BTreeMap::new(), sequence };
    let mut rest = entries;
    while let Some((&key_bytes, tail)) = rest.split_first() {
        let (key, tail) = tail.split_at_checked(usize::from(key_bytes))?;
        let (value_bytes, tail) = tail.split_first_chunk::<2>()?;
        let (value, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*value_bytes)))?;
        found.entries.insert(String::from_utf8(key.to_vec()).ok()?, value.to_vec());
        rest = tail;
    }
    Some(found)
}

/// FNV-1a, 32 bits: enough to tell a torn write.
fn checksum(sequence: u32, entries: &[u8]) -> u32 {
    let bytes = sequence.to_le_bytes().into_iter().chain(entries.iter().copied());
    bytes.fold(0x811C_9DC5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use home_store::sim_flash::{PowerCut, SimFlash};
    use proptest::prelude::*;

    use super::KeyValues;

    fn write(values: &mut KeyValues, flash: &mut SimFlash) -> bool {
        values.write(flash).now_or_never().unwrap().is_ok()
    }

    #[test]
    fn values_survive_and_nothing_removed_stays_in_flash() {
        let mut flash = SimFlash::erased(2);
        let mut values = KeyValues::decode(flash.image());
        values.set("blynk/auth", b"a-secret");
        assert!(write(&mut values, &mut flash));
        assert_eq!(KeyValues::decode(flash.image()).get("blynk/auth"), Some(&b"a-secret"[..]));
        values.remove("blynk/auth");
        assert!(write(&mut values, &mut flash));
        assert_eq!(KeyValues::decode(flash.image()), values);
        assert!(!flash.image().windows(8).any(|window| window == b"a-secret"));
    }

    #[test]
    fn a_power_cut_anywhere_in_a_write_leaves_the_old_or_the_new_values() {
        let mut before = SimFlash::erased(2);
        let mut old = KeyValues::default();
        old.set("key", b"old");
        assert!(write(&mut old, &mut before));
        let (mut saw_old, mut saw_new) = (false, false);
        for written_bytes in 0..64 {
            let mut flash = before.clone();
            flash.cut_power(PowerCut::InWrite { written_bytes, torn_mask: 0xF0 });
            let mut new = old.clone();
            new.set("key", b"new");
            write(&mut new, &mut flash);
            let image = KeyValues::decode(flash.image());
            let found = image.get("key").unwrap();
            saw_old |= found == b"old";
            saw_new |= found == b"new";
            assert!(found == b"old" || found == b"new");
        }
        assert!(saw_old && saw_new);
    }

    #[test]
    fn more_than_a_sector_is_refused_and_the_flash_stays_as_it_was() {
        let mut flash = SimFlash::erased(2);
        let mut values = KeyValues::default();
        values.set("big", &[1; 5000]);
        assert!(!write(&mut values, &mut flash));
        assert_eq!(KeyValues::decode(flash.image()), KeyValues::default());
    }

    proptest! {
        #[test]
        fn arbitrary_flash_never_panics(image in proptest::collection::vec(any::<u8>(), 0..9000)) {
            prop_assert_eq!(KeyValues::decode(&image), KeyValues::default());
        }
    }
}

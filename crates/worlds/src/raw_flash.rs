//! Looks at raw flash: what a device would find there, and what a thief would.

use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};

use home_store::sim_flash::{SECTOR_BYTES, SharedSimFlash, SimFlash};
use home_store::{Home, HomeStore, StoreLayout};

/// The store lies behind one sector that holds what outlives every home, and before one that stays free.
pub(crate) const LAYOUT: StoreLayout = StoreLayout::at(4096);
/// Identity, store, free space.
const SECTOR_COUNT: usize = 6;
/// Byte strings shorter than this are found everywhere by chance.
pub(crate) const TRACE_BYTES_MIN: usize = 4;
/// Stands for identity, proof of possession and calibration.
const IDENTITY: &[u8] = b"identity, proof of possession and calibration of this board";

/// Makes the flash of a new board.
pub(crate) fn new_flash() -> SharedSimFlash {
    let mut image = vec![0xFF; SECTOR_COUNT * SECTOR_BYTES];
    for (to, from) in image.iter_mut().zip(IDENTITY) {
        *to = *from;
    }
    SharedSimFlash::new(SimFlash::from_image(image))
}

/// Whether everything that must outlive a wipe is still there.
pub(crate) fn is_identity_whole(image: &[u8]) -> bool {
    image.starts_with(IDENTITY)
}

/// The bytes in which homes are kept, without the journal.
pub(crate) fn slot_bytes(image: &[u8]) -> &[u8] {
    image.get(3 * SECTOR_BYTES..5 * SECTOR_BYTES).unwrap_or_default()
}

/// Unit in which the store writes.
const CELL_BYTES: usize = 32;
/// Bytes that make a home valid, at the beginning of each slot; they are written last.
const SEAL_BYTES: usize = CELL_BYTES;

/// Whether a save was cut while it wrote these bytes: no next boot can tell that from a damaged home, which it keeps.
pub(crate) fn is_seal_torn(image: &[u8]) -> bool {
    let seals = slot_bytes(image).chunks(SECTOR_BYTES).filter_map(|slot| slot.get(..SEAL_BYTES));
    seals.into_iter().any(|seal| seal.iter().any(|byte| *byte != 0xFF))
}

/// What the next boot would find.
pub(crate) struct Found {
    pub(crate) home: Option<Home>,
    pub(crate) epoch: u32,
    /// The flash after that boot had repaired what a power cut left behind.
    pub(crate) repaired: Vec<u8>,
}

/// Looks at a copy; `Err` when the store could not be opened or read.
pub(crate) fn look(image: &[u8]) -> Result<Found, &'static str> {
    let copy: SharedSimFlash = SharedSimFlash::new(SimFlash::from_image(image.to_vec()));
    let inspected = async {
        let mut store =
            HomeStore::open(copy.clone(), LAYOUT).await.or(Err("the home store cannot be opened"))?;
        let home = store.load_home().await.or(Err("the stored home cannot be read"))?;
        Ok((home, store.epoch().0))
    };
    let (home, epoch) = poll_now(inspected).unwrap_or(Err("the simulated flash waited"))?;
    Ok(Found { home, epoch, repaired: copy.with(|flash| flash.image().to_vec()) })
}

/// Every byte string of a home that must not outlive it.
pub(crate) fn traces_of(home: &Home) -> BTreeSet<Vec<u8>> {
    let mut traces = BTreeSet::new();
    for network in &home.networks {
        traces.insert(network.ssid.as_bytes().to_vec());
        traces.insert(network.secret.expose().to_vec());
    }
    traces.insert(home.cloud.host.as_str().as_bytes().to_vec());
    traces.insert(home.cloud.token.expose().to_vec());
    traces.insert(home.owner_data.as_bytes().to_vec());
    if let Some(key) = &home.cloud.release_key {
        traces.insert(key.device_id.as_str().as_bytes().to_vec());
        traces.insert(key.public_key.to_vec());
        traces.insert(key.receipt_secret.expose().to_vec());
    }
    traces.retain(|trace| trace.len() >= TRACE_BYTES_MIN);
    traces
}

/// Where one of the traces stands in the image, and its length; never the trace itself.
pub(crate) fn find_trace(image: &[u8], traces: &BTreeSet<Vec<u8>>) -> Option<(usize, usize)> {
    let mut beginnings = Beginnings::default();
    for trace in traces {
        beginnings.insert(trace);
    }
    // Erased flash is most of the image, and hardly a trace begins like it.
    let is_free_empty = !traces.iter().any(|trace| trace.starts_with(&[0xFF]));
    let is_looked_at = |(_, cell): &(usize, &[u8])| !is_free_empty || cell.iter().any(|byte| *byte != 0xFF);
    image.chunks(CELL_BYTES).enumerate().filter(is_looked_at).find_map(|(index, _)| {
        let start = index * CELL_BYTES;
        (start..start + CELL_BYTES).find_map(|offset| {
            let rest = image.get(offset..).filter(|rest| beginnings.may_hold(rest))?;
            traces.iter().find(|trace| rest.starts_with(trace)).map(|trace| (offset, trace.len()))
        })
    })
}

/// First bytes of the traces, one bit for many: most positions of an image need no closer look.
struct Beginnings(Vec<u64>);

impl Default for Beginnings {
    fn default() -> Self {
        Self(vec![0; 1 << 10])
    }
}

impl Beginnings {
    fn insert(&mut self, trace: &[u8]) {
        if let Some((word, bit)) = Self::place(trace)
            && let Some(word) = self.0.get_mut(word)
        {
            *word |= bit;
        }
    }

    fn may_hold(&self, rest: &[u8]) -> bool {
        Self::place(rest).is_none_or(|(word, bit)| self.0.get(word).is_none_or(|word| word & bit != 0))
    }

    /// `None` for what is shorter than every trace.
    fn place(bytes: &[u8]) -> Option<(usize, u64)> {
        let first = u32::from_le_bytes(*bytes.first_chunk::<TRACE_BYTES_MIN>()?);
        // Fibonacci hashing to 16 bits: 2^32 divided by the golden ratio.
        let hash = first.wrapping_mul(0x9E37_79B9) >> 16;
        Some(((hash >> 6) as usize, 1 << (hash & 63)))
    }
}

/// Leaves bytes in the free space, as a careless application would; for tests of the judge.
pub(crate) fn leave_remnant(flash: &SharedSimFlash, bytes: &[u8]) {
    let mut padded = bytes.to_vec();
    padded.resize(padded.len().next_multiple_of(4), 0);
    let offset = u32::try_from((SECTOR_COUNT - 1) * SECTOR_BYTES).unwrap_or_default();
    // A second remnant finds the words written; one is enough.
    let mut flash = flash.clone();
    let _was_free = poll_now(embedded_storage_async::nor_flash::NorFlash::write(&mut flash, offset, &padded));
}

pub(crate) fn poll_now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{find_trace, is_identity_whole, look, new_flash};

    #[test]
    fn a_trace_is_found_wherever_it_stands_and_an_empty_flash_has_none() {
        let mut image = new_flash().with(|flash| flash.image().to_vec());
        let traces = BTreeSet::from([b"secret-password".to_vec(), b"Home".to_vec()]);
        assert_eq!(find_trace(&image, &traces), None);
        let last = image.len() - 15;
        image[last..].copy_from_slice(b"secret-password");
        assert_eq!(find_trace(&image, &traces), Some((last, 15)));
        assert!(is_identity_whole(&image));
    }

    #[test]
    fn a_new_flash_holds_no_home() {
        let image = new_flash().with(|flash| flash.image().to_vec());
        let found = look(&image).unwrap();
        assert_eq!((found.home, found.epoch), (None, 0));
    }
}

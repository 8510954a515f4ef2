//! What new Edgent stores: cloud, networks, skip count and identity. Source of keys and rules: edgent-device.md §8.

use crate::board::BoardHandle;
use crate::edgent_board::{firmware_version, say};
use crate::edgent_new::key_value::KeyValues;
use crate::edgent_new::network_entry::NetworkEntry;
use crate::seed::SeededRng;

/// Networks that can be stored; one more overwrites the oldest.
pub(super) const NETWORKS_MAX: u16 = 16;
/// Bytes of flash that the values take at most.
const AREA_BYTES: usize = 8192;

const AUTH: &str = "blynk/auth";
const HOST: &str = "blynk/host";
const FIRMWARE: &str = "blynk/fwver";
const SKIPS: &str = "blynk/cfgskip";
const UID: &str = "system/uid";
const NEXT_SLOT: &str = "nm_wifi/apID";
const LAST_USED: &str = "nm_wifi/lru";

/// Token and server of a device.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CloudAccount {
    pub(super) token: Vec<u8>,
    pub(super) host: String,
}

/// The token stays out.
impl std::fmt::Debug for CloudAccount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CloudAccount").field("host", &self.host).finish_non_exhaustive()
    }
}

/// The account cannot be stored without a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to store configuration")]
pub(super) struct CommitError;

/// The stored values; every change goes to flash at once.
#[derive(Debug)]
pub(super) struct StoredConfig {
    values: KeyValues,
}

impl StoredConfig {
    /// Reads a raw flash image.
    pub(super) fn decode(image: &[u8]) -> Self {
        Self { values: KeyValues::decode(image.get(..AREA_BYTES).unwrap_or(image)) }
    }

    /// Reads the board's flash; makes a UID when there is none.
    pub(super) async fn load(board: &BoardHandle) -> Self {
        use embedded_storage_async::nor_flash::ReadNorFlash as _;
        let mut image = vec![0; AREA_BYTES];
        if board.flash().read(0, &mut image).await.is_err() {
            say(board, "Flash read failed");
        }
        let mut config = Self::decode(&image);
        if config.values.get(UID).is_none() {
            config.values.set(UID, random_uuid(board.rng()).as_bytes());
            config.write(board).await;
        }
        config
    }

    pub(super) fn uid(&self) -> String {
        self.text(UID)
    }

    /// Returns the stored account.
    pub(super) fn account(&self) -> Option<CloudAccount> {
        let token = self.values.get(AUTH)?.to_vec();
        Some(CloudAccount { token, host: self.text(HOST) })
    }

    /// Stores an account.
    pub(super) async fn commit(
        &mut self,
        board: &BoardHandle,
        account: &CloudAccount,
    ) -> Result<(), CommitError> {
        if account.host.is_empty() {
            return Err(CommitError);
        }
        self.values.set(AUTH, &account.token);
        self.values.set(HOST, account.host.as_bytes());
        self.values.set(FIRMWARE, firmware_version(board).as_bytes());
        self.write(board).await;
        Ok(())
    }

    /// Returns the version that was stored last when it is not the running one, and stores that.
    pub(super) async fn take_former_version(&mut self, board: &BoardHandle) -> Option<String> {
        let (former, current) = (self.text(FIRMWARE), firmware_version(board));
        if former.is_empty() || former == current {
            return None;
        }
        self.values.set(FIRMWARE, current.as_bytes());
        self.write(board).await;
        Some(former)
    }

    /// Returns the stored networks by slot; damaged entries are left out.
    pub(super) fn networks(&self) -> Vec<NetworkEntry> {
        self.slots().filter_map(|(_, entry)| entry).collect()
    }

    /// Stores a network: in the slot of the same name, or in the next one, whatever was there.
    pub(super) async fn add_network(&mut self, board: &BoardHandle, network: &NetworkEntry) {
        let same = self.slots().find_map(|(slot, entry)| (entry?.ssid == network.ssid).then_some(slot));
        let slot = same.unwrap_or_else(|| {
            let next = self.number(NEXT_SLOT).unwrap_or_default() % NETWORKS_MAX;
            let after = (next + 1) % NETWORKS_MAX;
            self.values.set(NEXT_SLOT, &after.to_le_bytes());
            next
        });
        self.values.set(&slot_key(slot), &network.encode());
        self.write(board).await;
    }

    /// Forgets all networks.
    pub(super) async fn clear_networks(&mut self, board: &BoardHandle) {
        (0..NETWORKS_MAX).for_each(|slot| self.values.remove(&slot_key(slot)));
        self.values.remove(NEXT_SLOT);
        self.values.remove(LAST_USED);
        self.write(board).await;
    }

    /// Remembers the network that was joined last; writes only when it is another one.
    pub(super) async fn set_last_used(&mut self, board: &BoardHandle, ssid: &[u8]) {
        let used = self.slots().find_map(|(slot, entry)| (entry?.ssid == ssid).then_some(slot));
        if used != self.number(LAST_USED)
            && let Some(slot) = used
        {
            self.values.set(LAST_USED, &slot.to_le_bytes());
            self.write(board).await;
        }
    }

    /// Returns how often the setup was passed over.
    pub(super) fn skip_count(&self) -> u32 {
        self.text(SKIPS).parse().unwrap_or_default()
    }

    pub(super) async fn count_skip(&mut self, board: &BoardHandle) {
        let count = self.skip_count().saturating_add(1).to_string();
        self.values.set(SKIPS, count.as_bytes());
        self.write(board).await;
    }

    /// Forgets account, networks and skip count. The UID is not part of the configuration.
    pub(super) async fn erase(&mut self, board: &BoardHandle) {
        for key in [AUTH, HOST, FIRMWARE, SKIPS] {
            self.values.remove(key);
        }
        self.clear_networks(board).await;
    }

    fn slots(&self) -> impl Iterator<Item = (u16, Option<NetworkEntry>)> {
        (0..NETWORKS_MAX).map(|slot| {
            let entry = self.values.get(&slot_key(slot)).and_then(NetworkEntry::decode);
            (slot, entry)
        })
    }

    fn text(&self, key: &str) -> String {
        self.values.get(key).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
    }

    fn number(&self, key: &str) -> Option<u16> {
        self.values.get(key)?.try_into().ok().map(u16::from_le_bytes)
    }

    async fn write(&mut self, board: &BoardHandle) {
        if self.values.write(&mut board.flash()).await.is_err() {
            say(board, "Storing the configuration failed");
        }
    }
}

fn slot_key(slot: u16) -> String {
    format!("nm_wifi/ap{slot:02}")
}

/// Returns a random UUID, version 4. Source: RFC 9562, section 5.4.
fn random_uuid(rng: &SeededRng) -> String {
    const VERSION: u128 = 0x4 << 76;
    const VARIANT: u128 = 0b10 << 62;
    let random = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
    let bits = random & !(0xF << 76) & !(0b11 << 62) | VERSION | VARIANT;
    let digits = format!("{bits:032x}");
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

#[cfg(test)]
mod tests {
    use super::random_uuid;
    use crate::seed::SeededRng;

    #[test]
    fn a_uid_is_a_uuid_of_version_four() {
        for seed in 0..50 {
            let uuid = random_uuid(&SeededRng::new(seed));
            let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
            assert_eq!(uuid.chars().nth(14), Some('4'));
            assert!(uuid.chars().nth(19).is_some_and(|variant| "89ab".contains(variant)), "{uuid}");
        }
    }
}

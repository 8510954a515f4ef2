//! The server's key pair for releases: signs orders, hands out what a device needs to check them, verifies receipts.
//!
//! One pair per installation, in `<data-dir>/release-key`; see decision 0012. A device keeps the public half with its
//! home, so the file belongs into every backup: without it the boards that hold its public half obey no order.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::{TryRng, rngs::SysRng};
use registry::{DeviceId, Epoch, UtcTime};
use sha2::{Digest as _, Sha512};
use subtle::ConstantTimeEq as _;
use wire::{
    Claim, FINGERPRINT_DIGITS, KEY_BYTES, NONCE_BYTES, Receipt, ReceiptSecret, ReleaseOrder, ReleaseTerms,
};

use crate::secret_file::{hex, read_text_file, seed_from_hex, write_secret_file};

/// Name of the file inside the data folder: the seed of the key pair as 64 hexadecimal digits.
pub const RELEASE_KEY_FILE: &str = "release-key";

/// Tells the derivation of receipt secrets from every other use of the seed.
const SECRET_DOMAIN: &[u8] = b"rehome receipt secret v1\0";

/// Tells the derivation of nonces from every other use of the seed.
const NONCE_DOMAIN: &[u8] = b"rehome release nonce v1\0";

/// The key pair; `Debug` never shows it. Clones are cheap.
#[derive(Clone)]
pub(crate) struct ReleaseSigner(SigningKey);

/// Why the release key could not be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenReleaseKeyError {
    /// The file cannot be read or written.
    #[error("cannot read or write {path}; check that this user owns the data folder")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{path} does not hold a key; restore it from a backup, because the boards that were claimed with it obey no other"
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness.
    #[error("the system gave no random bytes for a new key")]
    Random,
}

impl ReleaseSigner {
    /// Reads the key from the data folder, or makes one when there is none.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, OpenReleaseKeyError> {
        if let Some(signer) = Self::read(data_dir)? {
            return Ok(signer);
        }
        let path = data_dir.join(RELEASE_KEY_FILE);
        let mut seed = [0_u8; KEY_BYTES];
        SysRng.try_fill_bytes(&mut seed).map_err(|_source| OpenReleaseKeyError::Random)?;
        write_secret_file(&path, format!("{}\n", hex(&seed)).as_bytes())
            .map_err(|source| OpenReleaseKeyError::File { path, source })?;
        Ok(Self::from_seed(&seed))
    }

    /// Reads the key from the data folder; none when there is no file.
    pub(crate) fn read(data_dir: &Path) -> Result<Option<Self>, OpenReleaseKeyError> {
        let path = data_dir.join(RELEASE_KEY_FILE);
        let text = read_text_file(&path)
            .map_err(|source| OpenReleaseKeyError::File { path: path.clone(), source })?;
        let Some(text) = text else { return Ok(None) };
        let seed = seed_from_hex(text.trim()).ok_or(OpenReleaseKeyError::NotAKey { path })?;
        Ok(Some(Self::from_seed(&seed)))
    }

    pub(crate) fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Tells whether a device that shows this fingerprint holds this server's key.
    pub(crate) fn has_fingerprint(&self, fingerprint: &str) -> bool {
        let mut own = [0; FINGERPRINT_DIGITS];
        wire::key_fingerprint(&self.public_key(), &mut own) == fingerprint
    }

    /// Returns what a device gets at its claim; `None` for an id that has no form on the wire.
    pub(crate) fn claim<'a>(&self, device: &'a DeviceId, epoch: Epoch) -> Option<Claim<'a>> {
        let device_id = wire::DeviceId::parse(device.as_str())?;
        let receipt_secret = ReceiptSecret(self.receipt_secret(device_id, epoch.get())?);
        Some(Claim { device_id, epoch: epoch.get(), release_key: self.public_key(), receipt_secret })
    }

    /// Returns the nonce of every order of one release, over a connection or exported: they are the same order, so any
    /// receipt for it proves the wipe, also after a restart.
    pub(crate) fn nonce(&self, device: &DeviceId, requested_at: UtcTime) -> [u8; NONCE_BYTES] {
        let id = device.as_str().as_bytes();
        // Ids have at most 32 bytes; see `wire::DeviceId`.
        let id_length = [u8::try_from(id.len()).unwrap_or(u8::MAX)];
        let parts = [NONCE_DOMAIN, &id_length, id, &requested_at.unix_ms().to_be_bytes()];
        mac(self.0.as_bytes(), &parts).and_then(|mac| mac.first_chunk().copied()).unwrap_or_default()
    }

    /// Signs the order to wipe one device in one epoch; `None` for an id that has no form on the wire.
    pub(crate) fn order<'a>(
        &self,
        device: &'a DeviceId,
        epoch: Epoch,
        nonce: [u8; NONCE_BYTES],
    ) -> Option<ReleaseOrder<'a>> {
        let device_id = wire::DeviceId::parse(device.as_str())?;
        let terms = ReleaseTerms { device_id, epoch: epoch.get(), nonce };
        let signature = self.0.sign(terms.canonical_bytes().as_bytes()).to_bytes();
        Some(ReleaseOrder { terms, signature })
    }

    /// Tells whether a receipt answers exactly the order with these terms.
    pub(crate) fn is_receipt_for(&self, terms: &ReleaseTerms<'_>, receipt: &Receipt<'_>) -> bool {
        let digest = first_half(&Sha512::digest(terms.canonical_bytes().as_bytes()));
        let Some(secret) = self.receipt_secret(terms.device_id, terms.epoch) else { return false };
        let Some(expected) = mac(&secret, &[wire::receipt_bytes(terms.device_id, &digest).as_bytes()]) else {
            return false;
        };
        receipt.device_id == terms.device_id
            && bool::from(digest.ct_eq(&receipt.digest) & expected.ct_eq(&receipt.signature))
    }

    fn public_key(&self) -> [u8; KEY_BYTES] {
        self.0.verifying_key().to_bytes()
    }

    /// Derived, not stored: whoever has the key file can check every receipt, and a restored database forgets none.
    fn receipt_secret(&self, device_id: wire::DeviceId<'_>, epoch: u32) -> Option<[u8; KEY_BYTES]> {
        let id = device_id.as_str().as_bytes();
        let id_length = [u8::try_from(id.len()).ok()?];
        mac(self.0.as_bytes(), &[SECRET_DOMAIN, &id_length, id, &epoch.to_be_bytes()])
    }
}

impl fmt::Debug for ReleaseSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReleaseSigner([redacted])")
    }
}

/// HMAC-SHA-512 cut to 32 bytes; HMAC takes keys of every length, so there always is one.
fn mac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> Option<[u8; KEY_BYTES]> {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(first_half(&mac.finalize().into_bytes()))
}

fn first_half(output: &[u8]) -> [u8; KEY_BYTES] {
    output.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let bytes: Vec<u8> = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        bytes.try_into().unwrap()
    }

    fn device() -> DeviceId {
        DeviceId::parse("DEVA9A9HJKLMN").unwrap()
    }

    fn signer() -> ReleaseSigner {
        ReleaseSigner::from_seed(&core::array::from_fn(|index| u8::try_from(index).unwrap()))
    }

    #[test]
    fn an_order_has_the_signature_of_the_committed_vector() {
        let device = device();
        let nonce = core::array::from_fn(|index| 0xA0 + u8::try_from(index).unwrap());
        let order = signer().order(&device, Epoch::new(7), nonce).unwrap();
        let vector = bytes::<64>(
            "8fdb4173cadb076c72eacff4cd351c08358070bed59dbcadf5ce4dfa71fe0de8\
             9ca99179f7198bb58babd956205f8c84b91f92261b7adc503bab5cb536ca3501",
        );
        assert_eq!(order.signature, vector);
        let key = bytes("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
        assert_eq!(signer().claim(&device, Epoch::new(7)).unwrap().release_key, key);
    }

    #[test]
    fn receipt_secrets_differ_between_devices_epochs_and_servers() {
        let (first, second) = (device(), DeviceId::parse("DEVB9A9HJKLMN").unwrap());
        let other_server = ReleaseSigner::from_seed(&[9; 32]);
        let secrets = [
            signer().claim(&first, Epoch::new(1)).unwrap().receipt_secret.0,
            signer().claim(&first, Epoch::new(2)).unwrap().receipt_secret.0,
            signer().claim(&second, Epoch::new(1)).unwrap().receipt_secret.0,
            other_server.claim(&first, Epoch::new(1)).unwrap().receipt_secret.0,
        ];
        for (index, secret) in secrets.iter().enumerate() {
            assert!(secrets.iter().skip(index + 1).all(|other| other != secret));
        }
    }

    #[test]
    fn nonces_differ_between_devices_releases_and_servers_and_stay_over_restarts() {
        let (first, second) = (device(), DeviceId::parse("DEVB9A9HJKLMN").unwrap());
        let at = UtcTime::from_unix_ms;
        let nonce = signer().nonce(&first, at(1));
        assert_eq!(nonce, signer().nonce(&first, at(1)));
        assert_ne!(nonce, signer().nonce(&first, at(2)));
        assert_ne!(nonce, signer().nonce(&second, at(1)));
        assert_ne!(nonce, ReleaseSigner::from_seed(&[9; 32]).nonce(&first, at(1)));
    }

    #[test]
    fn only_the_receipt_of_the_very_order_counts() {
        let (device, signer) = (device(), signer());
        let terms = signer.order(&device, Epoch::new(7), [1; 16]).unwrap().terms;
        let digest = first_half(&Sha512::digest(terms.canonical_bytes().as_bytes()));
        let secret = signer.claim(&device, Epoch::new(7)).unwrap().receipt_secret.0;
        let signature = mac(&secret, &[wire::receipt_bytes(terms.device_id, &digest).as_bytes()]).unwrap();
        let receipt = Receipt { device_id: terms.device_id, digest, signature };
        assert!(signer.is_receipt_for(&terms, &receipt));
        assert!(!signer.is_receipt_for(&ReleaseTerms { epoch: 8, ..terms }, &receipt));
        assert!(!signer.is_receipt_for(&ReleaseTerms { nonce: [2; 16], ..terms }, &receipt));
        for byte_index in 0..KEY_BYTES {
            let mut flipped = receipt;
            flipped.signature[byte_index] ^= 1;
            assert!(!signer.is_receipt_for(&terms, &flipped));
            let mut flipped = receipt;
            flipped.digest[byte_index] ^= 0x80;
            assert!(!signer.is_receipt_for(&terms, &flipped));
        }
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_alone_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let first = ReleaseSigner::open(folder.path()).unwrap();
        let second = ReleaseSigner::open(folder.path()).unwrap();
        assert_eq!(first.public_key(), second.public_key());
        let path = folder.path().join(RELEASE_KEY_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(format!("{first:?}"), "ReleaseSigner([redacted])");
    }

    #[test]
    fn a_damaged_key_file_is_an_error_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RELEASE_KEY_FILE);
        for text in ["short", &"g".repeat(64), &"+1".repeat(32)] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(ReleaseSigner::open(folder.path()), Err(OpenReleaseKeyError::NotAKey { .. })));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}

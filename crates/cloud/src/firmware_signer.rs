//! Signs firmware images for devices that check who made their firmware.
//!
//! The key is the maker's: `<data-dir>/firmware-key`, the seed of an Ed25519 pair as 64 hexadecimal digits. Without the file
//! images go out unsigned, and only devices without a firmware key take them.

use std::fmt;
use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use store::FirmwareImage;

use crate::release_signer::OpenReleaseKeyError;
use crate::secret_file::{hex, read_text_file, seed_from_hex};

/// Name of the file inside the data folder.
pub(crate) const FIRMWARE_KEY_FILE: &str = "firmware-key";

/// Tells these signatures from every other use of a key.
const DOMAIN: &str = "rehome-firmware-1";

/// The key pair; `Debug` never shows it.
#[derive(Clone)]
pub(crate) struct FirmwareSigner(SigningKey);

impl FirmwareSigner {
    /// Reads the key from the data folder; none when there is no file.
    pub(crate) fn open(data_dir: &Path) -> Result<Option<Self>, OpenReleaseKeyError> {
        let path = data_dir.join(FIRMWARE_KEY_FILE);
        let text = read_text_file(&path)
            .map_err(|source| OpenReleaseKeyError::File { path: path.clone(), source })?;
        let Some(text) = text else { return Ok(None) };
        let seed = seed_from_hex(text.trim()).ok_or(OpenReleaseKeyError::NotAKey { path })?;
        Ok(Some(Self(SigningKey::from_bytes(&seed))))
    }

    /// The key by which devices check these signatures, as hexadecimal digits.
    pub(crate) fn public_key(&self) -> String {
        hex(self.0.verifying_key().as_bytes())
    }

    /// Signs type, version, size and digest of an image.
    pub(crate) fn sign(&self, image: &FirmwareImage) -> [u8; 64] {
        self.0.sign(signed_text(image).as_bytes()).to_bytes()
    }
}

/// The bytes that are signed: one line each for domain, type, version, size in bytes and SHA-256.
fn signed_text(image: &FirmwareImage) -> String {
    let (kind, version) = (&image.tag.kind, &image.tag.version);
    format!("{DOMAIN}\n{kind}\n{version}\n{}\n{}\n", image.size_bytes, hex(&image.sha256))
}

impl fmt::Debug for FirmwareSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FirmwareSigner([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use registry::{FirmwareId, FirmwareTag, UtcTime};

    use super::*;

    #[test]
    fn the_signature_covers_type_version_size_and_digest() {
        let data_dir = tempfile::tempdir().unwrap();
        assert!(FirmwareSigner::open(data_dir.path()).unwrap().is_none());
        std::fs::write(data_dir.path().join(FIRMWARE_KEY_FILE), "07".repeat(32)).unwrap();
        let signer = FirmwareSigner::open(data_dir.path()).unwrap().unwrap();
        let image = FirmwareImage {
            id: FirmwareId::from_random([1; 10]),
            file_name: "a.bin".to_owned(),
            tag: FirmwareTag { kind: "T".to_owned(), version: "1".to_owned(), build: None, library: None },
            size_bytes: 2_000,
            sha256: [0xAB; 32],
            md5: [0; 16],
            created_at: UtcTime::from_unix_ms(0),
        };
        assert_eq!(signed_text(&image), format!("rehome-firmware-1\nT\n1\n2000\n{}\n", "ab".repeat(32)));
        let signature = ed25519_dalek::Signature::from_bytes(&signer.sign(&image));
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        key.verify_strict(signed_text(&image).as_bytes(), &signature).unwrap();
        assert_eq!(signer.public_key(), hex(key.as_bytes()), "what a device is given is what checks");
        assert_eq!(format!("{signer:?}"), "FirmwareSigner([redacted])");
    }

    #[test]
    fn a_damaged_key_file_is_an_error() {
        let data_dir = tempfile::tempdir().unwrap();
        std::fs::write(data_dir.path().join(FIRMWARE_KEY_FILE), "no key").unwrap();
        assert!(matches!(FirmwareSigner::open(data_dir.path()), Err(OpenReleaseKeyError::NotAKey { .. })));
    }
}

//! The admin key: whoever can read `<data-dir>/admin-api-key` is an owner.

use std::io;
use std::path::{Path, PathBuf};

use rand::{TryRng, rngs::SysRng};
use subtle::ConstantTimeEq;

use crate::secret_file::{hex, read_text_file, write_secret_file};

/// 32 random bytes, 64 hex digits in the file.
const KEY_BYTES: usize = 32;

/// Name of the file inside the data folder.
pub const ADMIN_KEY_FILE: &str = "admin-api-key";

/// The key; `Debug` never shows it.
pub(crate) struct AdminKey(String);

/// Why the admin key could not be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAdminKeyError {
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
    #[error("{path} does not hold a key; remove it and start again to get a new one")]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness.
    #[error("the system gave no random bytes for a new key")]
    Random,
}

impl AdminKey {
    /// Reads the key from the data folder, or makes one when there is none.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, OpenAdminKeyError> {
        if let Some(key) = Self::read(data_dir)? {
            return Ok(key);
        }
        let path = data_dir.join(ADMIN_KEY_FILE);
        let mut random = [0_u8; KEY_BYTES];
        SysRng.try_fill_bytes(&mut random).map_err(|_source| OpenAdminKeyError::Random)?;
        let key = hex(&random);
        write_secret_file(&path, format!("{key}\n").as_bytes())
            .map_err(|source| OpenAdminKeyError::File { path, source })?;
        Ok(Self(key))
    }

    /// Reads the key from the data folder; none when there is no file.
    pub(crate) fn read(data_dir: &Path) -> Result<Option<Self>, OpenAdminKeyError> {
        let path = data_dir.join(ADMIN_KEY_FILE);
        let text =
            read_text_file(&path).map_err(|source| OpenAdminKeyError::File { path: path.clone(), source })?;
        let Some(text) = text else { return Ok(None) };
        let key = text.trim();
        let is_key = key.len() == KEY_BYTES * 2 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_key { Ok(Some(Self(key.to_owned()))) } else { Err(OpenAdminKeyError::NotAKey { path }) }
    }

    /// Compares in constant time.
    pub(crate) fn matches(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

impl std::fmt::Debug for AdminKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AdminKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_survives_a_restart_and_fits_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let first = AdminKey::open(folder.path()).unwrap();
        let second = AdminKey::open(folder.path()).unwrap();
        assert!(second.matches(&first.0));
        assert!(!second.matches("") && !second.matches(&first.0.to_uppercase()));
        assert_eq!(format!("{first:?}"), "AdminKey([redacted])");
    }

    #[test]
    fn a_damaged_key_file_is_an_error_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ADMIN_KEY_FILE);
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(AdminKey::open(folder.path()), Err(OpenAdminKeyError::NotAKey { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "short");
    }
}

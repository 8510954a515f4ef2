//! The files of firmware images: `<data-dir>/firmware/<SHA-256>`, one for each different content.

use std::io;
use std::path::{Path, PathBuf};

use axum::body::Body;
use futures_util::StreamExt as _;
use md5::Md5;
use registry::{FindTagError, FirmwareTag};
use sha2::{Digest as _, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

use crate::limits::{FIRMWARE_BYTES_MAX, FIRMWARE_BYTES_MIN};
use crate::secret_file::hex;

/// What is being received has this at the end of its name, so that a crash leaves nothing that looks whole.
const UNFINISHED: &str = "upload";

/// The folder. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct FirmwareFolder(PathBuf);

/// A file that has been received, is whole and on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedImage {
    pub(crate) tag: FirmwareTag,
    pub(crate) size_bytes: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) md5: [u8; 16],
}

/// Why a file was not taken. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveImageError {
    #[error("an image has at least {FIRMWARE_BYTES_MIN} bytes")]
    TooSmall,
    #[error("an image has at most {FIRMWARE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the upload broke off")]
    BrokeOff,
    #[error("the file is not a firmware image")]
    Tag(#[from] FindTagError),
    #[error("the file could not be stored")]
    File(#[from] io::Error),
}

impl FirmwareFolder {
    /// Makes the folder when there is none and removes what a crash left unfinished.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join("firmware");
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self(folder))
    }

    /// Receives a file.
    pub(crate) async fn receive(&self, body: Body) -> Result<ReceivedImage, ReceiveImageError> {
        let draft = self.0.join(format!("{:032x}.{UNFINISHED}", rand::random::<u128>()));
        let received = self.receive_into(&draft, body).await;
        if received.is_err() {
            // The first error is the one to tell; a draft that stays is removed at the next start.
            drop(fs::remove_file(&draft).await);
        }
        received
    }

    async fn receive_into(&self, draft: &Path, body: Body) -> Result<ReceivedImage, ReceiveImageError> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(draft).await?;
        let (mut sha256, mut md5, mut size_bytes) = (Sha256::new(), Md5::new(), 0_u64);
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_source| ReceiveImageError::BrokeOff)?;
            size_bytes = size_bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            if size_bytes > FIRMWARE_BYTES_MAX {
                return Err(ReceiveImageError::TooLarge);
            }
            sha256.update(&chunk);
            md5.update(&chunk);
            file.write_all(&chunk).await?;
        }
        if size_bytes < FIRMWARE_BYTES_MIN {
            return Err(ReceiveImageError::TooSmall);
        }
        file.sync_all().await?;
        let tag = FirmwareTag::find(&fs::read(draft).await?)?;
        let received =
            ReceivedImage { tag, size_bytes, sha256: sha256.finalize().into(), md5: md5.finalize().into() };
        fs::rename(draft, self.path(&received.sha256)).await?;
        // The rename is on disk only when the folder is.
        File::open(&self.0).await?.sync_all().await?;
        Ok(received)
    }

    /// Opens the file of an image.
    pub(crate) async fn open_image(&self, sha256: &[u8; 32]) -> io::Result<File> {
        File::open(self.path(sha256)).await
    }

    /// Removes the file of an image that nobody names any more.
    pub(crate) async fn remove(&self, sha256: &[u8; 32]) -> io::Result<()> {
        fs::remove_file(self.path(sha256)).await
    }

    fn path(&self, sha256: &[u8; 32]) -> PathBuf {
        self.0.join(hex(sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Vec<u8> {
        let mut image = vec![0xE9; 2_000];
        image.extend(b"blnkinf\0mcu\x001.0\0fw-type\0TMPL1\0\0");
        image
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder.join("firmware")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn an_image_is_named_after_its_content() {
        let data_dir = tempfile::tempdir().unwrap();
        let folder = FirmwareFolder::open(data_dir.path()).unwrap();
        let received = folder.receive(Body::from(image())).await.unwrap();
        assert_eq!((received.size_bytes, received.tag.version.as_str()), (2_031, "1.0"));
        assert_eq!(files(data_dir.path()), [hex(&Sha256::digest(image()))]);
        assert_eq!(folder.receive(Body::from(image())).await.unwrap(), received);
        assert_eq!(files(data_dir.path()).len(), 1);
        folder.remove(&received.sha256).await.unwrap();
        assert!(folder.open_image(&received.sha256).await.is_err());
    }

    #[tokio::test]
    async fn what_is_refused_leaves_nothing() {
        let data_dir = tempfile::tempdir().unwrap();
        let folder = FirmwareFolder::open(data_dir.path()).unwrap();
        let short = folder.receive(Body::from(vec![0; 10])).await;
        assert!(matches!(short, Err(ReceiveImageError::TooSmall)));
        let untagged = folder.receive(Body::from(vec![0; 5_000])).await;
        assert!(matches!(untagged, Err(ReceiveImageError::Tag(FindTagError::Missing))));
        let broken = futures_util::stream::iter([Ok(image()), Err(io::Error::other("gone"))]);
        let broken = folder.receive(Body::from_stream(broken)).await;
        assert!(matches!(broken, Err(ReceiveImageError::BrokeOff)));
        assert_eq!(files(data_dir.path()), Vec::<String>::new());
    }

    #[test]
    fn what_a_crash_left_is_removed_at_the_start() {
        let data_dir = tempfile::tempdir().unwrap();
        FirmwareFolder::open(data_dir.path()).unwrap();
        std::fs::write(data_dir.path().join("firmware/0a.upload"), "part").unwrap();
        std::fs::write(data_dir.path().join("firmware/0b"), "whole").unwrap();
        FirmwareFolder::open(data_dir.path()).unwrap();
        assert_eq!(files(data_dir.path()), ["0b"]);
    }
}

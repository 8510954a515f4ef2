//! Where a second firmware fits: the seam to the boot loader.

use core::future::{Future, ready};

use lifecycle::SlotFault;

use crate::firmware_update::response_head::{ETAG_BYTES_MAX, is_strong};

/// Longest firmware version that is handled, in bytes.
pub const FIRMWARE_VERSION_BYTES_MAX: usize = 32;
/// Bytes of a whole piece of an image, as [`FirmwareSlots::write_image`] gets them.
pub const IMAGE_PIECE_BYTES: usize = 2048;

/// A firmware's version as text.
pub type FirmwareVersion = heapless::String<FIRMWARE_VERSION_BYTES_MAX>;

/// Which image runs, and how sure that is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum SlotState {
    /// The one that boots for good.
    #[default]
    Confirmed,
    /// A new one in its only boot: unless it is confirmed the next boot starts the former one.
    OnTrial {
        /// Version of the former one; empty when it is not known.
        former: FirmwareVersion,
    },
    /// The one that boots for good, after another did not prove itself. Until [`FirmwareSlots::confirm_firmware`] forgets it.
    Restored {
        /// Version of the other one; empty when it is not known.
        tried: FirmwareVersion,
    },
}

impl SlotState {
    /// Takes away a version that is none: it comes from an image or a record, and goes into logs and events.
    pub(crate) fn with_usable_versions(mut self) -> Self {
        if let Self::OnTrial { former: version } | Self::Restored { tried: version } = &mut self
            && !is_version(version)
        {
            version.clear();
        }
        self
    }
}

/// What is known of an image before it boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its size in bytes.
    pub image_bytes: u32,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// Its version, as the server told it.
    pub version: FirmwareVersion,
}

/// An image that is being received, as far as it must be known to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The image.
    pub image: ImageFacts,
    /// By which the same image is asked for again.
    pub etag: heapless::String<ETAG_BYTES_MAX>,
}

impl Download {
    /// Whether tag and version can have come from a server's answer. Both go into texts in which a line end or a control
    /// character would say something else: a request, a log, an event. A note that was damaged may hold any.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        is_strong(&self.etag) && is_visible(&self.etag) && is_version(&self.image.version)
    }
}

/// Whether this is a firmware's version: 1 to [`FIRMWARE_VERSION_BYTES_MAX`] bytes of ASCII that a line can show.
#[must_use]
pub fn is_version(text: &str) -> bool {
    (1..=FIRMWARE_VERSION_BYTES_MAX).contains(&text.len()) && is_visible(text)
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// Two slots for firmware, of which the agent runs in one.
///
/// Every method may be interrupted by a power cut at any moment; a confirmed image must boot afterwards. What is not
/// implemented makes a device without a second slot, which refuses updates.
pub trait FirmwareSlots {
    /// Bytes that the other slot holds; `None` without another slot.
    fn slot_bytes(&self) -> Option<u32> {
        None
    }

    /// The Ed25519 key that must have signed an image; without one the digest over verified TLS is enough, and images
    /// without TLS are refused.
    fn firmware_key(&self) -> Option<[u8; 32]> {
        None
    }

    /// Which image runs. Asked once, at the start.
    fn slot_state(&self) -> SlotState {
        SlotState::Confirmed
    }

    /// Gives the other slot's content up and makes it ready for an image of this size.
    ///
    /// Must not take long: flash is erased piece by piece as it is written.
    ///
    /// # Errors
    /// [`SlotFault`]; the running image boots as before.
    fn begin_image(&mut self, image_bytes: u32) -> impl Future<Output = Result<(), SlotFault>> {
        let _ = image_bytes;
        ready(Err(SlotFault))
    }

    /// Notes which image the slot is being filled with, or that it is none, where that can outlive a restart.
    fn note_download(&mut self, download: Option<&Download>) {
        let _ = download;
    }

    /// Returns the image that was noted, and how many of its bytes are in the slot: whole pieces of
    /// [`IMAGE_PIECE_BYTES`], at least one and not the whole image. They need not be right; that is checked.
    fn noted_download(&self) -> Option<(Download, u32)> {
        None
    }

    /// Writes a piece of the image. `offset` grows from 0 in steps of [`IMAGE_PIECE_BYTES`]; only the last piece is
    /// shorter than that.
    ///
    /// # Errors
    /// [`SlotFault`]; the running image boots as before.
    fn write_image(&mut self, offset: u32, bytes: &[u8]) -> impl Future<Output = Result<(), SlotFault>> {
        let _ = (offset, bytes);
        ready(Err(SlotFault))
    }

    /// Reads back what was written. `offset` is a multiple of 512; the buffer holds 512 bytes or the image's end.
    ///
    /// # Errors
    /// [`SlotFault`]; the running image boots as before.
    fn read_image(&mut self, offset: u32, buffer: &mut [u8]) -> impl Future<Output = Result<(), SlotFault>> {
        let _ = (offset, buffer);
        ready(Err(SlotFault))
    }

    /// Makes the next boot the trial of the written image, which was read back and is whole.
    ///
    /// # Errors
    /// [`SlotFault`]; the running image boots as before.
    fn boot_on_trial(&mut self, image: &ImageFacts) -> impl Future<Output = Result<(), SlotFault>> {
        let _ = image;
        ready(Err(SlotFault))
    }

    /// Makes the running image boot for good, or forgets the one that was tried in vain.
    ///
    /// # Errors
    /// [`SlotFault`]; what the next boot starts is either of the two images.
    fn confirm_firmware(&mut self) -> impl Future<Output = Result<(), SlotFault>> {
        ready(Ok(()))
    }

    /// Makes the former image boot for good. A restart follows.
    ///
    /// # Errors
    /// [`SlotFault`]; the next boot starts the former image all the same.
    fn roll_back_firmware(&mut self) -> impl Future<Output = Result<(), SlotFault>> {
        ready(Ok(()))
    }
}

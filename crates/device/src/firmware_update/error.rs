//! Why an update did not take place, in the words that the owner reads in the event.

use super::response_head::ReadHeadError;
use super::url::ParseUrlError;

/// Why an update failed. Never holds an address: it carries a download token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpdateError {
    #[error("this device has no second firmware slot")]
    NoSlots,
    #[error("{0}")]
    Url(#[from] ParseUrlError),
    #[error("the address is not https")]
    NotEncrypted,
    #[error("the server could not be reached")]
    Unreachable,
    #[error("the server's certificate is not acceptable")]
    Certificate,
    #[error("the network was lost")]
    NetworkLost,
    #[error("the server fell silent")]
    Silence,
    #[error("the connection ended before the image did")]
    Interrupted,
    #[error("the download took too long")]
    TimeLimit,
    #[error("the server redirects, which is not followed")]
    Redirected,
    #[error("the server answered {0}")]
    Status(u16),
    #[error("the answer makes no sense: {0}")]
    Head(#[from] ReadHeadError),
    #[error("the server does not say how long the image is")]
    NoLength,
    #[error("the image is sent in chunks of unknown number")]
    Chunked,
    #[error("the image is compressed")]
    Compressed,
    #[error("an image of {image_bytes} bytes is too short")]
    TooShort { image_bytes: u64 },
    #[error("the image has {image_bytes} bytes, the slot {slot_bytes}")]
    TooLong { image_bytes: u64, slot_bytes: u32 },
    #[error("the server sends no SHA-256")]
    NoDigest,
    #[error("the server does not say which firmware type the image is")]
    NoType,
    #[error("the image is of another firmware type")]
    OtherType,
    #[error("the server sends no usable version")]
    NoVersion,
    #[error("the image is not signed")]
    NotSigned,
    #[error("the signature is not that of the device's firmware key")]
    Signature,
    #[error("the server resumed another image")]
    OtherImage,
    #[error("the image's SHA-256 is not the announced one")]
    Digest,
    #[error("the image read back is not the one that was written")]
    ReadBack,
    #[error("the firmware slot cannot be written")]
    Slot,
}

/// What an error means for the download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Ask again, and go on where the image broke off.
    Resume,
    /// Ask again, from the start.
    StartOver,
    /// A repetition would end the same way.
    GiveUp,
}

impl UpdateError {
    /// What may help within this update.
    pub(crate) const fn remedy(self) -> Remedy {
        match self {
            Self::Unreachable | Self::Silence | Self::Interrupted | Self::Status(408 | 429 | 500..) => {
                Remedy::Resume
            }
            Self::Status(416) | Self::OtherImage => Remedy::StartOver,
            _ => Remedy::GiveUp,
        }
    }

    /// Whether what was received is worth keeping for the next order.
    pub(crate) const fn keeps_progress(self) -> bool {
        matches!(self.remedy(), Remedy::Resume)
            || matches!(self, Self::NetworkLost | Self::TimeLimit | Self::Certificate)
    }
}

//! Why an update did not take place, in the words that the owner reads in the event.

use super::response_head::ReadHeadError;
use super::url::ParseUrlError;

/// Why an update failed. Never holds an address: it carries a download token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// There is no slot to put an image into.
    #[error("this device has no second firmware slot")]
    NoSlots,
    /// The restart into a new firmware would forget the home that has to confirm it, and the slots are flash.
    #[error("this device is on the bench, where nothing is written: set it up without bench first")]
    OnBench,
    /// The order's address cannot be used.
    #[error("{0}")]
    Url(#[from] ParseUrlError),
    /// A device whose cloud uses TLS takes images over TLS only.
    #[error("the address is not https")]
    NotEncrypted,
    /// Without TLS only a signature proves who made the image, and nothing here could check one.
    #[error("the address is not https, and this device has no firmware key")]
    NothingProven,
    /// No connection to the server.
    #[error("the server could not be reached")]
    Unreachable,
    /// The server did not prove who it is.
    #[error("the server's certificate is not acceptable")]
    Certificate,
    /// The Wi-Fi network went.
    #[error("the network was lost")]
    NetworkLost,
    /// Nothing came for too long.
    #[error("the server fell silent")]
    Silence,
    /// The connection ended early.
    #[error("the connection ended before the image did")]
    Interrupted,
    /// The lifecycle gave the download up.
    #[error("the download took too long")]
    TimeLimit,
    /// The server names another place.
    #[error("the server redirects, which is not followed")]
    Redirected,
    /// The server's status code.
    #[error("the server answered {0}")]
    Status(u16),
    /// The head of the answer cannot be read.
    #[error("the answer makes no sense: {0}")]
    Head(#[from] ReadHeadError),
    /// No `Content-Length`.
    #[error("the server does not say how long the image is")]
    NoLength,
    /// `Transfer-Encoding: chunked`.
    #[error("the image is sent in chunks of unknown number")]
    Chunked,
    /// `Content-Encoding` of any kind.
    #[error("the image is compressed")]
    Compressed,
    /// Shorter than any image.
    #[error("an image of {image_bytes} bytes is too short")]
    TooShort {
        /// Announced size.
        image_bytes: u64,
    },
    /// Longer than the slot.
    #[error("the image has {image_bytes} bytes, the slot {slot_bytes}")]
    TooLong {
        /// Announced size.
        image_bytes: u64,
        /// What the slot holds.
        slot_bytes: u32,
    },
    /// No `X-SHA256`.
    #[error("the server sends no SHA-256")]
    NoDigest,
    /// No `X-FW-Type`.
    #[error("the server does not say which firmware type the image is")]
    NoType,
    /// `X-FW-Type` is another one.
    #[error("the image is of another firmware type")]
    OtherType,
    /// No `X-FW-Ver` of a usable length.
    #[error("the server sends no usable version")]
    NoVersion,
    /// The device has a firmware key and the answer no signature.
    #[error("the image is not signed")]
    NotSigned,
    /// The signature is wrong.
    #[error("the signature is not that of the device's firmware key")]
    Signature,
    /// The rest of an image that was asked for is not the rest of that image.
    #[error("the server resumed another image")]
    OtherImage,
    /// What was received is not what was announced.
    #[error("the image's SHA-256 is not the announced one")]
    Digest,
    /// What the slot holds is not what was written.
    #[error("the image read back is not the one that was written")]
    ReadBack,
    /// The slot refused.
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

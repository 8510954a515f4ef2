//! Whether the running firmware still has to prove itself.

use crate::Instant;

/// The trial of a new firmware, from its first boot to its first accepted login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FirmwareTrial {
    /// The running firmware boots for good.
    Over,
    /// It must reach its cloud before this moment.
    OnTrial { ends_at: Instant },
    /// It did, and the slots are being told.
    Confirming,
}

impl FirmwareTrial {
    pub(crate) const fn relative_to(self, origin: Instant) -> Self {
        match self {
            Self::OnTrial { ends_at } => Self::OnTrial { ends_at: ends_at.relative_to(origin) },
            Self::Over | Self::Confirming => self,
        }
    }
}

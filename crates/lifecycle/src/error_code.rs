//! Why a device is not online: the codes 700 to 732 and the failures they come from.
//!
//! Source of the numbers: `last_error` of old and new Edgent.

/// A failure as the portal, the provisioning session and the log show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum ErrorCode {
    /// 700: the submitted configuration is unusable or could not be stored.
    BadConfig = 700,
    /// 701: no network in time.
    NetworkTimeout = 701,
    /// 702: no cloud in time.
    CloudTimeout = 702,
    /// 703: the cloud refused the token.
    TokenRefused = 703,
    /// 704: the network failed for another reason.
    Network = 704,
    /// 705: the cloud failed for another reason.
    Cloud = 705,
    /// 710: the cloud's name could not be resolved.
    CloudDns = 710,
    /// 711: the cloud's certificate is not acceptable.
    CloudCertificate = 711,
    /// 712: a captive portal answers in place of the cloud.
    CaptivePortal = 712,
    /// 720: the network was not found.
    NetworkNotFound = 720,
    /// 721: no cable.
    NoCable = 721,
    /// 722: the network refused the password.
    NetworkAuthentication = 722,
    /// 723: the network gave no address.
    NoAddress = 723,
    /// 730: no SIM card.
    SimMissing = 730,
    /// 731: the SIM card is locked.
    SimLocked = 731,
    /// 732: the SIM card refused its PIN.
    SimWrongPin = 732,
}

impl ErrorCode {
    /// Every code, in ascending order.
    pub const ALL: [Self; 16] = [
        Self::BadConfig,
        Self::NetworkTimeout,
        Self::CloudTimeout,
        Self::TokenRefused,
        Self::Network,
        Self::Cloud,
        Self::CloudDns,
        Self::CloudCertificate,
        Self::CaptivePortal,
        Self::NetworkNotFound,
        Self::NoCable,
        Self::NetworkAuthentication,
        Self::NoAddress,
        Self::SimMissing,
        Self::SimLocked,
        Self::SimWrongPin,
    ];

    /// The number on the wire and in `last_error`.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The code with this number, if there is one.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

/// Why a network could not be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetworkError {
    /// The stored settings cannot be applied, for instance a static address that the radio refuses.
    BadConfig,
    /// Nothing happened in time.
    Timeout,
    /// No network of that name with the stored kind of security is in reach.
    NotFound,
    /// The network refused the password.
    Authentication,
    /// No address was assigned.
    NoAddress,
    /// No cable is plugged in.
    NoCable,
    /// No SIM card.
    SimMissing,
    /// The SIM card is locked.
    SimLocked,
    /// The SIM card refused its PIN.
    SimWrongPin,
    /// Any other failure.
    Other,
}

impl NetworkError {
    /// The code shown for this failure.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::BadConfig => ErrorCode::BadConfig,
            Self::Timeout => ErrorCode::NetworkTimeout,
            Self::NotFound => ErrorCode::NetworkNotFound,
            Self::Authentication => ErrorCode::NetworkAuthentication,
            Self::NoAddress => ErrorCode::NoAddress,
            Self::NoCable => ErrorCode::NoCable,
            Self::SimMissing => ErrorCode::SimMissing,
            Self::SimLocked => ErrorCode::SimLocked,
            Self::SimWrongPin => ErrorCode::SimWrongPin,
            Self::Other => ErrorCode::Network,
        }
    }
}

/// Why the cloud could not be reached; a refused token is no such failure, see [`crate::Input::LoginRefused`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloudError {
    /// No connection or no answer in time.
    Timeout,
    /// The name could not be resolved.
    Dns,
    /// The certificate or its name was not acceptable.
    Certificate,
    /// A captive portal answered; its bytes prove nothing about the token.
    CaptivePortal,
    /// The answer was no protocol, or the cloud asked to come back later (any status but accepted and refused).
    Other,
}

impl CloudError {
    /// The code shown for this failure.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Timeout => ErrorCode::CloudTimeout,
            Self::Dns => ErrorCode::CloudDns,
            Self::Certificate => ErrorCode::CloudCertificate,
            Self::CaptivePortal => ErrorCode::CaptivePortal,
            Self::Other => ErrorCode::Cloud,
        }
    }
}

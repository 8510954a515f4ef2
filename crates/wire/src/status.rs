//! Status codes: what a RESPONSE says.

/// The status of a RESPONSE.
///
/// Source: reference §12. [`Status::from`] never yields [`Status::Other`] for a code that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200.
    Success,
    /// 1: more messages than allowed.
    QuotaLimit,
    /// 2: malformed HARDWARE, SYNC, INTERNAL or BRIDGE; the only status that a device sends.
    IllegalCommand,
    /// 3: apps only.
    NotRegistered,
    /// 4: second login on one connection; a device takes it as success.
    AlreadyRegistered,
    /// 5: a device drops the connection on it, whenever it comes.
    NotAuthenticated,
    /// 6: bridge to an unknown or foreign token.
    NotAllowed,
    /// 7: the target of a bridge is offline.
    DeviceNotInNetwork,
    /// 8: legacy.
    NoActiveDashboard,
    /// 9: the token is not valid; final for the device.
    InvalidToken,
    /// 11: malformed or unknown property.
    IllegalCommandBody,
    /// 12: apps only.
    GetGraphData,
    /// 13: malformed email, push, tweet or text message.
    NotificationInvalidBody,
    /// 14: notification not authorised.
    NotificationNotAuthorized,
    /// 15: notification failed.
    NotificationError,
    /// 16: reserved.
    Timeout,
    /// 17: nothing to export.
    NoData,
    /// 18: apps only.
    DeviceWentOffline,
    /// 19: the server cannot tell now; the device tries again.
    ServerException,
    /// 20: defined, not used.
    NotSupportedVersion,
    /// 21: legacy.
    EnergyLimit,
    /// 23: defined in the library only.
    OperationAccept,
    /// 24: defined in the library only.
    OperationDecline,
    /// Any other code.
    Other(u16),
}

impl Status {
    /// Returns the number that stands for this status on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Success => 200,
            Self::QuotaLimit => 1,
            Self::IllegalCommand => 2,
            Self::NotRegistered => 3,
            Self::AlreadyRegistered => 4,
            Self::NotAuthenticated => 5,
            Self::NotAllowed => 6,
            Self::DeviceNotInNetwork => 7,
            Self::NoActiveDashboard => 8,
            Self::InvalidToken => 9,
            Self::IllegalCommandBody => 11,
            Self::GetGraphData => 12,
            Self::NotificationInvalidBody => 13,
            Self::NotificationNotAuthorized => 14,
            Self::NotificationError => 15,
            Self::Timeout => 16,
            Self::NoData => 17,
            Self::DeviceWentOffline => 18,
            Self::ServerException => 19,
            Self::NotSupportedVersion => 20,
            Self::EnergyLimit => 21,
            Self::OperationAccept => 23,
            Self::OperationDecline => 24,
            Self::Other(code) => code,
        }
    }

    /// Tells whether a device takes this answer to its login as success: 200 and 4. Source: reference §4.
    #[must_use]
    pub const fn accepts_login(self) -> bool {
        matches!(self, Self::Success | Self::AlreadyRegistered)
    }
}

impl From<u16> for Status {
    fn from(code: u16) -> Self {
        match code {
            200 => Self::Success,
            1 => Self::QuotaLimit,
            2 => Self::IllegalCommand,
            3 => Self::NotRegistered,
            4 => Self::AlreadyRegistered,
            5 => Self::NotAuthenticated,
            6 => Self::NotAllowed,
            7 => Self::DeviceNotInNetwork,
            8 => Self::NoActiveDashboard,
            9 => Self::InvalidToken,
            11 => Self::IllegalCommandBody,
            12 => Self::GetGraphData,
            13 => Self::NotificationInvalidBody,
            14 => Self::NotificationNotAuthorized,
            15 => Self::NotificationError,
            16 => Self::Timeout,
            17 => Self::NoData,
            18 => Self::DeviceWentOffline,
            19 => Self::ServerException,
            20 => Self::NotSupportedVersion,
            21 => Self::EnergyLimit,
            23 => Self::OperationAccept,
            24 => Self::OperationDecline,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn every_code_survives_the_way_to_a_status_and_back() {
        for code in 0..=u16::MAX {
            assert_eq!(Status::from(code).code(), code);
        }
    }

    #[test]
    fn only_200_and_4_accept_a_login() {
        let mut accepted = (0..=u16::MAX).filter(|code| Status::from(*code).accepts_login());
        assert_eq!((accepted.next(), accepted.next(), accepted.next()), (Some(4), Some(200), None));
    }
}

//! Command codes: the first byte of every frame.

use core::fmt;

/// What a frame is about.
///
/// Source: reference §3. [`Command::from`] never yields [`Command::Unknown`] for a code that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// 0, both directions: the answer to an earlier message; its length field is the status.
    Response,
    /// 2, device to server: the login of clients older than 2017.
    LoginOld,
    /// 6, both directions: answered with status 200.
    Ping,
    /// 12, device to server, removed from the library in 1.2.0.
    Tweet,
    /// 13, device to server, removed from the library in 1.2.0.
    Email,
    /// 14, device to server, removed from the library in 1.2.0.
    Notify,
    /// 15, both directions: a pin write handed from device to device.
    Bridge,
    /// 16, device to server: asks for the last values of pins.
    HardwareSync,
    /// 17, both directions: info, time, metadata, firmware update, console command.
    Internal,
    /// 18, device to server, removed from the library in 1.2.0.
    Sms,
    /// 19, device to server: changes how a datastream is shown.
    Property,
    /// 20, both directions: pin reads and writes.
    Hardware,
    /// 21, device to server: opens and closes a group of writes with one time.
    Group,
    /// 29, device to server: the login with a token.
    Login,
    /// 41, server to device: log in somewhere else.
    Redirect,
    /// 55, server to device: text for the local log.
    DebugPrint,
    /// 64, device to server: records an event.
    EventLog,
    /// 65, device to server: resolves an event.
    EventClear,
    /// Any other code.
    Unknown(u8),
}

impl Command {
    /// Returns the byte that stands for this command on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Response => 0,
            Self::LoginOld => 2,
            Self::Ping => 6,
            Self::Tweet => 12,
            Self::Email => 13,
            Self::Notify => 14,
            Self::Bridge => 15,
            Self::HardwareSync => 16,
            Self::Internal => 17,
            Self::Sms => 18,
            Self::Property => 19,
            Self::Hardware => 20,
            Self::Group => 21,
            Self::Login => 29,
            Self::Redirect => 41,
            Self::DebugPrint => 55,
            Self::EventLog => 64,
            Self::EventClear => 65,
            Self::Unknown(code) => code,
        }
    }

    /// Tells whether a server should close the connection of a device that sends this command.
    ///
    /// Unknown codes below 100 are ignored, 100 and above close the connection. Source: reference §3.
    #[must_use]
    pub const fn closes_device_connection(self) -> bool {
        matches!(self, Self::Unknown(code) if code >= 100)
    }
}

impl From<u8> for Command {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Response,
            2 => Self::LoginOld,
            6 => Self::Ping,
            12 => Self::Tweet,
            13 => Self::Email,
            14 => Self::Notify,
            15 => Self::Bridge,
            16 => Self::HardwareSync,
            17 => Self::Internal,
            18 => Self::Sms,
            19 => Self::Property,
            20 => Self::Hardware,
            21 => Self::Group,
            29 => Self::Login,
            41 => Self::Redirect,
            55 => Self::DebugPrint,
            64 => Self::EventLog,
            65 => Self::EventClear,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response => "response",
            Self::LoginOld => "old login",
            Self::Ping => "ping",
            Self::Tweet => "tweet",
            Self::Email => "email",
            Self::Notify => "notify",
            Self::Bridge => "bridge",
            Self::HardwareSync => "hardware sync",
            Self::Internal => "internal",
            Self::Sms => "sms",
            Self::Property => "property",
            Self::Hardware => "hardware",
            Self::Group => "group",
            Self::Login => "login",
            Self::Redirect => "redirect",
            Self::DebugPrint => "debug print",
            Self::EventLog => "event log",
            Self::EventClear => "event clear",
            Self::Unknown(code) => return write!(f, "unknown command {code}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn every_code_survives_the_way_to_a_command_and_back() {
        for code in 0..=u8::MAX {
            assert_eq!(Command::from(code).code(), code);
        }
    }

    #[test]
    fn only_unknown_codes_from_100_close_the_connection() {
        for code in 0..=u8::MAX {
            assert_eq!(Command::from(code).closes_device_connection(), code >= 100, "code {code}");
        }
    }
}

//! What an Edgent device makes of a frame from its server. Source: observed-clients.md, "Frames to the device".

use wire::{
    Frame, PhysicalPin, PinWrite, REDIRECT_PORT_DEFAULT, Secret, ServerHardware, ServerInternal,
    ServerMessage, Status, VirtualPin,
};

/// A frame's meaning, owned, so that the receive buffer is free while the device acts on it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    /// Answer to the message with this id.
    Response { message_id: u16, status: Status },
    /// Wants a 200.
    Ping { message_id: u16 },
    /// A value for a virtual pin.
    VirtualWrite { message_id: u16, pin: VirtualPin, value: Vec<u8> },
    /// A level for a pin of the chip.
    PinWrite { message_id: u16, pin: PhysicalPin, value: Vec<u8> },
    /// Wants the level of a pin of the chip.
    PinRead { message_id: u16, pin: PhysicalPin, is_analog: bool },
    /// A command line for the console.
    Console { line: String },
    /// Order to install a firmware.
    Ota { url: String },
    /// Log in elsewhere.
    Redirect { host: String, port: u16 },
    /// Text for the serial port.
    Print { text: String },
    /// Wants status 2.
    UnknownOperation { message_id: u16 },
    /// Nothing to do.
    Ignored,
    /// The device hangs up.
    Unacceptable,
}

/// Bodies may hold credentials.
impl std::fmt::Debug for Incoming {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Response { message_id, status } => write!(formatter, "Response({message_id}, {status:?})"),
            _ => formatter.write_str("Incoming(..)"),
        }
    }
}

impl Incoming {
    /// Reads a frame as the library does.
    pub(super) fn read(frame: &Frame<'_>) -> Self {
        let message_id = frame.message_id();
        match ServerMessage::parse(frame) {
            // Any time after the login this status ends the session. Source: wire-protocol.md §4.
            Ok(ServerMessage::Response(status)) => Self::Response { message_id, status },
            Ok(ServerMessage::Ping) => Self::Ping { message_id },
            Ok(ServerMessage::Hardware(hardware) | ServerMessage::Bridge(hardware)) => {
                Self::read_hardware(message_id, hardware)
            }
            Ok(ServerMessage::Internal(internal)) => Self::read_internal(&internal),
            Ok(ServerMessage::Redirect { host, port }) => {
                Self::Redirect { host: host.to_owned(), port: port.unwrap_or(REDIRECT_PORT_DEFAULT) }
            }
            Ok(ServerMessage::DebugPrint { text }) => {
                Self::Print { text: String::from_utf8_lossy(text).into_owned() }
            }
            Ok(ServerMessage::Unknown { .. }) => Self::Unacceptable,
            Err(error) if error.reply_status() == Some(Status::IllegalCommand) => {
                Self::UnknownOperation { message_id }
            }
            Err(_) => Self::Ignored,
        }
    }

    fn read_hardware(message_id: u16, hardware: ServerHardware<'_>) -> Self {
        match hardware {
            ServerHardware::Write(PinWrite::Virtual { pin, values }) => {
                Self::VirtualWrite { message_id, pin, value: values.first().to_vec() }
            }
            ServerHardware::Write(PinWrite::Digital { pin, value } | PinWrite::Analog { pin, value }) => {
                Self::PinWrite { message_id, pin, value: value.to_vec() }
            }
            ServerHardware::DigitalRead(pin) => Self::PinRead { message_id, pin, is_analog: false },
            ServerHardware::AnalogRead(pin) => Self::PinRead { message_id, pin, is_analog: true },
            // A simulated pin has no direction.
            ServerHardware::PinModes(_) => Self::Ignored,
        }
    }

    fn read_internal(internal: &ServerInternal<'_>) -> Self {
        match internal {
            ServerInternal::Dbg { command: Secret(line) } => {
                Self::Console { line: String::from_utf8_lossy(line).into_owned() }
            }
            ServerInternal::Ota { url: Secret(url) } => {
                Self::Ota { url: String::from_utf8_lossy(url).into_owned() }
            }
            _ => Self::Ignored,
        }
    }
}

//! HARDWARE bodies: pin writes, reads and modes. BRIDGE uses the same.

use core::fmt;

use crate::body::{BodyWriter, EncodeMessageError, ParseBodyError};
use crate::fields::{Fields, Values, split_field};
use crate::pin::{PhysicalPin, VirtualPin};

/// A write to a pin, in either direction. Source: reference §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinWrite<'a> {
    /// `vw`: one value or several to a virtual pin.
    Virtual {
        /// The pin.
        pin: VirtualPin,
        /// The values.
        values: Values<'a>,
    },
    /// `dw`: a level to a digital pin, or a device's answer to `dr`.
    Digital {
        /// The pin.
        pin: PhysicalPin,
        /// Decimal text, not empty.
        value: &'a [u8],
    },
    /// `aw`: a duty cycle to a pin, or a device's answer to `ar`.
    Analog {
        /// The pin.
        pin: PhysicalPin,
        /// Decimal text, not empty.
        value: &'a [u8],
    },
}

/// What a server asks of a device's pins. Source: reference §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHardware<'a> {
    /// `vw`, `dw`, `aw`.
    Write(PinWrite<'a>),
    /// `dr`: the device answers with `dw` and the same message id.
    DigitalRead(PhysicalPin),
    /// `ar`: the device answers with `aw` and the same message id.
    AnalogRead(PhysicalPin),
    /// `pm`: how pins are used.
    PinModes(PinModes<'a>),
}

/// How a pin is used. Source: reference §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinMode {
    /// `in`
    Input,
    /// `out`
    Output,
    /// `pwm`
    Pwm,
    /// `pu`: input with pull-up.
    PullUp,
    /// `pd`: input with pull-down.
    PullDown,
}

/// Pins with their modes, read from a body or given as a slice; may be empty.
#[derive(Clone, Copy)]
pub struct PinModes<'a> {
    source: ModeSource<'a>,
}

#[derive(Clone, Copy)]
enum ModeSource<'a> {
    // Invariant: the fields were parsed as pairs of pin and mode when the list was made.
    Fields(&'a [u8]),
    Slice(&'a [(PhysicalPin, PinMode)]),
}

/// The two letters a HARDWARE body starts with.
#[derive(Clone, Copy)]
enum Operation {
    VirtualWrite,
    DigitalWrite,
    AnalogWrite,
    DigitalRead,
    AnalogRead,
    PinModes,
}

impl Operation {
    /// Only the first two letters count, as in the library (reference §5).
    fn parse(field: &[u8]) -> Result<Self, ParseBodyError> {
        match field {
            [b'v', b'w', ..] => Ok(Self::VirtualWrite),
            [b'd', b'w', ..] => Ok(Self::DigitalWrite),
            [b'a', b'w', ..] => Ok(Self::AnalogWrite),
            [b'd', b'r', ..] => Ok(Self::DigitalRead),
            [b'a', b'r', ..] => Ok(Self::AnalogRead),
            [b'p', b'm', ..] => Ok(Self::PinModes),
            _ => Err(ParseBodyError::Unknown { name: "operation" }),
        }
    }
}

impl<'a> PinWrite<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let (operation, rest) = split_field(body);
        let operation = Operation::parse(operation)?;
        let (pin, rest) = split_field(rest.unwrap_or_default());
        let physical = || PhysicalPin::parse(pin);
        let missing = ParseBodyError::MissingField { name: "value" };
        let level = || match split_field(rest.unwrap_or_default()).0 {
            b"" => Err(missing),
            value => Ok(value),
        };
        match operation {
            Operation::VirtualWrite => {
                Ok(Self::Virtual { pin: VirtualPin::parse(pin)?, values: Values::new(rest.ok_or(missing)?) })
            }
            Operation::DigitalWrite => Ok(Self::Digital { pin: physical()?, value: level()? }),
            Operation::AnalogWrite => Ok(Self::Analog { pin: physical()?, value: level()? }),
            Operation::DigitalRead | Operation::AnalogRead | Operation::PinModes => {
                Err(ParseBodyError::Unknown { name: "operation" })
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        match self {
            Self::Virtual { pin, values } => {
                writer.raw(b"vw")?;
                writer.display(format_args!("{pin}"))?;
                writer.raw(values.raw())
            }
            Self::Digital { pin, value } => {
                writer.raw(b"dw")?;
                writer.display(format_args!("{pin}"))?;
                write_level(writer, value)
            }
            Self::Analog { pin, value } => {
                writer.raw(b"aw")?;
                writer.display(format_args!("{pin}"))?;
                write_level(writer, value)
            }
        }
    }
}

impl<'a> ServerHardware<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let (operation, rest) = split_field(body);
        let rest = rest.unwrap_or_default();
        let pin = || PhysicalPin::parse(split_field(rest).0);
        match Operation::parse(operation)? {
            Operation::VirtualWrite | Operation::DigitalWrite | Operation::AnalogWrite => {
                PinWrite::parse(body).map(Self::Write)
            }
            Operation::DigitalRead => pin().map(Self::DigitalRead),
            Operation::AnalogRead => pin().map(Self::AnalogRead),
            Operation::PinModes => PinModes::parse(rest).map(Self::PinModes),
        }
    }

    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        match self {
            Self::Write(write) => write.write(writer),
            Self::DigitalRead(pin) => {
                writer.raw(b"dr")?;
                writer.display(format_args!("{pin}"))
            }
            Self::AnalogRead(pin) => {
                writer.raw(b"ar")?;
                writer.display(format_args!("{pin}"))
            }
            Self::PinModes(modes) => modes.write(writer),
        }
    }
}

impl PinMode {
    /// Returns the name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "in",
            Self::Output => "out",
            Self::Pwm => "pwm",
            Self::PullUp => "pu",
            Self::PullDown => "pd",
        }
    }

    fn parse(field: &[u8]) -> Result<Self, ParseBodyError> {
        match field {
            b"in" => Ok(Self::Input),
            b"out" => Ok(Self::Output),
            b"pwm" => Ok(Self::Pwm),
            b"pu" => Ok(Self::PullUp),
            b"pd" => Ok(Self::PullDown),
            _ => Err(ParseBodyError::Unknown { name: "pin mode" }),
        }
    }
}

impl<'a> PinModes<'a> {
    /// Takes the modes of a slice.
    #[must_use]
    pub const fn new(modes: &'a [(PhysicalPin, PinMode)]) -> Self {
        Self { source: ModeSource::Slice(modes) }
    }

    /// Returns pins and modes in order.
    pub fn iter(self) -> impl Iterator<Item = (PhysicalPin, PinMode)> + Clone + 'a {
        let (fields, slice) = match self.source {
            ModeSource::Fields(body) => (body, &[][..]),
            ModeSource::Slice(modes) => (&[][..], modes),
        };
        pairs(fields).filter_map(Result::ok).chain(slice.iter().copied())
    }

    fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        pairs(body).try_for_each(|pair| pair.map(|_| ()))?;
        Ok(Self { source: ModeSource::Fields(body) })
    }

    fn write(self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        writer.raw(b"pm")?;
        for (pin, mode) in self.iter() {
            writer.display(format_args!("{pin}"))?;
            writer.raw(mode.as_str().as_bytes())?;
        }
        Ok(())
    }
}

impl PartialEq for PinModes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for PinModes<'_> {}

impl fmt::Debug for PinModes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn write_level(writer: &mut BodyWriter<'_>, value: &[u8]) -> Result<(), EncodeMessageError> {
    if value.is_empty() {
        return Err(EncodeMessageError::MissingField { name: "value" });
    }
    writer.field(value)
}

fn pairs(body: &[u8]) -> impl Iterator<Item = Result<(PhysicalPin, PinMode), ParseBodyError>> + Clone {
    let mut fields = Fields::new(body);
    core::iter::from_fn(move || {
        let pin = fields.next()?;
        let mode = fields.next().ok_or(ParseBodyError::MissingField { name: "pin mode" });
        Some(PhysicalPin::parse(pin).and_then(|pin| Ok((pin, PinMode::parse(mode?)?))))
    })
}

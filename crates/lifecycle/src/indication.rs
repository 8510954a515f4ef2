//! What the LED shows. Colours and patterns of the states are those of old Edgent, so that users find them again.

use crate::State;

/// What the device tells a person who looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Indication {
    /// The pattern of a state.
    State(State),
    /// The hotspot is open although a home is stored, and the device is not online.
    Recovery,
    /// The button is held long enough to be noticed; letting go now does nothing.
    ButtonHeld,
    /// Letting the button go now erases the home.
    ButtonWipes,
}

/// A colour as 0xRRGGBB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour(pub u32);

/// A repeating light pattern; all times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// On, off.
    Blink {
        /// The colour when on.
        colour: Colour,
        /// Time on, milliseconds.
        on_ms: u16,
        /// Time off, milliseconds.
        off_ms: u16,
    },
    /// On, off, on, long off.
    DoubleBlink {
        /// The colour when on.
        colour: Colour,
        /// Time of each flash, milliseconds.
        on_ms: u16,
        /// Time between the two flashes, milliseconds.
        between_ms: u16,
        /// Time until the next pair, milliseconds.
        off_ms: u16,
    },
    /// Slowly brighter and darker.
    Wave {
        /// The colour at its brightest.
        colour: Colour,
        /// One full wave, milliseconds.
        period_ms: u16,
    },
}

const BLUE: Colour = Colour(0x0D_36FF);
const GREEN: Colour = Colour(0x2E_FFB9);
const RED: Colour = Colour(0xFF_1008);
const MAGENTA: Colour = Colour(0xA7_00FF);
const WHITE: Colour = Colour(0xFF_FFE7);

impl Indication {
    /// The pattern to play.
    #[must_use]
    pub const fn pattern(self) -> Pattern {
        match self {
            Self::State(State::WaitConfig | State::ResetConfig) => blink(BLUE, 50, 500),
            Self::State(State::Configuring) => blink(BLUE, 200, 200),
            Self::State(State::ConnectingNet | State::SwitchToSta) => blink(GREEN, 50, 500),
            Self::State(State::ConnectingCloud) => blink(GREEN, 100, 100),
            Self::State(State::Running) => Pattern::Wave { colour: GREEN, period_ms: 5_000 },
            Self::State(State::OtaUpgrade) => blink(MAGENTA, 50, 50),
            Self::State(State::Error) => {
                Pattern::DoubleBlink { colour: RED, on_ms: 80, between_ms: 100, off_ms: 1_000 }
            }
            // Ours: blue like every open hotspot, slower than an empty device.
            Self::Recovery => blink(BLUE, 50, 2_000),
            Self::ButtonHeld => Pattern::Wave { colour: WHITE, period_ms: 1_000 },
            Self::ButtonWipes => blink(WHITE, 100, 100),
        }
    }
}

const fn blink(colour: Colour, on_ms: u16, off_ms: u16) -> Pattern {
    Pattern::Blink { colour, on_ms, off_ms }
}

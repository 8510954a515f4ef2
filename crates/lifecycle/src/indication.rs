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

#[cfg(test)]
mod tests {
    use super::*;

    /// `reference/edgent-device.md`, section 6, the column of old Edgent.
    #[test]
    fn every_pattern_is_that_of_old_edgent() {
        let table = [
            (State::WaitConfig, blink(Colour(0x0D_36FF), 50, 500)),
            (State::ResetConfig, blink(Colour(0x0D_36FF), 50, 500)),
            (State::Configuring, blink(Colour(0x0D_36FF), 200, 200)),
            (State::SwitchToSta, blink(Colour(0x2E_FFB9), 50, 500)),
            (State::ConnectingNet, blink(Colour(0x2E_FFB9), 50, 500)),
            (State::ConnectingCloud, blink(Colour(0x2E_FFB9), 100, 100)),
            (State::Running, Pattern::Wave { colour: Colour(0x2E_FFB9), period_ms: 5_000 }),
            (State::OtaUpgrade, blink(Colour(0xA7_00FF), 50, 50)),
            (
                State::Error,
                Pattern::DoubleBlink { colour: Colour(0xFF_1008), on_ms: 80, between_ms: 100, off_ms: 1_000 },
            ),
        ];
        assert_eq!(table.map(|(state, _)| state).len(), State::ALL.len());
        for (state, pattern) in table {
            assert_eq!(Indication::State(state).pattern(), pattern, "{state}");
        }
        let white = Colour(0xFF_FFE7);
        assert_eq!(Indication::ButtonHeld.pattern(), Pattern::Wave { colour: white, period_ms: 1_000 });
        assert_eq!(Indication::ButtonWipes.pattern(), blink(white, 100, 100));
        // A person tells an open door from an empty device, and both from a device that only looks for its network.
        let recovery = Indication::Recovery.pattern();
        assert!(State::ALL.iter().all(|state| Indication::State(*state).pattern() != recovery));
    }
}

//! LED and button.
#![expect(unsafe_code, reason = "pins are named by number in the board's file")]

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Timer};
use esp_hal::Blocking;
use esp_hal::gpio::{AnyPin, Input, InputConfig, Level, Output, OutputConfig, Pull};
use esp_hal::peripherals::RMT;
use esp_hal::rmt::{Channel, PulseCode, Rmt, Tx, TxChannelConfig, TxChannelCreator as _};
use esp_hal::time::Rate;
use lifecycle::{Colour, Pattern};

use crate::board::{Board, Button, Led};
use crate::messages::{MESSAGES, Message, PATTERN};

/// A finger is slower than this, a bouncing contact is faster.
const BUTTON_POLL: Duration = Duration::from_millis(20);
/// Steps of one wave from dark to bright and back.
const WAVE_STEP_COUNT: u16 = 32;
/// The eye needs no more of an LED at arm's length.
const BRIGHTNESS_PERCENT: u32 = 12;
/// Source: data sheet of the WS2812B, "Data transfer time", at 80 MHz (12.5 ns a tick): 0 = 0.4 µs high, 0.85 µs low;
/// 1 = 0.8 µs high, 0.45 µs low.
const ZERO_TICKS: (u16, u16) = (32, 68);
const ONE_TICKS: (u16, u16) = (64, 36);
const RMT_MHZ: u32 = 80;
/// 24 bits and the end.
const PULSE_COUNT: usize = 25;

/// A light that can be set to a colour.
pub(crate) enum Light {
    None,
    Plain { output: Output<'static>, is_active_low: bool },
    Addressable { channel: Option<Channel<'static, Blocking, Tx>> },
}

impl Light {
    /// Claims the board's LED.
    pub(crate) fn new(board: &Board, rmt: RMT<'static>) -> Self {
        match board.led {
            Led::None => Self::None,
            Led::Plain { pin, is_active_low } => {
                let off = if is_active_low { Level::High } else { Level::Low };
                Self::Plain {
                    output: Output::new(claim_pin(pin), off, OutputConfig::default()),
                    is_active_low,
                }
            }
            Led::Addressable { pin } => Self::Addressable { channel: open_channel(rmt, pin) },
        }
    }

    fn set(&mut self, colour: Colour) {
        match self {
            Self::None => {}
            Self::Plain { output, is_active_low } => {
                let is_high = (colour.0 != 0) != *is_active_low;
                output.set_level(if is_high { Level::High } else { Level::Low });
            }
            Self::Addressable { channel } => {
                let Some(free) = channel.take() else {
                    return;
                };
                let pulses = pulses_of(colour);
                *channel = match free.transmit(&pulses) {
                    Ok(sending) => match sending.wait() {
                        Ok(free) | Err((_, free)) => Some(free),
                    },
                    Err((_, free)) => Some(free),
                };
            }
        }
    }
}

fn open_channel(rmt: RMT<'static>, pin: u8) -> Option<Channel<'static, Blocking, Tx>> {
    let rmt = Rmt::new(rmt, Rate::from_mhz(RMT_MHZ)).ok()?;
    let config = TxChannelConfig::default()
        .with_clk_divider(1)
        .with_idle_output_level(Level::Low)
        .with_idle_output(true);
    Some(rmt.channel0.configure_tx(&config).ok()?.with_pin(claim_pin(pin)))
}

/// The chip wants green, red, blue, the highest bit first.
fn pulses_of(colour: Colour) -> [PulseCode; PULSE_COUNT] {
    let [_, red, green, blue] = dimmed(colour).0.to_be_bytes();
    let bits = u32::from_be_bytes([0, green, red, blue]);
    let mut pulses = [PulseCode::end_marker(); PULSE_COUNT];
    for (index, pulse) in pulses.iter_mut().take(PULSE_COUNT - 1).enumerate() {
        let is_one = bits & (0x80_0000 >> index) != 0;
        let (high_ticks, low_ticks) = if is_one { ONE_TICKS } else { ZERO_TICKS };
        *pulse = PulseCode::new(Level::High, high_ticks, Level::Low, low_ticks);
    }
    pulses
}

fn dimmed(colour: Colour) -> Colour {
    scaled(colour, BRIGHTNESS_PERCENT, 100)
}

fn scaled(colour: Colour, part: u32, whole: u32) -> Colour {
    let channel = |shift: u32| ((colour.0 >> shift & 0xFF) * part / whole) << shift;
    Colour(channel(16) | channel(8) | channel(0))
}

/// Plays the newest pattern for ever.
#[embassy_executor::task]
pub(crate) async fn light_task(mut light: Light) -> ! {
    let mut pattern = PATTERN.wait().await;
    loop {
        match select(PATTERN.wait(), play_once(&mut light, pattern)).await {
            Either::First(newer) => pattern = newer,
            Either::Second(()) => {}
        }
    }
}

async fn play_once(light: &mut Light, pattern: Pattern) {
    const DARK: Colour = Colour(0);
    let wait = |ms: u16| Timer::after_millis(u64::from(ms));
    match pattern {
        Pattern::Blink { colour, on_ms, off_ms } => {
            light.set(colour);
            wait(on_ms).await;
            light.set(DARK);
            wait(off_ms).await;
        }
        Pattern::DoubleBlink { colour, on_ms, between_ms, off_ms } => {
            for pause_ms in [between_ms, off_ms] {
                light.set(colour);
                wait(on_ms).await;
                light.set(DARK);
                wait(pause_ms).await;
            }
        }
        Pattern::Wave { colour, period_ms } => {
            for step in 0..WAVE_STEP_COUNT {
                let height = step.min(WAVE_STEP_COUNT - step);
                light.set(scaled(colour, u32::from(height), u32::from(WAVE_STEP_COUNT / 2)));
                wait(period_ms / WAVE_STEP_COUNT).await;
            }
        }
    }
}

/// Reports presses and releases. A button that is down at power-on counts only after it was up.
#[embassy_executor::task]
pub(crate) async fn button_task(button: Button) -> ! {
    let pull = if button.is_active_low { Pull::Up } else { Pull::Down };
    let input = Input::new(claim_pin(button.pin), InputConfig::default().with_pull(pull));
    let is_down = || input.is_low() == button.is_active_low;
    while is_down() {
        Timer::after(BUTTON_POLL).await;
    }
    let mut was_down = false;
    loop {
        Timer::after(BUTTON_POLL).await;
        if is_down() == was_down {
            continue;
        }
        was_down = !was_down;
        let event = if was_down { device::Event::ButtonPressed } else { device::Event::ButtonReleased };
        MESSAGES.send(Message::Plain(event)).await;
    }
}

/// Takes the pin that the board's file names.
pub(crate) fn claim_pin(pin: u8) -> AnyPin<'static> {
    // SAFETY: the board's file gives each pin one use, and each use claims its pin once.
    unsafe { AnyPin::steal(pin) }
}

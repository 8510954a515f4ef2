//! What this board is for: **the maker's file**. It switches a relay from V1 and reports the chip's temperature on V2.
//!
//! The agent beside it opens hotspots, joins networks and talks to the cloud; nothing here needs to know. The four
//! functions below are all that the agent asks for, and it asks whether the board is set up, offline or online. Do what
//! is due and return: a function that waits keeps the portal waiting too.

use core::fmt::Write as _;
use core::time::Duration;

use device::{Application, OutgoingWrite};
use esp_hal::gpio::{Level, Output, OutputConfig};
use esp_hal::peripherals::TSENS;
use esp_hal::tsens::{Config, TemperatureSensor};
use lifecycle::Instant;
use wire::{Values, VirtualPin};

use crate::board::Board;
use crate::panel::claim_pin;

/// A switch in the app: 1 is on, everything else is off.
const RELAY_PIN: VirtualPin = VirtualPin(1);
/// A number in the app, in °C.
const TEMPERATURE_PIN: VirtualPin = VirtualPin(2);
/// Source: free plans of hosted services count messages; once in 10 s is enough for a temperature.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Relay and temperature.
pub(crate) struct RelayAndTemperature {
    relay: Option<Output<'static>>,
    sensor: Option<TemperatureSensor<'static>>,
    is_relay_on: bool,
    /// The relay's state has changed, or the app may not know it.
    is_relay_news: bool,
    /// Measured and not sent yet, in tenths of a degree.
    temperature_tenths: Option<i32>,
    measure_at: Instant,
}

impl RelayAndTemperature {
    pub(crate) fn new(board: &Board, sensor: TSENS<'static>) -> Self {
        Self {
            relay: board
                .relay_pin
                .map(|pin| Output::new(claim_pin(pin), Level::Low, OutputConfig::default())),
            sensor: TemperatureSensor::new(sensor, Config::default()).ok(),
            is_relay_on: false,
            is_relay_news: false,
            temperature_tenths: None,
            measure_at: Instant::BOOT,
        }
    }

    fn switch_relay(&mut self, is_on: bool) {
        self.is_relay_on = is_on;
        self.is_relay_news = true;
        if let Some(relay) = &mut self.relay {
            relay.set_level(if is_on { Level::High } else { Level::Low });
        }
    }

    fn measure(&mut self) {
        self.temperature_tenths = self.sensor.as_ref().map(|sensor| {
            #[expect(clippy::cast_possible_truncation, reason = "the sensor reads -40 to 125 °C")]
            let tenths = (sensor.get_temperature().to_celsius() * 10.0) as i32;
            tenths
        });
    }
}

impl Application for RelayAndTemperature {
    fn on_online(&mut self, now: Instant) {
        self.is_relay_news = true;
        self.measure_at = now;
    }

    fn on_write(&mut self, _now: Instant, pin: VirtualPin, values: Values<'_>) {
        if pin == RELAY_PIN {
            self.switch_relay(values.iter().next() == Some(b"1"));
        }
    }

    fn poll(&mut self, now: Instant) {
        if now >= self.measure_at {
            self.measure();
            self.measure_at = now.after(REPORT_EVERY);
        }
    }

    fn next_poll(&self) -> Option<Instant> {
        Some(self.measure_at)
    }

    fn next_write(&mut self) -> Option<OutgoingWrite> {
        let mut value = heapless::String::new();
        if core::mem::take(&mut self.is_relay_news) {
            write!(value, "{}", u8::from(self.is_relay_on)).ok()?;
            return Some(OutgoingWrite { pin: RELAY_PIN, value });
        }
        let tenths = self.temperature_tenths.take()?;
        let sign = if tenths < 0 { "-" } else { "" };
        write!(value, "{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10).ok()?;
        Some(OutgoingWrite { pin: TEMPERATURE_PIN, value })
    }
}

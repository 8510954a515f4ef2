//! The application of a bench board: an up-time counter, a relay and a thermometer.

use std::collections::VecDeque;
use std::time::Duration;

use device::{Application, OutgoingWrite};
use lifecycle::Instant;
use wire::{Values, VirtualPin};

use crate::seed::SeededRng;

/// Seconds since boot.
const UPTIME_PIN: VirtualPin = VirtualPin(0);
/// Relay: 0 or 1, written by the cloud and confirmed by the device.
const RELAY_PIN: VirtualPin = VirtualPin(1);
/// Temperature in degrees Celsius.
const TEMPERATURE_PIN: VirtualPin = VirtualPin(2);
/// How often values are reported.
const REPORT_PERIOD: Duration = Duration::from_secs(5);
/// Values that wait for the cloud; older ones are dropped, newer ones say more.
const OUTBOX_LEN_MAX: usize = 8;

/// Shows live values in a console.
#[derive(Debug)]
pub struct DemoApplication {
    rng: SeededRng,
    temperature_milli_c: i64,
    is_relay_on: bool,
    next_report_at: Instant,
    outbox: VecDeque<(VirtualPin, String)>,
}

impl DemoApplication {
    /// Creates the application; `seed` decides the temperature's walk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: SeededRng::new(seed),
            temperature_milli_c: 21_000,
            is_relay_on: false,
            next_report_at: Instant::BOOT,
            outbox: VecDeque::new(),
        }
    }

    fn push(&mut self, pin: VirtualPin, value: String) {
        if self.outbox.len() >= OUTBOX_LEN_MAX {
            self.outbox.pop_front();
        }
        self.outbox.push_back((pin, value));
    }

    fn report(&mut self, now: Instant) {
        self.push(UPTIME_PIN, (now.as_millis() / 1000).to_string());
        let (whole, milli) = (self.temperature_milli_c / 1000, self.temperature_milli_c % 1000);
        self.push(TEMPERATURE_PIN, format!("{whole}.{milli:03}"));
    }
}

impl Application for DemoApplication {
    fn on_online(&mut self, now: Instant) {
        self.outbox.clear();
        self.push(RELAY_PIN, u8::from(self.is_relay_on).to_string());
        self.report(now);
    }

    fn on_write(&mut self, _now: Instant, pin: VirtualPin, values: Values<'_>) {
        if pin == RELAY_PIN {
            self.is_relay_on = values.first() == b"1";
            self.push(RELAY_PIN, u8::from(self.is_relay_on).to_string());
        }
    }

    fn poll(&mut self, now: Instant) {
        let step = i64::try_from(self.rng.between(0, 200)).unwrap_or(100);
        self.temperature_milli_c = (self.temperature_milli_c + step - 100).clamp(15_000, 30_000);
        self.next_report_at = now.after(REPORT_PERIOD);
        self.report(now);
    }

    fn next_poll(&self) -> Option<Instant> {
        Some(self.next_report_at)
    }

    fn next_write(&mut self) -> Option<OutgoingWrite> {
        let (pin, value) = self.outbox.pop_front()?;
        let value = heapless::String::try_from(value.as_str()).ok()?;
        Some(OutgoingWrite { pin, value })
    }
}

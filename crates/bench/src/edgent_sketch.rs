//! The demo sketch on the emulated Edgent boards: V0 uptime, V1 relay, V2 temperature.

use std::collections::BTreeMap;

use wire::{PhysicalPin, VirtualPin};

use crate::board::BoardHandle;
use crate::edgent_board::say;

/// How often V0 and V2 are sent, in milliseconds.
const REPORT_PERIOD_MS: u64 = 5_000;
/// Temperature after power-on, in tenths of a degree Celsius.
const TEMPERATURE_START_TENTHS: i64 = 215;
/// The simulated room stays between these, in tenths of a degree Celsius.
const TEMPERATURE_RANGE_TENTHS: (i64, i64) = (150, 300);

const UPTIME_PIN: VirtualPin = VirtualPin(0);
const RELAY_PIN: VirtualPin = VirtualPin(1);
const TEMPERATURE_PIN: VirtualPin = VirtualPin(2);

/// A value for the cloud, as decimal text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinValue {
    pub(crate) pin: VirtualPin,
    pub(crate) text: String,
}

/// State of the sketch; lost at every restart, as in a real sketch.
#[derive(Debug)]
pub(crate) struct DemoSketch {
    board: BoardHandle,
    is_relay_on: bool,
    temperature_tenths: i64,
    next_report_ms: u64,
    levels: BTreeMap<PhysicalPin, Vec<u8>>,
}

impl DemoSketch {
    pub(crate) fn new(board: BoardHandle) -> Self {
        Self {
            board,
            is_relay_on: false,
            temperature_tenths: TEMPERATURE_START_TENTHS,
            next_report_ms: 0,
            levels: BTreeMap::new(),
        }
    }

    /// Returns when the next values are due, in milliseconds since boot.
    pub(crate) fn next_report_ms(&self) -> u64 {
        self.next_report_ms
    }

    /// Returns the values that are due now; nothing before their time.
    pub(crate) fn take_report(&mut self) -> Vec<PinValue> {
        let now_ms = self.board.uptime_ms();
        if now_ms < self.next_report_ms {
            return Vec::new();
        }
        self.next_report_ms = now_ms.saturating_add(REPORT_PERIOD_MS);
        let step = i64::try_from(self.board.rng().between(0, 4)).unwrap_or_default() - 2;
        let (low, high) = TEMPERATURE_RANGE_TENTHS;
        self.temperature_tenths = self.temperature_tenths.saturating_add(step).clamp(low, high);
        let temperature = format!("{}.{}", self.temperature_tenths / 10, self.temperature_tenths % 10);
        vec![
            PinValue { pin: UPTIME_PIN, text: (now_ms / 1000).to_string() },
            PinValue { pin: TEMPERATURE_PIN, text: temperature },
        ]
    }

    /// Takes a value from the cloud; the relay answers with its new state.
    pub(crate) fn write(&mut self, pin: VirtualPin, value: &[u8]) -> Option<PinValue> {
        if pin != RELAY_PIN {
            return None;
        }
        self.is_relay_on = !matches!(value, b"" | b"0");
        say(&self.board, if self.is_relay_on { "Relay on" } else { "Relay off" });
        Some(PinValue { pin, text: u8::from(self.is_relay_on).to_string() })
    }

    /// Sets a pin of the chip.
    pub(crate) fn set_level(&mut self, pin: PhysicalPin, value: &[u8]) {
        self.levels.insert(pin, value.to_vec());
    }

    /// Reads a pin of the chip; low until it was set.
    pub(crate) fn level(&self, pin: PhysicalPin) -> &[u8] {
        self.levels.get(&pin).map_or(b"0", Vec::as_slice)
    }
}

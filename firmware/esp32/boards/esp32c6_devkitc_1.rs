// ESP32-C6-DevKitC-1. Source: Espressif, user guide of the board, "Header Block".

use crate::board::{Board, Button, Led};

pub(crate) const BOARD: Board = Board {
    name: "ESP32-C6-DevKitC-1",
    led: Led::Addressable { pin: 8 },
    // BOOT; after power-on an ordinary button.
    button: Some(Button { pin: 9, is_active_low: true }),
    // From the board's USB bridge, as the boot loader has it.
    serial_rx_pin: Some(17),
    relay_pin: Some(4),
};

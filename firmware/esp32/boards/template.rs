// Copy this file, name it after your board, change the numbers, and build with REHOME_BOARD=<name of the file>.

use crate::board::{Board, Led};
// For a button: use crate::board::Button;

pub(crate) const BOARD: Board = Board {
    // Shown in the portal and in the console.
    name: "My board",
    // Led::None, Led::Plain { pin, is_active_low } or Led::Addressable { pin } (WS2812 and its like).
    led: Led::None,
    // None, or Some(Button { pin: 9, is_active_low: true }): 10 s erase the home.
    button: None,
    // Where the UART of the console receives, or None: then it is at the USB port only.
    serial_rx_pin: None,
    // Output that the example application switches from V1, or None.
    relay_pin: None,
};

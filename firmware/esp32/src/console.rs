//! The console: lines from the USB port and from the UART that development boards lead to a USB bridge.
//!
//! What is printed goes out through `esp-println`, which writes to whichever of the two somebody listens at. Whoever can
//! send a line holds the board; what a line may ask for is decided in `device`.

use device::ConsoleInput;
use embassy_time::{Duration, Timer};
use embedded_io_async::Read;
use esp_hal::Async;
use esp_hal::peripherals::{UART0, USB_DEVICE};
use esp_hal::uart::{Config, Uart};
use esp_hal::usb::usb_serial_jtag::UsbSerialJtag;

use crate::messages::{Chunk, MESSAGES, Message};
use crate::panel::claim_pin;

/// Bytes that are read at once.
const READ_BYTES: usize = 64;
/// Wait after noise, or after more bytes than fit: a cable that hangs loose must not keep the chip busy.
const ERROR_WAIT: Duration = Duration::from_millis(200);

/// Reads lines from the chip's own USB port.
#[embassy_executor::task]
pub(crate) async fn usb_task(usb: USB_DEVICE<'static>) -> ! {
    // The other half must stay, or the driver switches the port off.
    let (reader, _writer) = UsbSerialJtag::new(usb).into_async().split();
    read_lines(reader).await
}

/// Reads lines from the UART; `rx_pin` is where the board's bridge sends.
#[embassy_executor::task]
pub(crate) async fn uart_task(uart: UART0<'static>, rx_pin: u8) -> ! {
    // 115 200 baud, as the boot loader and `esp-println` have it.
    let Ok(uart) = Uart::new(uart, Config::default()) else {
        esp_println::println!("The UART takes no lines");
        core::future::pending().await
    };
    let uart: Uart<'static, Async> = uart.with_rx(claim_pin(rx_pin)).into_async();
    let (reader, _writer) = uart.split();
    read_lines(reader).await
}

async fn read_lines(mut reader: impl Read) -> ! {
    let mut input = ConsoleInput::new();
    let mut buffer = [0; READ_BYTES];
    loop {
        match reader.read(&mut buffer).await {
            Ok(byte_count) => {
                for byte in buffer.iter().take(byte_count) {
                    if let Some(line) = input.push(*byte) {
                        // A line has at most 255 bytes, half of what fits.
                        let line: Chunk = line.iter().copied().collect();
                        MESSAGES.send(Message::Line(line)).await;
                    }
                }
            }
            Err(_noise) => {
                input.clear();
                Timer::after(ERROR_WAIT).await;
            }
        }
    }
}

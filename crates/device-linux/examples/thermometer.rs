//! An application beside the agent: writes the processor's temperature to V0 every few seconds, and lets the cloud
//! choose how often on V1.
//!
//! ```sh
//! cargo run -p device-linux --example thermometer -- /run/rehome-device/device.sock
//! ```
//!
//! It needs nothing of this project: any language that can open a Unix socket and write JSON does the same.
#![expect(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// Where the agent listens unless told otherwise.
const SOCKET: &str = "/run/rehome-device/device.sock";
/// Where Linux tells the processor's temperature, in thousandths of a degree Celsius. Source: kernel, thermal sysfs.
const THERMOMETER: &str = "/sys/class/thermal/thermal_zone0/temp";
/// Pin of the temperature, in degrees Celsius.
const TEMPERATURE_PIN: u8 = 0;
/// Pin of the interval, in seconds.
const INTERVAL_PIN: u8 = 1;
/// Interval until the cloud chooses another, in seconds.
const INTERVAL_S: u64 = 10;
/// Longest interval the cloud may choose, in seconds: an hour.
const INTERVAL_S_MAX: u64 = 3_600;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| SOCKET.to_owned());
    let mut socket = UnixStream::connect(&path).map_err(|error| format!("connecting to {path}: {error}"))?;
    let lines = BufReader::new(socket.try_clone()?).lines();
    let (sender, received) = mpsc::channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));

    writeln!(socket, "{}", json!({"do": "subscribe"}))?;
    let mut interval = Duration::from_secs(INTERVAL_S);
    loop {
        if let Some(celsius) = read_celsius() {
            writeln!(
                socket,
                "{}",
                json!({"do": "write", "pin": TEMPERATURE_PIN, "value": format!("{celsius:.1}")})
            )?;
        }
        match received.recv_timeout(interval) {
            Ok(line) => {
                println!("{line}");
                interval = chosen_interval(&line).unwrap_or(interval);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("the agent ended the connection".into()),
        }
    }
}

fn read_celsius() -> Option<f64> {
    let thousandths: f64 = fs::read_to_string(THERMOMETER).ok()?.trim().parse().ok()?;
    Some(thousandths / 1_000.0)
}

/// Reads `{"event":"write","pin":1,"values":["30"]}`.
fn chosen_interval(line: &str) -> Option<Duration> {
    let event: Value = serde_json::from_str(line).ok()?;
    let is_ours = event.get("event")? == "write" && event.get("pin")? == INTERVAL_PIN;
    let seconds: u64 = event.get("values")?.get(0)?.as_str()?.parse().ok()?;
    is_ours.then(|| Duration::from_secs(seconds.clamp(1, INTERVAL_S_MAX)))
}

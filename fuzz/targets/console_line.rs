//! Any bytes on the serial port or in `dbg` are a command, an error or nothing, and what is printed breaks no line.

#![no_main]

use device::{CONSOLE_LINE_BYTES_MAX, ConsoleCommand, ConsoleFacts, ConsoleInput};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // As it comes in on a serial port: whole lines, none too long, whatever the bytes.
    let mut serial = ConsoleInput::new();
    for byte in input {
        if let Some(line) = serial.push(*byte) {
            assert!(!line.is_empty() && line.len() <= CONSOLE_LINE_BYTES_MAX);
            assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
        }
    }
    let split = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, ssid) = input.split_at(split);
    let Ok(Some(command)) = ConsoleCommand::parse(line) else { return };
    assert_eq!(ConsoleCommand::parse(line.trim_ascii()), Ok(Some(command)));
    let facts = ConsoleFacts {
        name: core::str::from_utf8(ssid).unwrap_or("name"),
        board: "board",
        template_id: "TMPLtest",
        firmware_type: "TMPLtest",
        firmware_version: "1.0.0",
        firmware_build: "Nov 22 2026 12:00:00",
        station_mac: portal::MacAddress([0; 6]),
        joined_ssid: Some(ssid),
        state: lifecycle::State::Running,
        last_error: 0,
        is_hotspot_open: true,
        has_home: true,
        epoch: 1,
        uptime_s: 1,
    };
    let mut text = String::new();
    facts.write(command, &mut text).expect("a string takes everything");
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
});

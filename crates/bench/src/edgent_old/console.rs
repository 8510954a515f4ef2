//! Commands of old Edgent's console on an ESP8266; output goes to the serial port. Source: edgent-device.md §7.

use wire::TOKEN_BYTES;

use crate::board::BoardHandle;
use crate::edgent_board::say;
use crate::edgent_console::{
    CommandLine, print_device_info, print_firmware_info, print_wifi_info, print_wifi_scan,
};
use crate::edgent_old::config_record::ConfigRecord;

/// What a command leads to besides its output.
#[derive(Debug)]
pub(super) enum Effect {
    None,
    Restart,
    ConfigMode,
    FactoryReset,
    Connect(Box<ConfigRecord>),
}

const COMMANDS: &str = "reboot devinfo connect config wifi firmware status help";

/// Runs one line.
pub(super) async fn run_line(board: &BoardHandle, hotspot_name: &str, line: &str) -> Effect {
    let command = match CommandLine::parse(line) {
        Ok(Some(command)) => command,
        Ok(None) => return Effect::None,
        Err(error) => {
            board.log(&error.to_string());
            return Effect::None;
        }
    };
    match (command.name(), command.sub_command().as_str()) {
        ("reboot", _) => {
            board.log(r#"{"status":"OK","msg":"rebooting wifi module"}"#);
            return Effect::Restart;
        }
        ("config", "" | "start") => return Effect::ConfigMode,
        ("config", "erase") => return Effect::FactoryReset,
        ("connect", _) => return connect(board, &command),
        ("devinfo", _) => print_device_info(board, hotspot_name),
        ("wifi", "" | "show") => print_wifi_info(board),
        ("wifi", "scan") => print_wifi_scan(board).await,
        ("firmware", "" | "info") => print_firmware_info(board),
        ("status", _) => board.log(&format!("Uptime: {} s", board.uptime_ms() / 1000)),
        ("help" | "?", _) => board.log(COMMANDS),
        _ => board.log("Command not found."),
    }
    Effect::None
}

fn connect(board: &BoardHandle, command: &CommandLine) -> Effect {
    let (Some(token), Some(ssid)) = (command.argument(0), command.argument(1)) else {
        board.log("Usage: connect <auth> <ssid> [pass]");
        return Effect::None;
    };
    if token.len() != TOKEN_BYTES {
        board.log("The auth token has 32 characters");
        return Effect::None;
    }
    let password = command.argument(2).unwrap_or_default();
    board.note_secret(token.as_bytes());
    say(board, "Trying to connect...");
    Effect::Connect(Box::new(ConfigRecord::from_console(token, ssid, password)))
}

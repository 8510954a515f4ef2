//! Commands of new Edgent's console; output goes to the serial port. Source: edgent-device.md §7.

use wire::TOKEN_BYTES;

use crate::board::BoardHandle;
use crate::edgent_console::{
    CommandLine, print_device_info, print_firmware_info, print_wifi_info, print_wifi_scan,
};
use crate::edgent_new::network_entry::NetworkEntry;

/// What a command leads to besides its output.
#[derive(Debug)]
pub(super) enum Effect {
    None,
    Restart,
    ConfigMode,
    LeaveConfigMode,
    FactoryReset,
    Connect { token: Vec<u8>, host: String },
    AddNetwork(Box<NetworkEntry>),
    ClearNetworks,
}

const COMMANDS: &str = "reboot devinfo connect config wifi firmware sys help";

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
            board.log("Rebooting...");
            return Effect::Restart;
        }
        ("config", "" | "start") => return Effect::ConfigMode,
        ("config", "stop") => return Effect::LeaveConfigMode,
        ("config", "erase") => return Effect::FactoryReset,
        ("connect", _) => return connect(board, &command),
        ("wifi", "add") => return add_network(board, &command),
        ("wifi", "clear") => return Effect::ClearNetworks,
        ("wifi", "" | "info") => print_wifi_info(board),
        ("wifi", "scan") => print_wifi_scan(board).await,
        ("devinfo", _) => print_device_info(board, hotspot_name),
        ("firmware", "" | "info") => print_firmware_info(board),
        ("sys", "" | "info") => board.log(&format!("Uptime: {} s", board.uptime_ms() / 1000)),
        ("help" | "?", _) => board.log(COMMANDS),
        _ => board.log("Command not found."),
    }
    Effect::None
}

fn connect(board: &BoardHandle, command: &CommandLine) -> Effect {
    let token = command.argument(0).unwrap_or_default();
    if token.len() != TOKEN_BYTES {
        board.log("The auth token has 32 characters");
        return Effect::None;
    }
    board.note_secret(token.as_bytes());
    let host = command.argument(1).unwrap_or_default().to_owned();
    Effect::Connect { token: token.as_bytes().to_vec(), host }
}

fn add_network(board: &BoardHandle, command: &CommandLine) -> Effect {
    let (ssid, password) = (command.argument(1).unwrap_or_default(), command.argument(2).unwrap_or_default());
    board.note_secret(password.as_bytes());
    let Some(entry) = NetworkEntry::new(ssid.as_bytes(), password.as_bytes()) else {
        board.log("Usage: wifi add <ssid> [pass]");
        return Effect::None;
    };
    Effect::AddNetwork(Box::new(entry))
}

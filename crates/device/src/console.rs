//! The console: lines that arrive over the serial port or in INTERNAL `dbg`, and what is printed for them.
//!
//! Commands and limits are those of Edgent (edgent-device.md, section 7), as far as they make sense here: `docs/compatibility.md` says which do not, and why. Nothing that
//! is printed holds a secret: no password, no token, no proof of possession. The output goes to the serial port only,
//! as with Edgent: there is no frame that would carry it to the cloud.

use core::fmt::{self, Write as _};

use lifecycle::State;
use portal::MacAddress;

/// Longest line in bytes. Source: edgent-device.md, section 7.
pub const CONSOLE_LINE_BYTES_MAX: usize = 255;

/// Words in one line. Source: as above.
const WORD_COUNT_MAX: usize = 15;

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsoleCommand {
    /// `help` or `?`: the names of all commands.
    Help,
    /// `devinfo`: who the device is, as JSON with the keys of Edgent.
    DeviceInfo,
    /// `wifi`, `wifi show` or `wifi info`: address and network of the radio.
    WifiInfo,
    /// `wifi scan`: the networks around.
    WifiScan,
    /// `config` or `config start`: opens the hotspot for a while.
    ConfigStart,
    /// `config stop`: closes the hotspot, unless the device needs it.
    ConfigStop,
    /// `config erase`: erases the home, where that is allowed.
    ConfigErase,
    /// `status`: state, error, hotspot, time since the start.
    Status,
    /// `reboot`: restarts.
    Reboot,
    /// `firmware` or `firmware info`: what runs here.
    FirmwareInfo,
}

/// Why a line is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseConsoleLineError {
    /// More than [`CONSOLE_LINE_BYTES_MAX`].
    #[error("Line too long.")]
    TooLong,
    /// More than 15.
    #[error("Too many words.")]
    TooManyWords,
    /// No such command, or words that it does not take.
    #[error("Command not found.")]
    NotFound,
}

impl ConsoleCommand {
    /// Reads a line; `None` when it holds no word. Names match without regard to case. The work is linear in the line.
    ///
    /// # Errors
    /// [`ParseConsoleLineError`], whose text is what the console prints.
    pub fn parse(line: &[u8]) -> Result<Option<Self>, ParseConsoleLineError> {
        if line.len() > CONSOLE_LINE_BYTES_MAX {
            return Err(ParseConsoleLineError::TooLong);
        }
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        if words.clone().count() > WORD_COUNT_MAX {
            return Err(ParseConsoleLineError::TooManyWords);
        }
        let Some(name) = words.next() else { return Ok(None) };
        let (argument, rest) = (words.next(), words.next());
        if rest.is_some() {
            return Err(ParseConsoleLineError::NotFound);
        }
        let is = |known: &(&str, Option<&str>, Self)| {
            name.eq_ignore_ascii_case(known.0.as_bytes())
                && match (argument, known.1) {
                    (None, None) => true,
                    (Some(word), Some(known)) => word.eq_ignore_ascii_case(known.as_bytes()),
                    _ => false,
                }
        };
        COMMANDS
            .iter()
            .find(|known| is(known))
            .map(|known| Some(known.2))
            .ok_or(ParseConsoleLineError::NotFound)
    }
}

/// Name, argument, meaning. The first of equal meanings is the one that `help` shows.
const COMMANDS: [(&str, Option<&str>, ConsoleCommand); 15] = [
    ("help", None, ConsoleCommand::Help),
    ("?", None, ConsoleCommand::Help),
    ("devinfo", None, ConsoleCommand::DeviceInfo),
    ("wifi", None, ConsoleCommand::WifiInfo),
    ("wifi", Some("show"), ConsoleCommand::WifiInfo),
    ("wifi", Some("info"), ConsoleCommand::WifiInfo),
    ("wifi", Some("scan"), ConsoleCommand::WifiScan),
    ("config", None, ConsoleCommand::ConfigStart),
    ("config", Some("start"), ConsoleCommand::ConfigStart),
    ("config", Some("stop"), ConsoleCommand::ConfigStop),
    ("config", Some("erase"), ConsoleCommand::ConfigErase),
    ("status", None, ConsoleCommand::Status),
    ("reboot", None, ConsoleCommand::Reboot),
    ("firmware", None, ConsoleCommand::FirmwareInfo),
    ("firmware", Some("info"), ConsoleCommand::FirmwareInfo),
];

/// What the console can print; nothing in here is secret.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleFacts<'a> {
    /// Name of the hotspot, which is the device's name.
    pub name: &'a str,
    /// Name of the board.
    pub board: &'a str,
    /// `TMPL…`
    pub template_id: &'a str,
    /// Firmware type.
    pub firmware_type: &'a str,
    /// Firmware version.
    pub firmware_version: &'a str,
    /// When the firmware was built.
    pub firmware_build: &'a str,
    /// Address of the station side of the radio.
    pub station_mac: MacAddress,
    /// Name of the joined network.
    pub joined_ssid: Option<&'a [u8]>,
    /// Where the device stands.
    pub state: State,
    /// 0, or a code from 700 to 732.
    pub last_error: u16,
    /// Whether the hotspot is open.
    pub is_hotspot_open: bool,
    /// Whether a home is stored, or on the bench.
    pub has_home: bool,
    /// Ownership epoch.
    pub epoch: u32,
    /// Time since the start in seconds.
    pub uptime_s: u64,
}

impl ConsoleFacts<'_> {
    /// Writes what a command prints, each line with its line end; nothing for commands that only act.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write(&self, command: ConsoleCommand, out: &mut dyn fmt::Write) -> fmt::Result {
        match command {
            ConsoleCommand::Help => {
                let mut last = "";
                for (name, ..) in COMMANDS.iter().filter(|(name, ..)| *name != "?") {
                    if *name != last {
                        write!(out, "{}{name}", if last.is_empty() { "" } else { " " })?;
                        last = name;
                    }
                }
                out.write_char('\n')
            }
            ConsoleCommand::DeviceInfo => writeln!(
                out,
                "{{\"name\":{},\"board\":{},\"tmpl_id\":{},\"fw_type\":{},\"fw_ver\":{}}}",
                JsonText(self.name),
                JsonText(self.board),
                JsonText(self.template_id),
                JsonText(self.firmware_type),
                JsonText(self.firmware_version)
            ),
            ConsoleCommand::WifiInfo => {
                writeln!(out, "mac:  {}", self.station_mac)?;
                match self.joined_ssid {
                    Some(ssid) => writeln!(out, "ssid: {}", ssid.escape_ascii()),
                    None => out.write_str("No network is joined.\n"),
                }
            }
            ConsoleCommand::Status => {
                let (home, hotspot) = (self.has_home, self.is_hotspot_open);
                writeln!(out, "state:   {}", self.state)?;
                writeln!(out, "error:   {}", self.last_error)?;
                writeln!(out, "home:    {}", if home { "yes" } else { "no" })?;
                writeln!(out, "epoch:   {}", self.epoch)?;
                writeln!(out, "hotspot: {}", if hotspot { "open" } else { "closed" })?;
                writeln!(out, "uptime:  {} s", self.uptime_s)
            }
            ConsoleCommand::FirmwareInfo => {
                writeln!(out, "Version: {}", self.firmware_version)?;
                writeln!(out, "Type:    {}", self.firmware_type)?;
                writeln!(out, "Build:   {}", self.firmware_build)
            }
            ConsoleCommand::WifiScan
            | ConsoleCommand::ConfigStart
            | ConsoleCommand::ConfigStop
            | ConsoleCommand::ConfigErase
            | ConsoleCommand::Reboot => Ok(()),
        }
    }
}

/// A text as a JSON string.
struct JsonText<'a>(&'a str);

impl fmt::Display for JsonText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(formatter, "\\{character}")?,
                control if control.is_control() => write!(formatter, "\\u{:04x}", u32::from(control))?,
                other => formatter.write_char(other)?,
            }
        }
        formatter.write_char('"')
    }
}

#[cfg(test)]
mod tests;

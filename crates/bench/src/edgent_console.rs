//! What the consoles of both generations of Edgent share: lines cut into words, and commands that only print.
//!
//! Output goes to the serial port. Source of the rules: edgent-device.md §7.

use crate::board::BoardHandle;
use crate::edgent_board::{BOARD_NAME, firmware_version, mac_text};

/// Longest line in characters.
pub(crate) const LINE_CHARS_MAX: usize = 255;
/// Words in one line.
pub(crate) const WORDS_MAX: usize = 15;

/// Why a line was not run; the texts are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseLineError {
    /// More than [`LINE_CHARS_MAX`].
    #[error("line too long")]
    TooLong,
    /// More than [`WORDS_MAX`].
    #[error("too many words")]
    TooManyWords,
}

/// One command line: a name without regard to case, and its arguments.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CommandLine {
    name: String,
    arguments: Vec<String>,
}

/// Arguments may be a token or a password.
impl std::fmt::Debug for CommandLine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("CommandLine");
        shown.field("name", &self.name).field("arguments", &self.arguments.len()).finish()
    }
}

impl CommandLine {
    /// Reads a line; `None` when it holds no word.
    ///
    /// # Errors
    /// When a limit is exceeded.
    pub(crate) fn parse(line: &str) -> Result<Option<Self>, ParseLineError> {
        if line.chars().count() > LINE_CHARS_MAX {
            return Err(ParseLineError::TooLong);
        }
        let words = split_words(line);
        if words.len() > WORDS_MAX {
            return Err(ParseLineError::TooManyWords);
        }
        let mut words = words.into_iter();
        let Some(name) = words.next() else {
            return Ok(None);
        };
        Ok(Some(Self { name: name.to_ascii_lowercase(), arguments: words.collect() }))
    }

    /// Returns the name in lower case.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns an argument, counted from 0.
    pub(crate) fn argument(&self, index: usize) -> Option<&str> {
        self.arguments.get(index).map(String::as_str)
    }

    /// Returns the first argument in lower case, for commands with sub-commands.
    pub(crate) fn sub_command(&self) -> String {
        self.argument(0).unwrap_or_default().to_ascii_lowercase()
    }
}

/// Prints who the device is.
pub(crate) fn print_device_info(board: &BoardHandle, hotspot_name: &str) {
    let template = &board.identity().template_id;
    let info = serde_json::json!({
        "name": hotspot_name,
        "board": BOARD_NAME,
        "tmpl_id": template,
        "fw_type": template,
        "fw_ver": firmware_version(board),
    });
    board.log(&info.to_string());
}

/// Prints which firmware runs.
pub(crate) fn print_firmware_info(board: &BoardHandle) {
    board.log(&format!("Version: {}", firmware_version(board)));
    board.log(&format!("Type:    {}", board.identity().template_id));
}

/// Prints address and network of the radio.
pub(crate) fn print_wifi_info(board: &BoardHandle) {
    board.log(&format!("mac:  {}", mac_text(board.identity().mac)));
    if let Some(ssid) = board.joined_ssid() {
        board.log(&format!("ssid: {}", String::from_utf8_lossy(&ssid)));
    }
}

/// Scans and prints the networks around.
pub(crate) async fn print_wifi_scan(board: &BoardHandle) {
    for heard in board.scan().await {
        let ssid = String::from_utf8_lossy(&heard.ssid);
        let bssid = mac_text(heard.bssid);
        board.log(&format!("{ssid} {bssid} {} dBm ch {}", heard.rssi_dbm, heard.channel));
    }
}

fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            '\\' => word.push(unescape(&mut characters)),
            other => word.push(other),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Reads what follows a backslash; an unknown escape stands for its own character.
fn unescape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> char {
    match characters.next() {
        Some('0') => '\0',
        Some('b') => '\u{8}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('x') => {
            let mut code = 0_u8;
            for _ in 0..2 {
                let Some(digit) = characters.peek().and_then(|digit| digit.to_digit(16)) else { break };
                code = (code << 4) | u8::try_from(digit).unwrap_or_default();
                characters.next();
            }
            char::from(code)
        }
        Some(other) => other,
        None => '\\',
    }
}

#[cfg(test)]
mod tests {
    use super::{CommandLine, LINE_CHARS_MAX, ParseLineError, WORDS_MAX};

    #[test]
    fn names_match_without_case_and_arguments_keep_theirs() {
        let line = CommandLine::parse("  CONFIG  Erase\r\n").unwrap().unwrap();
        assert_eq!(
            (line.name(), line.argument(0), line.sub_command().as_str()),
            ("config", Some("Erase"), "erase")
        );
        assert_eq!(CommandLine::parse("  \t ").unwrap(), None);
    }

    #[test]
    fn escapes_put_any_byte_into_a_word() {
        let line = CommandLine::parse(r"connect a\x20b\tc \\ \x4").unwrap().unwrap();
        assert_eq!(line.argument(0), Some("a b\tc"));
        assert_eq!(line.argument(1), Some("\\"));
        assert_eq!(line.argument(2), Some("\u{4}"));
    }

    #[test]
    fn a_line_of_255_characters_and_15_words_passes_and_nothing_longer() {
        assert!(CommandLine::parse(&"a".repeat(LINE_CHARS_MAX)).is_ok());
        assert_eq!(CommandLine::parse(&"a".repeat(LINE_CHARS_MAX + 1)), Err(ParseLineError::TooLong));
        assert!(CommandLine::parse(&"a ".repeat(WORDS_MAX)).is_ok());
        assert_eq!(CommandLine::parse(&"a ".repeat(WORDS_MAX + 1)), Err(ParseLineError::TooManyWords));
    }

    #[test]
    fn arguments_never_reach_debug_output() {
        let line = CommandLine::parse("connect s3cret-token").unwrap().unwrap();
        assert!(!format!("{line:?}").contains("s3cret"));
    }
}

//! Makes lines of what comes in on a serial port, byte by byte.

use crate::console::CONSOLE_LINE_BYTES_MAX;

/// A line while it comes in.
///
/// Lines end with CR, LF or both. Backspace takes a byte back, as terminals without an editor of their own need it. A
/// line that is too long is dropped whole: its beginning might mean something else than the line.
#[derive(Debug, Default)]
pub struct ConsoleInput {
    line: heapless::Vec<u8, CONSOLE_LINE_BYTES_MAX>,
    is_too_long: bool,
    /// The line was handed over; the next byte begins a new one.
    is_complete: bool,
}

impl ConsoleInput {
    /// Begins with an empty line.
    #[must_use]
    pub const fn new() -> Self {
        Self { line: heapless::Vec::new(), is_too_long: false, is_complete: false }
    }

    /// Takes one byte; returns the line that it ends, without its end, unless nothing is on it.
    pub fn push(&mut self, byte: u8) -> Option<&[u8]> {
        if self.is_complete {
            self.clear();
        }
        match byte {
            b'\r' | b'\n' => {
                self.is_complete = true;
                let is_line = !self.line.is_empty() && !self.is_too_long;
                is_line.then_some(self.line.as_slice())
            }
            // Backspace and delete.
            0x08 | 0x7F => {
                self.line.pop();
                None
            }
            _ => {
                self.is_too_long |= self.line.push(byte).is_err();
                None
            }
        }
    }

    /// Forgets what came in: something is missing from it.
    pub fn clear(&mut self) {
        self.line.clear();
        (self.is_too_long, self.is_complete) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::ConsoleInput;
    use crate::console::CONSOLE_LINE_BYTES_MAX;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut input = ConsoleInput::new();
        let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
        bytes.iter().filter_map(|byte| input.push(*byte).map(text)).collect()
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line_once() {
        assert_eq!(lines(b"status\nwifi\r\n\r\n\nhelp\rreb"), ["status", "wifi", "help"]);
    }

    #[test]
    fn backspace_takes_a_byte_back_and_stops_at_the_beginning() {
        assert_eq!(lines(b"\x08\x7fstt\x08atus\n"), ["status"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_the_next_is_read() {
        let longest = "x".repeat(CONSOLE_LINE_BYTES_MAX);
        assert_eq!(lines(std::format!("{longest}\nstatus\n").as_bytes()), [longest.as_str(), "status"]);
        let reboot = std::format!("reboot{longest}\nstatus\n");
        assert_eq!(lines(reboot.as_bytes()), ["status"]);
    }

    #[test]
    fn what_was_read_before_a_gap_is_forgotten() {
        let mut input = ConsoleInput::new();
        b"reb".iter().for_each(|byte| assert_eq!(input.push(*byte), None));
        input.clear();
        b"status".iter().for_each(|byte| assert_eq!(input.push(*byte), None));
        assert_eq!(input.push(b'\n'), Some(b"status".as_slice()));
    }
}

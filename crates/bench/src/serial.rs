//! The serial port of a board, as a bounded log that somebody may follow.

use std::collections::VecDeque;

/// Bytes of serial output kept for each board; older output is dropped.
pub const SERIAL_LOG_BYTES_MAX: usize = 256 * 1024;

/// What a board printed, newest bytes last, with a running position that never goes back.
#[derive(Debug, Default)]
pub struct SerialLog {
    bytes: VecDeque<u8>,
    end_offset: u64,
}

impl SerialLog {
    /// Appends one line and its line end.
    pub fn push_line(&mut self, line: &str) {
        self.bytes.extend(line.bytes().chain(std::iter::once(b'\n')));
        self.end_offset = self.end_offset.saturating_add(line.len() as u64 + 1);
        let excess = self.bytes.len().saturating_sub(SERIAL_LOG_BYTES_MAX);
        self.bytes.drain(..excess);
    }

    /// Returns the position behind the newest byte, counted from the first byte ever printed.
    #[must_use]
    pub fn end_offset(&self) -> u64 {
        self.end_offset
    }

    /// Returns what was printed from position `offset` on, as far as it is still kept.
    #[must_use]
    pub fn text_from(&self, offset: u64) -> String {
        let start_offset = self.end_offset.saturating_sub(self.bytes.len() as u64);
        let skip = usize::try_from(offset.saturating_sub(start_offset)).unwrap_or(usize::MAX);
        let kept: Vec<u8> = self.bytes.iter().skip(skip).copied().collect();
        String::from_utf8_lossy(&kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{SERIAL_LOG_BYTES_MAX, SerialLog};

    #[test]
    fn a_follower_gets_exactly_what_it_has_not_seen() {
        let mut log = SerialLog::default();
        log.push_line("one");
        let seen = log.end_offset();
        log.push_line("two");
        assert_eq!(log.text_from(seen), "two\n");
        assert_eq!(log.text_from(0), "one\ntwo\n");
        assert_eq!(log.text_from(log.end_offset()), "");
    }

    #[test]
    fn old_output_is_dropped_and_positions_stay_true() {
        let mut log = SerialLog::default();
        for _ in 0..2 * SERIAL_LOG_BYTES_MAX / 100 {
            log.push_line(&"x".repeat(99));
        }
        let seen = log.end_offset();
        log.push_line("last");
        assert_eq!(log.text_from(seen), "last\n");
        assert!(log.text_from(0).len() <= SERIAL_LOG_BYTES_MAX);
    }
}

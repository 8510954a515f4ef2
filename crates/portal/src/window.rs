//! A stretch of an answer that is rendered as a whole.

use core::fmt::{self, Write};

/// Keeps of all that is written what falls into its buffer, and counts the rest.
pub(crate) struct Window<'a> {
    out: &'a mut [u8],
    offset_bytes: usize,
    position_bytes: usize,
    written_bytes: usize,
}

impl<'a> Window<'a> {
    /// A window on what starts at `offset_bytes`.
    pub(crate) fn new(out: &'a mut [u8], offset_bytes: usize) -> Self {
        Self { out, offset_bytes, position_bytes: 0, written_bytes: 0 }
    }

    /// A window that only counts.
    pub(crate) fn nothing() -> Self {
        Self::new(&mut [], 0)
    }

    /// Bytes that were written, kept or not.
    pub(crate) fn position_bytes(&self) -> usize {
        self.position_bytes
    }

    /// Bytes that stand in the buffer.
    pub(crate) fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        let skipped_bytes = self.offset_bytes.saturating_sub(self.position_bytes);
        self.position_bytes += bytes.len();
        let (Some(wanted), Some(room)) = (bytes.get(skipped_bytes..), self.out.get_mut(self.written_bytes..))
        else {
            return;
        };
        let count = wanted.len().min(room.len());
        if let (Some(wanted), Some(room)) = (wanted.get(..count), room.get_mut(..count)) {
            room.copy_from_slice(wanted);
            self.written_bytes += count;
        }
    }
}

impl Write for Window<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes());
        Ok(())
    }
}

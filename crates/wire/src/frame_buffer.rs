//! Reassembly of frames on the device, in a buffer of fixed size.

use crate::frame::{Frame, HEADER_BYTES, ParseFrameError, Parsed};

/// Collects received bytes, in whatever pieces they come, and hands out whole frames.
///
/// `N` is the size of the buffer in bytes, at least 5. The largest body accepted is `N - 5`, which is what the device
/// declares as `buff-in`; so a full buffer always holds a whole frame or an error, and never blocks.
///
/// ```
/// # use wire::{Frame, FrameBuffer, Status};
/// let mut buffer = FrameBuffer::<261>::new();
/// buffer.push(&[0, 0, 1]);
/// assert_eq!(buffer.next_frame(), Ok(None));
/// buffer.push(&[0, 200]);
/// assert_eq!(buffer.next_frame(), Ok(Some(Frame::Response { message_id: 1, status: Status::Success })));
/// ```
#[derive(Clone)]
pub struct FrameBuffer<const N: usize> {
    bytes: [u8; N],
    // Invariant: start <= end <= N; the bytes between are received and not yet handed out.
    start: usize,
    end: usize,
}

impl<const N: usize> FrameBuffer<N> {
    /// Largest body that fits, in bytes.
    pub const BODY_BYTES_MAX: usize = N.saturating_sub(HEADER_BYTES);

    /// Returns an empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N >= HEADER_BYTES, "a frame buffer holds at least a header") };
        Self { bytes: [0; N], start: 0, end: 0 }
    }

    /// Takes as many of the `received` bytes as there is room for and returns how many that were.
    ///
    /// When it is fewer, drain [`FrameBuffer::next_frame`] and push the rest.
    pub fn push(&mut self, received: &[u8]) -> usize {
        self.move_to_front();
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let accepted_bytes = received.len().min(room.len());
        for (slot, byte) in room.iter_mut().zip(received) {
            *slot = *byte;
        }
        self.end = self.end.saturating_add(accepted_bytes);
        accepted_bytes
    }

    /// Returns the next whole frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// The stream is broken. The same error comes back until [`FrameBuffer::clear`]: a device drops the connection.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ParseFrameError> {
        let Self { bytes, start, end } = self;
        let unread = bytes.get(*start..*end).unwrap_or_default();
        match Frame::parse(unread, Self::BODY_BYTES_MAX)? {
            Parsed::Incomplete { .. } => Ok(None),
            Parsed::Complete { frame, consumed_bytes } => {
                *start = start.saturating_add(consumed_bytes);
                Ok(Some(frame))
            }
        }
    }

    /// Forgets everything received, for the next connection.
    pub fn clear(&mut self) {
        self.bytes.fill(0);
        self.start = 0;
        self.end = 0;
    }

    fn move_to_front(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
        }
    }
}

impl<const N: usize> Default for FrameBuffer<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> core::fmt::Debug for FrameBuffer<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FrameBuffer")
            .field("unread_bytes", &self.end.saturating_sub(self.start))
            .field("buffer_bytes", &N)
            .finish_non_exhaustive()
    }
}

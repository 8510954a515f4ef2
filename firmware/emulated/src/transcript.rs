//! What happened, line by line, with a digest that grows with every line.

use core::fmt::{self, Write};

/// FNV-1a, 64 bits. Source: Fowler, Noll, Vo; constants of the published algorithm.
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01B3;

/// Writes lines and digests them.
pub struct Transcript<'a> {
    out: &'a mut dyn Write,
    digest: u64,
}

impl fmt::Debug for Transcript<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Transcript").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl<'a> Transcript<'a> {
    /// Begins an empty transcript.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, digest: FNV_OFFSET }
    }

    /// Writes one line.
    ///
    /// # Panics
    /// When the output takes no more: a transcript with gaps proves nothing.
    pub fn line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self, "{line}").expect("the transcript takes every line");
    }

    /// The digest of everything written so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

impl Write for Transcript<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.digest = digest(self.digest, text.as_bytes());
        self.out.write_str(text)
    }
}

/// Digest of an image.
pub(crate) fn digest_of(bytes: &[u8]) -> u64 {
    digest(FNV_OFFSET, bytes)
}

fn digest(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

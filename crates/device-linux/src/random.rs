//! Random numbers from the system.

use std::fs::File;
use std::io::{self, Read as _};

/// Fills a buffer with random bytes that nobody can guess.
///
/// # Errors
/// When the system has no source of them.
pub(crate) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

/// A random number that spreads retries and protects nothing; without a source it comes from the clock.
pub(crate) fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    match fill_random(&mut bytes) {
        Ok(()) => u32::from_le_bytes(bytes),
        Err(error) => {
            tracing::warn!(%error, "the system gives no random numbers");
            let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            since_epoch.map_or(0, |time| time.subsec_nanos())
        }
    }
}

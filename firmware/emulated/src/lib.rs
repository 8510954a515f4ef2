//! The device's cores on a 32-bit CPU without an operating system, and the very same runs on the host.
//!
//! Start at [`run_all`]. It runs the home store's crash-point tests on its simulated flash, the wire format's vectors,
//! and the founding story through the `device` shell in virtual time, and writes a transcript. The transcript of the
//! emulated `rv32imc` and that of the host must be equal byte for byte; `cargo xtask emulated` compares them.
//!
//! Nothing here knows on which of the two it runs. Failures panic, as in tests: the program around it turns that into
//! a failing exit code.

#![no_std]

extern crate alloc;

mod air;
mod board;
mod cloud;
mod people;
mod shared;
mod story;
mod transcript;
mod vectors;

pub use board::device_future_bytes;
pub(crate) use shared::{describe, fixtures};
pub use story::run_story;
pub use transcript::Transcript;

use core::fmt::Write;

/// Runs everything and returns the transcript's digest.
///
/// # Panics
/// When anything differs from what the device promises.
pub fn run_all(out: &mut dyn Write) -> u64 {
    let mut transcript = Transcript::new(out);
    vectors::run(&mut transcript);
    run_story(&mut transcript);
    shared::run(&mut transcript);
    let digest = transcript.digest();
    transcript.line(format_args!("digest {digest:016x}"));
    digest
}

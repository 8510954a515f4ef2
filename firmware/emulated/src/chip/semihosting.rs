//! Printing and ending through the emulator. Source: RISC-V semihosting specification 1.0; operations of ARM's.

use core::arch::asm;
use core::fmt;

const WRITE0: usize = 0x04;
const EXIT_EXTENDED: usize = 0x20;
/// "The application ended by itself."
const APPLICATION_EXIT: usize = 0x2_0026;
/// Bytes handed to the emulator at once, with the NUL at the end.
const CHUNK_BYTES: usize = 256;

/// Prints to the emulator's terminal.
pub(crate) struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(CHUNK_BYTES - 1) {
            let mut chunk = [0; CHUNK_BYTES];
            chunk[..piece.len()].copy_from_slice(piece);
            // SAFETY: the chunk ends with NUL and lives until the emulator has read it.
            unsafe { call(WRITE0, chunk.as_ptr() as usize) };
        }
        Ok(())
    }
}

/// Ends the emulation with this exit code.
pub(crate) fn exit(code: i32) -> ! {
    let block = [APPLICATION_EXIT, code as usize];
    // SAFETY: the block has the two words that the operation reads.
    unsafe { call(EXIT_EXTENDED, block.as_ptr() as usize) };
    loop {
        core::hint::spin_loop();
    }
}

/// # Safety
/// `argument` must be what `operation` expects.
unsafe fn call(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: the three instructions are the agreed sign for the emulator; they must not be compressed and must lie in
    // one page.
    unsafe {
        asm!(
            ".balign 16",
            ".option push",
            ".option norvc",
            "slli x0, x0, 0x1f",
            "ebreak",
            "srai x0, x0, 7",
            ".option pop",
            inlateout("a0") operation => result,
            in("a1") argument,
            options(nostack),
        );
    }
    result
}

//! The bare machine: one hart of QEMU's `virt` board, memory from `memory.x`, everything else by semihosting.

mod heap;
mod semihosting;
mod start;

use core::fmt::Write as _;
use core::panic::PanicInfo;

use semihosting::Console;

/// Runs when stack and memory are ready.
fn main() -> ! {
    let mut console = Console;
    emulated::run_all(&mut console);
    // Not part of the transcript: these differ between CPUs.
    let bytes = emulated::device_future_bytes();
    let written =
        writeln!(console, "note: the shell with its virtual board is a future of {bytes} bytes on this CPU");
    semihosting::exit(i32::from(written.is_err()))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // There is nobody left to tell if this fails.
    let _ = writeln!(Console, "{info}");
    semihosting::exit(1)
}

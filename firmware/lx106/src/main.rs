//! Runs the cores on the CPU of the ESP8266, emulated, and prints the transcript that `emulated` prints elsewhere.
//!
//! The compiler's Xtensa backend writes assembly that Debian's assembler takes; start code and the few functions that
//! the compiler expects of its surroundings are in `start.S` and `support.c`. `cargo xtask emulated --cpu lx106` builds and
//! runs it.
//!
//! What this shows: the cores compute the same on this CPU. What it does not: an ESP8266 has 80 KiB of RAM, the shell takes
//! 46 KiB of it, and there is no driver for its radio in Rust.
#![no_std]
#![no_main]

// The same heap as on the other emulated CPU.
#[path = "../../emulated/src/chip/heap.rs"]
mod heap;

use core::fmt::{self, Write};
use core::panic::PanicInfo;

unsafe extern "C" {
    fn machine_write(bytes: *const u8, length: usize);
    fn machine_exit(code: i32) -> !;
}

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the emulator reads `length` bytes of a live string.
        unsafe { machine_write(text.as_ptr(), text.len()) };
        Ok(())
    }
}

/// Called by `start.S` when stack and memory are ready.
#[unsafe(no_mangle)]
extern "C" fn run() -> ! {
    emulated::run_all(&mut Console);
    exit(0)
}

fn exit(code: i32) -> ! {
    // SAFETY: ends the emulation.
    unsafe { machine_exit(code) }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // There is nobody left to tell if this fails.
    let _ = writeln!(Console, "{info}");
    exit(1)
}

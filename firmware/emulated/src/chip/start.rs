//! From reset to [`super::main`].

use core::arch::global_asm;

// QEMU loads the program into RAM and jumps to its first byte; only `bss` and the stack pointer are left to do. Traps
// end the run with exit code 2: an exception is a fault of the program, and interrupts stay off.
global_asm!(
    ".section .init, \"ax\"",
    ".global _start",
    "_start:",
    "csrw mie, zero",
    "la t0, {trap}",
    "csrw mtvec, t0",
    "la sp, _stack_high",
    "la t0, _bss_start",
    "la t1, _bss_end",
    "1: bgeu t0, t1, 2f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 1b",
    "2: call {main}",
    main = sym super::main,
    trap = sym trap,
);

/// The CPU raised an exception. `mtvec` needs an address that is a multiple of 4.
#[unsafe(link_section = ".init.trap")]
extern "C" fn trap() -> ! {
    super::semihosting::exit(2)
}

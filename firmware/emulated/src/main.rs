//! Runs everything and prints the transcript: on QEMU's `virt` board through semihosting, on the host to stdout.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod chip;

#[cfg(not(target_os = "none"))]
fn main() {
    let mut transcript = String::new();
    emulated::run_all(&mut transcript);
    print!("{transcript}");
}

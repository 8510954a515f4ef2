//! Hands the memory map to the linker.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=memory.x");
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        let script = PathBuf::from(env::var("OUT_DIR")?).join("memory.x");
        fs::copy("memory.x", &script)?;
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    }
    Ok(())
}

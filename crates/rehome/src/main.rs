//! The command-line program: all subcommands of `rehome`.
//!
//! It reads arguments, environment and files, starts the parts, and turns their errors into one message and an exit code:
//! 0 = done, 1 = failed, 2 = the command line makes no sense. Every decision about the product lies in the crates below it.
#![expect(clippy::print_stderr, reason = "a command-line program talks to a person")]

mod commands;
mod config_file;
mod log;
mod options;
mod output;
mod secret_input;

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use clap::Parser as _;

use crate::commands::Command;

fn main() -> ExitCode {
    let command = Command::parse();
    log::start();
    match command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("rehome: {error:#}");
            if is_for_want_of_space(&error) {
                eprintln!("The disk is full: free some space and start again; nothing was damaged.");
            }
            ExitCode::FAILURE
        }
    }
}

/// Whether somewhere below an error the system had no room to write.
fn is_for_want_of_space(error: &anyhow::Error) -> bool {
    let mut system_errors = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    system_errors.any(|cause| matches!(cause.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

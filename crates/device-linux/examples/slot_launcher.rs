//! Starts whatever the program slots of a state folder name, and says so when that is nothing.
//!
//! ```sh
//! cargo run -p device-linux --example slot_launcher -- /var/lib/rehome-device 330000
//! ```
//!
//! The first argument is the state folder, the second how long a trial may last in milliseconds. `rehome device` does
//! the same and runs the agent instead of saying anything.
#![expect(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use device_linux::{Config, Launched, Launcher};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let state_dir = arguments.next().map(PathBuf::from).ok_or("name the state folder")?;
    let trial_ms = arguments.next().ok_or("say how long a trial lasts")?.to_string_lossy().parse()?;
    let launcher = Launcher {
        program: std::env::current_exe()?,
        arguments: vec!["an argument".into()],
        trial_limit: Duration::from_millis(trial_ms),
    };
    let config = Config { state_dir, ..Config::default() };
    match launcher.launch(&config, std::future::pending()).await? {
        Launched::RunInstalled => println!("the installed program runs"),
        Launched::Stopped => println!("stopped"),
    }
    Ok(())
}

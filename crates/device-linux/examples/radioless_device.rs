//! The agent on a radio that is not there: it hears nothing, and a hotspot is a line on the standard output.
//!
//! ```sh
//! cargo run -p device-linux --example radioless_device -- FOLDER
//! ```
//!
//! State, socket and the supplicant's control sockets are below the folder. Shows what the end of the process leaves.
#![expect(clippy::print_stdout, reason = "an example talks to a person")]

use std::error::Error;
use std::path::PathBuf;

use device_linux::{
    Config, HotspotRequest, JoinedLink, OpenedHotspot, Wifi, WifiChange, WifiError, run_until,
};
use home_store::{Network, Ssid};
use tokio::task::LocalSet;

/// Interface of the hotspot that is not there.
const INTERFACE: &str = "radioless0";

/// The radio.
struct NoRadio;

impl Wifi for NoRadio {
    async fn has_hotspot_interface(&mut self) -> bool {
        true
    }

    async fn scan(&mut self, _hidden: Option<&Ssid>) -> Result<Vec<device::SeenNetwork>, WifiError> {
        Ok(Vec::new())
    }

    async fn join(&mut self, _network: &Network) -> Result<JoinedLink, WifiError> {
        Err(WifiError::NotFound)
    }

    async fn leave(&mut self) {}

    async fn open_hotspot(&mut self, _hotspot: &HotspotRequest) -> Result<OpenedHotspot, WifiError> {
        println!("hotspot open");
        Ok(OpenedHotspot { interface: Some(INTERFACE.to_owned()), is_beside: true })
    }

    async fn close_hotspot(&mut self) {
        println!("hotspot closed");
    }

    async fn next_change(&mut self) -> WifiChange {
        std::future::pending().await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("name a folder")?;
    let text = serde_json::json!({
        "state_dir": folder.join("state"),
        "socket": folder.join("device.sock"),
        "supplicant_dir": folder,
        "portal_address": "127.0.0.1:0",
        "pop": "label-7GQX-41",
    });
    let config: Config = serde_json::from_value(text)?;
    let connect = async || Ok(NoRadio);
    LocalSet::new().run_until(run_until(&config, connect, || None, std::future::pending())).await?;
    Ok(())
}

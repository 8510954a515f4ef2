//! This machine's own Wi-Fi, taken for a while by `rehome rescue` and `rehome provision`.

use anyhow::{Context as _, Result, anyhow};
use device_linux::{BorrowedRadio, Interfaces, NetworkManager, WifiError};

/// Takes a Wi-Fi interface, or the first one. Nothing is changed yet.
pub(crate) async fn take(interface: Option<String>) -> Result<BorrowedRadio> {
    let interfaces = Interfaces { station: interface, hotspot: None };
    let wifi = NetworkManager::on_system_bus(interfaces).await.map_err(anyhow::Error::new);
    let wifi = wifi.context(
        "the system's message bus cannot be reached; NetworkManager is spoken to over it (package network-manager)",
    )?;
    BorrowedRadio::take(wifi).await.map_err(|error| with_advice(error, "the Wi-Fi cannot be used"))
}

/// Says what went wrong and what to do next.
pub(crate) fn with_advice(error: WifiError, what: &str) -> anyhow::Error {
    let advice = match &error {
        WifiError::NotRunning => "install or start it: `systemctl start NetworkManager`",
        WifiError::NoRadio { .. } => {
            "plug in a Wi-Fi adapter, or name another interface with --interface; `nmcli device` lists them"
        }
        WifiError::RadioOff { .. } => {
            "switch it on with `nmcli radio wifi on`; `nmcli device` shows its state"
        }
        WifiError::NoAccessPointMode { .. } => {
            "use another adapter (--interface), or a phone's hotspot with the network's name and password, on 2.4 GHz"
        }
        WifiError::PermissionDenied => "run it with sudo, or as the user who sits at this machine",
        WifiError::NotFound => "bring the device near and see that its hotspot is open",
        WifiError::PasswordRefused => "compare the secret with the device's label",
        WifiError::SharingFailed => "install dnsmasq: `apt-get install dnsmasq-base`",
        _ => "`journalctl -u NetworkManager` may say more",
    };
    anyhow!(error).context(format!("{what} ({advice})"))
}

/// Gives the radio back and returns what became of it, as a sentence.
pub(crate) async fn give_back(radio: BorrowedRadio) -> GivenBack {
    match radio.give_back().await {
        Ok(None) => GivenBack::NothingBefore,
        Ok(Some(connection)) => GivenBack::Restored { connection },
        Err(error) => GivenBack::NotRestored { problem: format!("{:#}", anyhow!(error)) },
    }
}

/// What became of the radio.
#[derive(Debug)]
pub(crate) enum GivenBack {
    /// Nothing was active before.
    NothingBefore,
    /// What was active before is active again.
    Restored { connection: String },
    /// What was active before did not come back.
    NotRestored { problem: String },
}

/// A network's name as it can be shown: strangers choose such names.
pub(crate) fn readable(ssid: &[u8]) -> String {
    String::from_utf8_lossy(ssid).chars().filter(|character| !character.is_control()).collect()
}

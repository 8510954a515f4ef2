//! Stock Edgent for Arduino 0.9.0 on a virtual board without BLE (ESP8266), its dead ends included.
//!
//! Source: edgent-device.md. Left out: installing a firmware image (an update order ends as a failed update), migration
//! from the old generation's record, the crash dump, switching interfaces on and off by console, and static addresses, which are stored but make no difference on the
//! virtual air.

mod connection;
mod console;
mod key_value;
mod network_entry;
mod run;
mod state;
mod stored_config;

use home_store::sim_flash::SimFlash;

use crate::board::BoardHandle;
use crate::edgent_new::run::NewRun;
use crate::edgent_new::stored_config::StoredConfig;
use crate::firmware::{Firmware, FirmwareKind, FirmwareRun, FlashFacts};

/// How often the setup may be passed over before the hotspot stays closed. Source: edgent-device.md §8, settings.
const CONFIG_SKIP_LIMIT: u32 = 10;

/// New Edgent.
#[derive(Debug)]
pub struct EdgentNew {
    skip_limit: u32,
}

impl EdgentNew {
    /// Creates the firmware with the library's default settings.
    #[must_use]
    pub fn new() -> Self {
        Self { skip_limit: CONFIG_SKIP_LIMIT }
    }

    /// Creates the firmware as its example sketch sets it: the setup is never skipped.
    #[must_use]
    pub fn without_skip_limit() -> Self {
        Self { skip_limit: 0 }
    }
}

impl Default for EdgentNew {
    fn default() -> Self {
        Self::new()
    }
}

impl Firmware for EdgentNew {
    fn kind(&self) -> FirmwareKind {
        FirmwareKind::EdgentNew
    }

    fn run(&self, board: BoardHandle) -> FirmwareRun {
        let skip_limit = self.skip_limit;
        Box::pin(async move { NewRun::boot(board, skip_limit).await.run().await })
    }

    fn inspect_flash(&self, flash: &SimFlash) -> FlashFacts {
        let config = StoredConfig::decode(flash.image());
        let networks = config.networks();
        let has_token = config.account().is_some();
        FlashFacts {
            is_home_stored: has_token && !networks.is_empty(),
            is_token_stored: has_token,
            epoch: None,
            network_ssids: networks.into_iter().map(|network| network.ssid).collect(),
        }
    }
}

#[cfg(test)]
mod tests;

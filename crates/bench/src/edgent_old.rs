//! Stock Edgent of the C++ library 1.4.0 (ESP8266) on a virtual board, its dead ends included.
//!
//! Source: edgent-device.md. Left out: installing a firmware image (an update order ends as a failed update), the file
//! system commands of the console, and static addresses, which are stored but make no difference on the virtual air.

mod config_record;
mod console;
mod run;
mod state;

use home_store::sim_flash::SimFlash;

use crate::board::BoardHandle;
use crate::edgent_old::config_record::ConfigRecord;
use crate::edgent_old::run::{OldRun, Variant};
use crate::firmware::{Firmware, FirmwareKind, FirmwareRun, FlashFacts};

/// Old Edgent.
#[derive(Debug)]
pub struct EdgentOld {
    variant: Variant,
}

impl EdgentOld {
    /// Creates the firmware. `is_patched` puts in the forum's two changes: a refused token resets the board, and so does
    /// the ERROR that follows 30 s without a connection.
    #[must_use]
    pub fn new(is_patched: bool) -> Self {
        Self { variant: if is_patched { Variant::Patched } else { Variant::Stock } }
    }
}

impl Firmware for EdgentOld {
    fn kind(&self) -> FirmwareKind {
        FirmwareKind::EdgentOld
    }

    fn run(&self, board: BoardHandle) -> FirmwareRun {
        Box::pin(OldRun::new(board, self.variant).run())
    }

    fn inspect_flash(&self, flash: &SimFlash) -> FlashFacts {
        let Some(record) = ConfigRecord::decode(flash.image()) else {
            return FlashFacts::default();
        };
        let ssid = record.ssid().to_vec();
        FlashFacts {
            is_home_stored: record.is_valid(),
            is_token_stored: record.has_token(),
            epoch: None,
            network_ssids: if ssid.is_empty() { Vec::new() } else { vec![ssid] },
        }
    }
}

#[cfg(test)]
mod tests;

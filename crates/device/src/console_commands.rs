//! Carries out what the console is told.

use embedded_storage_async::nor_flash::NorFlash;
use lifecycle::{ErrorCode, Input};

use crate::agent::Agent;
use crate::application::Application;
use crate::console::{ConsoleCommand, ConsoleFacts};
use crate::platform::Platform;

/// Room for what one command prints, in bytes; the longest names leave some of it free.
const OUTPUT_BYTES_MAX: usize = 640;

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsoleOrigin {
    /// The serial port: whoever holds the device.
    Serial,
    /// INTERNAL `dbg` in an accepted session.
    Cloud,
}

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    /// Takes a line from the serial port.
    pub(crate) async fn serial_line(&mut self, line: &[u8]) {
        match ConsoleCommand::parse(line) {
            Ok(Some(command)) => self.run_console(command, ConsoleOrigin::Serial).await,
            Ok(None) => {}
            Err(error) => self.platform.log(format_args!("{error}")),
        }
    }

    /// Does what a command asks for. Nothing here changes a home: erasing is the lifecycle's to allow, and from the
    /// serial port it is not asked for at all, because a board's pins are often open to everybody.
    pub(crate) async fn run_console(&mut self, command: ConsoleCommand, origin: ConsoleOrigin) {
        match (command, origin) {
            (ConsoleCommand::ConfigStart, _) => self.feed(Input::ConfigStartOrdered).await,
            (ConsoleCommand::ConfigStop, _) => self.feed(Input::ConfigStopOrdered).await,
            (ConsoleCommand::ConfigErase, ConsoleOrigin::Cloud) => self.feed(Input::ConfigEraseOrdered).await,
            (ConsoleCommand::ConfigErase, ConsoleOrigin::Serial) => {
                self.platform
                    .log(format_args!("Not from here. Hold the button for 10 s, or release the device."));
            }
            (ConsoleCommand::Reboot, _) => {
                self.platform.log(format_args!("Rebooting..."));
                self.is_restart_due = true;
            }
            (ConsoleCommand::WifiScan, _) => {
                self.is_scan_to_print = true;
                self.start_scan();
            }
            (command, _) => self.print_facts(command),
        }
    }

    /// Prints the networks around, where somebody asked for them.
    pub(crate) fn print_scan(&mut self) {
        if !core::mem::take(&mut self.is_scan_to_print) {
            return;
        }
        for seen in &self.platform.scan_list() {
            let (ssid, bssid) = (seen.ssid.escape_ascii(), seen.bssid);
            self.platform.log(format_args!("{ssid} {bssid} {} dBm ch {}", seen.rssi_dbm, seen.channel));
        }
    }

    fn print_facts(&mut self, command: ConsoleCommand) {
        let identity = &self.config.identity;
        let facts = ConsoleFacts {
            name: &self.hotspot_name,
            board: identity.board,
            template_id: identity.template_id,
            firmware_type: identity.firmware_type,
            firmware_version: identity.firmware_version,
            firmware_build: identity.firmware_build,
            station_mac: identity.station_mac,
            joined_ssid: self.joined_ssid.as_deref(),
            state: self.machine.state(),
            last_error: self.machine.last_error().map_or(0, ErrorCode::code),
            is_hotspot_open: self.machine.is_hotspot_open(),
            has_home: self.machine.has_home(),
            epoch: self.epoch(),
            uptime_s: self.platform.now().as_millis() / 1_000,
        };
        let mut text = heapless::String::<OUTPUT_BYTES_MAX>::new();
        if facts.write(command, &mut text).is_err() {
            self.log_now(format_args!("The output is cut"));
        }
        for line in text.lines() {
            self.platform.log(format_args!("{line}"));
        }
    }
}

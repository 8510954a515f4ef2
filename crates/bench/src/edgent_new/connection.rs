//! Network and cloud of new Edgent. Source of every rule: edgent-device.md §8.

use std::pin::pin;

use crate::air::ScanEntry;
use crate::board::BoardHandle;
use crate::edgent_board::{firmware_version, say};
use crate::edgent_link::{ATTEMPT_PERIOD_MS, EdgentLink, LinkEvent, LinkProfile, LogInError, Server};
use crate::edgent_new::console::{Effect, run_line};
use crate::edgent_new::network_entry::NetworkEntry;
use crate::edgent_new::run::{NewRun, Next, TRIES_STORED};
use crate::edgent_new::state::State;
use crate::edgent_new::stored_config::CloudAccount;
use crate::edgent_update::{UpdateRules, update};

/// Codes of the last error. Source: edgent-device.md §3; an ESP8266 cannot tell 720 to 723 apart.
const ERROR_NETWORK: u16 = 701;
const ERROR_CLOUD: u16 = 702;
const ERROR_TOKEN: u16 = 703;

/// Length of a try, for network and cloud each, in milliseconds.
const TRY_MS: u64 = 50_000;
/// Longest time for joining one network, in milliseconds.
const JOIN_LIMIT_MS: u64 = 25_000;
/// Pauses between scans without success; the last one repeats. In seconds.
const SCAN_PAUSES_S: [u64; 10] = [3, 5, 8, 13, 22, 37, 62, 105, 178, 300];
/// From the order of an update to its start, in milliseconds.
const OTA_START_MS: u64 = 1_000;
/// Where `connect` of the console goes without a host.
const DEFAULT_HOST: &str = "blynk.cloud";
/// Ports that are tried, whatever was configured. Source: wire-protocol.md §2.
const PORTS: [u16; 2] = [443, 9443];

const PROFILE: LinkProfile =
    LinkProfile { library_version: "0.9.0", fixed_ports: Some(PORTS), has_physical_pins: false };

impl NewRun {
    /// The radio keeps its own rhythm; the tries only count time.
    pub(super) async fn join_network(&mut self) -> Next {
        self.link = None;
        let board = self.board.clone();
        let networks = self.config.networks();
        let joined = {
            let mut joining = pin!(join_strongest(&board, &networks));
            loop {
                tokio::select! {
                    ssid = &mut joining => break Some(ssid),
                    () = board.sleep_ms(TRY_MS) => {}
                }
                self.net_tries_left = self.net_tries_left.saturating_sub(1);
                if self.net_tries_left == 0 {
                    break None;
                }
            }
        };
        let Some(ssid) = joined else {
            return self.give_up(ERROR_NETWORK);
        };
        self.config.set_last_used(&board, &ssid).await;
        self.net_tries_left = TRIES_STORED;
        Next::State(State::ConnectingCloud)
    }

    pub(super) async fn connect_cloud(&mut self) -> Next {
        self.link = None;
        let Some(account) = self.new_account.clone().or_else(|| self.config.account()) else {
            return Next::State(State::WaitConfig);
        };
        let outcome = tokio::select! {
            outcome = log_in(&self.board, &account) => outcome,
            () = self.board.link_lost() => return Next::State(State::ConnectingNet),
            () = self.board.sleep_ms(TRY_MS) => Err(LogInError::NoSession),
        };
        match outcome {
            Ok(link) => {
                self.link = Some(link);
                self.cloud_tries_left = TRIES_STORED;
                if !self.commit_account().await {
                    return Next::State(State::WaitConfig);
                }
                self.introduce_itself().await;
                self.tell_update().await;
                Next::State(State::Running)
            }
            Err(LogInError::InvalidToken) => {
                self.report_error(ERROR_TOKEN);
                Next::State(State::WaitConfig)
            }
            Err(LogInError::Dial(_) | LogInError::NoSession) => {
                self.cloud_tries_left = self.cloud_tries_left.saturating_sub(1);
                if self.cloud_tries_left > 0 {
                    Next::State(State::ConnectingCloud)
                } else {
                    self.give_up(ERROR_CLOUD)
                }
            }
        }
    }

    /// A new account leads back to the setup, a stored one to a restart.
    fn give_up(&mut self, code: u16) -> Next {
        self.report_error(code);
        let is_new = self.new_account.take().is_some();
        Next::State(if is_new { State::WaitConfig } else { State::Error })
    }

    /// Once after every boot.
    async fn introduce_itself(&mut self) {
        if self.has_introduced_itself {
            return;
        }
        let Some(link) = &mut self.link else {
            return;
        };
        let is_uid_sent = link.set_metadata("Device UID", &self.sheet.uid).await.is_ok();
        if is_uid_sent && link.set_metadata("Hotspot Name", &self.sheet.hotspot_name).await.is_ok() {
            self.has_introduced_itself = true;
        } else {
            // RUNNING finds no link and starts over.
            self.link = None;
        }
    }

    pub(super) async fn stay_connected(&mut self) -> Next {
        while let Some(link) = &mut self.link {
            match link.next_event(&mut self.sketch).await {
                LinkEvent::Lost => break,
                LinkEvent::OtaOrdered(url) => {
                    self.ota_url = url;
                    self.board.sleep_ms(OTA_START_MS).await;
                    return Next::State(State::OtaUpgrade);
                }
                LinkEvent::Console(line) => {
                    let effect = run_line(&self.board, &self.sheet.hotspot_name, &line).await;
                    if let Some(next) = self.take_effect(effect).await {
                        return next;
                    }
                }
            }
        }
        self.link = None;
        let is_joined = self.board.joined_ssid().is_some();
        Next::State(if is_joined { State::ConnectingCloud } else { State::ConnectingNet })
    }

    async fn take_effect(&mut self, effect: Effect) -> Option<Next> {
        match effect {
            // Leaving the config mode changes nothing for a device that is running.
            Effect::None | Effect::LeaveConfigMode => None,
            Effect::Restart => Some(Next::Restart),
            Effect::ConfigMode => Some(Next::State(State::WaitConfig)),
            Effect::FactoryReset => Some(Next::State(State::ResetConfig)),
            Effect::Connect { token, host } => {
                let host = if host.is_empty() { DEFAULT_HOST.to_owned() } else { host };
                self.new_account = Some(CloudAccount { token, host });
                Some(Next::State(State::ConnectingNet))
            }
            Effect::AddNetwork(network) => {
                self.config.add_network(&self.board, &network).await;
                None
            }
            Effect::ClearNetworks => {
                self.config.clear_networks(&self.board).await;
                None
            }
        }
    }

    /// After a version changed.
    async fn tell_update(&mut self) {
        let Some(former) = self.config.take_former_version(&self.board).await else { return };
        let told = format!("Firmware updated from {former} to {}", firmware_version(&self.board));
        if let Some(link) = &mut self.link
            && link.log_event("sys_ota", &told).await.is_err()
        {
            // RUNNING finds no link and starts over.
            self.link = None;
        }
    }

    pub(super) async fn update(&mut self) -> Next {
        if let Some(mut link) = self.link.take()
            && link.log_event("sys_ota", "OTA started").await.is_err()
        {
            say(&self.board, "OTA: the event was not sent");
        }
        let url = std::mem::take(&mut self.ota_url);
        match update(&self.board, UpdateRules::New, &url).await {
            Ok(()) => Next::Restart,
            Err(error) => {
                say(&self.board, &format!("OTA: {error}"));
                Next::State(State::Error)
            }
        }
    }
}

/// Tries until the server accepts or refuses; the caller sets the limit.
async fn log_in(board: &BoardHandle, account: &CloudAccount) -> Result<EdgentLink, LogInError> {
    let [port, _] = PORTS;
    let server = Server { host: account.host.clone(), port };
    loop {
        let started_ms = board.uptime_ms();
        match EdgentLink::log_in(board, PROFILE, &server, &account.token).await {
            Err(LogInError::Dial(_) | LogInError::NoSession) => {}
            outcome => return outcome,
        }
        board.sleep_until_uptime_ms(started_ms.saturating_add(ATTEMPT_PERIOD_MS)).await;
    }
}

/// Scans and tries the known networks, strongest first, until one is joined; returns its name.
///
/// A network that is still joined counts: whatever was entered, the device goes on over it.
async fn join_strongest(board: &BoardHandle, networks: &[NetworkEntry]) -> Vec<u8> {
    if let Some(ssid) = board.joined_ssid() {
        return ssid;
    }
    let last_pause_s = SCAN_PAUSES_S.last().copied().unwrap_or_default();
    let mut pauses_s = SCAN_PAUSES_S.into_iter().chain(std::iter::repeat(last_pause_s));
    loop {
        let heard = board.scan().await;
        for network in strongest_first(networks, &heard) {
            say(board, &format!("Connecting to WiFi: {}", String::from_utf8_lossy(&network.ssid)));
            let password = (!network.password.is_empty()).then_some(network.password.as_slice());
            let is_joined = tokio::select! {
                joined = board.join(&network.ssid, password, None) => joined.is_ok(),
                () = board.sleep_ms(JOIN_LIMIT_MS) => false,
            };
            if is_joined {
                return network.ssid.clone();
            }
        }
        board.sleep_ms(pauses_s.next().unwrap_or(last_pause_s) * 1000).await;
    }
}

fn strongest_first<'a>(networks: &'a [NetworkEntry], heard: &[ScanEntry]) -> Vec<&'a NetworkEntry> {
    let signal = |network: &NetworkEntry| {
        heard.iter().filter(|entry| entry.ssid == network.ssid).map(|entry| entry.rssi_dbm).max()
    };
    let mut known: Vec<_> = networks.iter().filter(|network| signal(network).is_some()).collect();
    known.sort_by_key(|network| std::cmp::Reverse(signal(network)));
    known
}

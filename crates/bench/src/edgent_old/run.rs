//! One start of old Edgent, from boot to restart. Source of every rule: edgent-device.md §1 and §2.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use embedded_storage_async::nor_flash::{NorFlash as _, ReadNorFlash as _};
use portal::{ConfigForm, Dialect};

use crate::board::{BoardFlash, BoardHandle};
use crate::edgent_board::{FIRMWARE_VERSION, has_template, open_hotspot, say};
use crate::edgent_button::{ButtonSign, ButtonWatch, OLD_RULES};
use crate::edgent_link::{ATTEMPT_PERIOD_MS, EdgentLink, LinkEvent, LinkProfile, LogInError, Server};
use crate::edgent_old::config_record::{ConfigRecord, RECORD_BYTES};
use crate::edgent_old::console::{Effect, run_line};
use crate::edgent_old::state::State;
use crate::edgent_portal::{PortalAction, PortalService, PortalSheet};
use crate::edgent_sketch::DemoSketch;
use crate::edgent_update::{UpdateRules, update};
use crate::firmware::RunEnd;

/// Codes of the last error. Source: edgent-device.md §3.
const ERROR_CONFIG: u16 = 700;
const ERROR_NETWORK: u16 = 701;
const ERROR_CLOUD: u16 = 702;
const ERROR_TOKEN: u16 = 703;

/// Tries with a stored configuration, for network and cloud each.
const TRIES_STORED: u32 = 500;
/// Tries right after the portal's `/config`.
const TRIES_NEW: u32 = 1;
/// Length of a try with stock firmware, in milliseconds.
const TRY_STOCK_MS: u64 = 50_000;
/// Length of the only try with the forum's changes, in milliseconds.
const TRY_PATCHED_MS: u64 = 30_000;
/// Time in ERROR, in milliseconds.
const ERROR_MS: u64 = 10_000;
/// From the answer of `/config` until the hotspot closes, and from there until the radio is a station again.
const SWITCH_MS: (u64, u64) = (1_000, 100);
/// From the order of an update to its start, in milliseconds.
const OTA_START_MS: u64 = 2_000;
/// From a failed update to the restart on an ESP8266; also after an upload. In milliseconds.
const RESTART_MS: u64 = 1_000;
/// Pause of the radio between two attempts to join, in milliseconds.
const REJOIN_MS: u64 = 1_000;
/// Longest network name that the radio takes, in bytes. The record holds one more.
const SSID_BYTES_MAX: usize = 32;
/// Length of an erase block of the chip's flash; the record lies at the start of one.
const SECTOR_BYTES: u32 = 4096;

const PROFILE: LinkProfile =
    LinkProfile { library_version: "1.4.0", fixed_ports: None, has_physical_pins: true };

enum Next {
    State(State),
    Restart,
}

/// Whether the forum's two changes are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    Stock,
    Patched,
}

pub(super) struct OldRun {
    board: BoardHandle,
    variant: Variant,
    state: Rc<Cell<State>>,
    config: ConfigRecord,
    net_tries_left: u32,
    cloud_tries_left: u32,
    link: Option<EdgentLink>,
    sketch: DemoSketch,
    sheet: Rc<PortalSheet>,
    /// Address of the ordered update; may carry a token.
    ota_url: String,
}

impl OldRun {
    pub(super) fn new(board: BoardHandle, variant: Variant) -> Self {
        Self {
            variant,
            state: Rc::new(Cell::new(State::Init)),
            config: ConfigRecord::default(),
            net_tries_left: TRIES_STORED,
            cloud_tries_left: TRIES_STORED,
            link: None,
            sketch: DemoSketch::new(board.clone()),
            sheet: PortalSheet::new(&board, Dialect::EdgentOld, String::new()),
            ota_url: String::new(),
            board,
        }
    }

    pub(super) async fn run(mut self) -> RunEnd {
        if !has_template(&self.board) {
            say(&self.board, "Invalid configuration of template");
            return RunEnd::Halt;
        }
        self.board.firmware_slots().boot(FIRMWARE_VERSION).await;
        self.config = self.load_config().await;
        self.report_last_error();
        self.enter(if self.config.is_valid() { State::ConnectingNet } else { State::WaitConfig });
        let mut button = ButtonWatch::new(self.board.clone(), OLD_RULES);
        loop {
            match self.run_state(&mut button).await {
                Next::State(state) => self.enter(state),
                Next::Restart => {
                    // A restarting chip says nobody goodbye.
                    self.hang_up();
                    return RunEnd::Restart;
                }
            }
        }
    }

    /// Runs the present state to its end, unless the button ends it.
    async fn run_state(&mut self, button: &mut ButtonWatch) -> Next {
        let board = self.board.clone();
        let state = Rc::clone(&self.state);
        let mut step = pin!(self.step());
        loop {
            tokio::select! {
                biased;
                sign = button.next_sign() => match sign {
                    ButtonSign::Show(led) => board.set_led(led),
                    ButtonSign::Released => { state.get().led().into_iter().for_each(|led| board.set_led(led)); }
                    ButtonSign::Reset => return Next::State(State::ResetConfig),
                },
                next = &mut step => return next,
            }
        }
    }

    fn enter(&self, state: State) {
        let former = self.state.replace(state);
        if former != state {
            say(&self.board, &format!("{} => {}", former.as_str(), state.as_str()));
        }
        self.sheet.state.set(state.as_str());
        self.board.report_state(state.as_str());
        if let Some(led) = state.led() {
            self.board.set_led(led);
        }
    }

    async fn step(&mut self) -> Next {
        match self.state.get() {
            State::Init | State::WaitConfig | State::Configuring => self.serve_hotspot().await,
            State::SwitchToSta => self.switch_to_station().await,
            State::ConnectingNet => self.join_network().await,
            State::ConnectingCloud => self.connect_cloud().await,
            State::Running => self.stay_connected().await,
            State::OtaUpgrade => self.update().await,
            State::ResetConfig => self.reset_config().await,
            State::Error => self.wait_in_error().await,
        }
    }

    /// Radio off without a word to the server: it will only notice the silence.
    fn hang_up(&mut self) {
        self.board.leave();
        self.link = None;
    }
}

/// Hotspot.
impl OldRun {
    /// There is no time-out: until somebody configures, resets or restarts the board.
    async fn serve_hotspot(&mut self) -> Next {
        self.hang_up();
        let mut service = PortalService::new(self.board.clone(), Rc::clone(&self.sheet));
        open_hotspot(&self.board, &self.sheet.hotspot_name).await;
        loop {
            let action = tokio::select! {
                action = service.next_action() => action,
                _ = self.board.next_station_event() => PortalAction::None,
            };
            match action {
                PortalAction::None => {}
                PortalAction::BoardInfoRead => self.enter(State::Configuring),
                PortalAction::Config(form) => {
                    self.take_form(&form).await;
                    return Next::State(State::SwitchToSta);
                }
                PortalAction::Reset => return Next::State(State::ResetConfig),
                PortalAction::Reboot => return Next::Restart,
                PortalAction::FirmwareRefused => {
                    self.board.sleep_ms(RESTART_MS).await;
                    return Next::Restart;
                }
            }
            if self.state.get() == State::Configuring && self.board.station_count() == 0 {
                self.enter(State::WaitConfig);
            }
        }
    }

    async fn take_form(&mut self, form: &ConfigForm) {
        if let Some(token) = &form.token {
            self.board.note_secret(token.expose().as_bytes());
        }
        self.board.note_secret(form.password.expose());
        self.board.note_secret(&form.ssid);
        self.config = ConfigRecord::from_form(form);
        if form.is_save_requested {
            self.config.mark_valid();
            self.save_config().await;
        }
        self.report_last_error();
        self.net_tries_left = TRIES_NEW;
        self.cloud_tries_left = TRIES_NEW;
    }

    async fn switch_to_station(&mut self) -> Next {
        let (close_ms, station_ms) = SWITCH_MS;
        self.board.sleep_ms(close_ms).await;
        self.board.close_hotspot();
        self.hang_up();
        self.board.sleep_ms(station_ms).await;
        Next::State(State::ConnectingNet)
    }
}

/// Network and cloud.
impl OldRun {
    async fn join_network(&mut self) -> Next {
        self.hang_up();
        self.board.close_hotspot();
        let ssid = self.config.ssid().to_vec();
        say(&self.board, &format!("Connecting to WiFi: {}", String::from_utf8_lossy(&ssid)));
        if ssid.is_empty() || ssid.len() > SSID_BYTES_MAX {
            return self.fail(ERROR_CONFIG).await;
        }
        let joining = async {
            while self.board.join(&ssid, self.config.password(), None).await.is_err() {
                self.board.sleep_ms(REJOIN_MS).await;
            }
        };
        let is_joined = tokio::select! {
            () = joining => true,
            () = self.board.sleep_ms(self.try_ms()) => false,
        };
        if is_joined {
            self.net_tries_left = self.tries_stored();
            return Next::State(State::ConnectingCloud);
        }
        self.net_tries_left = self.net_tries_left.min(self.tries_stored()).saturating_sub(1);
        if self.net_tries_left > 0 {
            Next::State(State::ConnectingNet)
        } else {
            self.fail(ERROR_NETWORK).await
        }
    }

    async fn connect_cloud(&mut self) -> Next {
        self.link = None;
        let deadline_ms = self.board.uptime_ms().saturating_add(self.try_ms());
        let outcome = tokio::select! {
            outcome = self.log_in() => outcome,
            () = self.board.link_lost() => return Next::State(State::ConnectingNet),
            () = self.board.sleep_until_uptime_ms(deadline_ms) => Err(LogInError::NoSession),
        };
        match outcome {
            Ok(link) => {
                self.link = Some(link);
                self.cloud_tries_left = self.tries_stored();
                self.keep_new_config().await;
                Next::State(State::Running)
            }
            Err(LogInError::InvalidToken) => {
                self.set_last_error(ERROR_TOKEN).await;
                // Shown even where the record keeps its own: a board whose token was revoked later was seen to show it.
                self.show_last_error(ERROR_TOKEN);
                // The station goes off with the hotspot and nothing tries again: the stored home is stranded.
                Next::State(match self.variant {
                    Variant::Stock => State::WaitConfig,
                    Variant::Patched => State::ResetConfig,
                })
            }
            Err(LogInError::Dial(_) | LogInError::NoSession) => {
                self.cloud_tries_left = self.cloud_tries_left.min(self.tries_stored()).saturating_sub(1);
                if self.cloud_tries_left > 0 {
                    Next::State(State::ConnectingCloud)
                } else {
                    self.fail(ERROR_CLOUD).await
                }
            }
        }
    }

    /// Tries until the server accepts or refuses; the caller sets the limit.
    async fn log_in(&self) -> Result<EdgentLink, LogInError> {
        let server = Server { host: self.config.host(), port: self.config.port() };
        loop {
            let started_ms = self.board.uptime_ms();
            match EdgentLink::log_in(&self.board, PROFILE, &server, self.config.token()).await {
                Err(LogInError::Dial(_) | LogInError::NoSession) => {}
                outcome => return outcome,
            }
            self.board.sleep_until_uptime_ms(started_ms.saturating_add(ATTEMPT_PERIOD_MS)).await;
        }
    }

    /// On the first login that is accepted: VALID, saved, and the name told to the cloud.
    async fn keep_new_config(&mut self) {
        if self.config.is_valid() {
            return;
        }
        self.config.mark_valid();
        self.config.set_last_error(0);
        self.save_config().await;
        self.report_last_error();
        if let Some(link) = &mut self.link
            && link.set_metadata("Hotspot Name", &self.sheet.hotspot_name).await.is_err()
        {
            // RUNNING finds no link and starts over.
            self.link = None;
        }
    }

    async fn stay_connected(&mut self) -> Next {
        while let Some(link) = &mut self.link {
            match link.next_event(&mut self.sketch).await {
                LinkEvent::Lost => break,
                LinkEvent::OtaOrdered(url) => {
                    self.ota_url = url;
                    self.board.sleep_ms(OTA_START_MS).await;
                    return Next::State(State::OtaUpgrade);
                }
                LinkEvent::Console(line) => {
                    match run_line(&self.board, &self.sheet.hotspot_name, &line).await {
                        Effect::None => {}
                        Effect::Restart => return Next::Restart,
                        Effect::ConfigMode => return Next::State(State::WaitConfig),
                        Effect::FactoryReset => return Next::State(State::ResetConfig),
                        Effect::Connect(config) => {
                            self.config = *config;
                            return Next::State(State::SwitchToSta);
                        }
                    }
                }
            }
        }
        self.link = None;
        let is_joined = self.board.joined_ssid().is_some();
        Next::State(if is_joined { State::ConnectingCloud } else { State::ConnectingNet })
    }

    async fn update(&mut self) -> Next {
        if let Some(mut link) = self.link.take()
            && link.log_event("sys_ota", "OTA started").await.is_err()
        {
            say(&self.board, "OTA: the event was not sent");
        }
        let url = std::mem::take(&mut self.ota_url);
        if let Err(error) = update(&self.board, UpdateRules::Old, &url).await {
            say(&self.board, &format!("OTA: {error}"));
            self.board.sleep_ms(RESTART_MS).await;
        }
        Next::Restart
    }
}

/// Failures and the stored record.
impl OldRun {
    async fn fail(&mut self, code: u16) -> Next {
        self.set_last_error(code).await;
        Next::State(State::Error)
    }

    /// With VALID set nothing is written and nothing changes; without it the values just entered are gone.
    async fn set_last_error(&mut self, code: u16) {
        if self.config.is_valid() {
            return;
        }
        self.config = ConfigRecord::default();
        self.config.set_last_error(code);
        say(&self.board, &format!("Last error code: {code}"));
        self.save_config().await;
        self.report_last_error();
    }

    async fn reset_config(&mut self) -> Next {
        say(&self.board, "Resetting configuration!");
        self.config = ConfigRecord::default();
        self.save_config().await;
        self.report_last_error();
        Next::State(State::WaitConfig)
    }

    async fn wait_in_error(&mut self) -> Next {
        self.hang_up();
        self.board.sleep_ms(ERROR_MS).await;
        if self.variant == Variant::Patched {
            return Next::State(State::ResetConfig);
        }
        // While the button is held, run_state waits for its release; it either resets or ends up here again.
        while self.board.is_button_held() {
            self.board.sleep_ms(RESTART_MS).await;
        }
        say(&self.board, "Restarting after error.");
        Next::Restart
    }

    fn try_ms(&self) -> u64 {
        if self.variant == Variant::Patched { TRY_PATCHED_MS } else { TRY_STOCK_MS }
    }

    fn tries_stored(&self) -> u32 {
        if self.variant == Variant::Patched { TRIES_NEW } else { TRIES_STORED }
    }

    fn report_last_error(&self) {
        self.show_last_error(self.config.last_error());
    }

    fn show_last_error(&self, code: u16) {
        self.sheet.last_error.set(code);
        self.board.report_last_error(code);
    }

    async fn load_config(&self) -> ConfigRecord {
        let mut bytes = [0; RECORD_BYTES];
        let read = self.board.flash().read(0, &mut bytes).await;
        read.ok().and_then(|()| ConfigRecord::decode(&bytes)).unwrap_or_default()
    }

    async fn save_config(&self) {
        if write_record(&mut self.board.flash(), &self.config.encode()).await.is_err() {
            say(&self.board, "EEPROM commit failed");
        }
    }
}

async fn write_record(
    flash: &mut BoardFlash,
    record: &[u8; RECORD_BYTES],
) -> Result<(), <BoardFlash as embedded_storage_async::nor_flash::ErrorType>::Error> {
    flash.erase(0, SECTOR_BYTES).await?;
    flash.write(0, record).await
}

//! One start of new Edgent, from boot to restart. Source of every rule: edgent-device.md §8.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use portal::{ConfigForm, Dialect};

use crate::board::{BoardHandle, LED_OFF, StationEvent};
use crate::edgent_board::{FIRMWARE_VERSION, has_template, open_hotspot, say};
use crate::edgent_button::{ButtonSign, ButtonWatch, NEW_RULES};
use crate::edgent_link::EdgentLink;
use crate::edgent_new::network_entry::NetworkEntry;
use crate::edgent_new::state::State;
use crate::edgent_new::stored_config::{CloudAccount, StoredConfig};
use crate::edgent_portal::{PortalAction, PortalService, PortalSheet};
use crate::edgent_sketch::DemoSketch;
use crate::firmware::RunEnd;

/// Codes of the last error. Source: edgent-device.md §3.
const ERROR_CONFIG: u16 = 700;

/// Tries with a stored configuration, for network and cloud each.
pub(super) const TRIES_STORED: u32 = 500;
/// Tries right after `/config`.
const TRIES_NEW: u32 = 1;
/// Time in ERROR, in milliseconds.
const ERROR_MS: u64 = 10_000;
/// From the moment when the last phone left until the hotspot closes, in milliseconds.
const HOTSPOT_LINGER_MS: u64 = 1_000;
/// Config timeout, in milliseconds.
const CONFIG_TIMEOUT_MS: u64 = 600_000;

/// What ends a state.
pub(super) enum Next {
    State(State),
    Restart,
}

/// What ended a state.
enum Ending {
    Next(Next),
    Portal(PortalAction),
}

pub(super) struct NewRun {
    pub(super) board: BoardHandle,
    skip_limit: u32,
    pub(super) state: Rc<Cell<State>>,
    pub(super) config: StoredConfig,
    /// Entered but not yet accepted by the cloud; `None` means that the stored account is in use.
    pub(super) new_account: Option<CloudAccount>,
    pub(super) net_tries_left: u32,
    pub(super) cloud_tries_left: u32,
    pub(super) link: Option<EdgentLink>,
    pub(super) sketch: DemoSketch,
    pub(super) sheet: Rc<PortalSheet>,
    /// Whether this start has told the cloud who it is.
    pub(super) has_introduced_itself: bool,
    is_hotspot_open: Rc<Cell<bool>>,
    /// Address of the ordered update; may carry a token.
    pub(super) ota_url: String,
}

impl NewRun {
    /// `skip_limit` 0 means that the setup is never skipped.
    pub(super) async fn boot(board: BoardHandle, skip_limit: u32) -> Self {
        board.firmware_slots().boot(FIRMWARE_VERSION).await;
        let config = StoredConfig::load(&board).await;
        Self {
            skip_limit,
            state: Rc::new(Cell::new(State::Init)),
            new_account: None,
            net_tries_left: TRIES_STORED,
            cloud_tries_left: TRIES_STORED,
            link: None,
            sketch: DemoSketch::new(board.clone()),
            sheet: PortalSheet::new(&board, Dialect::EdgentNew, config.uid()),
            has_introduced_itself: false,
            is_hotspot_open: Rc::default(),
            ota_url: String::new(),
            config,
            board,
        }
    }

    pub(super) async fn run(mut self) -> RunEnd {
        if !has_template(&self.board) {
            say(&self.board, "Invalid configuration of template");
            return RunEnd::Halt;
        }
        self.board.report_last_error(0);
        self.enter(self.first_state());
        let mut button = ButtonWatch::new(self.board.clone(), NEW_RULES);
        let mut service = PortalService::new(self.board.clone(), Rc::clone(&self.sheet));
        let mut closes_at_ms = None;
        loop {
            let next = match self.run_state(&mut button, &mut service, &mut closes_at_ms).await {
                Ending::Next(next) => Some(next),
                Ending::Portal(action) => self.act(action).await,
            };
            match next {
                Some(Next::State(state)) => self.enter(state),
                Some(Next::Restart) => {
                    self.hang_up();
                    return RunEnd::Restart;
                }
                None => {}
            }
        }
    }

    fn first_state(&self) -> State {
        if self.config.account().is_some() && !self.config.networks().is_empty() {
            State::ConnectingNet
        } else if self.skip_limit > 0 && self.config.skip_count() >= self.skip_limit {
            State::Idle
        } else {
            State::WaitConfig
        }
    }

    /// Runs the present state until it or a person ends it. The hotspot may be open in any state.
    async fn run_state(
        &mut self,
        button: &mut ButtonWatch,
        service: &mut PortalService,
        closes_at_ms: &mut Option<u64>,
    ) -> Ending {
        let board = self.board.clone();
        let state = Rc::clone(&self.state);
        let is_hotspot_open = Rc::clone(&self.is_hotspot_open);
        let mut step = pin!(self.step());
        loop {
            tokio::select! {
                biased;
                sign = button.next_sign() => match sign {
                    ButtonSign::Show(led) => board.set_led(led),
                    ButtonSign::Released => board.set_led(state.get().led()),
                    ButtonSign::Reset => return Ending::Next(Next::State(State::ResetConfig)),
                },
                action = service.next_action() => {
                    if !matches!(action, PortalAction::BoardInfoRead | PortalAction::FirmwareRefused) {
                        return Ending::Portal(action);
                    }
                }
                event = board.next_station_event() => match event {
                    StationEvent::Attached => *closes_at_ms = None,
                    // The hotspot of stock firmware is open.
                    StationEvent::PassphraseRefused => {}
                    StationEvent::Detached if board.station_count() > 0 => {}
                    StationEvent::Detached if state.get().is_connecting_or_running() => {
                        *closes_at_ms = Some(board.uptime_ms().saturating_add(HOTSPOT_LINGER_MS));
                    }
                    StationEvent::Detached => return Ending::Next(Next::State(State::WaitConfig)),
                },
                () = wait_until(&board, *closes_at_ms) => {
                    *closes_at_ms = None;
                    // Meanwhile the setup may have started over.
                    if state.get().is_connecting_or_running() {
                        board.close_hotspot();
                        is_hotspot_open.set(false);
                        service.drop_visits();
                    }
                }
                next = &mut step => return Ending::Next(next),
            }
        }
    }

    /// Does what a phone asked for. `None` runs the same state again.
    async fn act(&mut self, action: PortalAction) -> Option<Next> {
        match action {
            PortalAction::Config(form) => Some(self.take_form(&form).await),
            PortalAction::Reset => {
                self.config.clear_networks(&self.board).await;
                None
            }
            PortalAction::Reboot => Some(Next::Restart),
            PortalAction::None | PortalAction::BoardInfoRead | PortalAction::FirmwareRefused => None,
        }
    }

    pub(super) fn enter(&self, state: State) {
        let former = self.state.replace(state);
        if former != state {
            say(&self.board, &format!("{} => {}", former.as_str(), state.as_str()));
        }
        self.sheet.state.set(state.as_str());
        self.board.report_state(state.as_str());
        self.board.set_led(state.led());
    }

    async fn step(&mut self) -> Next {
        match self.state.get() {
            State::Init | State::WaitConfig => self.wait_for_config().await,
            State::Idle => self.idle().await,
            State::ConnectingNet => self.join_network().await,
            State::ConnectingCloud => self.connect_cloud().await,
            State::Running => self.stay_connected().await,
            State::OtaUpgrade => self.update().await,
            State::ResetConfig => self.reset_config().await,
            State::Error => {
                self.board.sleep_ms(ERROR_MS).await;
                say(&self.board, "Restarting after error.");
                Next::Restart
            }
        }
    }

    /// Radio off without a word to the server.
    pub(super) fn hang_up(&mut self) {
        self.board.leave();
        self.link = None;
    }
}

/// Setup.
impl NewRun {
    async fn wait_for_config(&mut self) -> Next {
        self.link = None;
        if !self.is_hotspot_open.get() {
            open_hotspot(&self.board, &self.sheet.hotspot_name).await;
            self.is_hotspot_open.set(true);
        }
        loop {
            self.board.sleep_ms(CONFIG_TIMEOUT_MS).await;
            if self.board.station_count() == 0 {
                break;
            }
        }
        say(&self.board, "Config mode timeout");
        if self.skip_limit > 0 {
            self.config.count_skip(&self.board).await;
        }
        if self.config.account().is_none() {
            return Next::State(State::Idle);
        }
        // The refused token is forgotten with the setup: the same home is tried again, for ever.
        self.use_stored_account();
        Next::State(State::ConnectingNet)
    }

    /// Radios off: only the button or a power cycle leads out.
    async fn idle(&mut self) -> Next {
        self.hang_up();
        self.board.close_hotspot();
        self.is_hotspot_open.set(false);
        std::future::pending().await
    }

    async fn take_form(&mut self, form: &ConfigForm) -> Next {
        let token = form.token.as_ref().map(|token| token.expose().as_bytes().to_vec()).unwrap_or_default();
        self.board.note_secret(&token);
        self.board.note_secret(form.password.expose());
        self.board.note_secret(&form.ssid);
        // At once, before any trial: a wrong password replaces a good entry of the same name.
        if let Some(network) = NetworkEntry::from_form(form) {
            self.config.add_network(&self.board, &network).await;
        }
        let host = form.host.as_ref().map(|host| host.as_str().to_owned()).unwrap_or_default();
        self.new_account = Some(CloudAccount { token, host });
        self.net_tries_left = TRIES_NEW;
        self.cloud_tries_left = TRIES_NEW;
        if form.is_save_requested && !self.commit_account().await {
            return Next::State(State::WaitConfig);
        }
        Next::State(State::ConnectingNet)
    }

    /// Stores the new account, if any; returns whether there is none left to store.
    pub(super) async fn commit_account(&mut self) -> bool {
        let Some(account) = self.new_account.take() else {
            return true;
        };
        match self.config.commit(&self.board, &account).await {
            Ok(()) => true,
            Err(error) => {
                say(&self.board, &error.to_string());
                self.report_error(ERROR_CONFIG);
                false
            }
        }
    }

    pub(super) fn use_stored_account(&mut self) {
        self.new_account = None;
        self.net_tries_left = TRIES_STORED;
        self.cloud_tries_left = TRIES_STORED;
    }

    async fn reset_config(&mut self) -> Next {
        say(&self.board, "Resetting configuration!");
        self.hang_up();
        self.board.set_led(LED_OFF);
        self.config.erase(&self.board).await;
        self.use_stored_account();
        Next::State(State::WaitConfig)
    }

    /// In RAM only: a restart forgets it.
    pub(super) fn report_error(&self, code: u16) {
        say(&self.board, &format!("Last error code: {code}"));
        self.sheet.last_error.set(code);
        self.board.report_last_error(code);
    }
}

/// Waits until that time since boot; for ever without one.
async fn wait_until(board: &BoardHandle, at_ms: Option<u64>) {
    match at_ms {
        Some(at_ms) => board.sleep_until_uptime_ms(at_ms).await,
        None => std::future::pending().await,
    }
}

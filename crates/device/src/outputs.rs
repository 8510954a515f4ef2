//! Performs what the lifecycle asks for.

use core::pin::pin;
use core::time::Duration;

use embedded_storage_async::nor_flash::NorFlash;
use home_store::{Home, HomeStore};
use lifecycle::{ErrorCode, HomeSource, Input, NetworkError, Output, State, StoreFault};
use portal::Trial;

use crate::agent::{Agent, apart};
use crate::application::Application;
use crate::clock_text::ClockText;
use crate::door::Door;
use crate::homes::loudest_access_point;
use crate::platform::{CloudAddress, HotspotRequest, JoinRequest, Platform};
use crate::portal_release::PortalRelease;

/// Wall-clock times before this are a clock that was never set: 2020-01-01.
const CLOCK_SET_S_MIN: u64 = 1_577_836_800;

/// Shortest time between two writes of the last success: a device between two networks must not wear its flash out. Ours.
const SUCCESS_WRITE_INTERVAL: Duration = Duration::from_hours(1);

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    /// Performs one output and returns its answer, where it is answered at once.
    pub(crate) async fn perform(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::StateChanged { from, to } => self.show_change(from, to),
            Output::OpenHotspot => self.open_hotspot(),
            Output::CloseHotspot => {
                self.platform.close_hotspot();
                self.portal.clear_slots();
                if self.portal.trial != Trial::Running {
                    // Whoever finds the hotspot open next time asks about something else.
                    self.portal.trial = Trial::None;
                }
            }
            Output::Join { source, network_index } => return self.join(source, network_index),
            Output::Leave => {
                self.join_after_scan = None;
                self.joined_ssid = None;
                self.platform.leave();
            }
            Output::ConnectCloud { source } => return self.connect_cloud(source),
            Output::DisconnectCloud => self.disconnect_cloud(),
            Output::LoadHome => return Some(Input::HomeRead(apart(pin!(self.read_home())).await)),
            Output::SaveCandidate => return Some(Input::Saved(self.save_candidate().await)),
            Output::DropCandidate => self.drop_candidate(),
            Output::WipeHome => return Some(Input::Wiped(self.wipe_home().await)),
            Output::SendReceipt => return self.send_receipt(),
            Output::AnnounceOta => self.announce_update(),
            Output::StartOta => return self.start_update(),
            Output::AbortOta => self.abort_update(),
            Output::ConfirmFirmware => return Some(self.confirm_firmware().await),
            Output::RollBackFirmware => self.roll_back_firmware().await,
            Output::Restart => self.prepare_restart().await,
            Output::Indicate(indication) => self.platform.indicate(indication.pattern()),
            Output::ReportError(code) => self.report_error(code),
        }
        None
    }

    pub(crate) fn log_now(&mut self, line: core::fmt::Arguments<'_>) {
        let now = self.platform.now().as_millis();
        self.platform.log(format_args!("[{now}] {line}"));
    }

    fn show_change(&mut self, from: Option<State>, to: State) {
        let from = from.map_or("INIT", State::as_str);
        self.log_now(format_args!("{from} => {to}"));
        let last_error = self.machine.last_error().map_or(0, ErrorCode::code);
        self.platform.show_state(to, last_error);
    }

    fn open_hotspot(&mut self) {
        let request = HotspotRequest {
            ssid: &self.hotspot_name,
            passphrase: Door::of(self.config.pop.as_ref()).passphrase(),
        };
        self.platform.open_hotspot(request);
        let now = self.platform.now().as_millis();
        self.platform.log(format_args!("[{now}] AP SSID: {}", self.hotspot_name));
        self.log_now(format_args!("AP IP:   {}", portal::HOTSPOT_ADDRESS));
        self.log_now(format_args!("AP URL:  {}", self.config.portal_host));
        // A page without JavaScript can only show what is known by then.
        self.start_scan();
    }

    fn join(&mut self, source: HomeSource, network_index: u8) -> Option<Input> {
        let network_count = self.homes.get(source).map_or(0, |home| home.networks.len());
        if network_index == 0 && network_count > 1 && source == HomeSource::Stored {
            // A new round: listen first, so that the strongest network comes first. A submitted home has one network
            // that is tried, and a person who waits for it.
            self.join_after_scan = Some(source);
            self.start_scan();
            return None;
        }
        self.join_after_scan = None;
        if network_index == 0 {
            self.ranking.clear();
        }
        self.join_ranked(source, usize::from(network_index))
    }

    /// Begins the round that waited for a scan.
    pub(crate) fn join_after_scan(&mut self) -> Option<Input> {
        let source = self.join_after_scan.take()?;
        self.ranking = self.homes.rank_networks(source, &self.platform.scan_list());
        self.join_ranked(source, 0)
    }

    fn join_ranked(&mut self, source: HomeSource, rank: usize) -> Option<Input> {
        let position = self.ranking.get(rank).copied().unwrap_or(rank);
        let Some(network) = self.homes.get(source).and_then(|home| home.networks.get(position)) else {
            return Some(Input::NetworkFailed(NetworkError::BadConfig));
        };
        let now = self.platform.now().as_millis();
        self.platform.log(format_args!("[{now}] Connecting to WiFi: {}", network.ssid));
        self.joined_ssid = None;
        self.joining_ssid = network.ssid.as_bytes().iter().copied().take(32).collect();
        let heard = self.portal.scan.as_ref().and_then(|heard| loudest_access_point(network, heard));
        self.platform.start_join(JoinRequest { network, channel: heard.map(|seen| seen.channel) });
        None
    }

    fn connect_cloud(&mut self, source: HomeSource) -> Option<Input> {
        let Some(home) = self.homes.get(source) else {
            return Some(Input::CloudFailed(lifecycle::CloudError::Other));
        };
        let now = self.platform.now().as_millis();
        if let Some(unix_s) = self.platform.unix_ms().map(|ms| ms / 1000).filter(|s| *s >= CLOCK_SET_S_MIN) {
            self.platform.log(format_args!("[{now}] Current time: {}", ClockText(unix_s)));
        }
        let binding = &home.cloud;
        let (host, port) = (binding.host.as_str(), binding.port);
        self.platform.log(format_args!("[{now}] Connecting to {host}:{port}"));
        self.session.begin(source);
        self.frames.clear();
        self.platform.start_dial(CloudAddress { host, port, binding });
        None
    }

    /// Follows a redirect; the stored binding stays as it is.
    pub(crate) fn follow_redirect(&mut self, source: HomeSource) {
        let (Some(home), Some((host, port))) = (self.homes.get(source), &self.session.redirect) else {
            return;
        };
        self.frames.clear();
        self.platform.start_dial(CloudAddress { host, port: *port, binding: &home.cloud });
    }

    pub(crate) fn disconnect_cloud(&mut self) {
        self.platform.hang_up();
        self.session.end();
        self.frames.clear();
    }

    /// Opens the store where that has failed until now, and takes the stored home into use. Returns how many networks it
    /// has, 0 when none is stored. The flash is changed no more than by any start.
    pub(crate) async fn read_home(&mut self) -> Result<u8, StoreFault> {
        if let Some(flash) = self.unopened.take() {
            match HomeStore::open_or_return(flash, self.layout).await {
                Ok(store) => self.store = Some(store),
                Err((flash, _)) => {
                    self.unopened = Some(flash);
                    return Err(StoreFault);
                }
            }
        }
        let store = self.store.as_mut().ok_or(StoreFault)?;
        self.homes.stored = store.load_home().await.or(Err(StoreFault))?;
        self.homes.recall_success(store.last_network());
        self.follow_release_key();
        let network_count = self.homes.stored.as_ref().map_or(0, |home| home.networks.len());
        Ok(u8::try_from(network_count).unwrap_or(u8::MAX))
    }

    /// Remembers the network over which the cloud has just accepted the device.
    pub(crate) async fn note_success(&mut self) {
        self.homes.last_success.clone_from(&self.joined_ssid);
        let position = self.homes.last_success_position();
        let now = self.platform.now();
        let Some(store) = &mut self.store else { return };
        let is_known = position.is_none() || store.last_network() == position;
        if is_known || self.homes.is_stored_on_bench || now < self.success_stored_until {
            return;
        }
        self.success_stored_until = now.after(SUCCESS_WRITE_INTERVAL);
        if store.set_last_network(position).await.is_err() {
            self.log_now(format_args!("The network could not be remembered"));
        }
    }

    async fn save_candidate(&mut self) -> Result<(), StoreFault> {
        if self.homes.is_candidate_on_bench {
            return self.keep_candidate_on_bench();
        }
        let (Some(candidate), Some(store), None) =
            (&self.homes.candidate, &mut self.store, &self.homes.claim_code)
        else {
            return Err(StoreFault);
        };
        store.save_home(candidate).await.or(Err(StoreFault))?;
        // Persist before acknowledging: what counts is what can be read back.
        let stored: Option<Home> = store.load_home().await.or(Err(StoreFault))?;
        if stored.as_ref() != self.homes.candidate.as_ref() {
            return Err(StoreFault);
        }
        self.homes.stored = stored;
        self.update.forget();
        self.platform.note_download(None);
        self.homes.is_stored_on_bench = false;
        self.homes.was_on_bench = false;
        self.follow_release_key();
        self.portal.trial = Trial::Succeeded;
        self.portal.release = PortalRelease::None;
        self.log_now(format_args!("Home stored"));
        Ok(())
    }

    /// A home on the bench takes the stored one's place until the next start; the flash is not touched.
    fn keep_candidate_on_bench(&mut self) -> Result<(), StoreFault> {
        let candidate = self.homes.candidate.clone().ok_or(StoreFault)?;
        self.homes.stored = Some(candidate);
        self.homes.is_stored_on_bench = true;
        // What the stored home's cloud ordered, or is to be told, is no matter of the cloud on the bench.
        self.update.forget();
        self.follow_release_key();
        self.portal.trial = Trial::Succeeded;
        self.log_now(format_args!("Home kept in RAM: on the bench, a restart forgets it"));
        Ok(())
    }

    fn drop_candidate(&mut self) {
        self.homes.candidate = None;
        self.homes.claim_code = None;
        if self.portal.trial == Trial::Running {
            self.portal.trial = Trial::Failed;
        }
    }

    async fn wipe_home(&mut self) -> Result<(), StoreFault> {
        if self.homes.is_stored_on_bench && !self.is_hand_at_button {
            self.forget_bench_home().await;
            return Ok(());
        }
        let store = self.store.as_mut().ok_or(StoreFault)?;
        let report = store.wipe().await.or(Err(StoreFault))?;
        self.homes.is_stored_on_bench = false;
        self.homes.was_on_bench = false;
        self.is_hand_at_button = false;
        if let Some(gesture) = &mut self.gesture {
            gesture.note_wiped();
        }
        self.homes.stored = None;
        self.update.forget();
        self.platform.note_download(None);
        self.homes.last_success = None;
        self.follow_release_key();
        self.homes.candidate = None;
        self.homes.claim_code = None;
        self.portal.trial = Trial::None;
        self.portal.trial_ssid.clear();
        self.log_now(format_args!("Home erased, epoch {}", report.epoch.0));
        Ok(())
    }

    /// The cloud of a home on the bench has no say over what the flash holds. If that is a home, a restart finds it.
    async fn forget_bench_home(&mut self) {
        self.homes.stored = None;
        self.homes.candidate = None;
        self.homes.is_stored_on_bench = false;
        self.follow_release_key();
        self.portal.trial = Trial::None;
        self.portal.trial_ssid.clear();
        self.log_now(format_args!("Home on the bench forgotten"));
        // A restart finds out about one that cannot be read.
        self.is_restart_due = match &mut self.store {
            Some(store) => !matches!(store.load_home().await, Ok(None)),
            None => true,
        };
    }

    async fn prepare_restart(&mut self) {
        let last_error = self.machine.last_error().map(ErrorCode::code);
        if let Some(store) = &mut self.store
            && !self.homes.was_on_bench
            && store.last_error() != last_error
            && store.set_last_error(last_error).await.is_err()
        {
            self.log_now(format_args!("The last error could not be stored"));
        }
        self.log_now(format_args!("Restarting"));
        self.is_restart_due = true;
    }

    fn report_error(&mut self, code: ErrorCode) {
        let what = portal::explain_error(code.code()).map_or("unknown error", |explanation| explanation.what);
        self.log_now(format_args!("Error {}: {what}", code.code()));
        self.platform.show_state(self.machine.state(), code.code());
    }
}

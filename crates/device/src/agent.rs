//! The shell: waits for what happens, tells the lifecycle, performs what it asks for.

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use embedded_storage_async::nor_flash::NorFlash;
use heapless::Deque;
use home_store::{HomeStore, StoreLayout};
use lifecycle::{
    Boot, BootReason, CloudError, ErrorCode, HomeSource, Input, Instant, Machine, PowerUpGesture, State,
};
use portal::{Dialect, HotspotName, ProofLock, hotspot_name};
use wire::{FrameBuffer, HEADER_BYTES};

use crate::application::Application;
use crate::cloud_session::{CLOUD_BODY_BYTES_MAX, CloudSession, Phase, Step, WRITES_PER_TURN_MAX};
use crate::console_commands::ConsoleOrigin;
use crate::firmware_update::FirmwareUpdate;
use crate::homes::{Homes, Ranking, SsidBytes};
use crate::identity::DeviceConfig;
use crate::platform::{EVENT_BUFFER_BYTES, Event, Platform};
use crate::portal_server::PortalServer;
use crate::release::OwedReceipt;

/// Answers that may wait while outputs are performed: at most one save and one wipe are asked for together.
const ANSWER_QUEUE_LEN_MAX: usize = 8;

/// Why [`run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The device must be restarted.
    Restart,
}

/// Everything of one run.
pub(crate) struct Agent<'a, P, A, F> {
    pub(crate) platform: &'a mut P,
    pub(crate) application: &'a mut A,
    pub(crate) config: &'a DeviceConfig<'a>,
    /// `None` while the flash cannot be used: the device is then set up anew at best.
    pub(crate) store: Option<HomeStore<F>>,
    /// The flash whose store could not be opened yet, and where the store lies in it.
    pub(crate) unopened: Option<F>,
    pub(crate) layout: StoreLayout,
    pub(crate) machine: Machine,
    pub(crate) homes: Homes,
    pub(crate) session: CloudSession,
    pub(crate) frames: FrameBuffer<{ HEADER_BYTES + CLOUD_BODY_BYTES_MAX }>,
    pub(crate) portal: PortalServer,
    pub(crate) hotspot_name: HotspotName,
    /// Wrong proofs of possession since power-on.
    pub(crate) lock: ProofLock,
    /// `None` before boot.
    pub(crate) gesture: Option<PowerUpGesture>,
    /// Order in which the present round tries the networks; empty is as stored.
    pub(crate) ranking: Ranking,
    /// A round that waits for a scan.
    pub(crate) join_after_scan: Option<HomeSource>,
    /// The receipt of a release in progress; in RAM alone.
    pub(crate) owed_receipt: Option<OwedReceipt>,
    pub(crate) update: FirmwareUpdate,
    pub(crate) is_restart_due: bool,
    /// The wipe that is asked for now, or was and is repeated, is somebody's at the button.
    pub(crate) is_hand_at_button: bool,
    /// Somebody at the console waits for the networks around.
    pub(crate) is_scan_to_print: bool,
    /// Name of the network that was asked for last.
    pub(crate) joining_ssid: SsidBytes,
    pub(crate) joined_ssid: Option<SsidBytes>,
    /// The last success is not written to flash again before this.
    pub(crate) success_stored_until: Instant,
}

/// Runs the device from boot until it must be restarted.
///
/// `flash` holds the home at `layout`. An interrupted wipe is finished before anything else.
pub async fn run<P: Platform, A: Application, F: NorFlash>(
    platform: &mut P,
    application: &mut A,
    flash: F,
    layout: StoreLayout,
    boot_reason: BootReason,
    config: &DeviceConfig<'_>,
) -> RunEnd {
    let identity = &config.identity;
    let mut agent = Agent {
        machine: Machine::new(config.lifecycle.clone(), platform.random_u32()),
        hotspot_name: hotspot_name(
            Dialect::Rehome,
            identity.vendor,
            identity.template_name,
            identity.station_mac.0,
        ),
        platform,
        application,
        config,
        store: None,
        unopened: Some(flash),
        layout,
        homes: Homes::default(),
        session: CloudSession::new(config.heartbeat_s),
        frames: FrameBuffer::new(),
        portal: PortalServer::new(),
        lock: ProofLock::new(),
        gesture: None,
        ranking: Ranking::new(),
        join_after_scan: None,
        owed_receipt: None,
        update: FirmwareUpdate::default(),
        is_restart_due: false,
        is_hand_at_button: false,
        is_scan_to_print: false,
        joining_ssid: SsidBytes::new(),
        joined_ssid: None,
        success_stored_until: Instant::BOOT,
    };
    agent.boot(boot_reason).await;
    while !agent.is_restart_due {
        agent.turn().await;
    }
    RunEnd::Restart
}

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    async fn boot(&mut self, reason: BootReason) {
        let mut last_error = None;
        let mut boot_count = 0;
        let read = apart(pin!(self.read_home())).await;
        if let Some(store) = &mut self.store {
            last_error = store.last_error().and_then(ErrorCode::from_code);
            // The count is for people; a boot that cannot be counted is still a boot.
            boot_count = store.record_boot().await.unwrap_or_default();
        } else {
            self.platform.log(format_args!("The home store cannot be used; continuing without a home"));
        }
        let identity = &self.config.identity;
        self.platform.log(format_args!(
            "Rehome {} for {}, boot {boot_count}, epoch {}",
            identity.firmware_version,
            identity.template_id,
            self.epoch()
        ));
        let stored_network_count = read.unwrap_or_default();
        let short_power_up_count = self.open_up(reason);
        let is_door_locked = self.lock.is_closed();
        let boot = Boot { reason, stored_network_count, last_error, short_power_up_count, is_door_locked };
        self.feed(Input::Booted(boot)).await;
        if read.is_err() {
            self.log_now(format_args!("A stored home could not be read; it is kept and read again"));
            self.feed(Input::HomeRead(read)).await;
        }
        self.begin_firmware_trial().await;
    }

    /// Waits for one event and does everything that follows from it.
    async fn turn(&mut self) {
        let mut buffer = [0; EVENT_BUFFER_BYTES];
        let until = self.next_timeout();
        let event = self.platform.next_event(until, &mut buffer).await;
        self.handle_event(event, &buffer).await;
        self.handle_time().await;
        self.send_application_writes().await;
    }

    fn next_timeout(&self) -> Option<Instant> {
        let timeouts = [
            self.machine.next_timeout(),
            self.session.next_timeout(),
            self.application.next_poll(),
            self.update.next_timeout(),
            self.gesture.and_then(|gesture| gesture.next_timeout()),
        ];
        timeouts.into_iter().flatten().min()
    }

    async fn handle_time(&mut self) {
        let now = self.platform.now();
        if self.application.next_poll().is_some_and(|due_at| now >= due_at) {
            self.application.poll(now);
        }
        self.count_power_up().await;
        let step = self.session.handle_time(self.platform);
        self.take_step(step).await;
        self.handle_update_time().await;
        if self.machine.next_timeout().is_some_and(|due_at| now >= due_at) {
            self.feed(Input::TimerFired).await;
        }
    }

    async fn handle_event(&mut self, event: Event, buffer: &[u8]) {
        if self.take_update_event(event, buffer).await {
            return;
        }
        match event {
            Event::TimedOut => {}
            Event::Joined => {
                self.joined_ssid = Some(self.joining_ssid.clone());
                self.feed(Input::NetworkJoined).await;
            }
            Event::JoinFailed(error) => self.feed(Input::NetworkFailed(error)).await,
            Event::LinkLost => {
                self.joined_ssid = None;
                self.disconnect_cloud();
                self.feed(Input::NetworkLost).await;
                self.update_network_lost().await;
            }
            Event::ScanDone => {
                self.print_scan();
                self.portal_scan_done().await;
                if let Some(failure) = self.join_after_scan() {
                    self.feed(failure).await;
                }
            }
            Event::StationAttached => self.feed(Input::StationAttached).await,
            Event::StationDetached => self.feed(Input::StationDetached).await,
            Event::PassphraseRefused => self.passphrase_refused().await,
            Event::PortalOpened(connection) | Event::PortalClosed(connection) => {
                self.portal.clear_slot(connection);
            }
            Event::PortalReceived { connection, byte_count } => {
                self.portal_received(connection, received(buffer, byte_count)).await;
            }
            Event::CloudConnected { is_verified_tls } => {
                let step = self.present_credential(is_verified_tls);
                self.take_step(step).await;
            }
            Event::CloudFailed(error) => {
                let step = self.session.fail(error);
                self.take_step(step).await;
            }
            Event::CloudReceived(byte_count) => self.cloud_received(received(buffer, byte_count)).await,
            Event::CloudClosed => {
                let step = self.session.fail(CloudError::Other);
                self.take_step(step).await;
            }
            Event::ConsoleLine(byte_count) => self.serial_line(received(buffer, byte_count)).await,
            Event::ButtonPressed => self.feed(Input::ButtonPressed).await,
            Event::ButtonReleased => {
                self.is_hand_at_button = true;
                self.feed(Input::ButtonReleased).await;
                self.is_hand_at_button &= self.machine.state() == State::ResetConfig;
            }
        }
    }

    /// Tells the lifecycle what happened and performs everything it asks for.
    pub(crate) async fn feed(&mut self, input: Input) {
        let mut inputs: Deque<Input, ANSWER_QUEUE_LEN_MAX> = Deque::new();
        let mut next = Some(input);
        while let Some(input) = next {
            let now = self.platform.now();
            self.machine.handle_input(now, input);
            while let Some(output) = self.machine.poll_output(now) {
                if let Some(answer) = self.perform(output).await
                    && inputs.push_back(answer).is_err()
                {
                    self.log_now(format_args!("Too many answers wait for the lifecycle"));
                }
            }
            next = inputs.pop_front();
        }
    }

    async fn cloud_received(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let accepted_bytes = self.frames.push(rest);
            rest = rest.get(accepted_bytes..).unwrap_or_default();
            loop {
                let step = match self.frames.next_frame() {
                    Ok(Some(frame)) => self.session.handle_frame(&frame, self.platform, self.application),
                    Ok(None) => break,
                    Err(error) => self.session.fail_on_garbage(error),
                };
                self.take_step(step).await;
                // A step may have ended this connection; what is left of its bytes means nothing to the next one.
                if !self.session.phase.is_connected() {
                    return;
                }
            }
        }
    }

    async fn take_step(&mut self, step: Step) {
        match step {
            Step::None => {}
            Step::Follow(source) => self.follow_redirect(source),
            Step::Console(command) => apart(pin!(self.run_console(command, ConsoleOrigin::Cloud))).await,
            Step::Claim(claim) => apart(pin!(self.take_claim(claim))).await,
            Step::Token(token) => {
                // The answer is at most one login away, so this is no recursion.
                let Step::Tell(input) = self.take_token(token) else { return };
                self.disconnect_cloud();
                self.feed(input).await;
            }
            Step::NoToken { reason, is_verified_tls } => {
                apart(pin!(self.take_refusal(reason, is_verified_tls))).await;
            }
            Step::Release(order) => apart(pin!(self.take_release_order(&order))).await,
            Step::Update => apart(pin!(self.take_ota_order())).await,
            Step::Tell(input) => {
                if input == Input::LoginAccepted {
                    self.introduce();
                }
                if self.session.phase == Phase::Idle {
                    self.disconnect_cloud();
                }
                self.feed(input).await;
                if input == Input::LoginAccepted {
                    if self.machine.state() == State::Running {
                        apart(pin!(self.note_success())).await;
                    }
                    self.tell_update().await;
                }
            }
        }
    }

    async fn send_application_writes(&mut self) {
        for _ in 0..WRITES_PER_TURN_MAX {
            if !matches!(self.session.phase, Phase::Online { .. }) {
                return;
            }
            let Some(write) = self.application.next_write() else {
                return;
            };
            if self.session.write(self.platform, &write).is_err() {
                let step = self.session.fail(CloudError::Other);
                self.take_step(step).await;
            }
        }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.store.as_ref().map_or(0, |store| store.epoch().0)
    }
}

/// Polls a future in a function of its own. The compiler puts everything that is awaited in one function into one frame,
/// as large as all of it together; on a chip whose tasks share one stack only what runs may take room.
pub(crate) async fn apart<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    poll_fn(|context| poll_apart(future.as_mut(), context)).await
}

#[inline(never)]
fn poll_apart<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
    future.poll(context)
}

fn received(buffer: &[u8], byte_count: usize) -> &[u8] {
    buffer.get(..byte_count).unwrap_or(buffer)
}

//! A board whose radio, phones, cloud and clock are lists of what will happen when.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use chip_std::boxed::Box;
use device::{
    Application, CloudAddress, CloudWire, ConnectionIndex, DeviceConfig, DeviceIdentity, Event, Hotspot,
    HotspotRequest, JoinRequest, OutgoingWrite, Panel, Platform, PortalClosedError, Radio, RunEnd, ScanList,
    SeenNetwork, SendError, Timing, WarmMemory,
};
use device_home_store::StoreLayout;
use home_store::sim_flash::SharedSimFlash;
use lifecycle::{BootReason, CloudError, Instant, NetworkError, Pattern, RecoveryPolicy, Settings, State};
use portal::MacAddress;
use wire::{Values, VirtualPin};

use crate::Transcript;
use crate::air::{Air, JoinOutcome};
use crate::cloud::Cloud;
use crate::people::{SetUp, requests};

pub(crate) const LAYOUT: StoreLayout = StoreLayout::at(0);
pub(crate) const SECTOR_COUNT: usize = 4;
const STATION_MAC: MacAddress = MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC]);
/// 2026-11-22 12:00 UTC, in ms: what the board's clock shows when the story begins.
const STORY_BEGINS_UNIX_MS: u64 = 1_795_348_800_000;
/// How long the parts of the virtual world take, in ms.
const JOIN_MS: u64 = 2_300;
const SCAN_MS: u64 = 1_900;
const DIAL_MS: u64 = 700;
const ANSWER_MS: u64 = 60;
const RESTART_MS: u64 = 300;
const PHONE_WALKS_UP_MS: u64 = 5_000;
/// How often the application writes, in ms.
const WRITE_EVERY_MS: u64 = 600_000;

/// Something that will happen to the board.
#[derive(Clone, Debug)]
enum Happening {
    Device(Event),
    Portal(Vec<u8>),
    Cloud(Vec<u8>),
    SwitchRouter { is_up: bool },
    EraseOrder,
    PowerCut,
}

/// The board with everything around it; it outlives restarts and power cuts.
pub(crate) struct World<'a, 't> {
    pub(crate) transcript: &'a mut Transcript<'t>,
    pub(crate) flash: SharedSimFlash,
    pub(crate) air: Air,
    pub(crate) cloud: Cloud,
    pub(crate) set_up: Option<SetUp>,
    pub(crate) state: State,
    pub(crate) is_hotspot_open: bool,
    /// When the hotspot opened after the last power-on, ms.
    pub(crate) hotspot_opened_at_ms: Option<u64>,
    /// Time since the story began, ms.
    pub(crate) story_ms: u64,
    /// Value of `story_ms` at the last boot.
    boot_at_ms: u64,
    /// Times are of the story, not of the boot.
    queue: Vec<(u64, Happening)>,
    outbox: VecDeque<Vec<u8>>,
    is_joined: bool,
    is_powered: bool,
    random_state: u32,
}

impl<'a, 't> World<'a, 't> {
    pub(crate) fn new(transcript: &'a mut Transcript<'t>, flash: SharedSimFlash, air: Air) -> Self {
        Self {
            transcript,
            flash,
            air,
            cloud: Cloud::default(),
            set_up: None,
            state: State::WaitConfig,
            is_hotspot_open: false,
            hotspot_opened_at_ms: None,
            story_ms: 0,
            boot_at_ms: 0,
            queue: Vec::new(),
            outbox: VecDeque::new(),
            is_joined: false,
            is_powered: false,
            random_state: 0x2026_1122,
        }
    }

    /// Gives power for `stay_ms`; the board restarts as often as it wants in that time.
    pub(crate) fn power_for(&mut self, stay_ms: u64, recovery: RecoveryPolicy) {
        let until = self.story_ms + stay_ms;
        self.schedule_at(until, Happening::PowerCut);
        self.is_powered = true;
        self.hotspot_opened_at_ms = None;
        let mut reason = BootReason::PowerOn;
        while self.is_powered {
            self.boot_at_ms = self.story_ms;
            self.boot_once(recovery, reason);
            self.radio_off();
            reason = BootReason::Restart;
        }
        self.story_ms = until;
    }

    /// Lets time pass without power.
    pub(crate) fn wait_unpowered(&mut self, wait_ms: u64) {
        self.story_ms += wait_ms;
    }

    pub(crate) fn note(&mut self, what: &str) {
        let seconds = self.story_ms / 1000;
        self.transcript.line(format_args!(
            "---- {:02}:{:02}:{:02} {what}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ));
    }

    pub(crate) fn order_erase_in(&mut self, wait_ms: u64) {
        self.schedule(wait_ms, Happening::EraseOrder);
    }

    pub(crate) fn switch_router_in(&mut self, wait_ms: u64, is_up: bool) {
        self.schedule(wait_ms, Happening::SwitchRouter { is_up });
    }

    fn boot_once(&mut self, recovery: RecoveryPolicy, reason: BootReason) {
        let flash = self.flash.clone();
        let config = device_config(recovery);
        let mut application = Meter::default();
        // The virtual world is never waited for, so a future that waits has lost its power.
        let mut context = Context::from_waker(Waker::noop());
        let has_ended = {
            let run = pin!(device::run(self, &mut application, flash, LAYOUT, reason, &config));
            run.poll(&mut context) == Poll::Ready(RunEnd::Restart)
        };
        if has_ended {
            self.story_ms += RESTART_MS;
        } else {
            assert!(!self.is_powered, "the board waits for something that will never come");
        }
    }

    fn radio_off(&mut self) {
        self.queue.retain(|(_, happening)| {
            matches!(happening, Happening::PowerCut | Happening::SwitchRouter { .. } | Happening::EraseOrder)
        });
        self.outbox.clear();
        self.cloud.end_session();
        self.is_joined = false;
        self.is_hotspot_open = false;
    }

    fn schedule(&mut self, wait_ms: u64, happening: Happening) {
        self.schedule_at(self.story_ms + wait_ms, happening);
    }

    fn schedule_at(&mut self, at_ms: u64, happening: Happening) {
        // Equal times keep their order.
        let index = self.queue.iter().position(|(other, _)| *other > at_ms).unwrap_or(self.queue.len());
        self.queue.insert(index, (at_ms, happening));
    }

    fn forget(&mut self, is_meant: impl Fn(&Happening) -> bool) {
        self.queue.retain(|(_, happening)| !is_meant(happening));
    }

    fn take_due(&mut self, until: Option<Instant>) -> Option<Happening> {
        let until_ms = until.map_or(u64::MAX, |until| self.boot_at_ms.saturating_add(until.as_millis()));
        let next_ms = self.queue.first().map_or(u64::MAX, |(at_ms, _)| *at_ms);
        if next_ms > until_ms {
            self.story_ms = self.story_ms.max(until_ms);
            return None;
        }
        assert!(next_ms < u64::MAX, "the power cut is always on the list");
        self.story_ms = self.story_ms.max(next_ms);
        Some(self.queue.remove(0).1)
    }

    fn happen(&mut self, happening: Happening, buffer: &mut [u8]) -> Option<Event> {
        match happening {
            Happening::Device(event) => {
                self.is_joined |= event == Event::Joined;
                Some(event)
            }
            Happening::Portal(bytes) => {
                let byte_count = copy(&bytes, buffer);
                Some(Event::PortalReceived { connection: ConnectionIndex(0), byte_count })
            }
            Happening::Cloud(bytes) => Some(Event::CloudReceived(copy(&bytes, buffer))),
            Happening::SwitchRouter { is_up } => {
                self.air.workshop.is_up = is_up;
                let is_lost = !is_up && core::mem::take(&mut self.is_joined);
                is_lost.then_some(Event::LinkLost)
            }
            Happening::EraseOrder => {
                let order = self.cloud.is_in_session().then(Cloud::erase_order)?;
                Some(Event::CloudReceived(copy(&order, buffer)))
            }
            Happening::PowerCut => {
                self.is_powered = false;
                None
            }
        }
    }
}

fn copy(bytes: &[u8], buffer: &mut [u8]) -> usize {
    buffer[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

impl Platform for World<'_, '_> {
    async fn next_event(&mut self, until: Option<Instant>, buffer: &mut [u8]) -> Event {
        loop {
            if !self.flash.with(|flash| flash.is_powered()) {
                self.is_powered = false;
                self.forget(|happening| matches!(happening, Happening::PowerCut));
                pending::<()>().await;
            }
            while let Some(frame) = self.outbox.pop_front() {
                let answer = self.cloud.answer(&frame);
                if !answer.is_empty() {
                    self.schedule(ANSWER_MS, Happening::Cloud(answer));
                }
            }
            let Some(happening) = self.take_due(until) else {
                return Event::TimedOut;
            };
            if let Some(event) = self.happen(happening, buffer) {
                return event;
            }
            if !self.is_powered {
                pending::<()>().await;
            }
        }
    }
}

impl Timing for World<'_, '_> {
    fn now(&self) -> Instant {
        Instant::from_millis(self.story_ms.saturating_sub(self.boot_at_ms))
    }

    fn unix_ms(&self) -> Option<u64> {
        self.is_joined.then_some(STORY_BEGINS_UNIX_MS + self.story_ms)
    }

    fn random_u32(&mut self) -> u32 {
        // A linear congruence is enough to spread retries. Source: Numerical Recipes, section 7.1.
        self.random_state = self.random_state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.random_state
    }
}

impl Radio for World<'_, '_> {
    fn start_scan(&mut self) {
        self.forget(|happening| matches!(happening, Happening::Device(Event::ScanDone)));
        self.schedule(SCAN_MS, Happening::Device(Event::ScanDone));
    }

    fn scan_list(&self) -> ScanList {
        let seen = self.air.network().map(|network| SeenNetwork {
            ssid: network.ssid.bytes().collect(),
            bssid: MacAddress([2, 0, 0, 0, 0, 1]),
            rssi_dbm: -48,
            security: portal::Security::Wpa2,
            channel: 6,
        });
        seen.into_iter().collect()
    }

    fn start_join(&mut self, request: JoinRequest<'_>) {
        self.leave();
        let network = request.network;
        let event = match self.air.join(network.ssid.as_bytes(), network.secret.expose()) {
            JoinOutcome::Joined => Event::Joined,
            JoinOutcome::NotFound => Event::JoinFailed(NetworkError::NotFound),
            JoinOutcome::PasswordRefused => Event::JoinFailed(NetworkError::Authentication),
        };
        self.schedule(JOIN_MS, Happening::Device(event));
    }

    fn leave(&mut self) {
        self.hang_up();
        self.is_joined = false;
        self.forget(|happening| {
            matches!(happening, Happening::Device(Event::Joined | Event::JoinFailed(_) | Event::LinkLost))
        });
    }
}

/// The boards of the story have no PoP.
impl WarmMemory for World<'_, '_> {
    fn wrong_proof_count(&self) -> u8 {
        0
    }

    fn keep_wrong_proof_count(&mut self, _wrong_proof_count: u8) {}
}

impl Hotspot for World<'_, '_> {
    fn open_hotspot(&mut self, _request: HotspotRequest<'_>) {
        self.is_hotspot_open = true;
        let since_boot_ms = self.story_ms - self.boot_at_ms;
        self.hotspot_opened_at_ms.get_or_insert(since_boot_ms);
        let Some(set_up) = self.set_up.take() else {
            return;
        };
        self.schedule(PHONE_WALKS_UP_MS, Happening::Device(Event::StationAttached));
        for (wait_ms, request) in requests(set_up) {
            let at_ms = PHONE_WALKS_UP_MS + wait_ms;
            self.schedule(at_ms, Happening::Device(Event::PortalOpened(ConnectionIndex(0))));
            self.schedule(at_ms, Happening::Portal(request));
        }
    }

    fn close_hotspot(&mut self) {
        self.is_hotspot_open = false;
        self.forget(|happening| {
            let is_phone = matches!(happening, Happening::Portal(_));
            is_phone
                || matches!(happening, Happening::Device(Event::StationAttached | Event::PortalOpened(_)))
        });
    }

    async fn answer_portal(
        &mut self,
        _connection: ConnectionIndex,
        bytes: &[u8],
    ) -> Result<(), PortalClosedError> {
        // Every answer begins with its status line; what follows is in the digest.
        let head = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let digest = crate::transcript::digest_of(bytes);
        let head = if head.starts_with(b"HTTP") { head } else { b"(more)" };
        self.transcript.line(format_args!("     portal: {} {digest:016x}", head.escape_ascii()));
        Ok(())
    }

    fn close_portal(&mut self, _connection: ConnectionIndex) {}
}

impl CloudWire for World<'_, '_> {
    fn start_dial(&mut self, address: CloudAddress<'_>) {
        self.hang_up();
        let event = if address.host == crate::people::CLOUD_HOST && self.is_joined {
            Event::CloudConnected { is_verified_tls: address.binding.uses_tls }
        } else {
            Event::CloudFailed(CloudError::Dns)
        };
        self.schedule(DIAL_MS, Happening::Device(event));
    }

    fn hang_up(&mut self) {
        self.outbox.clear();
        self.cloud.end_session();
        self.forget(|happening| {
            let is_cloud = matches!(happening, Happening::Cloud(_));
            is_cloud
                || matches!(
                    happening,
                    Happening::Device(Event::CloudConnected { .. } | Event::CloudFailed(_))
                )
        });
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        self.outbox.push_back(frame.to_vec());
        Ok(())
    }
}

impl device::FirmwareSlots for World<'_, '_> {}

impl Panel for World<'_, '_> {
    fn log(&mut self, line: fmt::Arguments<'_>) {
        self.transcript.line(format_args!("     {line}"));
    }

    fn indicate(&mut self, _pattern: Pattern) {}

    fn show_state(&mut self, state: State, _last_error: u16) {
        self.state = state;
    }
}

/// The application on the board: writes a number now and then, whatever the agent does.
#[derive(Debug, Default)]
struct Meter {
    due_at: Option<Instant>,
    reading: u32,
    waiting: Option<u32>,
}

impl Application for Meter {
    fn on_online(&mut self, now: Instant) {
        self.due_at = Some(now);
    }

    fn on_write(&mut self, _now: Instant, _pin: VirtualPin, _values: Values<'_>) {}

    fn poll(&mut self, now: Instant) {
        self.reading += 1;
        self.waiting = Some(self.reading);
        self.due_at = Some(now.after(core::time::Duration::from_millis(WRITE_EVERY_MS)));
    }

    fn next_poll(&self) -> Option<Instant> {
        self.due_at
    }

    fn next_write(&mut self) -> Option<OutgoingWrite> {
        let reading = self.waiting.take()?;
        let mut value = heapless::String::new();
        fmt::Write::write_fmt(&mut value, format_args!("{reading}")).ok()?;
        Some(OutgoingWrite { pin: VirtualPin(1), value })
    }
}

fn device_config(recovery: RecoveryPolicy) -> DeviceConfig<'static> {
    DeviceConfig {
        identity: DeviceIdentity {
            vendor: "Blynk",
            template_name: "Air Monitor",
            template_id: "TMPLstory0001",
            firmware_type: "TMPLstory0001",
            firmware_version: "0.1.0",
            firmware_build: "Nov 22 2026 12:00:00",
            board: "Emulated rv32imc",
            uid: "246f28aabbcc",
            station_mac: STATION_MAC,
            hotspot_mac: STATION_MAC,
            has_5ghz: false,
        },
        lifecycle: Settings { recovery, ..Settings::default() },
        default_host: "blynk.cloud",
        default_port: 443,
        plain_ports: &[80, 8080],
        heartbeat_s: 40,
        pop: None,
        portal_host: portal::HOTSPOT_HOST,
    }
}

/// Bytes of the shell's whole state on this CPU, flash driver and virtual board included.
#[must_use]
pub fn device_future_bytes() -> usize {
    let mut nothing = String::new();
    let mut transcript = Transcript::new(&mut nothing);
    let flash = SharedSimFlash::new(home_store::sim_flash::SimFlash::erased(SECTOR_COUNT));
    let mut world = World::new(&mut transcript, flash.clone(), Air::at(crate::air::Place::Van));
    let mut application = Meter::default();
    let config = device_config(RecoveryPolicy::Rehome);
    let run =
        Box::new(device::run(&mut world, &mut application, flash, LAYOUT, BootReason::PowerOn, &config));
    size_of_val(&*run)
}

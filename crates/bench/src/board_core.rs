//! Everything of a board that outlives a run of its firmware; the bench's side of [`crate::board`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use home_store::sim_flash::SharedSimFlash;
use tokio::sync::{Notify, watch};

use crate::air::{Air, PlaceId, Secret};
use crate::board::{
    BoardId, BoardIdentity, BootReason, ButtonEvent, CloudNet, LED_OFF, Led, Report, StationEvent,
};
use crate::clock::BenchClock;
use crate::firmware_slots::SlotStore;
use crate::hotspot::OpenHotspot;
use crate::link::{BoxPipe, LinkEpoch};
use crate::queue::BoundedQueue;
use crate::seed::SeededRng;
use crate::serial::SerialLog;

/// Phone connections that may wait for the firmware; browsers open up to six at once.
const PHONE_QUEUE_LEN_MAX: usize = 16;
/// Events that may wait for the firmware.
const EVENT_QUEUE_LEN_MAX: usize = 64;

/// Everything of a board that outlives a run of its firmware.
pub(crate) struct BoardCore {
    pub(crate) id: BoardId,
    pub(crate) name: String,
    pub(crate) identity: BoardIdentity,
    pub(crate) clock: BenchClock,
    pub(crate) air: Air,
    pub(crate) cloud: Rc<dyn CloudNet>,
    pub(crate) flash: SharedSimFlash,
    pub(crate) slots: SlotStore,
    pub(crate) serial: RefCell<SerialLog>,
    pub(crate) serial_end: watch::Sender<u64>,
    pub(crate) led: Cell<Led>,
    pub(crate) place: RefCell<Option<PlaceId>>,
    pub(crate) is_powered: Cell<bool>,
    pub(crate) booted_at: Cell<Duration>,
    pub(crate) boot_reason: Cell<BootReason>,
    pub(crate) report: Cell<Report>,
    pub(crate) secrets: RefCell<Vec<Secret>>,
    pub(crate) changed: Rc<dyn Fn(&BoardId)>,
    pub(crate) joined: RefCell<Option<Vec<u8>>>,
    pub(crate) link: LinkEpoch,
    pub(crate) link_changed: Notify,
    pub(crate) hotspot: RefCell<Option<OpenHotspot>>,
    pub(crate) hotspot_changed: Notify,
    /// Channel of the radio, 1 to 13.
    pub(crate) hotspot_channel: Cell<u8>,
    /// Counts how often the open hotspot changed its channel.
    pub(crate) hotspot_moves: Cell<u32>,
    pub(crate) phones: BoundedQueue<BoxPipe>,
    pub(crate) stations: Cell<usize>,
    pub(crate) station_events: BoundedQueue<StationEvent>,
    pub(crate) is_button_held: Cell<bool>,
    pub(crate) button_events: BoundedQueue<ButtonEvent>,
    pub(crate) console_lines: BoundedQueue<Vec<u8>>,
    /// Kept over restarts of the firmware, lost with the power.
    pub(crate) wrong_proof_count: Cell<u8>,
    pub(crate) rng: SeededRng,
}

/// Why a phone is not in the hotspot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinHotspotError {
    Closed,
    PassphraseRefused,
}

/// What the bench needs to make a board.
pub(crate) struct BoardParts {
    pub(crate) id: BoardId,
    pub(crate) name: String,
    pub(crate) identity: BoardIdentity,
    pub(crate) clock: BenchClock,
    pub(crate) air: Air,
    pub(crate) cloud: Rc<dyn CloudNet>,
    pub(crate) flash: SharedSimFlash,
    pub(crate) place: Option<PlaceId>,
    pub(crate) seed: u64,
    pub(crate) changed: Rc<dyn Fn(&BoardId)>,
}

impl std::fmt::Debug for BoardCore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BoardCore").field("id", &self.id).finish_non_exhaustive()
    }
}

impl BoardCore {
    pub(crate) fn new(parts: BoardParts) -> Rc<Self> {
        let rng = SeededRng::for_part(parts.seed, &parts.id.0);
        Rc::new(Self {
            id: parts.id,
            name: parts.name,
            identity: parts.identity,
            clock: parts.clock,
            air: parts.air,
            cloud: parts.cloud,
            flash: parts.flash,
            slots: SlotStore::default(),
            serial: RefCell::default(),
            serial_end: watch::Sender::new(0),
            led: Cell::new(LED_OFF),
            place: RefCell::new(parts.place),
            is_powered: Cell::new(false),
            booted_at: Cell::new(Duration::ZERO),
            boot_reason: Cell::new(BootReason::PowerOn),
            report: Cell::new(Report { state: "OFF", last_error: 0 }),
            secrets: RefCell::default(),
            changed: parts.changed,
            joined: RefCell::default(),
            link: LinkEpoch::default(),
            link_changed: Notify::new(),
            hotspot: RefCell::default(),
            hotspot_changed: Notify::new(),
            hotspot_channel: Cell::new(1),
            hotspot_moves: Cell::new(0),
            phones: BoundedQueue::new(PHONE_QUEUE_LEN_MAX),
            stations: Cell::new(0),
            station_events: BoundedQueue::new(EVENT_QUEUE_LEN_MAX),
            is_button_held: Cell::new(false),
            button_events: BoundedQueue::new(EVENT_QUEUE_LEN_MAX),
            console_lines: BoundedQueue::new(EVENT_QUEUE_LEN_MAX),
            wrong_proof_count: Cell::new(0),
            rng,
        })
    }

    pub(crate) fn notify(&self) {
        (self.changed)(&self.id);
    }

    pub(crate) fn begin_boot(&self, reason: BootReason) {
        self.booted_at.set(self.clock.now());
        self.boot_reason.set(reason);
        self.report.set(Report { state: "BOOT", last_error: 0 });
        self.button_events.clear();
        self.console_lines.clear();
        self.station_events.clear();
        self.notify();
    }

    /// Undoes what a run of the firmware left behind in the air.
    pub(crate) fn end_run(&self) {
        self.drop_link();
        self.close_hotspot();
        self.led.set(LED_OFF);
        self.notify();
    }

    pub(crate) fn drop_link(&self) {
        if self.joined.borrow_mut().take().is_some() {
            self.link.advance();
            self.link_changed.notify_one();
            self.notify();
        }
    }

    /// Drops the link when its network is out of reach by now.
    pub(crate) fn refresh_link(&self) {
        let joined = self.joined.borrow().clone();
        let is_gone =
            joined.is_some_and(|ssid| self.air.reachable(self.place.borrow().as_ref(), &ssid).is_none());
        if is_gone {
            self.drop_link();
        }
    }

    pub(crate) fn joined_ssid(&self) -> Option<Vec<u8>> {
        self.joined.borrow().clone()
    }

    pub(crate) fn hotspot_ssid(&self) -> Option<String> {
        self.hotspot.borrow().as_ref().map(|hotspot| hotspot.ssid.clone())
    }

    /// Whether the open hotspot asks for a passphrase.
    pub(crate) fn is_hotspot_protected(&self) -> bool {
        self.hotspot.borrow().as_ref().is_some_and(|hotspot| hotspot.passphrase.is_some())
    }

    /// A phone joins with this passphrase; the firmware hears of it either way.
    pub(crate) fn join_hotspot(&self, passphrase: Option<&[u8]>) -> Result<(), JoinHotspotError> {
        let own = self.hotspot.borrow().as_ref().map(|hotspot| hotspot.passphrase.clone());
        if own.ok_or(JoinHotspotError::Closed)?.is_some_and(|own| Some(own.reveal()) != passphrase) {
            self.station_events.push(StationEvent::PassphraseRefused);
            return Err(JoinHotspotError::PassphraseRefused);
        }
        self.attach_station();
        Ok(())
    }

    /// Hands one UDP payload of a phone to the hotspot and returns the answer, if there is one.
    pub(crate) fn answer_datagram(&self, port: u16, payload: &[u8]) -> Option<Vec<u8>> {
        let uptime = self.clock.now().saturating_sub(self.booted_at.get());
        self.hotspot.borrow_mut().as_mut()?.answer_datagram(port, payload, uptime)
    }

    /// The radio has one channel: when the board joins a network on another one, its hotspot goes along, and the phones
    /// in it lose it. They do not say good-bye, but the access point notices.
    pub(crate) fn move_hotspot_to(&self, channel: u8) {
        let is_moved = self.hotspot_channel.replace(channel) != channel;
        if is_moved && self.hotspot.borrow().is_some() {
            self.hotspot_moves.set(self.hotspot_moves.get().wrapping_add(1));
            self.phones.clear();
            while self.stations.get() > 0 {
                self.detach_station();
            }
        }
    }

    pub(crate) fn close_hotspot(&self) {
        if self.hotspot.borrow_mut().take().is_some() {
            self.phones.clear();
            self.stations.set(0);
            self.station_events.clear();
            self.hotspot_changed.notify_one();
            self.notify();
        }
    }

    /// Hands a phone's connection to the firmware; `false` when no hotspot is open.
    pub(crate) fn offer_phone(&self, pipe: BoxPipe) -> bool {
        let is_open = self.hotspot.borrow().is_some();
        if is_open {
            self.phones.push(pipe);
        }
        is_open
    }

    pub(crate) fn attach_station(&self) {
        if self.hotspot.borrow().is_some() {
            self.stations.set(self.stations.get().saturating_add(1));
            self.station_events.push(StationEvent::Attached);
        }
    }

    pub(crate) fn detach_station(&self) {
        if self.stations.get() > 0 {
            self.stations.set(self.stations.get().saturating_sub(1));
            self.station_events.push(StationEvent::Detached);
        }
    }

    pub(crate) fn set_button(&self, is_held: bool) {
        if self.identity.has_button && self.is_button_held.replace(is_held) != is_held {
            self.button_events.push(if is_held { ButtonEvent::Pressed } else { ButtonEvent::Released });
        }
    }
}

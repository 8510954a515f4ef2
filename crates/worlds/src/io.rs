//! The platform of `device` in a world: signals in, requests out, nothing in between ever waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use device::{
    Application, CloudAddress, CloudWire, ConnectionIndex, Download, Event, FirmwareSlots, Hotspot,
    HotspotRequest, ImageFacts, JoinRequest, OutgoingWrite, Panel, Platform, PortalClosedError, Radio,
    ScanList, SendError, SlotState, Timing, WarmMemory,
};
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use home_store::Network;
use home_store::sim_flash::{SECTOR_BYTES, SharedSimFlash, SimFlashError};
use lifecycle::{Instant, Pattern, SlotFault, State};
use wire::{Values, VirtualPin};

use crate::dice::Dice;
use crate::files::FILE_HOST;
use crate::slots::{Fortune, SLOT_BYTES, Slots};

/// Lines kept of a board that is looked at.
const TRACE_LINES_MAX: usize = 80;
/// Wall clock at the start of every world: 2026-03-02 09:00:00 UTC.
const STARTED_UTC_MS: u64 = 1_772_442_000_000;

/// Something that happens to the shell.
pub(crate) enum Signal {
    Event(Event),
    CloudBytes(Vec<u8>),
    PortalBytes(usize, Vec<u8>),
}

/// Something that the shell asks for.
pub(crate) enum Request {
    Scan,
    Join(Box<Network>),
    Leave,
    OpenHotspot,
    CloseHotspot,
    Answer(Vec<u8>),
    Dial(Dialed),
    HangUp,
    Send(Vec<u8>),
    State(State),
}

/// Whom a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialed {
    pub(crate) token: [u8; wire::TOKEN_BYTES],
    pub(crate) is_tls: bool,
    /// For a firmware image instead of the cloud.
    pub(crate) is_download: bool,
}

/// What world and platform share of one board.
pub(crate) struct Io {
    clock: Rc<Cell<u64>>,
    boot_ms: Cell<u64>,
    signal: RefCell<Option<Signal>>,
    /// When the shell wants to be woken, in the world's time.
    pub(crate) wake_ms: Cell<Option<u64>>,
    pub(crate) requests: RefCell<Vec<Request>>,
    pub(crate) scan: RefCell<ScanList>,
    pub(crate) is_joined: Cell<bool>,
    pub(crate) is_connected: Cell<bool>,
    /// The power failed in the middle of a flash operation.
    pub(crate) has_died: Cell<bool>,
    pub(crate) is_clock_wrong: Cell<bool>,
    pub(crate) slots: RefCell<Slots>,
    /// Checked against the signature of an image.
    firmware_key: Option<[u8; 32]>,
    /// What the chip keeps over a restart; a power-on clears it.
    pub(crate) wrong_proof_count: Cell<u8>,
    /// For tests of the judge: a restart clears it too.
    pub(crate) is_forgetting: Cell<bool>,
    dice: RefCell<Dice>,
    trace: Option<RefCell<VecDeque<String>>>,
}

impl Io {
    pub(crate) fn new(
        clock: Rc<Cell<u64>>,
        dice: Dice,
        firmware_key: Option<[u8; 32]>,
        is_traced: bool,
    ) -> Self {
        Self {
            clock,
            boot_ms: Cell::new(0),
            signal: RefCell::default(),
            wake_ms: Cell::new(None),
            requests: RefCell::default(),
            scan: RefCell::default(),
            is_joined: Cell::new(false),
            is_connected: Cell::new(false),
            has_died: Cell::new(false),
            is_clock_wrong: Cell::new(false),
            slots: RefCell::new(Slots::new()),
            firmware_key,
            wrong_proof_count: Cell::new(0),
            is_forgetting: Cell::new(false),
            dice: RefCell::new(dice),
            trace: is_traced.then(RefCell::default),
        }
    }

    pub(crate) fn boot(&self) {
        self.boot_ms.set(self.clock.get());
        self.clear();
    }

    /// Forgets everything that hung on the power.
    pub(crate) fn clear(&self) {
        *self.signal.borrow_mut() = None;
        self.wake_ms.set(None);
        self.requests.borrow_mut().clear();
        self.scan.borrow_mut().clear();
        self.is_joined.set(false);
        self.is_connected.set(false);
        self.has_died.set(false);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        *self.signal.borrow_mut() = Some(signal);
    }

    /// Writes a line into the trace of a board that is looked at.
    pub(crate) fn note(&self, line: fmt::Arguments<'_>) {
        if let Some(trace) = &self.trace {
            let mut trace = trace.borrow_mut();
            if trace.len() >= TRACE_LINES_MAX {
                trace.pop_front();
            }
            trace.push_back(format!("{} {line}", Moment(self.clock.get())));
        }
    }

    pub(crate) fn take_trace(&self) -> Vec<String> {
        self.trace.as_ref().map(|trace| trace.borrow_mut().drain(..).collect()).unwrap_or_default()
    }

    fn uptime_ms(&self) -> u64 {
        self.clock.get().saturating_sub(self.boot_ms.get())
    }

    fn ask(&self, request: Request) {
        self.requests.borrow_mut().push(request);
    }

    fn take_event(&self, until: Option<Instant>, buffer: &mut [u8]) -> Poll<Event> {
        if let Some(signal) = self.signal.borrow_mut().take() {
            return Poll::Ready(match signal {
                Signal::Event(event) => event,
                Signal::CloudBytes(bytes) => Event::CloudReceived(copy(&bytes, buffer)),
                Signal::PortalBytes(index, bytes) => Event::PortalReceived {
                    connection: ConnectionIndex(index),
                    byte_count: copy(&bytes, buffer),
                },
            });
        }
        if until.is_some_and(|until| until.as_millis() <= self.uptime_ms()) {
            return Poll::Ready(Event::TimedOut);
        }
        self.wake_ms.set(until.map(|until| self.boot_ms.get().saturating_add(until.as_millis())));
        Poll::Pending
    }
}

fn copy(bytes: &[u8], buffer: &mut [u8]) -> usize {
    let length = bytes.len().min(buffer.len());
    for (to, from) in buffer.iter_mut().zip(bytes) {
        *to = *from;
    }
    length
}

/// A moment of a world, as `day hh:mm:ss.mmm`.
pub(crate) struct Moment(pub(crate) u64);

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, milliseconds) = (self.0 / 1000, self.0 % 1000);
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        write!(
            formatter,
            "day {days:2} {:02}:{:02}:{:02}.{milliseconds:03}",
            hours % 24,
            minutes % 60,
            seconds % 60
        )
    }
}

/// [`Platform`] of one run of the shell.
pub(crate) struct WorldPlatform(pub(crate) Rc<Io>);

impl Platform for WorldPlatform {
    async fn next_event(&mut self, until: Option<Instant>, buffer: &mut [u8]) -> Event {
        poll_fn(|_context| self.0.take_event(until, buffer)).await
    }
}

impl Timing for WorldPlatform {
    fn now(&self) -> Instant {
        Instant::from_millis(self.0.uptime_ms())
    }

    fn unix_ms(&self) -> Option<u64> {
        let true_ms = STARTED_UTC_MS.saturating_add(self.0.clock.get());
        // A clock that was never set begins in 1970.
        self.0.is_joined.get().then(|| if self.0.is_clock_wrong.get() { self.0.uptime_ms() } else { true_ms })
    }

    fn random_u32(&mut self) -> u32 {
        u32::try_from(self.0.dice.borrow_mut().next_u64() >> 32).unwrap_or_default()
    }
}

impl WorldPlatform {
    async fn survive(&self, fortune: Fortune) -> Result<(), SlotFault> {
        match fortune {
            Fortune::Fine => Ok(()),
            Fortune::Failed => Err(SlotFault),
            Fortune::Dead => {
                // As with the flash: a board without power does not even handle an error.
                self.0.has_died.set(true);
                std::future::pending().await
            }
        }
    }
}

impl FirmwareSlots for WorldPlatform {
    fn slot_bytes(&self) -> Option<u32> {
        Some(SLOT_BYTES)
    }

    fn firmware_key(&self) -> Option<[u8; 32]> {
        self.0.firmware_key
    }

    fn slot_state(&self) -> SlotState {
        self.0.slots.borrow().state()
    }

    async fn begin_image(&mut self, _image_bytes: u32) -> Result<(), SlotFault> {
        let fortune = self.0.slots.borrow_mut().begin();
        self.survive(fortune).await
    }

    fn note_download(&mut self, download: Option<&Download>) {
        self.0.slots.borrow_mut().note_download(download);
    }

    fn noted_download(&self) -> Option<(Download, u32)> {
        self.0.slots.borrow().noted_download()
    }

    async fn write_image(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotFault> {
        let fortune = self.0.slots.borrow_mut().write(offset as usize, bytes);
        self.survive(fortune).await
    }

    async fn read_image(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), SlotFault> {
        let fortune = self.0.slots.borrow().read_back(offset as usize, buffer);
        self.survive(fortune).await
    }

    async fn boot_on_trial(&mut self, image: &ImageFacts) -> Result<(), SlotFault> {
        let fortune = self.0.slots.borrow_mut().boot_on_trial(image.image_bytes as usize);
        self.survive(fortune).await
    }

    async fn confirm_firmware(&mut self) -> Result<(), SlotFault> {
        let fortune = self.0.slots.borrow_mut().confirm();
        self.survive(fortune).await
    }

    async fn roll_back_firmware(&mut self) -> Result<(), SlotFault> {
        let fortune = self.0.slots.borrow_mut().roll_back();
        self.survive(fortune).await
    }
}

impl WarmMemory for WorldPlatform {
    fn wrong_proof_count(&self) -> u8 {
        if self.0.is_forgetting.get() { 0 } else { self.0.wrong_proof_count.get() }
    }

    fn keep_wrong_proof_count(&mut self, wrong_proof_count: u8) {
        self.0.wrong_proof_count.set(wrong_proof_count);
    }
}

impl Radio for WorldPlatform {
    fn start_scan(&mut self) {
        self.0.ask(Request::Scan);
    }

    fn scan_list(&self) -> ScanList {
        self.0.scan.borrow().clone()
    }

    fn start_join(&mut self, request: JoinRequest<'_>) {
        self.0.is_joined.set(false);
        self.0.is_connected.set(false);
        self.0.ask(Request::Join(Box::new(request.network.clone())));
    }

    fn leave(&mut self) {
        self.0.is_joined.set(false);
        self.0.is_connected.set(false);
        self.0.ask(Request::Leave);
    }
}

impl Hotspot for WorldPlatform {
    fn open_hotspot(&mut self, _request: HotspotRequest<'_>) {
        self.0.ask(Request::OpenHotspot);
    }

    fn close_hotspot(&mut self) {
        self.0.ask(Request::CloseHotspot);
    }

    async fn answer_portal(
        &mut self,
        _connection: ConnectionIndex,
        bytes: &[u8],
    ) -> Result<(), PortalClosedError> {
        self.0.ask(Request::Answer(bytes.to_vec()));
        Ok(())
    }

    // A phone here asks over one connection at a time and takes what came by then.
    fn close_portal(&mut self, _connection: ConnectionIndex) {}
}

impl CloudWire for WorldPlatform {
    fn start_dial(&mut self, address: CloudAddress<'_>) {
        self.0.is_connected.set(false);
        let binding = address.binding;
        let is_download = address.host == FILE_HOST;
        self.0.ask(Request::Dial(Dialed {
            token: *binding.token.expose(),
            is_tls: binding.uses_tls,
            is_download,
        }));
    }

    fn hang_up(&mut self) {
        self.0.is_connected.set(false);
        self.0.ask(Request::HangUp);
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        if !self.0.is_connected.get() {
            return Err(SendError);
        }
        self.0.ask(Request::Send(frame.to_vec()));
        Ok(())
    }
}

impl Panel for WorldPlatform {
    fn log(&mut self, line: fmt::Arguments<'_>) {
        self.0.note(format_args!("    {line}"));
    }

    fn indicate(&mut self, _pattern: Pattern) {}

    fn show_state(&mut self, state: State, _last_error: u16) {
        self.0.ask(Request::State(state));
    }
}

/// The flash of one board: an armed power cut ends the board's life in the middle of the operation.
pub(crate) struct WorldFlash {
    pub(crate) flash: SharedSimFlash,
    pub(crate) io: Rc<Io>,
}

impl WorldFlash {
    async fn survive(&self, result: Result<(), SimFlashError>) -> Result<(), SimFlashError> {
        if result == Err(SimFlashError::PowerOff) {
            // A board without power does nothing any more, not even handle an error.
            self.io.has_died.set(true);
            std::future::pending::<()>().await;
        }
        result
    }
}

impl ErrorType for WorldFlash {
    type Error = SimFlashError;
}

impl ReadNorFlash for WorldFlash {
    const READ_SIZE: usize = <SharedSimFlash as ReadNorFlash>::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimFlashError> {
        let result = self.flash.read(offset, bytes).await;
        self.survive(result).await
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl NorFlash for WorldFlash {
    const WRITE_SIZE: usize = <SharedSimFlash as NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = SECTOR_BYTES;

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimFlashError> {
        let result = self.flash.write(offset, bytes).await;
        self.survive(result).await
    }

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), SimFlashError> {
        let result = self.flash.erase(from, to).await;
        self.survive(result).await
    }
}

/// An application with nothing to say: what is judged is the agent.
pub(crate) struct QuietApplication;

impl Application for QuietApplication {
    fn on_online(&mut self, _now: Instant) {}

    fn on_write(&mut self, _now: Instant, _pin: VirtualPin, _values: Values<'_>) {}

    fn poll(&mut self, _now: Instant) {}

    fn next_poll(&self) -> Option<Instant> {
        None
    }

    fn next_write(&mut self) -> Option<OutgoingWrite> {
        None
    }
}

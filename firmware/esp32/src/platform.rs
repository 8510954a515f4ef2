//! The shell's platform: requests become orders to the tasks, their messages become events.

use core::fmt;

use device::{
    CloudAddress, CloudWire, ConnectionIndex, Event, FirmwareSlots, Hotspot, HotspotRequest, ImageFacts,
    JoinRequest, Panel, Platform, PortalClosedError, Radio, ScanList, SendError, SlotState, Timing,
    WarmMemory,
};
use embassy_futures::select::{Either, select};
use embassy_sync::channel::TrySendError;
use embassy_time::{Duration, Timer, with_deadline};
use firmware_slots::{SlotError, Standing};
use lifecycle::{Instant, Pattern, SlotFault, State};

use crate::messages::{
    ANSWERS, AnswerPart, CHUNK_BYTES, Chunk, DIAL_ORDER, DialOrder, DialSecurity, HANG_UPS, JoinOrder,
    MESSAGES, Message, OUTBOX, PATTERN, RADIO_ORDER_COUNT_MAX, RADIO_ORDERS, RadioOrder, SCAN_LIST, Ticket,
};
use crate::slots::{ChipSlots, FIRMWARE_KEY};
use crate::time::{unix_ms, uptime_ms};

/// Source: [`device::Hotspot::answer_portal`].
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Implements [`Platform`] with the tasks of this firmware.
pub(crate) struct EspPlatform {
    rng: esp_hal::rng::Rng,
    /// `None` on a board that was flashed without two slots.
    slots: Option<ChipSlots>,
    join_ticket: Ticket,
    cloud_ticket: Ticket,
    is_cloud_connected: bool,
}

impl EspPlatform {
    pub(crate) fn new(slots: Option<ChipSlots>) -> Self {
        Self {
            rng: esp_hal::rng::Rng::new(),
            slots,
            join_ticket: Ticket(0),
            cloud_ticket: Ticket(0),
            is_cloud_connected: false,
        }
    }

    /// Turns a message into an event, unless it answers a request that is no longer the newest.
    fn take(&mut self, message: Message, buffer: &mut [u8]) -> Option<Event> {
        match message {
            Message::Plain(event) => Some(event),
            Message::Radio(ticket, event) => (ticket == self.join_ticket).then_some(event),
            Message::Cloud(ticket, event) if ticket == self.cloud_ticket => {
                self.is_cloud_connected = matches!(event, Event::CloudConnected { .. });
                Some(event)
            }
            Message::CloudBytes(ticket, bytes) if ticket == self.cloud_ticket => {
                Some(Event::CloudReceived(copy(&bytes, buffer)))
            }
            Message::Cloud(..) | Message::CloudBytes(..) => None,
            Message::Line(line) => Some(Event::ConsoleLine(copy(&line, buffer))),
            Message::PortalBytes(connection, bytes) => {
                Some(Event::PortalReceived { connection, byte_count: copy(&bytes, buffer) })
            }
        }
    }

    /// Somebody who submits form after form can fill the queue. Joins that wait give way then: a newer one stands for
    /// them, or the lifecycle's time-out does. Nothing would repeat a scan or an order for the hotspot.
    fn order(&mut self, order: RadioOrder) {
        let Err(TrySendError::Full(order)) = RADIO_ORDERS.try_send(order) else { return };
        for _ in 0..RADIO_ORDER_COUNT_MAX {
            if let Ok(waiting) = RADIO_ORDERS.try_receive()
                && !matches!(waiting, RadioOrder::Join(_))
            {
                // One was taken out just now, so there is room.
                let _is_queued = RADIO_ORDERS.try_send(waiting);
            }
        }
        if RADIO_ORDERS.try_send(order).is_err() {
            self.log(format_args!("[{}] The radio takes no more orders", uptime_ms()));
        }
    }
}

/// Events have 1024 bytes, chunks at most 512.
fn copy(bytes: &[u8], buffer: &mut [u8]) -> usize {
    buffer.iter_mut().zip(bytes).map(|(target, source)| *target = *source).count()
}

impl Platform for EspPlatform {
    async fn next_event(&mut self, until: Option<Instant>, buffer: &mut [u8]) -> Event {
        loop {
            let timer = async {
                match until {
                    Some(until) => Timer::at(embassy_time::Instant::from_millis(until.as_millis())).await,
                    None => core::future::pending().await,
                }
            };
            match select(MESSAGES.receive(), timer).await {
                Either::First(message) => {
                    if let Some(event) = self.take(message, buffer) {
                        return event;
                    }
                }
                Either::Second(()) => return Event::TimedOut,
            }
        }
    }
}

impl Timing for EspPlatform {
    fn now(&self) -> Instant {
        Instant::from_millis(uptime_ms())
    }

    fn unix_ms(&self) -> Option<u64> {
        unix_ms()
    }

    fn random_u32(&mut self) -> u32 {
        self.rng.random()
    }
}

impl Radio for EspPlatform {
    fn start_scan(&mut self) {
        self.order(RadioOrder::Scan);
    }

    fn scan_list(&self) -> ScanList {
        SCAN_LIST.lock(|list| list.borrow().clone())
    }

    fn start_join(&mut self, request: JoinRequest<'_>) {
        self.hang_up();
        self.join_ticket = Ticket(self.join_ticket.0.wrapping_add(1));
        let network = request.network;
        self.order(RadioOrder::Join(JoinOrder {
            ticket: self.join_ticket,
            // Both are at most as long as there is room: 32 and 64 bytes.
            ssid: network.ssid.as_bytes().iter().copied().take(32).collect(),
            secret: network.secret.expose().iter().copied().take(64).collect(),
            static_address: network.static_address,
            channel: request.channel,
        }));
    }

    fn leave(&mut self) {
        self.hang_up();
        self.join_ticket = Ticket(self.join_ticket.0.wrapping_add(1));
        self.order(RadioOrder::Leave);
    }
}

impl Hotspot for EspPlatform {
    fn open_hotspot(&mut self, request: HotspotRequest<'_>) {
        let ssid = request.ssid.bytes().take(32).collect();
        let passphrase =
            request.passphrase.and_then(|passphrase| heapless::String::try_from(passphrase).ok());
        self.order(RadioOrder::OpenHotspot { ssid, passphrase });
    }

    fn close_hotspot(&mut self) {
        for hang_up in &HANG_UPS {
            hang_up.signal(());
        }
        self.order(RadioOrder::CloseHotspot);
    }

    async fn answer_portal(
        &mut self,
        connection: ConnectionIndex,
        bytes: &[u8],
    ) -> Result<(), PortalClosedError> {
        let answers = ANSWERS.get(connection.0).ok_or(PortalClosedError)?;
        let until = embassy_time::Instant::now() + ANSWER_TIMEOUT;
        for part in bytes.chunks(CHUNK_BYTES) {
            let part = Chunk::from_slice(part).or(Err(PortalClosedError))?;
            let sending = answers.send(AnswerPart::Bytes(part));
            with_deadline(until, sending).await.or(Err(PortalClosedError))?;
        }
        Ok(())
    }

    fn close_portal(&mut self, connection: ConnectionIndex) {
        let (Some(answers), Some(hang_up)) = (ANSWERS.get(connection.0), HANG_UPS.get(connection.0)) else {
            return;
        };
        // A phone whose queue is full did not take its answer in time.
        if answers.try_send(AnswerPart::End).is_err() {
            hang_up.signal(());
        }
    }
}

/// The radio does not tell of refused passphrases, and a PoP of the factory is always a passphrase, so there is nothing
/// to count yet.
impl WarmMemory for EspPlatform {
    fn wrong_proof_count(&self) -> u8 {
        0
    }

    fn keep_wrong_proof_count(&mut self, _wrong_proof_count: u8) {}
}

impl CloudWire for EspPlatform {
    fn start_dial(&mut self, address: CloudAddress<'_>) {
        self.hang_up();
        let security = if address.binding.uses_tls {
            DialSecurity::Tls(address.binding.trust_anchor.clone())
        } else {
            DialSecurity::Plain
        };
        let Ok(host) = heapless::String::try_from(address.host) else {
            // Hosts of homes and redirects have the same limit, so this never comes; a time-out would follow.
            return;
        };
        DIAL_ORDER.signal(Some(DialOrder { ticket: self.cloud_ticket, host, port: address.port, security }));
    }

    fn hang_up(&mut self) {
        self.cloud_ticket = Ticket(self.cloud_ticket.0.wrapping_add(1));
        self.is_cloud_connected = false;
        OUTBOX.clear();
        DIAL_ORDER.signal(None);
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        if !self.is_cloud_connected {
            return Err(SendError);
        }
        let frame = Chunk::from_slice(frame).or(Err(SendError))?;
        OUTBOX.try_send(frame).or(Err(SendError))
    }
}

/// Every call waits for the flash, a piece at a time: nothing else runs on this chip meanwhile. A board without two slots
/// has nothing to confirm and nothing to return to.
impl FirmwareSlots for EspPlatform {
    fn slot_bytes(&self) -> Option<u32> {
        Some(self.slots.as_ref()?.capacity_bytes())
    }

    fn firmware_key(&self) -> Option<[u8; 32]> {
        FIRMWARE_KEY
    }

    fn slot_state(&self) -> SlotState {
        match self.slots.as_ref().map(|slots| (slots.standing(), slots.other_version())) {
            Some((Standing::OnTrial, former)) => SlotState::OnTrial { former },
            Some((Standing::Restored, tried)) => SlotState::Restored { tried },
            Some((Standing::Confirmed, _)) | None => SlotState::Confirmed,
        }
    }

    async fn begin_image(&mut self, image_bytes: u32) -> Result<(), SlotFault> {
        logged(self.slots.as_ref().ok_or(SlotFault)?.begin(image_bytes))
    }

    async fn write_image(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotFault> {
        logged(self.slots.as_ref().ok_or(SlotFault)?.write(offset, bytes))
    }

    async fn read_image(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), SlotFault> {
        logged(self.slots.as_ref().ok_or(SlotFault)?.read(offset, buffer))
    }

    async fn boot_on_trial(&mut self, _image: &ImageFacts) -> Result<(), SlotFault> {
        logged(self.slots.as_ref().ok_or(SlotFault)?.boot_on_trial())
    }

    async fn confirm_firmware(&mut self) -> Result<(), SlotFault> {
        self.slots.as_mut().map_or(Ok(()), |slots| logged(slots.confirm()))
    }

    async fn roll_back_firmware(&mut self) -> Result<(), SlotFault> {
        self.slots.as_ref().map_or(Ok(()), |slots| logged(slots.roll_back()))
    }
}

fn logged(result: Result<(), SlotError>) -> Result<(), SlotFault> {
    result.map_err(|error| {
        esp_println::println!("The firmware slots cannot be used: {error}");
        SlotFault
    })
}

impl Panel for EspPlatform {
    fn log(&mut self, line: fmt::Arguments<'_>) {
        esp_println::println!("{line}");
    }

    fn indicate(&mut self, pattern: Pattern) {
        PATTERN.signal(pattern);
    }

    fn show_state(&mut self, _state: State, _last_error: u16) {
        // Both are in the log already, and this board has no display.
    }
}

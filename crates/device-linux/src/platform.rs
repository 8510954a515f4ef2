//! The platform of `device` on Linux: radio task, sockets, clock.

use std::fmt;
use std::future::{Future as _, poll_fn};
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use device::{
    CloudAddress, CloudWire, ConnectionIndex, Event, Hotspot, JoinRequest, Panel, Platform,
    PortalClosedError, Radio, SCAN_COUNT_MAX, ScanList, SeenNetwork, SendError, Timing, WarmMemory,
};
use lifecycle::{Instant, Pattern, State};

use crate::button::Button;
use crate::cloud_link::{CloudLink, LinkEvent, Security};
use crate::hotspot_services::HotspotServices;
use crate::led::Led;
use crate::local_api::Pins;
use crate::portal_listener::PortalListener;
use crate::program_slots::ProgramSlots;
use crate::proof_memory::ProofMemory;
use crate::radio::{RadioHandle, Report, StationWish};
use crate::random::random_u32;
use crate::refused_passphrases::RefusedPassphrases;
use crate::wifi::HotspotRequest;

/// A network that is wished for sooner after another was given up belongs to the same round of stored networks. The
/// lifecycle takes the next one at once, waits 0.8 s before a trial and more than 2 s before another round.
const ROUND_GAP_MIN: Duration = Duration::from_millis(500);

/// Implements [`Platform`] over the parts.
pub(crate) struct LinuxPlatform {
    started_at: tokio::time::Instant,
    radio: RadioHandle,
    link: CloudLink,
    portal: PortalListener,
    services: Option<HotspotServices>,
    /// Only of a hotspot with a passphrase.
    refused_passphrases: Option<RefusedPassphrases>,
    pins: Rc<Pins>,
    /// `None` = this process was not started by a launcher and takes no programs.
    pub(crate) slots: Option<ProgramSlots>,
    wrong_proofs: Rc<ProofMemory>,
    supplicant_dir: PathBuf,
    button: Option<Rc<Button>>,
    led: Option<Rc<Led>>,
    last_ticket: u64,
    /// When an attempt was given up.
    left_at: Option<tokio::time::Instant>,
    /// The visits when the present round of attempts began.
    round_visit_count: Option<u64>,
    joined: Option<u64>,
    scan: Vec<SeenNetwork>,
    /// The hotspot's phones as far as the supplicant or the portal told.
    phone_count: usize,
    /// Phones that went with a hotspot which the radio closed by itself; the agent is still to be told.
    gone_phone_count: usize,
}

/// The parts of a [`LinuxPlatform`].
pub(crate) struct Parts {
    pub(crate) radio: RadioHandle,
    pub(crate) link: CloudLink,
    pub(crate) portal: PortalListener,
    pub(crate) pins: Rc<Pins>,
    pub(crate) slots: Option<ProgramSlots>,
    /// Outlives the platform: a restart of the device is no power-on.
    pub(crate) wrong_proofs: Rc<ProofMemory>,
    /// Where the supplicant's control sockets are.
    pub(crate) supplicant_dir: PathBuf,
    pub(crate) button: Option<Rc<Button>>,
    pub(crate) led: Option<Rc<Led>>,
}

impl LinuxPlatform {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            started_at: tokio::time::Instant::now(),
            radio: parts.radio,
            link: parts.link,
            portal: parts.portal,
            services: None,
            refused_passphrases: None,
            pins: parts.pins,
            slots: parts.slots,
            wrong_proofs: parts.wrong_proofs,
            supplicant_dir: parts.supplicant_dir,
            button: parts.button,
            led: parts.led,
            last_ticket: 0,
            left_at: None,
            round_visit_count: None,
            joined: None,
            scan: Vec::new(),
            phone_count: 0,
            gone_phone_count: 0,
        }
    }

    /// Takes reports until one of them is an event for the agent.
    fn poll_radio(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(left_count) = self.gone_phone_count.checked_sub(1) {
                self.gone_phone_count = left_count;
                return Poll::Ready(Event::StationDetached);
            }
            let Poll::Ready(Some(report)) = self.radio.reports.poll_recv(context) else {
                return Poll::Pending;
            };
            if let Some(event) = self.take_report(report) {
                return Poll::Ready(event);
            }
        }
    }

    fn take_report(&mut self, report: Report) -> Option<Event> {
        match report {
            Report::Scanned(heard) => {
                self.scan = heard.unwrap_or_else(|| std::mem::take(&mut self.scan));
                Some(Event::ScanDone)
            }
            Report::Joined { ticket } if self.is_wished(ticket) => {
                self.joined = Some(ticket);
                Some(Event::Joined)
            }
            Report::JoinFailed { ticket, error } if self.is_wished(ticket) => Some(Event::JoinFailed(error)),
            Report::LinkLost { ticket } if self.joined == Some(ticket) => {
                self.joined = None;
                Some(Event::LinkLost)
            }
            Report::HotspotOpened { interface } => {
                self.portal.open();
                self.services = interface.as_deref().map(HotspotServices::start);
                let has_passphrase = self.wishes_passphrase();
                let guarded = interface.as_deref().filter(|_| has_passphrase);
                self.refused_passphrases =
                    guarded.map(|interface| RefusedPassphrases::watch(&self.supplicant_dir.join(interface)));
                None
            }
            Report::HotspotClosed => {
                self.portal.close();
                self.services = None;
                self.refused_passphrases = None;
                // Nobody says goodbye to a hotspot that changes its channel. Who was not told to be gone would count
                // as attached for ever, and the hotspot of a device that is home again would stay open.
                self.gone_phone_count += std::mem::take(&mut self.phone_count);
                None
            }
            Report::PhoneAttached => {
                self.phone_count = self.phone_count.saturating_add(1);
                Some(Event::StationAttached)
            }
            Report::PhoneDetached if self.phone_count > 0 => {
                self.phone_count = self.phone_count.saturating_sub(1);
                Some(Event::StationDetached)
            }
            // Answers to what is no longer wished for.
            Report::Joined { .. }
            | Report::JoinFailed { .. }
            | Report::LinkLost { .. }
            | Report::PhoneDetached => None,
            Report::Trouble(text) => {
                self.log(format_args!("Wi-Fi: {text}"));
                None
            }
        }
    }

    fn is_wished(&self, ticket: u64) -> bool {
        self.radio.wishes.borrow().station.as_ref().is_some_and(|wish| wish.ticket == ticket)
    }

    fn wishes_passphrase(&self) -> bool {
        self.radio.wishes.borrow().hotspot.as_ref().is_some_and(|hotspot| hotspot.passphrase.is_some())
    }

    fn poll_door(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        match &mut self.refused_passphrases {
            Some(refused) => refused.poll_refused(context).map(|()| Event::PassphraseRefused),
            None => Poll::Pending,
        }
    }

    fn poll_cloud(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Event> {
        self.link.poll_event(context, buffer).map(|event| match event {
            LinkEvent::Connected { is_verified_tls } => Event::CloudConnected { is_verified_tls },
            LinkEvent::Received(byte_count) => Event::CloudReceived(byte_count),
            LinkEvent::Closed => Event::CloudClosed,
            LinkEvent::Failed(error) => {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "no connection to the cloud: {error}"
                );
                Event::CloudFailed(error.cloud_error())
            }
        })
    }

    fn poll_portal(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Event> {
        let polled = self.portal.poll_event(context, buffer);
        if let Poll::Ready(Event::PortalOpened(_)) = polled {
            self.radio.wishes.send_modify(|wishes| wishes.visit_count = wishes.visit_count.saturating_add(1));
        }
        polled
    }
}

/// Puts bytes at the start of an event's buffer, which has room for the longest line; returns how many.
fn copy(bytes: &[u8], buffer: &mut [u8]) -> usize {
    buffer.iter_mut().zip(bytes).map(|(target, source)| *target = *source).count()
}

impl Platform for LinuxPlatform {
    async fn next_event(&mut self, until: Option<Instant>, buffer: &mut [u8]) -> Event {
        let until = until.map(|until| self.started_at + until.since(Instant::BOOT));
        let pins = Rc::clone(&self.pins);
        let mut application = pin!(pins.next_write_queued());
        let mut console = pin!(pins.next_console_line());
        let mut timer = pin!(async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|context| {
            if let Poll::Ready(event) = self.poll_radio(context) {
                return Poll::Ready(event);
            }
            if let Poll::Ready(event) = self.poll_door(context) {
                return Poll::Ready(event);
            }
            if let Some(Poll::Ready(event)) = self.button.as_ref().map(|button| button.poll_event(context)) {
                return Poll::Ready(event);
            }
            if let Poll::Ready(event) = self.poll_cloud(context, buffer) {
                return Poll::Ready(event);
            }
            if let Poll::Ready(event) = self.poll_portal(context, buffer) {
                return Poll::Ready(event);
            }
            if let Poll::Ready(line) = console.as_mut().poll(context) {
                return Poll::Ready(Event::ConsoleLine(copy(line.as_bytes(), buffer)));
            }
            // The shell asks the application for its values after every event, an early timer included.
            if application.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::TimedOut);
            }
            timer.as_mut().poll(context).map(|()| Event::TimedOut)
        })
        .await
    }
}

impl Timing for LinuxPlatform {
    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn unix_ms(&self) -> Option<u64> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since_epoch.as_millis()).ok()
    }

    fn random_u32(&mut self) -> u32 {
        random_u32()
    }
}

impl Radio for LinuxPlatform {
    fn start_scan(&mut self) {
        self.radio.wishes.send_modify(|wishes| wishes.scan_count = wishes.scan_count.saturating_add(1));
    }

    fn scan_list(&self) -> ScanList {
        self.scan.iter().take(SCAN_COUNT_MAX).cloned().collect()
    }

    fn start_join(&mut self, request: JoinRequest<'_>) {
        self.hang_up();
        self.joined = None;
        self.last_ticket = self.last_ticket.saturating_add(1);
        let wished_at = tokio::time::Instant::now();
        let goes_on = self.left_at.take().is_some_and(|left_at| wished_at - left_at < ROUND_GAP_MIN);
        let round_visit_count = self.round_visit_count.filter(|_count| goes_on);
        let (ticket, network) = (self.last_ticket, request.network.clone());
        self.radio.wishes.send_modify(|wishes| {
            let visit_count = round_visit_count.unwrap_or(wishes.visit_count);
            self.round_visit_count = Some(visit_count);
            wishes.station = Some(StationWish { ticket, network, wished_at, visit_count });
        });
    }

    fn leave(&mut self) {
        self.hang_up();
        self.joined = None;
        self.left_at = Some(tokio::time::Instant::now());
        self.radio.wishes.send_modify(|wishes| wishes.station = None);
    }
}

impl Hotspot for LinuxPlatform {
    fn open_hotspot(&mut self, request: device::HotspotRequest<'_>) {
        let request = HotspotRequest {
            ssid: request.ssid.to_owned(),
            passphrase: request.passphrase.map(str::to_owned),
            channel: None,
        };
        self.radio.wishes.send_modify(|wishes| wishes.hotspot = Some(request));
    }

    fn close_hotspot(&mut self) {
        self.portal.close();
        self.services = None;
        self.refused_passphrases = None;
        self.phone_count = 0;
        self.gone_phone_count = 0;
        self.radio.wishes.send_modify(|wishes| wishes.hotspot = None);
    }

    async fn answer_portal(
        &mut self,
        connection: ConnectionIndex,
        bytes: &[u8],
    ) -> Result<(), PortalClosedError> {
        self.portal.answer(connection, bytes).await
    }

    fn close_portal(&mut self, connection: ConnectionIndex) {
        self.portal.end(connection);
    }
}

impl WarmMemory for LinuxPlatform {
    fn wrong_proof_count(&self) -> u8 {
        self.wrong_proofs.count()
    }

    fn keep_wrong_proof_count(&mut self, wrong_proof_count: u8) {
        self.wrong_proofs.keep(wrong_proof_count);
    }
}

impl CloudWire for LinuxPlatform {
    fn start_dial(&mut self, address: CloudAddress<'_>) {
        let binding = address.binding;
        let security = match (&binding.trust_anchor, binding.uses_tls) {
            (_, false) => Security::Plain,
            (None, true) => Security::DeviceAuthorities,
            (Some(anchor), true) => Security::Anchor(Box::new(anchor.clone())),
        };
        self.link.start_dial(address.host, address.port, security);
    }

    fn hang_up(&mut self) {
        self.link.hang_up();
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        self.link.send(frame)
    }
}

impl Panel for LinuxPlatform {
    fn log(&mut self, line: fmt::Arguments<'_>) {
        tracing::info!(target: "device", "{line}");
    }

    fn indicate(&mut self, pattern: Pattern) {
        self.pins.show_pattern(pattern);
        if let Some(led) = &self.led {
            led.show(pattern);
        }
    }

    fn show_state(&mut self, state: State, last_error: u16) {
        self.pins.show_state(state, last_error);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::cloud_link::Authorities;
    use crate::radio::Wishes;

    /// A platform without radio, and the end that the radio's task would have.
    fn platform() -> (LinuxPlatform, mpsc::Sender<Report>) {
        let (reports_sender, reports) = mpsc::channel(16);
        let (wishes, _unread) = watch::channel(Wishes::default());
        let parts = Parts {
            radio: RadioHandle { wishes, reports },
            link: CloudLink::new(Authorities::read(None).unwrap(), 80),
            portal: PortalListener::new("127.0.0.1:0".parse().unwrap()),
            pins: Rc::new(Pins::new()),
            slots: None,
            wrong_proofs: Rc::new(ProofMemory::open(Path::new("/nowhere"))),
            supplicant_dir: PathBuf::new(),
            button: None,
            led: None,
        };
        (LinuxPlatform::new(parts), reports_sender)
    }

    async fn events_until_timeout(platform: &mut LinuxPlatform) -> Vec<String> {
        let waited = platform.now().since(Instant::BOOT) + Duration::from_millis(100);
        let until = Instant::from_millis(u64::try_from(waited.as_millis()).unwrap());
        let mut events = Vec::new();
        loop {
            match platform.next_event(Some(until), &mut [0; 64]).await {
                Event::TimedOut => return events,
                event => events.push(format!("{event:?}")),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn phones_that_lose_the_hotspot_are_gone_once() {
        let (mut platform, reports) = platform();
        for report in [Report::PhoneAttached, Report::PhoneAttached, Report::HotspotClosed] {
            reports.send(report).await.unwrap();
        }
        // The supplicant may tell it as well, later.
        reports.send(Report::PhoneDetached).await.unwrap();
        let events = events_until_timeout(&mut platform).await;
        assert_eq!(events, ["StationAttached", "StationAttached", "StationDetached", "StationDetached"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_for_the_console_is_an_event_and_none_is_lost() {
        let (mut platform, _reports) = platform();
        platform.pins.queue_line("status".to_owned()).unwrap();
        platform.pins.queue_line("wifi scan".to_owned()).unwrap();
        for expected in ["status", "wifi scan"] {
            let mut buffer = [0; device::EVENT_BUFFER_BYTES];
            let Event::ConsoleLine(byte_count) = platform.next_event(None, &mut buffer).await else {
                panic!("a line was expected")
            };
            assert_eq!(&buffer[..byte_count], expected.as_bytes());
        }
        assert!(events_until_timeout(&mut platform).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn phones_of_a_hotspot_that_the_agent_closes_need_not_be_told() {
        let (mut platform, reports) = platform();
        reports.send(Report::PhoneAttached).await.unwrap();
        assert_eq!(events_until_timeout(&mut platform).await, ["StationAttached"]);
        platform.close_hotspot();
        reports.send(Report::HotspotClosed).await.unwrap();
        assert!(events_until_timeout(&mut platform).await.is_empty());
    }

    /// Lets a second pass unless `at_once`, wishes for a network and tells how many visits its round knew of.
    async fn visits_known(platform: &mut LinuxPlatform, at_once: bool) -> u64 {
        if !at_once {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let network = home_store::Network {
            ssid: home_store::Ssid::parse(b"Home").unwrap(),
            secret: home_store::NetworkSecret::parse(b"secret-password").unwrap(),
            is_hidden: false,
            static_address: None,
        };
        platform.start_join(JoinRequest { network: &network, channel: None });
        platform.radio.wishes.borrow().station.as_ref().unwrap().visit_count
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_of_networks_that_began_before_the_visit_goes_on_as_one() {
        let (mut platform, _reports) = platform();
        assert_eq!(visits_known(&mut platform, true).await, 0);
        platform.radio.wishes.send_modify(|wishes| wishes.visit_count = 1);
        for _network in 0..3 {
            tokio::time::advance(Duration::from_secs(25)).await;
            platform.leave();
            assert_eq!(visits_known(&mut platform, true).await, 0);
        }
        // The visitor's own home, or the next round.
        platform.leave();
        assert_eq!(visits_known(&mut platform, false).await, 1);
    }
}

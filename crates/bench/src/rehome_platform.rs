//! The platform of `device` on a virtual board.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use device::captive_portal::may_be_login_page;
use device::{
    CloudAddress, CloudWire, ConnectionIndex, Event, Hotspot, HotspotRequest, JoinRequest,
    PORTAL_CONNECTION_COUNT_MAX, Panel, Platform, PortalClosedError, Radio, SCAN_COUNT_MAX, ScanList,
    SeenNetwork, SendError, Timing, WarmMemory,
};
use futures_util::future::LocalBoxFuture;
use lifecycle::{CloudError, Instant, NetworkError, Pattern, State};
use portal::{Dialect, MacAddress};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use crate::air::{JoinError, ScanEntry, Security};
use crate::board::{BoardHandle, ButtonEvent, DialError, DialSecurity, Led, LedPattern, StationEvent};
use crate::firmware_image::ImageConduct;
use crate::link::{BoxPipe, LinkPipe};
use crate::rehome_login_page::answers_for_the_cloud;
use crate::rehome_slots::BenchSlots;

/// Frames that wait for the radio.
const OUTBOX_LEN_MAX: usize = 32;
/// How long an answer may wait for a phone that does not read.
const ANSWER_TIMEOUT_MS: u64 = 2_000;

/// Implements [`Platform`] over a [`BoardHandle`].
pub(crate) struct BenchPlatform {
    board: BoardHandle,
    joining: Option<LocalBoxFuture<'static, Result<(), JoinError>>>,
    is_joined: bool,
    scanning: Option<LocalBoxFuture<'static, Vec<ScanEntry>>>,
    scan: Vec<ScanEntry>,
    dialing: Option<(LocalBoxFuture<'static, Result<LinkPipe, CloudError>>, DialSecurity)>,
    cloud: Option<LinkPipe>,
    outbox: VecDeque<Vec<u8>>,
    phones: Vec<Phone>,
    pub(crate) slots: BenchSlots,
    conduct: ImageConduct,
}

/// One portal connection; the newest is last.
struct Phone {
    connection: ConnectionIndex,
    pipe: BoxPipe,
}

impl BenchPlatform {
    pub(crate) fn new(board: BoardHandle, slots: BenchSlots, conduct: ImageConduct) -> Self {
        Self {
            board,
            joining: None,
            is_joined: false,
            scanning: None,
            scan: Vec::new(),
            dialing: None,
            cloud: None,
            outbox: VecDeque::new(),
            phones: Vec::new(),
            slots,
            conduct,
        }
    }

    fn poll_radio(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if let Some(joining) = &mut self.joining
            && let Poll::Ready(joined) = joining.as_mut().poll(context)
        {
            self.joining = None;
            self.is_joined = joined.is_ok();
            return Poll::Ready(
                joined.map_or_else(|error| Event::JoinFailed(network_error(error)), |()| Event::Joined),
            );
        }
        if let Some(scanning) = &mut self.scanning
            && let Poll::Ready(scan) = scanning.as_mut().poll(context)
        {
            self.scanning = None;
            self.scan = scan;
            return Poll::Ready(Event::ScanDone);
        }
        Poll::Pending
    }

    fn poll_cloud(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Event> {
        if let Some((dialing, security)) = &mut self.dialing
            && let Poll::Ready(dialed) = dialing.as_mut().poll(context)
        {
            let is_verified_tls = *security == DialSecurity::VerifiedTls;
            self.dialing = None;
            return Poll::Ready(match dialed {
                Ok(pipe) => {
                    self.cloud = Some(pipe);
                    Event::CloudConnected { is_verified_tls }
                }
                Err(error) => Event::CloudFailed(error),
            });
        }
        let Some(pipe) = &mut self.cloud else {
            return Poll::Pending;
        };
        let wrote = poll_write_outbox(pipe, &mut self.outbox, context);
        let mut read = ReadBuf::new(buffer);
        let is_closed = match Pin::new(pipe).poll_read(context, &mut read) {
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                return Poll::Ready(Event::CloudReceived(read.filled().len()));
            }
            Poll::Ready(_) => true,
            Poll::Pending => wrote.is_err(),
        };
        if is_closed {
            self.cloud = None;
            return Poll::Ready(Event::CloudClosed);
        }
        Poll::Pending
    }

    fn poll_phones(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Event> {
        for index in 0..self.phones.len() {
            let Some(phone) = self.phones.get_mut(index) else {
                break;
            };
            let connection = phone.connection;
            let mut read = ReadBuf::new(buffer);
            match Pin::new(&mut phone.pipe).poll_read(context, &mut read) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    let byte_count = read.filled().len();
                    return Poll::Ready(Event::PortalReceived { connection, byte_count });
                }
                Poll::Ready(_) => {
                    self.phones.remove(index);
                    return Poll::Ready(Event::PortalClosed(connection));
                }
            }
        }
        Poll::Pending
    }

    /// Gives a new connection a place; when all are taken the oldest gives way, which a browser left unused.
    fn admit_phone(&mut self, pipe: BoxPipe) -> Event {
        let is_free = |index: &usize| self.phones.iter().all(|phone| phone.connection.0 != *index);
        let connection = match (0..PORTAL_CONNECTION_COUNT_MAX).find(is_free) {
            Some(index) => ConnectionIndex(index),
            None => self.phones.remove(0).connection,
        };
        self.phones.push(Phone { connection, pipe });
        Event::PortalOpened(connection)
    }
}

fn poll_write_outbox(
    pipe: &mut LinkPipe,
    outbox: &mut VecDeque<Vec<u8>>,
    context: &mut Context<'_>,
) -> Result<(), std::io::Error> {
    while let Some(frame) = outbox.front_mut() {
        match Pin::new(&mut *pipe).poll_write(context, frame) {
            Poll::Ready(Ok(written_bytes)) if written_bytes < frame.len() => {
                frame.drain(..written_bytes);
            }
            Poll::Ready(Ok(_)) => drop(outbox.pop_front()),
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => return Ok(()),
        }
    }
    // TLS holds bytes back until it is flushed.
    match Pin::new(pipe).poll_flush(context) {
        Poll::Ready(flushed) => flushed,
        Poll::Pending => Ok(()),
    }
}

impl Platform for BenchPlatform {
    async fn next_event(&mut self, until: Option<Instant>, buffer: &mut [u8]) -> Event {
        let board = self.board.clone();
        let mut phone = pin!(board.accept_phone());
        let mut station = pin!(board.next_station_event());
        let mut button = pin!(board.next_button_event());
        let mut console = pin!(board.next_console_line());
        let mut link_lost = pin!(board.link_lost());
        let mut timer = pin!(async {
            match until {
                Some(until) => board.sleep_until_uptime_ms(until.as_millis()).await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|context| {
            if self.is_joined && link_lost.as_mut().poll(context).is_ready() {
                self.is_joined = false;
                return Poll::Ready(Event::LinkLost);
            }
            if let Poll::Ready(event) = self.poll_radio(context) {
                return Poll::Ready(event);
            }
            if let Poll::Ready(event) = self.poll_cloud(context, buffer) {
                return Poll::Ready(event);
            }
            if let Poll::Ready(event) = station.as_mut().poll(context) {
                return Poll::Ready(match event {
                    StationEvent::Attached => Event::StationAttached,
                    StationEvent::Detached => Event::StationDetached,
                    StationEvent::PassphraseRefused => Event::PassphraseRefused,
                });
            }
            if let Poll::Ready(event) = self.poll_phones(context, buffer) {
                return Poll::Ready(event);
            }
            if let Poll::Ready(pipe) = phone.as_mut().poll(context) {
                return Poll::Ready(self.admit_phone(pipe));
            }
            if let Poll::Ready(event) = button.as_mut().poll(context) {
                return Poll::Ready(match event {
                    ButtonEvent::Pressed => Event::ButtonPressed,
                    ButtonEvent::Released => Event::ButtonReleased,
                });
            }
            if let Poll::Ready(line) = console.as_mut().poll(context) {
                let byte_count = line.len().min(buffer.len());
                for (to, from) in buffer.iter_mut().zip(&line) {
                    *to = *from;
                }
                return Poll::Ready(Event::ConsoleLine(byte_count));
            }
            timer.as_mut().poll(context).map(|()| Event::TimedOut)
        })
        .await
    }
}

impl Timing for BenchPlatform {
    fn now(&self) -> Instant {
        Instant::from_millis(self.board.uptime_ms())
    }

    fn unix_ms(&self) -> Option<u64> {
        // Real boards learn the time from the network.
        self.is_joined.then(|| self.board.utc_ms())
    }

    fn random_u32(&mut self) -> u32 {
        u32::try_from(self.board.rng().next_u64() >> 32).unwrap_or_default()
    }
}

impl Radio for BenchPlatform {
    fn start_scan(&mut self) {
        let board = self.board.clone();
        self.scanning = Some(Box::pin(async move { board.scan().await }));
    }

    fn scan_list(&self) -> ScanList {
        let seen = |entry: &ScanEntry| SeenNetwork {
            ssid: entry.ssid.iter().copied().take(32).collect(),
            bssid: MacAddress(entry.bssid),
            rssi_dbm: i16::from(entry.rssi_dbm),
            security: match entry.security {
                Security::Open => portal::Security::Open,
                Security::Wpa2 => portal::Security::Wpa2,
                Security::Wpa3 => portal::Security::Wpa3,
            },
            channel: entry.channel,
        };
        self.scan.iter().take(SCAN_COUNT_MAX).map(seen).collect()
    }

    fn start_join(&mut self, request: JoinRequest<'_>) {
        self.leave();
        let board = self.board.clone();
        let ssid = request.network.ssid.as_bytes().to_vec();
        let password = request.network.secret.expose().to_vec();
        let channel = request.channel;
        self.joining = Some(Box::pin(async move { board.join(&ssid, Some(&password), channel).await }));
    }

    fn leave(&mut self) {
        self.joining = None;
        self.is_joined = false;
        self.hang_up();
        self.board.leave();
    }
}

impl Hotspot for BenchPlatform {
    fn open_hotspot(&mut self, request: HotspotRequest<'_>) {
        self.board.open_hotspot(request.ssid, request.passphrase, Dialect::Rehome);
    }

    fn close_hotspot(&mut self) {
        self.board.close_hotspot();
        self.phones.clear();
    }

    async fn answer_portal(
        &mut self,
        connection: ConnectionIndex,
        bytes: &[u8],
    ) -> Result<(), PortalClosedError> {
        let Some(phone) = self.phones.iter_mut().find(|phone| phone.connection == connection) else {
            return Err(PortalClosedError);
        };
        let sending = async {
            phone.pipe.write_all(bytes).await?;
            phone.pipe.flush().await
        };
        tokio::select! {
            biased;
            sent = sending => sent.map_err(|_broken| PortalClosedError),
            () = self.board.sleep_ms(ANSWER_TIMEOUT_MS) => Err(PortalClosedError),
        }
    }

    fn close_portal(&mut self, connection: ConnectionIndex) {
        self.phones.retain(|phone| phone.connection != connection);
    }
}

impl CloudWire for BenchPlatform {
    fn start_dial(&mut self, address: CloudAddress<'_>) {
        self.hang_up();
        self.board.note_secret(address.binding.token.expose());
        let security = if address.binding.uses_tls { DialSecurity::VerifiedTls } else { DialSecurity::Plain };
        let (board, port) = (self.board.clone(), address.port);
        // An image that is deaf looks for its cloud where nobody is.
        let host =
            if self.conduct == ImageConduct::Deaf { "nowhere.invalid" } else { address.host }.to_owned();
        self.dialing = Some((Box::pin(dial(board, host, port, security)), security));
    }

    fn hang_up(&mut self) {
        self.dialing = None;
        self.cloud = None;
        self.outbox.clear();
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        if self.cloud.is_none() || self.outbox.len() >= OUTBOX_LEN_MAX {
            return Err(SendError);
        }
        self.outbox.push_back(frame.to_vec());
        Ok(())
    }
}

impl WarmMemory for BenchPlatform {
    fn wrong_proof_count(&self) -> u8 {
        self.board.wrong_proof_count()
    }

    fn keep_wrong_proof_count(&mut self, wrong_proof_count: u8) {
        self.board.keep_wrong_proof_count(wrong_proof_count);
    }
}

impl Panel for BenchPlatform {
    fn log(&mut self, line: std::fmt::Arguments<'_>) {
        self.board.log(&line.to_string());
    }

    fn indicate(&mut self, pattern: Pattern) {
        let (pattern, colour) = match pattern {
            Pattern::Blink { colour, on_ms, off_ms } => (LedPattern::Blink { on_ms, off_ms }, colour),
            Pattern::DoubleBlink { colour, on_ms, between_ms, off_ms } => {
                (LedPattern::DoubleBlink { times_ms: [on_ms, between_ms, on_ms, off_ms] }, colour)
            }
            Pattern::Wave { colour, period_ms } => (LedPattern::Wave { period_ms }, colour),
        };
        self.board.set_led(Led { pattern, color: colour.0 });
    }

    fn show_state(&mut self, state: State, last_error: u16) {
        self.board.report_state(state.as_str());
        self.board.report_last_error(last_error);
    }
}

fn network_error(error: JoinError) -> NetworkError {
    match error {
        JoinError::NotFound => NetworkError::NotFound,
        JoinError::PasswordRefused => NetworkError::Authentication,
        JoinError::Lost => NetworkError::Other,
    }
}

async fn dial(
    board: BoardHandle,
    host: String,
    port: u16,
    security: DialSecurity,
) -> Result<LinkPipe, CloudError> {
    let error = match board.dial(&host, port, security).await {
        Ok(pipe) => return Ok(pipe),
        Err(error) => cloud_error(error),
    };
    let is_login_page = may_be_login_page(error) && answers_for_the_cloud(&board, &host).await;
    Err(if is_login_page { CloudError::CaptivePortal } else { error })
}

fn cloud_error(error: DialError) -> CloudError {
    match error {
        DialError::Dns => CloudError::Dns,
        DialError::Certificate => CloudError::Certificate,
        DialError::NetworkDown | DialError::Refused | DialError::Timeout => CloudError::Timeout,
    }
}

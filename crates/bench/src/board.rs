//! A board as its firmware sees it.
//!
//! A firmware implements [`Firmware`](crate::firmware::Firmware): `run(board)` gets a [`BoardHandle`] and returns a
//! boxed local future that ends with `RunEnd::Restart` or `RunEnd::Halt`. Everything happens on one thread
//! (`tokio::task::LocalSet`), so `Rc` and `RefCell` are fine; use `tokio::select!` with `biased;` to wait for several things, because the unbiased
//! form draws its own random numbers and the same seed must give the same run.
//!
//! | the firmware wants | call |
//! |---|---|
//! | time since boot, waiting | [`BoardHandle::uptime_ms`], [`BoardHandle::sleep_ms`], [`BoardHandle::sleep_until_uptime_ms`] (bench time; never use `tokio::time` directly) |
//! | wall clock | [`BoardHandle::utc_ms`] (only meaningful once a network with internet was joined) |
//! | who am I | [`BoardHandle::identity`]: MAC, template id and name, vendor prefix, button or not |
//! | why did I start | [`BoardHandle::boot_reason`] |
//! | scan, join, leave | [`BoardHandle::scan`], [`BoardHandle::join`], [`BoardHandle::leave`], [`BoardHandle::joined_ssid`], [`BoardHandle::link_lost`] |
//! | hotspot | [`BoardHandle::open_hotspot`], [`BoardHandle::close_hotspot`], [`BoardHandle::accept_phone`] (a byte pipe on which a phone speaks HTTP/1.1), [`BoardHandle::next_station_event`], [`BoardHandle::station_count`] |
//! | cloud | [`BoardHandle::dial`] gives a byte pipe (`AsyncRead + AsyncWrite`), TLS already done and verified |
//! | flash | [`BoardHandle::flash`]: a `NorFlash`; survives power cuts |
//! | firmware slots | [`BoardHandle::firmware_slots`]; survive power cuts |
//! | serial port | [`BoardHandle::log`], [`BoardHandle::next_console_line`] |
//! | LED | [`BoardHandle::set_led`] |
//! | button | [`BoardHandle::next_button_event`], [`BoardHandle::is_button_held`] |
//! | randomness | [`BoardHandle::rng`], seeded |
//! | tell the bench | [`BoardHandle::report_state`], [`BoardHandle::report_last_error`], [`BoardHandle::note_secret`] (a token or password received: the bench later searches the flash image for it) |
//!
//! Rules: waiting calls are cancel-safe except `join`, `dial` and `scan`, which start over when called again. A firmware
//! that closes its hotspot drops its phone pipes itself. Dropping a cloud pipe while joined sends an end of stream;
//! after [`BoardHandle::leave`], a lost link or a power cut the far end sees only silence, as on hardware. When `run`
//! ends, the bench leaves the network, closes the hotspot and turns the LED off; then it waits the boot time.

use std::rc::Rc;
use std::time::Duration;

use home_store::sim_flash::SharedSimFlash;
use portal::Dialect;

use crate::air::{JoinError, ScanEntry, Secret, Security};
use crate::board_core::BoardCore;
use crate::firmware_slots::SlotStore;
use crate::hotspot::OpenHotspot;
use crate::link::{BoxPipe, LinkPipe};
use crate::seed::SeededRng;

/// Time a scan of all 2.4 GHz channels takes: 13 channels of about 120 ms, and some overhead.
const SCAN_MS: u64 = 1_800;
/// Time a radio listens on one channel.
const CHANNEL_MS: u64 = 120;
/// Time until an access point says no to a password: two rounds of the handshake.
const PASSWORD_REFUSAL_MS: u64 = 3_000;
/// Shortest and longest time for association, handshake and DHCP together.
const ASSOCIATION_MS: (u64, u64) = (900, 2_600);
/// Time after which a resolver that answers nothing is given up.
const DNS_TIMEOUT_MS: u64 = 5_000;
/// Shortest and longest round trip to a server.
const ROUND_TRIP_MS: (u64, u64) = (30, 140);
/// What a TLS handshake costs a small chip.
const TLS_HANDSHAKE_MS: u64 = 900;
/// Time after which a dial without any answer is given up.
const DIAL_TIMEOUT_MS: u64 = 10_000;
/// Secrets remembered for the search of the flash image.
const SECRETS_LEN_MAX: usize = 256;

/// Names a board of the bench.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoardId(pub String);

/// What is printed on, soldered to and compiled into a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardIdentity {
    /// Station MAC address.
    pub mac: [u8; 6],
    /// `TMPL…`
    pub template_id: String,
    /// Used in the hotspot's name.
    pub template_name: String,
    /// First word of the hotspot's name.
    pub vendor: String,
    /// Whether the board has a button.
    pub has_button: bool,
    /// Proof of possession on its label; `None` on a board without one.
    pub pop: Option<Secret>,
}

/// Why the firmware starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootReason {
    /// The board got power.
    PowerOn,
    /// The firmware asked for a restart.
    Restart,
}

/// What the button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ButtonEvent {
    /// Pressed down.
    Pressed,
    /// Let go.
    Released,
}

/// Somebody joins or leaves the board's hotspot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StationEvent {
    /// A phone joined.
    Attached,
    /// A phone left.
    Detached,
    /// A phone tried a wrong passphrase.
    PassphraseRefused,
}

/// Whether and how a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialSecurity {
    /// Plain TCP.
    Plain,
    /// TLS with chain and name checked.
    VerifiedTls,
}

/// Why a connection to a server failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The board is in no network.
    #[error("no network")]
    NetworkDown,
    /// The name could not be resolved.
    #[error("the name could not be resolved")]
    Dns,
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The certificate or its name did not check out.
    #[error("the certificate was not accepted")]
    Certificate,
}

/// A pending connection attempt of a [`CloudNet`].
pub type Dialing = std::pin::Pin<Box<dyn Future<Output = Result<BoxPipe, DialError>>>>;

/// The internet behind the routers: real sockets or a simulated service.
pub trait CloudNet {
    /// Connects to a server.
    fn dial(&self, host: &str, port: u16, security: DialSecurity) -> Dialing;
}

/// What an LED does, times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedPattern {
    /// Dark.
    Off,
    /// Lit.
    On,
    /// On and off in turn.
    Blink {
        /// Lit for this long.
        on_ms: u16,
        /// Dark for this long.
        off_ms: u16,
    },
    /// Two short flashes, then a pause (on, off, on, off).
    DoubleBlink {
        /// The four times.
        times_ms: [u16; 4],
    },
    /// Swells and fades.
    Wave {
        /// Length of one swell and fade.
        period_ms: u16,
    },
}

/// Pattern and colour of a board's LED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    /// What it does.
    pub pattern: LedPattern,
    /// `0xRRGGBB`.
    pub color: u32,
}

/// Dark.
pub const LED_OFF: Led = Led { pattern: LedPattern::Off, color: 0 };

/// What the bench knows of a board's run, as the firmware reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Name of the state, as in the serial log.
    pub state: &'static str,
    /// 0 or a code from 700 to 732.
    pub last_error: u16,
}

/// A board as its firmware sees it; cheap to clone.
#[derive(Clone, Debug)]
pub struct BoardHandle {
    core: Rc<BoardCore>,
}

impl BoardHandle {
    pub(crate) fn new(core: Rc<BoardCore>) -> Self {
        Self { core }
    }

    /// Returns what is printed on, soldered to and compiled into the board.
    #[must_use]
    pub fn identity(&self) -> &BoardIdentity {
        &self.core.identity
    }

    /// Returns why the firmware started.
    #[must_use]
    pub fn boot_reason(&self) -> BootReason {
        self.core.boot_reason.get()
    }

    /// Returns the bench time since this start, in milliseconds.
    #[must_use]
    pub fn uptime_ms(&self) -> u64 {
        let uptime = self.core.clock.now().saturating_sub(self.core.booted_at.get());
        u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the simulated wall clock (Unix, milliseconds).
    #[must_use]
    pub fn utc_ms(&self) -> u64 {
        self.core.clock.utc_ms()
    }

    /// Waits `ms` milliseconds of bench time.
    pub async fn sleep_ms(&self, ms: u64) {
        self.core.clock.sleep(Duration::from_millis(ms)).await;
    }

    /// Waits until [`BoardHandle::uptime_ms`] shows `at_ms`.
    pub async fn sleep_until_uptime_ms(&self, at_ms: u64) {
        let at = self.core.booted_at.get().saturating_add(Duration::from_millis(at_ms));
        self.core.clock.sleep_until(at).await;
    }

    /// Returns the board's seeded randomness.
    #[must_use]
    pub fn rng(&self) -> &SeededRng {
        &self.core.rng
    }

    /// Prints one line on the serial port.
    pub fn log(&self, line: &str) {
        let mut serial = self.core.serial.borrow_mut();
        serial.push_line(line);
        self.core.serial_end.send_replace(serial.end_offset());
    }

    /// Sets the LED.
    pub fn set_led(&self, led: Led) {
        if self.core.led.replace(led) != led {
            self.core.notify();
        }
    }

    /// Tells the bench in which state the firmware is; `state` is the name used in the serial log.
    pub fn report_state(&self, state: &'static str) {
        let report = Report { state, ..self.core.report.get() };
        if self.core.report.replace(report) != report {
            self.core.notify();
        }
    }

    /// Tells the bench the last error code (0, or 700 to 732).
    pub fn report_last_error(&self, last_error: u16) {
        let report = Report { last_error, ..self.core.report.get() };
        if self.core.report.replace(report) != report {
            self.core.notify();
        }
    }

    /// Remembers a secret that reached the board, so that the bench can search the flash image for it later.
    pub fn note_secret(&self, secret: &[u8]) {
        let mut secrets = self.core.secrets.borrow_mut();
        let is_known = secrets.iter().any(|known| known.reveal() == secret);
        if !secret.is_empty() && !is_known && secrets.len() < SECRETS_LEN_MAX {
            secrets.push(Secret::new(secret));
        }
    }

    /// Returns the board's two firmware slots and their boot loader.
    #[must_use]
    pub fn firmware_slots(&self) -> SlotStore {
        self.core.slots.clone()
    }

    /// Returns how many wrong proofs of possession the firmware kept since power-on.
    #[must_use]
    pub fn wrong_proof_count(&self) -> u8 {
        self.core.wrong_proof_count.get()
    }

    /// Keeps that number over restarts.
    pub fn keep_wrong_proof_count(&self, wrong_proof_count: u8) {
        self.core.wrong_proof_count.set(wrong_proof_count);
    }

    /// Returns the board's flash.
    #[must_use]
    pub fn flash(&self) -> BoardFlash {
        self.core.flash.clone()
    }
}

/// Radio.
impl BoardHandle {
    /// Listens on all channels and returns what was heard, strongest first.
    pub async fn scan(&self) -> Vec<ScanEntry> {
        self.sleep_ms(SCAN_MS).await;
        self.core.air.scan(self.core.place.borrow().as_ref())
    }

    /// Leaves the present network and joins another; takes seconds, as on hardware.
    ///
    /// With a password only a protected network of that name is joined, never an open one (evil twin). A network that is on
    /// the expected channel is found sooner than by a scan.
    ///
    /// # Errors
    /// [`JoinError`] after the time a radio needs to find that out.
    pub async fn join(
        &self,
        ssid: &[u8],
        password: Option<&[u8]>,
        expected_channel: Option<u8>,
    ) -> Result<(), JoinError> {
        let password = password.filter(|password| !password.is_empty());
        self.note_secret(ssid);
        self.note_secret(password.unwrap_or_default());
        self.core.drop_link();
        let network = self.find(ssid, expected_channel).await.ok_or(JoinError::NotFound)?;
        self.core.move_hotspot_to(network.channel());
        match (network.security, password) {
            (Security::Open, Some(_)) => return Err(JoinError::NotFound),
            (Security::Open, None) => {}
            (Security::Wpa2 | Security::Wpa3, offered) => {
                if network.password.as_ref().map(Secret::reveal) != offered {
                    self.sleep_ms(PASSWORD_REFUSAL_MS).await;
                    return Err(JoinError::PasswordRefused);
                }
            }
        }
        self.sleep_ms(self.core.rng.between(ASSOCIATION_MS.0, ASSOCIATION_MS.1)).await;
        self.reachable(ssid).ok_or(JoinError::Lost)?;
        self.core.link.advance();
        *self.core.joined.borrow_mut() = Some(ssid.to_vec());
        self.core.notify();
        Ok(())
    }

    /// Leaves the present network, if any.
    pub fn leave(&self) {
        self.core.drop_link();
    }

    /// Returns the name of the joined network.
    #[must_use]
    pub fn joined_ssid(&self) -> Option<Vec<u8>> {
        self.core.joined_ssid()
    }

    /// Waits until no network is joined; returns at once when none is.
    pub async fn link_lost(&self) {
        while self.core.joined.borrow().is_some() {
            self.core.link_changed.notified().await;
        }
    }

    /// Connects to a server through the joined network.
    ///
    /// # Errors
    /// [`DialError`], after the time a small chip needs to find that out.
    pub async fn dial(&self, host: &str, port: u16, security: DialSecurity) -> Result<LinkPipe, DialError> {
        let ssid = self.joined_ssid().ok_or(DialError::NetworkDown)?;
        let network = self.reachable(&ssid).ok_or(DialError::NetworkDown)?;
        if !network.has_internet {
            self.sleep_ms(DNS_TIMEOUT_MS).await;
            return Err(DialError::Dns);
        }
        let epoch = self.core.link.current();
        let handshake_ms = if security == DialSecurity::VerifiedTls { TLS_HANDSHAKE_MS } else { 0 };
        self.sleep_ms(handshake_ms + self.core.rng.between(ROUND_TRIP_MS.0, ROUND_TRIP_MS.1)).await;
        let dialed = tokio::select! {
            biased;
            dialed = self.core.cloud.dial(host, port, security) => dialed,
            () = self.sleep_ms(DIAL_TIMEOUT_MS) => Err(DialError::Timeout),
        };
        if self.core.link.current() != epoch {
            return Err(DialError::NetworkDown);
        }
        Ok(LinkPipe::new(dialed?, self.core.link.clone(), self.core.clock.clone()))
    }

    async fn find(&self, ssid: &[u8], expected_channel: Option<u8>) -> Option<crate::air::AirNetwork> {
        if let Some(channel) = expected_channel {
            self.sleep_ms(CHANNEL_MS).await;
            if let Some(network) = self.reachable(ssid).filter(|network| network.channel() == channel) {
                return Some(network);
            }
        }
        self.sleep_ms(SCAN_MS).await;
        self.reachable(ssid)
    }

    fn reachable(&self, ssid: &[u8]) -> Option<crate::air::AirNetwork> {
        self.core.air.reachable(self.core.place.borrow().as_ref(), ssid)
    }
}

/// Hotspot and button.
impl BoardHandle {
    /// Opens the hotspot under this name, with WPA2 where there is a passphrase; replaces it when it is open already.
    ///
    /// `dialect` says which firmware's address and name service answer in it.
    pub fn open_hotspot(&self, ssid: &str, passphrase: Option<&str>, dialect: Dialect) {
        *self.core.hotspot.borrow_mut() = Some(OpenHotspot::new(ssid, passphrase, dialect));
        self.core.hotspot_changed.notify_one();
        self.core.notify();
    }

    /// Closes the hotspot; waiting phone connections are dropped.
    pub fn close_hotspot(&self) {
        self.core.close_hotspot();
    }

    /// Waits for a phone's connection to the setup portal.
    pub async fn accept_phone(&self) -> BoxPipe {
        self.core.phones.next().await
    }

    /// Waits until a phone joins or leaves the hotspot.
    pub async fn next_station_event(&self) -> StationEvent {
        self.core.station_events.next().await
    }

    /// Returns how many phones are in the hotspot.
    #[must_use]
    pub fn station_count(&self) -> usize {
        self.core.stations.get()
    }

    /// Waits until the button is pressed or let go; for ever on a board without one.
    pub async fn next_button_event(&self) -> ButtonEvent {
        self.core.button_events.next().await
    }

    /// Waits for a line that somebody types on the serial port; without its end.
    pub async fn next_console_line(&self) -> Vec<u8> {
        self.core.console_lines.next().await
    }

    /// Returns whether the button is held down.
    #[must_use]
    pub fn is_button_held(&self) -> bool {
        self.core.is_button_held.get()
    }
}

/// The flash of a board: a `NorFlash`. Every clone sees the same cells, and they survive power cuts.
pub type BoardFlash = SharedSimFlash;

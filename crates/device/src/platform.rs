//! What the shell needs from the thing it runs on.
//!
//! Requests return at once; what becomes of them arrives as an [`Event`]. A newer request of a kind replaces the older
//! one, and its answers with it: after `start_join`, `leave`, `start_dial` or `hang_up` no answer to an earlier request
//! may arrive.

use core::fmt;
use core::future::Future;

use home_store::{CloudBinding, Network};
use lifecycle::{CloudError, Instant, NetworkError, Pattern, State};
use portal::{MacAddress, Security};

use crate::firmware_slots::FirmwareSlots;

/// Bytes of the buffer in which events deliver received bytes.
pub const EVENT_BUFFER_BYTES: usize = 1024;
/// Portal connections served side by side. Browsers open several and leave some of them unused.
pub const PORTAL_CONNECTION_COUNT_MAX: usize = 4;
/// Networks kept of one scan.
pub const SCAN_COUNT_MAX: usize = 20;

/// Everything the shell needs.
pub trait Platform: Timing + Radio + Hotspot + CloudWire + Panel + FirmwareSlots + WarmMemory {
    /// Waits for the next event, or for `until`; bytes that an event announces are at the start of `buffer`.
    ///
    /// # Cancel safety
    /// No event and no byte is lost when the future is dropped.
    fn next_event(&mut self, until: Option<Instant>, buffer: &mut [u8]) -> impl Future<Output = Event>;
}

/// Time and randomness.
pub trait Timing {
    /// Returns the time since boot.
    fn now(&self) -> Instant;

    /// Returns the wall clock (Unix, milliseconds) once it is known.
    fn unix_ms(&self) -> Option<u64>;

    /// Returns a random number; it spreads retries and protects nothing.
    fn random_u32(&mut self) -> u32;
}

/// The station side of the radio.
pub trait Radio {
    /// Listens for networks; answered by [`Event::ScanDone`].
    fn start_scan(&mut self);

    /// Returns what the last scan heard, strongest first.
    fn scan_list(&self) -> ScanList;

    /// Joins a network; answered by [`Event::Joined`] or [`Event::JoinFailed`], later by [`Event::LinkLost`].
    fn start_join(&mut self, request: JoinRequest<'_>);

    /// Leaves the network or gives up joining.
    fn leave(&mut self);
}

/// The access point and the portal's connections.
pub trait Hotspot {
    /// Opens the access point at 192.168.4.1 with DHCP and DNS, and listens on port 80.
    fn open_hotspot(&mut self, request: HotspotRequest<'_>);

    /// Closes all of that; portal connections end without an event.
    fn close_hotspot(&mut self);

    /// Sends part of an answer; gives up within 2 s, so that a phone that is gone holds nothing up.
    ///
    /// # Errors
    /// When the connection is gone.
    fn answer_portal(
        &mut self,
        connection: ConnectionIndex,
        bytes: &[u8],
    ) -> impl Future<Output = Result<(), PortalClosedError>>;

    /// Ends a connection after what was sent.
    fn close_portal(&mut self, connection: ConnectionIndex);
}

/// The connection to the cloud.
pub trait CloudWire {
    /// Connects; answered by [`Event::CloudConnected`] or [`Event::CloudFailed`], later by [`Event::CloudClosed`].
    fn start_dial(&mut self, address: CloudAddress<'_>);

    /// Closes the connection or gives up connecting.
    fn hang_up(&mut self);

    /// Queues one whole frame to be written at once.
    ///
    /// # Errors
    /// When the queue is full or there is no connection; nothing of the frame is sent then.
    fn send(&mut self, frame: &[u8]) -> Result<(), SendError>;
}

/// Memory that keeps what it holds over every restart but a power-on.
pub trait WarmMemory {
    /// Returns what [`WarmMemory::keep_wrong_proof_count`] was given last; 0 when nothing is kept. Not asked at power-on.
    fn wrong_proof_count(&self) -> u8;

    /// Keeps how many wrong proofs of possession were given since power-on.
    fn keep_wrong_proof_count(&mut self, wrong_proof_count: u8);
}

/// What people see of the device.
pub trait Panel {
    /// Prints one line on the serial port.
    fn log(&mut self, line: fmt::Arguments<'_>);

    /// Plays a pattern on the LED until told otherwise.
    fn indicate(&mut self, pattern: Pattern);

    /// Tells where the device stands; `last_error` is 0 or a code from 700 to 732.
    fn show_state(&mut self, state: State, last_error: u16);
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The given time came and nothing else happened.
    TimedOut,
    /// A network was joined and gave an address.
    Joined,
    /// A network was not joined.
    JoinFailed(NetworkError),
    /// The joined network is gone.
    LinkLost,
    /// A scan ended.
    ScanDone,
    /// A phone joined the hotspot.
    StationAttached,
    /// A phone left the hotspot.
    StationDetached,
    /// A phone tried to join the hotspot with a wrong passphrase; radios that do not notice never say so.
    PassphraseRefused,
    /// A phone opened a connection to the portal.
    PortalOpened(ConnectionIndex),
    /// Bytes arrived on a portal connection.
    PortalReceived {
        /// Which one.
        connection: ConnectionIndex,
        /// How many bytes of the buffer.
        byte_count: usize,
    },
    /// A portal connection ended from the phone's side.
    PortalClosed(ConnectionIndex),
    /// The connection to the cloud stands.
    CloudConnected {
        /// Over TLS with chain and name checked.
        is_verified_tls: bool,
    },
    /// The connection to the cloud did not come about.
    CloudFailed(CloudError),
    /// Bytes arrived from the cloud: this many in the buffer.
    CloudReceived(usize),
    /// The connection to the cloud ended.
    CloudClosed,
    /// A line came in on the serial port: this many bytes in the buffer, without its end. A platform drops lines that
    /// do not fit [`crate::CONSOLE_LINE_BYTES_MAX`].
    ConsoleLine(usize),
    /// The button went down.
    ButtonPressed,
    /// The button came up.
    ButtonReleased,
}

/// Names one of the portal's connections: 0 to [`PORTAL_CONNECTION_COUNT_MAX`] - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionIndex(pub usize);

/// The access point to open.
#[derive(Clone, Copy)]
pub struct HotspotRequest<'a> {
    /// Name, at most 31 bytes.
    pub ssid: &'a str,
    /// WPA2 passphrase of 8 to 63 printable ASCII characters; `None` is an open access point.
    pub passphrase: Option<&'a str>,
}

impl fmt::Debug for HotspotRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HotspotRequest")
            .field("ssid", &self.ssid)
            .field("passphrase", &self.passphrase.map(|_| "[redacted]"))
            .finish()
    }
}

/// A network to join.
#[derive(Clone, Copy, Debug)]
pub struct JoinRequest<'a> {
    /// Name, secret and address. A secret network must never match an open one of the same name.
    pub network: &'a Network,
    /// Radio channel, 1 to 14, on which the last scan heard the network. Listening there first saves the time for all the
    /// others; a network that has moved must still be found.
    pub channel: Option<u8>,
}

/// Where to connect.
#[derive(Clone, Copy, Debug)]
pub struct CloudAddress<'a> {
    /// Name or address of the server; a redirect may lead elsewhere than the binding.
    pub host: &'a str,
    /// TCP port.
    pub port: u16,
    /// Says whether TLS is used and whom it trusts.
    pub binding: &'a CloudBinding,
}

/// What a scan heard of one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenNetwork {
    /// Up to 32 bytes; empty when hidden.
    pub ssid: heapless::Vec<u8, 32>,
    /// Address of the access point.
    pub bssid: MacAddress,
    /// Signal in dBm.
    pub rssi_dbm: i16,
    /// Protection.
    pub security: Security,
    /// Radio channel.
    pub channel: u8,
}

/// What a scan heard.
pub type ScanList = heapless::Vec<SeenNetwork, SCAN_COUNT_MAX>;

/// A frame could not be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cloud connection takes no more frames")]
pub struct SendError;

/// A portal connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the portal connection is gone")]
pub struct PortalClosedError;

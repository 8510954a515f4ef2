//! What the tasks tell the shell, and what they are told.

use core::cell::RefCell;

use device::{ConnectionIndex, Event, PORTAL_CONNECTION_COUNT_MAX, ScanList};
use embassy_sync::blocking_mutex::CriticalSectionMutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::signal::Signal;
use home_store::StaticAddress;
use lifecycle::Pattern;

/// Bytes that travel in one message.
pub(crate) const CHUNK_BYTES: usize = 512;
/// Messages that may wait for the shell; the tasks wait when it is busy.
const MESSAGE_COUNT_MAX: usize = 8;
/// Orders that may wait for the radio; the shell never gives more in one turn.
pub(crate) const RADIO_ORDER_COUNT_MAX: usize = 8;
/// Frames that may wait for the cloud connection.
const OUTBOX_COUNT_MAX: usize = 8;
/// Parts of an answer that may wait for a phone.
const ANSWER_COUNT_MAX: usize = 2;

/// Part of a byte stream.
pub(crate) type Chunk = heapless::Vec<u8, CHUNK_BYTES>;

/// Tells answers to the newest request from those to older ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u32);

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Message {
    /// Concerns nobody's request.
    Plain(Event),
    /// Answers a join.
    Radio(Ticket, Event),
    /// Answers a dial.
    Cloud(Ticket, Event),
    /// Bytes from the cloud.
    CloudBytes(Ticket, Chunk),
    /// A line of the console.
    Line(Chunk),
    /// Bytes from a phone.
    PortalBytes(ConnectionIndex, Chunk),
}

/// What the radio must do.
pub(crate) enum RadioOrder {
    OpenHotspot { ssid: heapless::Vec<u8, 32>, passphrase: Option<heapless::String<63>> },
    CloseHotspot,
    Join(JoinOrder),
    Leave,
    Scan,
}

/// A network to join; its secret never leaves this struct but into the driver.
pub(crate) struct JoinOrder {
    pub(crate) ticket: Ticket,
    pub(crate) ssid: heapless::Vec<u8, 32>,
    /// Empty for an open network.
    pub(crate) secret: heapless::Vec<u8, 64>,
    pub(crate) static_address: Option<StaticAddress>,
    /// Where the driver listens first.
    pub(crate) channel: Option<u8>,
}

/// A server to connect to.
pub(crate) struct DialOrder {
    pub(crate) ticket: Ticket,
    pub(crate) host: heapless::String<{ home_store::HOST_BYTES_MAX }>,
    pub(crate) port: u16,
    pub(crate) security: DialSecurity,
}

/// How the connection is protected.
#[expect(clippy::large_enum_variant, reason = "there is one of it, and it stays where it is")]
pub(crate) enum DialSecurity {
    Plain,
    /// With the home's own anchor, or with the firmware's.
    Tls(Option<home_store::TrustAnchor>),
}

/// What a portal connection must do.
#[expect(clippy::large_enum_variant, reason = "the queue has room for the larger one in any case")]
pub(crate) enum AnswerPart {
    Bytes(Chunk),
    End,
}

type Queue<T, const N: usize> = Channel<CriticalSectionRawMutex, T, N>;

pub(crate) static MESSAGES: Queue<Message, MESSAGE_COUNT_MAX> = Channel::new();
pub(crate) static RADIO_ORDERS: Queue<RadioOrder, RADIO_ORDER_COUNT_MAX> = Channel::new();
/// The newest order; `None` hangs up.
pub(crate) static DIAL_ORDER: Signal<CriticalSectionRawMutex, Option<DialOrder>> = Signal::new();
pub(crate) static OUTBOX: Queue<Chunk, OUTBOX_COUNT_MAX> = Channel::new();
pub(crate) static ANSWERS: [Queue<AnswerPart, ANSWER_COUNT_MAX>; PORTAL_CONNECTION_COUNT_MAX] =
    [const { Channel::new() }; PORTAL_CONNECTION_COUNT_MAX];
/// The connection must end at once.
pub(crate) static HANG_UPS: [Signal<CriticalSectionRawMutex, ()>; PORTAL_CONNECTION_COUNT_MAX] =
    [const { Signal::new() }; PORTAL_CONNECTION_COUNT_MAX];
pub(crate) static PATTERN: Signal<CriticalSectionRawMutex, Pattern> = Signal::new();
pub(crate) static SCAN_LIST: CriticalSectionMutex<RefCell<ScanList>> =
    CriticalSectionMutex::new(RefCell::new(ScanList::new()));

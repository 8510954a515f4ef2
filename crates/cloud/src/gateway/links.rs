//! Which device is connected here, and over which connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{counter, gauge};
use registry::{BoardKey, DeviceId, Epoch, Moment, MonoTime, UtcTime};
use telemetry::{
    ConnectionNumber, Heartbeat, OFFLINE_WAIT_DEFAULT_MS, Presence, PresenceChange, PresenceEvent,
};
use tokio::sync::oneshot;
use tracing::debug;
use wire::{BUFFER_BYTES_UNDECLARED, ServerMessage, Status};

use super::outbox::{Outbox, SendMessageError};

/// The connection of one logged-in device. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id: u64,
    device: DeviceId,
    epoch: Option<Epoch>,
    outbox: Outbox,
    /// Set when the device is released: from then on neither data nor control passes.
    is_quarantined: AtomicBool,
    is_over_tls: AtomicBool,
    /// The device said that its home is in RAM, for a test.
    is_on_bench: AtomicBool,
    last_heard_ms: AtomicU64,
    /// The part of it that is in the store already.
    noted_heard_ms: AtomicU64,
    body_bytes_max: AtomicUsize,
    takes_debug_print: AtomicBool,
    /// Changes of metadata are sent without having been asked for.
    follows_metadata: AtomicBool,
    next_message_id: AtomicU16,
    /// Epoch of the release key that the device holds, plus one; 0 while it is not known to hold ours.
    release_epoch_plus_one: AtomicU64,
    /// What the device said of a release key, one of the `KEY_` numbers; the highest of what was noted.
    key_said: AtomicU8,
}

/// It has not introduced itself.
const KEY_UNSAID: u8 = 0;
/// It said that it holds none.
const KEY_NONE: u8 = 1;
/// It said that it holds none, and was offered one.
const KEY_OFFERED: u8 = 2;
/// It showed one, this server's or another's.
const KEY_SHOWN: u8 = 3;
/// It speaks a protocol without an order to wipe.
const KEY_USELESS: u8 = 4;

/// No time that is ever heard at.
const NEVER_NOTED: u64 = u64::MAX;

/// Where a device is, as far as its connection tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) is_online: bool,
    /// It lives on a home in RAM, which it forgets with its next restart; so does this server with the connection.
    pub(crate) is_on_bench: bool,
}

impl Link {
    /// Ids for messages of ours start at 2; 1 is the login's.
    const FIRST_MESSAGE_ID: u16 = 2;

    pub(crate) fn device(&self) -> &DeviceId {
        &self.shared.device
    }

    pub(crate) fn id(&self) -> u64 {
        self.shared.id
    }

    /// The ownership whose data may pass; none for a device that logged in into quarantine.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.shared.epoch
    }

    pub(crate) fn is_quarantined(&self) -> bool {
        self.shared.is_quarantined.load(Ordering::SeqCst)
    }

    /// Ends data and control on this connection, for good.
    pub(crate) fn quarantine(&self) {
        // In one order with what is noted of its key: see `note_key`.
        self.shared.is_quarantined.store(true, Ordering::SeqCst);
    }

    /// Notes that the device came over TLS.
    pub(super) fn set_over_tls(&self) {
        self.shared.is_over_tls.store(true, Ordering::Release);
    }

    /// Says whether the device came over TLS, so that it knows whom to trust.
    pub(crate) fn is_over_tls(&self) -> bool {
        self.shared.is_over_tls.load(Ordering::Acquire)
    }

    /// Notes that bytes came in. The table learns it when it asks for the time of silence, not at each message.
    pub(super) fn heard(&self, now: MonoTime) {
        self.shared.last_heard_ms.store(now.ms(), Ordering::Release);
    }

    pub(crate) fn last_heard_at(&self) -> MonoTime {
        MonoTime::from_ms(self.shared.last_heard_ms.load(Ordering::Acquire))
    }

    pub(super) fn set_on_bench(&self, is_on_bench: bool) {
        self.shared.is_on_bench.store(is_on_bench, Ordering::Release);
    }

    fn last_heard_utc(&self, now: Moment) -> UtcTime {
        let silent_ms = now.mono.since_ms(self.last_heard_at());
        now.utc.plus_ms(i64::try_from(silent_ms).map_or(i64::MIN, |ms| -ms))
    }

    pub(crate) fn set_body_bytes_max(&self, bytes: usize) {
        self.shared.body_bytes_max.store(bytes, Ordering::Release);
    }

    /// Returns the largest body the device accepts; a larger one makes it disconnect.
    pub(crate) fn body_bytes_max(&self) -> usize {
        self.shared.body_bytes_max.load(Ordering::Acquire)
    }

    /// Notes whether the device's library knows `DEBUG_PRINT`; one that does not would disconnect on it.
    pub(super) fn set_takes_debug_print(&self, takes_debug_print: bool) {
        self.shared.takes_debug_print.store(takes_debug_print, Ordering::Release);
    }

    pub(super) fn takes_debug_print(&self) -> bool {
        self.shared.takes_debug_print.load(Ordering::Acquire)
    }

    /// Notes that the device is to be told of changes of its metadata; libraries of the binary protocol only take what they
    /// asked for.
    pub(crate) fn set_follows_metadata(&self) {
        self.shared.follows_metadata.store(true, Ordering::Release);
    }

    /// Says whether the device is to be told of changes of its metadata.
    pub(crate) fn follows_metadata(&self) -> bool {
        self.shared.follows_metadata.load(Ordering::Acquire)
    }

    /// Notes that the device holds this server's release key, and for which epoch.
    pub(super) fn set_release_epoch(&self, epoch: Epoch) {
        let number = u64::from(epoch.get()).saturating_add(1);
        self.shared.release_epoch_plus_one.store(number, Ordering::Release);
    }

    /// Returns the epoch that a signed order to this device must name; none when it would not understand one.
    pub(crate) fn release_epoch(&self) -> Option<Epoch> {
        let number = self.shared.release_epoch_plus_one.load(Ordering::Acquire).checked_sub(1)?;
        u32::try_from(number).ok().map(Epoch::new)
    }

    /// Notes what the device said of a release key, or that it was offered one. What was shown once stays shown.
    ///
    /// Either a release that begins finds what is noted here, or whoever notes it finds the quarantine when it looks after.
    pub(super) fn note_key(&self, key: BoardKey) {
        let said = match key {
            BoardKey::Recorded => KEY_UNSAID,
            BoardKey::None => KEY_NONE,
            BoardKey::Offered => KEY_OFFERED,
            BoardKey::Shown => KEY_SHOWN,
            BoardKey::NothingObeyed => KEY_USELESS,
        };
        self.shared.key_said.fetch_max(said, Ordering::SeqCst);
    }

    /// Returns what is known of a release key on the device; `recorded` says what the record knows of one, for a device that
    /// has not introduced itself on this connection.
    pub(crate) fn board_key(&self, recorded: BoardKey) -> BoardKey {
        match self.shared.key_said.load(Ordering::SeqCst) {
            KEY_UNSAID => recorded,
            KEY_NONE => BoardKey::None,
            KEY_OFFERED => BoardKey::Offered,
            KEY_SHOWN => BoardKey::Shown,
            _ => BoardKey::NothingObeyed,
        }
    }

    /// Answers one message, then closes once the answer is out.
    pub(crate) fn respond_and_close(&self, message_id: u16, status: Status) {
        if self.shared.outbox.send(message_id, &ServerMessage::Response(status)).is_err() {
            debug!(device.id = %self.device(), "the last answer could not be sent");
        }
        self.shared.outbox.close_after_flush();
    }

    /// Sends a message of our own with the next id.
    pub(crate) fn send(&self, message: &ServerMessage<'_>) -> Result<(), SendMessageError> {
        self.shared.outbox.send(self.next_message_id(), message)
    }

    /// As [`Link::send`]; the receiver says whether the message left.
    pub(crate) fn send_confirmed(
        &self,
        message: &ServerMessage<'_>,
    ) -> Result<oneshot::Receiver<()>, SendMessageError> {
        self.shared.outbox.send_confirmed(self.next_message_id(), message)
    }

    fn next_message_id(&self) -> u16 {
        let id = self.shared.next_message_id.fetch_add(1, Ordering::AcqRel);
        // The counter wraps through 0, which is never a valid id, and 1, which devices take for the login's.
        if id < Self::FIRST_MESSAGE_ID { Self::FIRST_MESSAGE_ID } else { id }
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.shared.outbox
    }

    /// Ends the connection now.
    pub(crate) fn cut(&self) {
        self.shared.outbox.cut();
    }
}

/// Every connected device and every device that has just gone. Clones share the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    shared: Arc<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_device: Mutex<HashMap<DeviceId, Entry>>,
    /// When devices were last heard whose connection has ended, until that is stored. At most one entry a device.
    gone: Mutex<HashMap<DeviceId, UtcTime>>,
    next_link_id: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    presence: Presence,
    link: Option<Link>,
}

/// What became of a device's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    Online,
    Offline,
}

impl Links {
    /// Enters a new connection; an older one of the same device is cut: the newest wins.
    pub(super) fn enter(
        &self,
        device: &DeviceId,
        epoch: Option<Epoch>,
        outbox: Outbox,
        now: MonoTime,
    ) -> (Link, Option<Turned>) {
        let link = Link {
            shared: Arc::new(Shared {
                id: self.shared.next_link_id.fetch_add(1, Ordering::AcqRel),
                device: device.clone(),
                epoch,
                outbox,
                is_quarantined: AtomicBool::new(epoch.is_none()),
                is_over_tls: AtomicBool::new(false),
                is_on_bench: AtomicBool::new(false),
                last_heard_ms: AtomicU64::new(now.ms()),
                noted_heard_ms: AtomicU64::new(NEVER_NOTED),
                body_bytes_max: AtomicUsize::new(BUFFER_BYTES_UNDECLARED),
                takes_debug_print: AtomicBool::new(false),
                follows_metadata: AtomicBool::new(false),
                next_message_id: AtomicU16::new(Link::FIRST_MESSAGE_ID),
                release_epoch_plus_one: AtomicU64::new(0),
                key_said: AtomicU8::new(KEY_UNSAID),
            }),
        };
        let mut by_device = self.lock();
        let entry = by_device
            .entry(device.clone())
            .or_insert_with(|| Entry { presence: Presence::new(OFFLINE_WAIT_DEFAULT_MS), link: None });
        let turned = apply(entry, now, PresenceEvent::LoggedIn(ConnectionNumber(link.id())));
        entry.link = Some(link.clone());
        report_count(by_device.len());
        (link, turned)
    }

    /// Notes the heartbeat that a device declared.
    pub(super) fn declared(&self, link: &Link, heartbeat: Heartbeat, now: MonoTime) {
        self.handle(link.device(), now, PresenceEvent::Declared(ConnectionNumber(link.id()), heartbeat));
    }

    /// Notes that a connection is gone.
    pub(super) fn closed(&self, link: &Link, now: Moment) -> Option<Turned> {
        self.lock_gone().insert(link.device().clone(), link.last_heard_utc(now));
        self.handle(link.device(), now.mono, PresenceEvent::Closed(ConnectionNumber(link.id())))
    }

    /// Returns since when the device of a connection that has ended is away: a connection that was cut for its silence since
    /// it was last heard, any other since now. None when a newer connection took its place.
    pub(super) fn away_since(&self, link: &Link, now: MonoTime) -> Option<MonoTime> {
        match self.get(link.device()) {
            Some(present) if present.id() == link.id() => Some(now),
            Some(_newer) => None,
            None => Some(link.last_heard_at()),
        }
    }

    /// Returns when a device was last heard, where that is newer than what is stored.
    pub(crate) fn last_heard(&self, device: &DeviceId, now: Moment) -> Option<UtcTime> {
        let gone_at = self.lock_gone().get(device).copied();
        let connected_at = self.get(device).map(|link| link.last_heard_utc(now));
        gone_at.max(connected_at)
    }

    /// Says when [`Links::timer_fired`] is due for a device; none when nothing is to be waited for.
    pub(super) fn next_timeout(&self, device: &DeviceId) -> Option<MonoTime> {
        let mut by_device = self.lock();
        let entry = by_device.get_mut(device)?;
        catch_up(entry);
        entry.presence.next_timeout_ms().map(MonoTime::from_ms)
    }

    /// Applies the passing of time: a silent connection is cut, a device that stayed away goes offline.
    pub(super) fn timer_fired(&self, device: &DeviceId, now: MonoTime) -> Option<Turned> {
        self.handle(device, now, PresenceEvent::TimerFired)
    }

    /// Returns the connection of a device.
    pub(crate) fn get(&self, device: &DeviceId) -> Option<Link> {
        self.lock().get(device).and_then(|entry| entry.link.clone())
    }

    /// Returns every connection, in the order of the devices' ids.
    pub(crate) fn connected(&self) -> Vec<Link> {
        let mut links: Vec<_> = self.lock().values().filter_map(|entry| entry.link.clone()).collect();
        links.sort_by(|left, right| left.device().cmp(right.device()));
        links
    }

    /// Says whether a device counts as online; it does for some seconds after its connection has ended.
    pub(crate) fn is_online(&self, device: &DeviceId) -> bool {
        self.lock().get(device).is_some_and(|entry| entry.presence.is_online())
    }

    /// Returns what the present connection of a device says about where it is.
    pub(crate) fn standing(&self, device: &DeviceId) -> Standing {
        let by_device = self.lock();
        let Some(entry) = by_device.get(device) else { return Standing::default() };
        let says_bench = |link: &Link| link.shared.is_on_bench.load(Ordering::Acquire);
        Standing {
            is_online: entry.presence.is_online(),
            is_on_bench: entry.link.as_ref().is_some_and(says_bench),
        }
    }

    /// Returns the devices from which something came in since this was asked last, with the time.
    pub(crate) fn heard_since_last_call(&self, now: Moment) -> Vec<(DeviceId, UtcTime)> {
        let mut heard: Vec<_> = std::mem::take(&mut *self.lock_gone()).into_iter().collect();
        let by_device = self.lock();
        let links = by_device.values().filter_map(|entry| entry.link.as_ref());
        heard.extend(links.filter_map(|link| {
            let heard_ms = link.shared.last_heard_ms.load(Ordering::Acquire);
            let noted_ms = link.shared.noted_heard_ms.swap(heard_ms, Ordering::AcqRel);
            (noted_ms != heard_ms).then(|| (link.device().clone(), link.last_heard_utc(now)))
        }));
        heard.sort();
        heard
    }

    fn handle(&self, device: &DeviceId, now: MonoTime, event: PresenceEvent) -> Option<Turned> {
        let mut by_device = self.lock();
        let entry = by_device.get_mut(device)?;
        catch_up(entry);
        let turned = apply(entry, now, event);
        if let PresenceEvent::Closed(number) = event {
            entry.link.take_if(|link| link.id() == number.0);
        }
        if !entry.presence.is_online() && entry.link.is_none() {
            by_device.remove(device);
            report_count(by_device.len());
        }
        turned
    }

    fn lock_gone(&self) -> MutexGuard<'_, HashMap<DeviceId, UtcTime>> {
        self.shared.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceId, Entry>> {
        // Every change below is one assignment or one insert, so a panic elsewhere leaves the table usable.
        self.shared.by_device.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the presence of a device when its connection was last heard.
fn catch_up(entry: &mut Entry) {
    if let Some(link) = &entry.link {
        let (heard_at, number) = (link.last_heard_at(), ConnectionNumber(link.id()));
        apply(entry, heard_at, PresenceEvent::Heard(number));
    }
}

fn apply(entry: &mut Entry, now: MonoTime, event: PresenceEvent) -> Option<Turned> {
    let mut turned = None;
    for change in entry.presence.handle(now.ms(), event) {
        match change {
            PresenceChange::Online => turned = Some(Turned::Online),
            PresenceChange::Offline => turned = Some(Turned::Offline),
            PresenceChange::Close(number) => {
                if let Some(link) = entry.link.take_if(|link| link.id() == number.0) {
                    counter!("gateway_links_cut_total", "reason" => "silent").increment(1);
                    link.cut();
                }
            }
        }
    }
    turned
}

#[expect(clippy::cast_precision_loss, reason = "a gauge; connections are far fewer than 2^52")]
fn report_count(count: usize) {
    gauge!("gateway_devices_connected").set(count as f64);
}

//! Drives releases: feeds each one with what its device does and carries out what it asks for.
//!
//! One task owns every release in progress, so that the events of a device are handled in order. It stores before it
//! acts: when the store fails, the link is closed and the release is dropped from memory; the stored record is the
//! truth, and the device's next login resumes from it.

use std::collections::BTreeMap;

use metrics::counter;
use registry::{
    BoardKey, DeviceId, Epoch, MonoTime, Release, ReleaseAction, ReleaseEvent, ReleaseRecord, ReleaseState,
};
use store::Store;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use wire::{KEY_BYTES, NONCE_BYTES, Receipt, Secret, ServerInternal, ServerMessage, Status};

use crate::clock::Clock;
use crate::errors::ErrorChain;
use crate::gateway::Link;
use crate::live::{Live, LiveEvent};
use crate::release_signer::ReleaseSigner;
use crate::views::release_view;

/// The console command of stock Edgent, old and new, that wipes the configuration and opens the hotspot.
/// Source: reference/observed-clients.md, frames to the device.
const WIPE_ORDER: &[u8] = b"config erase";

/// Inputs that may wait; devices in quarantine send little, and a full queue makes their connections wait.
const INPUTS_MAX: usize = 1_024;

/// Hands inputs to the driver. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct ReleaseDriver {
    inputs: mpsc::Sender<Input>,
}

#[derive(Debug)]
enum Input {
    /// A release begins, or goes on at a login; `event` follows at once.
    Attach { device: DeviceId, record: ReleaseRecord, link: Option<Link>, event: Option<ReleaseEvent> },
    /// Bytes came in on a quarantined link.
    Heard { device: DeviceId, link_id: u64 },
    /// A quarantined link is gone.
    LinkClosed { device: DeviceId, link_id: u64 },
    /// An order that was queued on this link did not leave the server.
    OrderLost { device: DeviceId, link_id: u64 },
    /// The device on a quarantined link said what it is.
    Introduced { device: DeviceId, link_id: u64, key: BoardKey },
    /// A receipt came in on a quarantined link; nothing about it is verified.
    Receipt {
        device: DeviceId,
        link_id: u64,
        message_id: u16,
        names_device: bool,
        digest: [u8; KEY_BYTES],
        signature: [u8; KEY_BYTES],
    },
    /// A person handed in a receipt; it was verified.
    ReceiptHandedIn { device: DeviceId, record: ReleaseRecord, taken: oneshot::Sender<()> },
    /// The device was deleted by force, or set up anew: forget it.
    Forget { device: DeviceId },
}

/// Whether something is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Yes,
    No,
}

/// What the driver needs.
pub(crate) struct Surroundings {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) live: Live,
    pub(crate) signer: ReleaseSigner,
    pub(crate) stop: CancellationToken,
}

impl ReleaseDriver {
    /// Makes the driver and the task to spawn.
    pub(crate) fn new(surroundings: Surroundings) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (inputs, receiver) = mpsc::channel(INPUTS_MAX);
        let task = Task { surroundings, active: BTreeMap::new(), own_inputs: inputs.downgrade() };
        (Self { inputs }, task.run(receiver))
    }

    /// Goes on with a release from its record, over `link` when the device is connected. The key in `event` is what the
    /// record knows; what the device has said of it on `link` goes before that.
    pub(crate) async fn attach(
        &self,
        device: DeviceId,
        record: ReleaseRecord,
        link: Option<Link>,
        event: Option<ReleaseEvent>,
    ) {
        self.give(Input::Attach { device, record, link, event }).await;
    }

    pub(crate) async fn heard(&self, device: DeviceId, link: &Link) {
        self.give(Input::Heard { device, link_id: link.id() }).await;
    }

    pub(crate) async fn link_closed(&self, device: DeviceId, link: &Link) {
        self.give(Input::LinkClosed { device, link_id: link.id() }).await;
    }

    pub(crate) async fn introduced(&self, device: DeviceId, link: &Link, key: BoardKey) {
        self.give(Input::Introduced { device, link_id: link.id(), key }).await;
    }

    pub(crate) async fn receipt(
        &self,
        device: DeviceId,
        link: &Link,
        message_id: u16,
        receipt: &Receipt<'_>,
    ) {
        let names_device = receipt.device_id.as_str() == device.as_str();
        let Receipt { digest, signature, .. } = *receipt;
        let link_id = link.id();
        self.give(Input::Receipt { device, link_id, message_id, names_device, digest, signature }).await;
    }

    /// Takes a verified receipt that a person handed in; it has been acted on when this returns.
    pub(crate) async fn receipt_handed_in(&self, device: DeviceId, record: ReleaseRecord) {
        let (taken, is_taken) = oneshot::channel();
        self.give(Input::ReceiptHandedIn { device, record, taken }).await;
        // The only error is that the server stops; then the stored record says what is true.
        drop(is_taken.await);
    }

    pub(crate) async fn forget(&self, device: DeviceId) {
        self.give(Input::Forget { device }).await;
    }

    async fn give(&self, input: Input) {
        if self.inputs.send(input).await.is_err() {
            // Only while the server stops; what matters is in the store.
            warn!("the release driver has ended");
        }
    }
}

impl Surroundings {
    async fn store_and_tell(&self, device: &DeviceId, record: ReleaseRecord) -> Stored {
        let at = self.clock.now().utc;
        let state = record.state.as_str();
        if let Err(failure) = self.store.store_release(device.clone(), record.clone(), at).await {
            error!(device.id = %device, error = %ErrorChain(&failure), "the release of {device} could not be stored");
            return Stored::No;
        }
        info!(device.id = %device, release.state = state, "the release of {device} is {state}");
        counter!("releases_total", "state" => state).increment(1);
        let release = release_view(&record);
        self.live
            .publish(LiveEvent::Release(api_types::ReleaseEvent { device_id: device.to_string(), release }));
        Stored::Yes
    }
}

struct Task {
    surroundings: Surroundings,
    /// Ordered by device so that a run is the same every time.
    active: BTreeMap<DeviceId, Active>,
    /// Weak, so that the task ends when the server lets go of the driver.
    own_inputs: mpsc::WeakSender<Input>,
}

struct Active {
    release: Release,
    link: Option<Link>,
    /// The link that the latest order went out on.
    ordered_link_id: Option<u64>,
    /// The nonce of every signed order of this release: repetitions are the same order, so either receipt proves it.
    nonce: [u8; NONCE_BYTES],
    /// The epoch that the latest signed order named.
    signed_epoch: Option<Epoch>,
    /// The message that brought the verified receipt; answered before the link is closed.
    receipt_message_id: Option<u16>,
}

impl Task {
    async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        loop {
            let due = self.active.values().filter_map(|active| active.release.next_timeout()).min();
            let timer = wait_for(&self.surroundings.clock, due);
            tokio::select! {
                () = self.surroundings.stop.cancelled() => return,
                input = inputs.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => return,
                },
                () = timer => {
                    self.fire_timers(&mut inputs).await;
                }
            }
        }
    }

    async fn take(&mut self, input: Input) {
        match input {
            Input::Attach { device, record, link, event } => {
                let active = self.resume(&device, record);
                if link.is_some() {
                    active.link = link;
                }
                // Asked here: what the device says from now on comes as an input after this one.
                let event = event.map(|event| with_what_was_said(event, active.link.as_ref()));
                if let Some(event) = event {
                    self.handle(&device, event).await;
                }
                self.drop_if_idle(&device);
            }
            Input::Heard { device, link_id } => {
                if self.is_current(&device, link_id) {
                    self.handle(&device, ReleaseEvent::Heard).await;
                    self.drop_if_idle(&device);
                }
            }
            Input::LinkClosed { device, link_id } => {
                if self.is_current(&device, link_id) {
                    self.handle(&device, ReleaseEvent::LinkClosed).await;
                    if let Some(active) = self.active.get_mut(&device) {
                        active.link = None;
                    }
                    self.drop_if_idle(&device);
                }
            }
            Input::OrderLost { device, link_id } => {
                let is_latest =
                    self.active.get(&device).is_some_and(|active| active.ordered_link_id == Some(link_id));
                if is_latest {
                    self.take_order_back(&device).await;
                }
            }
            Input::Introduced { device, link_id, key } => {
                if self.is_current(&device, link_id) {
                    self.handle(&device, ReleaseEvent::Introduced { key }).await;
                    self.drop_if_idle(&device);
                }
            }
            Input::Receipt { device, link_id, message_id, names_device, digest, signature } => {
                let proof = (digest, signature);
                if names_device && self.is_current(&device, link_id) && self.is_proof(&device, proof) {
                    if let Some(active) = self.active.get_mut(&device) {
                        active.receipt_message_id = Some(message_id);
                    }
                    self.handle(&device, ReleaseEvent::ReceiptVerified).await;
                    self.drop_if_idle(&device);
                } else {
                    warn!(device.id = %device, "a receipt of {device} does not fit its order; it counts for nothing");
                }
            }
            Input::ReceiptHandedIn { device, record, taken } => {
                self.resume(&device, record);
                self.handle(&device, ReleaseEvent::ReceiptVerified).await;
                self.drop_if_idle(&device);
                if taken.send(()).is_err() {
                    debug!(device.id = %device, "whoever handed in the receipt has stopped waiting");
                }
            }
            Input::Forget { device } => {
                if let Some(Active { link: Some(link), .. }) = self.active.remove(&device) {
                    link.cut();
                }
            }
        }
    }

    /// Goes on with a release that is in memory, or takes it up again from its record.
    fn resume(&mut self, device: &DeviceId, record: ReleaseRecord) -> &mut Active {
        let Surroundings { clock, signer, .. } = &self.surroundings;
        self.active.entry(device.clone()).or_insert_with(|| Active {
            nonce: signer.nonce(device, record.requested_at),
            release: Release::resume(record, clock.now().mono),
            link: None,
            ordered_link_id: None,
            signed_epoch: None,
            receipt_message_id: None,
        })
    }

    fn is_current(&self, device: &DeviceId, link_id: u64) -> bool {
        let active = self.active.get(device);
        active.and_then(|active| active.link.as_ref()).is_some_and(|link| link.id() == link_id)
    }

    async fn fire_timers(&mut self, inputs: &mut mpsc::Receiver<Input>) {
        let now = self.surroundings.clock.now().mono;
        let is_due = |active: &Active| active.release.next_timeout().is_some_and(|at| at <= now);
        let due: Vec<DeviceId> = self
            .active
            .iter()
            .filter(|(_, active)| is_due(active))
            .map(|(device, _)| device.clone())
            .collect();
        for device in due {
            // What was heard while the store was slow, be it with the device before in this loop, counts before the
            // silence does: a board that talked must not be called wiped because its words waited in the queue.
            while let Ok(input) = inputs.try_recv() {
                self.take(input).await;
            }
            self.handle(&device, ReleaseEvent::TimerFired).await;
            self.drop_if_idle(&device);
        }
    }

    async fn handle(&mut self, device: &DeviceId, event: ReleaseEvent) {
        let now = self.surroundings.clock.now();
        let Some(active) = self.active.get_mut(device) else { return };
        for action in active.release.handle(now, event) {
            let link = active.link.as_ref();
            match action {
                ReleaseAction::Store(record) => {
                    if self.surroundings.store_and_tell(device, record).await == Stored::No {
                        if let Some(Active { link: Some(link), .. }) = self.active.remove(device) {
                            link.cut();
                        }
                        return;
                    }
                }
                ReleaseAction::SendOrder => {
                    active.ordered_link_id = link.map(Link::id);
                    active.signed_epoch = link.and_then(Link::release_epoch);
                    let order = Order { device, nonce: active.nonce, signer: &self.surroundings.signer };
                    let is_queued = link.is_some_and(|link| order.send(&self.own_inputs, link));
                    if !is_queued {
                        self.take_order_back(device).await;
                        return;
                    }
                }
                ReleaseAction::SendProbe => send_probe(link, device),
                ReleaseAction::CloseLink => match (active.link.take(), active.receipt_message_id.take()) {
                    (Some(link), Some(message_id)) => link.respond_and_close(message_id, Status::Success),
                    (Some(link), None) => link.cut(),
                    (None, _) => {}
                },
            }
        }
    }

    /// Tells whether this is the proof for an order that went out.
    fn is_proof(&self, device: &DeviceId, (digest, signature): ([u8; KEY_BYTES], [u8; KEY_BYTES])) -> bool {
        let Some(active) = self.active.get(device) else { return false };
        let signer = &self.surroundings.signer;
        let Some(order) = active.signed_epoch.and_then(|epoch| signer.order(device, epoch, active.nonce))
        else {
            return false;
        };
        let device_id = order.terms.device_id;
        signer.is_receipt_for(&order.terms, &Receipt { device_id, digest, signature })
    }

    /// Takes back an order that never left: without it, the silence that follows would be read as obedience.
    async fn take_order_back(&mut self, device: &DeviceId) {
        let Some(Active { release, link, .. }) = self.active.remove(device) else { return };
        warn!(device.id = %device, "the order for {device} did not reach the network; it is repeated at its next login");
        if let Some(link) = link {
            link.cut();
        }
        let record = ReleaseRecord {
            state: ReleaseState::Pending,
            order_reached_live_board: false,
            ..release.record().clone()
        };
        self.surroundings.store_and_tell(device, record).await;
    }

    fn drop_if_idle(&mut self, device: &DeviceId) {
        let is_idle = |active: &Active| active.link.is_none() && active.release.next_timeout().is_none();
        if self.active.get(device).is_some_and(is_idle) {
            self.active.remove(device);
        }
    }
}

/// Puts what a device has said of its key in the place of what the record knows.
fn with_what_was_said(event: ReleaseEvent, link: Option<&Link>) -> ReleaseEvent {
    let said = |recorded| link.map_or(recorded, |link| link.board_key(recorded));
    match event {
        ReleaseEvent::LinkFound { key } => ReleaseEvent::LinkFound { key: said(key) },
        ReleaseEvent::LoggedIn { key } => ReleaseEvent::LoggedIn { key: said(key) },
        other => other,
    }
}

/// The order to wipe, in the form that its device understands.
struct Order<'a> {
    device: &'a DeviceId,
    nonce: [u8; NONCE_BYTES],
    signer: &'a ReleaseSigner,
}

impl Order<'_> {
    /// Queues the order; when it does not leave the server, the driver hears of it. Returns whether it was queued.
    fn send(&self, inputs: &mpsc::WeakSender<Input>, link: &Link) -> bool {
        let signed = link.release_epoch().and_then(|epoch| self.signer.order(self.device, epoch, self.nonce));
        let order = match signed {
            Some(order) => ServerInternal::Release(order),
            None => ServerInternal::Dbg { command: Secret(WIPE_ORDER) },
        };
        let sent = link.send_confirmed(&ServerMessage::Internal(order));
        let (Ok(confirmation), Some(inputs)) = (sent, inputs.upgrade()) else { return false };
        let lost = Input::OrderLost { device: self.device.clone(), link_id: link.id() };
        tokio::spawn(async move {
            if confirmation.await.is_err() {
                // The only error is that the server stops.
                drop(inputs.send(lost).await);
            }
        });
        true
    }
}

fn send_probe(link: Option<&Link>, device: &DeviceId) {
    let Some(Err(failure)) = link.map(|link| link.send(&ServerMessage::Ping)) else { return };
    warn!(device.id = %device, error = %ErrorChain(&failure), "a probe for {device} could not be sent");
}

async fn wait_for(clock: &Clock, due: Option<MonoTime>) {
    match due {
        Some(at) => clock.wait_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;

//! One connection of a device to the simulated cloud.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use wire::{
    ClaimRequest, DeviceInternal, DeviceMessage, Frame, Parsed, PinWrite, Receipt, ReleaseOrder, Secret,
    ServerHardware, ServerInternal, ServerMessage, Status, Values, VirtualPin,
};

use super::firmware_host::{is_request, serve_request};
use super::{CloudDevice, Inner, Mood, ORDERS_LEN_MAX, Order, RELEASE_SILENCE, Service, TokenState};
use crate::queue::BoundedQueue;

/// Largest body that is accepted from a device.
const BODY_BYTES_MAX: usize = 4096;
/// A device that says nothing for this long is gone: 2.3 times a keep-alive of 45 s. Source: wire-protocol.md, section 8.
const SILENCE_MAX: Duration = Duration::from_secs(104);
/// Frames that the cloud starts by itself carry this id; devices take any but 0.
const ORDER_MESSAGE_ID: u16 = 7777;
/// The ping before an erase order.
const PROBE_MESSAGE_ID: u16 = 7778;

/// Serves one connection to its end.
pub(super) async fn serve(inner: Rc<Inner>, pipe: DuplexStream, mood: Mood) {
    let orders = Rc::new(BoundedQueue::new(ORDERS_LEN_MAX));
    let erasing = Erasing::No;
    let mut session = Session { inner, pipe, orders, received: Vec::new(), device: None, erasing };
    match mood {
        Mood::HangsUp => return,
        Mood::Garbage => session.send(b"\xFF\xD8\x01\x00\x00\x13\x37 garbage \x00\x00").await,
        Mood::CaptivePortal => {
            session.send(b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n").await;
        }
        _ => {}
    }
    session.run(mood).await;
    if let Some(device) = session.device.take() {
        let mut current = device.session.borrow_mut();
        // A newer session of the same device stays.
        if current.as_ref().is_some_and(|orders| Rc::ptr_eq(orders, &session.orders)) {
            *current = None;
        }
    }
}

struct Session {
    inner: Rc<Inner>,
    pipe: DuplexStream,
    orders: Rc<BoundedQueue<Order>>,
    received: Vec<u8>,
    device: Option<Rc<CloudDevice>>,
    erasing: Erasing,
}

/// How far a release got in this session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erasing {
    No,
    /// A ping is out: a board that lost its power minutes ago is as silent as one that was wiped, so silence means
    /// something only after the board proved that it is there.
    Probing,
    /// The order is out.
    Ordered,
}

/// Whether a session goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Close,
}

impl Session {
    async fn run(&mut self, mood: Mood) {
        let clock = self.inner.clock.clone();
        let mut chunk = [0_u8; 1024];
        loop {
            let patience = if self.erasing == Erasing::No { SILENCE_MAX } else { RELEASE_SILENCE };
            let orders = Rc::clone(&self.orders);
            let next = tokio::select! {
                biased;
                order = orders.next() => self.obey(order).await,
                read = self.pipe.read(&mut chunk) => match read {
                    Ok(count) if count > 0 => {
                        self.received.extend(chunk.iter().take(count));
                        self.handle_received(mood).await
                    }
                    _ => { self.note_silence(); Next::Close }
                },
                () = clock.sleep(patience) => { self.note_silence(); Next::Close }
            };
            if next == Next::Close {
                return;
            }
        }
    }

    /// Silence after the order to erase is all that stock firmware answers.
    fn note_silence(&self) {
        if let Some(device) = &self.device
            && self.erasing == Erasing::Ordered
            && device.state.get() == TokenState::ReleasePending
        {
            device.state.set(TokenState::ReleaseInferred);
        }
    }

    async fn obey(&mut self, order: Order) -> Next {
        match order {
            Order::Send(frame) => self.send(&frame).await,
            Order::Erase => self.probe().await,
            Order::Close => return Next::Close,
        }
        Next::GoOn
    }

    async fn probe(&mut self) {
        self.erasing = Erasing::Probing;
        self.send_message(&ServerMessage::Ping, PROBE_MESSAGE_ID).await;
    }

    async fn order_erase(&mut self) {
        self.erasing = Erasing::Ordered;
        let Some(device) = self.device.clone() else { return };
        let epoch = device.keys.held_epoch();
        let signed = epoch.and_then(|epoch| self.inner.signer.order(&device.keys, epoch));
        let order = match signed {
            Some(order) => ServerInternal::Release(order),
            None => ServerInternal::Dbg { command: Secret(b"config erase") },
        };
        self.send_message(&ServerMessage::Internal(order), ORDER_MESSAGE_ID).await;
    }

    async fn handle_received(&mut self, mood: Mood) -> Next {
        if self.device.is_none() && is_request(&self.received) {
            let inner = Rc::clone(&self.inner);
            let find = |path: &str| inner.images.borrow().get(path).cloned();
            let served = serve_request(&self.received, find, &mut self.pipe, &inner.clock).await;
            return served.map_or(Next::GoOn, |()| Next::Close);
        }
        loop {
            let received = std::mem::take(&mut self.received);
            let (next, consumed_bytes) = match Frame::parse(&received, BODY_BYTES_MAX) {
                Ok(Parsed::Complete { frame, consumed_bytes }) => {
                    (self.handle_frame(&frame, mood).await, consumed_bytes)
                }
                Ok(Parsed::Incomplete { .. }) => {
                    self.received = received;
                    return Next::GoOn;
                }
                Err(_) => return Next::Close,
            };
            self.received = received.get(consumed_bytes..).unwrap_or_default().to_vec();
            if next == Next::Close {
                return next;
            }
        }
    }

    async fn handle_frame(&mut self, frame: &Frame<'_>, mood: Mood) -> Next {
        let message_id = frame.message_id();
        let message = match DeviceMessage::parse(frame) {
            Ok(message) => message,
            Err(error) => {
                self.respond(message_id, error.reply_status()).await;
                return Next::GoOn;
            }
        };
        match (message, &self.device) {
            (DeviceMessage::Login { token } | DeviceMessage::LoginOld { token }, None) => {
                self.log_in(message_id, token.0, mood).await
            }
            (DeviceMessage::Internal(DeviceInternal::ClaimCode(request)), None) => {
                self.exchange(message_id, &request, mood).await
            }
            (_, None) => Next::Close,
            (DeviceMessage::Response(_), Some(_)) if self.erasing == Erasing::Probing => {
                self.order_erase().await;
                Next::GoOn
            }
            (DeviceMessage::Response(_), Some(_)) => Next::GoOn,
            (DeviceMessage::Internal(DeviceInternal::Released(receipt)), Some(device)) => {
                let device = Rc::clone(device);
                self.take_receipt(message_id, &receipt, &device).await
            }
            // A device that still talks did not obey: the order is repeated.
            (_, Some(_)) if self.erasing == Erasing::Ordered => {
                self.order_erase().await;
                Next::GoOn
            }
            (message, Some(device)) => {
                let device = Rc::clone(device);
                self.handle_message(message_id, message, &device).await;
                Next::GoOn
            }
        }
    }

    async fn exchange(&mut self, message_id: u16, request: &ClaimRequest<'_>, mood: Mood) -> Next {
        if matches!(mood, Mood::Silent | Mood::Garbage | Mood::CaptivePortal) {
            return Next::GoOn;
        }
        let redeemed = match self.inner.service {
            Service::Rehome => self.inner.claim_codes.redeem(request),
            // The hosted service knows no codes and closes on anything but a login.
            Service::Hosted => return Next::Close,
        };
        let (answer, next) = match &redeemed {
            Ok(token) => (ServerInternal::Token { token: Secret(token) }, Next::GoOn),
            Err(reason) => (ServerInternal::NoToken(*reason), Next::Close),
        };
        self.send_message(&ServerMessage::Internal(answer), message_id).await;
        next
    }

    async fn log_in(&mut self, message_id: u16, token: &[u8], mood: Mood) -> Next {
        match mood {
            Mood::Silent | Mood::Garbage | Mood::CaptivePortal => return Next::GoOn,
            Mood::LoginStatus(code) => {
                self.respond(message_id, Status::from(code)).await;
                return Next::GoOn;
            }
            _ => {}
        }
        let device = self.inner.device(token);
        let status = match (&device, self.inner.service) {
            (Some(device), _) => match device.state.get() {
                // A login proves that the board was not wiped, whatever its silence seemed to say.
                TokenState::Active | TokenState::ReleasePending | TokenState::ReleaseInferred => {
                    Status::Success
                }
                TokenState::Deleted | TokenState::ReleaseConfirmed => Status::InvalidToken,
            },
            (None, Service::Hosted) => Status::InvalidToken,
            // Unknown is not released.
            (None, Service::Rehome) => Status::ServerException,
        };
        self.respond(message_id, status).await;
        if let Some(device) = device.filter(|_| status == Status::Success) {
            self.inner.claim_codes.close(token);
            device.login_count.set(device.login_count.get().saturating_add(1));
            *device.session.borrow_mut() = Some(Rc::clone(&self.orders));
            let is_released = device.state.get() != TokenState::Active;
            if is_released {
                device.state.set(TokenState::ReleasePending);
            }
            self.device = Some(device);
            if is_released {
                self.order_erase().await;
            }
        }
        Next::GoOn
    }

    async fn handle_message(&mut self, message_id: u16, message: DeviceMessage<'_>, device: &CloudDevice) {
        match message {
            DeviceMessage::Ping => self.respond(message_id, Status::Success).await,
            DeviceMessage::Internal(DeviceInternal::Info(info)) => {
                self.respond(message_id, Status::Success).await;
                *device.firmware_version.borrow_mut() = info.firmware_version().map(str::to_owned);
                device.is_on_bench.set(info.is_on_bench());
                let claim = self.inner.signer.claim(&device.keys, &info);
                let is_wanted = self.inner.service == Service::Rehome && !info.is_on_bench();
                if let Some(claim) = claim.filter(|_| is_wanted) {
                    let message = ServerMessage::Internal(ServerInternal::Claim(claim));
                    self.send_message(&message, ORDER_MESSAGE_ID).await;
                }
            }
            DeviceMessage::Internal(DeviceInternal::RtcSync) => {
                let local_s = i64::try_from(self.inner.clock.utc_ms() / 1000).unwrap_or(i64::MAX);
                self.send_message(&ServerMessage::Internal(ServerInternal::Rtc { local_s }), message_id)
                    .await;
            }
            DeviceMessage::EventLog { code, description } => {
                let description = String::from_utf8_lossy(description.unwrap_or_default());
                device.events.borrow_mut().push(format!("{code}: {description}"));
            }
            DeviceMessage::Hardware(PinWrite::Virtual { pin, values }) => {
                device.values.borrow_mut().insert(pin.0, values.raw().to_vec());
            }
            // Nothing else is needed to tell the story.
            _ => {}
        }
    }

    /// Answers a receipt that proves the wipe and ends the session; anything else counts for nothing.
    async fn take_receipt(&mut self, message_id: u16, receipt: &Receipt<'_>, device: &CloudDevice) -> Next {
        let is_released = device.state.get() != TokenState::Active;
        if !is_released || !self.inner.signer.is_receipt_for(&device.keys, receipt) {
            return Next::GoOn;
        }
        device.state.set(TokenState::ReleaseConfirmed);
        self.respond(message_id, Status::Success).await;
        Next::Close
    }

    async fn respond(&mut self, message_id: u16, status: Status) {
        self.send_message(&ServerMessage::Response(status), message_id).await;
    }

    async fn send_message(&mut self, message: &ServerMessage<'_>, message_id: u16) {
        let mut bytes = [0_u8; 512];
        if let Ok(frame_bytes) = message.encode(message_id, &mut bytes) {
            self.send(bytes.get(..frame_bytes).unwrap_or_default()).await;
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        // A broken pipe shows at the next read.
        drop(self.pipe.write_all(bytes).await);
    }
}

/// Encodes a release order.
pub(super) fn order_frame(order: &ReleaseOrder<'_>) -> Option<Vec<u8>> {
    let mut bytes = [0_u8; 512];
    let message = ServerMessage::Internal(ServerInternal::Release(*order));
    let frame_bytes = message.encode(ORDER_MESSAGE_ID, &mut bytes).ok()?;
    Some(bytes.get(..frame_bytes)?.to_vec())
}

/// Encodes an order to install a firmware.
pub(super) fn update_frame(url: &str) -> Option<Vec<u8>> {
    let mut bytes = [0_u8; 512];
    let message = ServerMessage::Internal(ServerInternal::Ota { url: Secret(url.as_bytes()) });
    let frame_bytes = message.encode(ORDER_MESSAGE_ID, &mut bytes).ok()?;
    Some(bytes.get(..frame_bytes)?.to_vec())
}

/// Encodes a value for a virtual pin.
pub(super) fn pin_write_frame(pin: u8, value: &[u8]) -> Option<Vec<u8>> {
    let write = PinWrite::Virtual { pin: VirtualPin(pin), values: Values::new(value) };
    let mut bytes = [0_u8; 512];
    let message = ServerMessage::Hardware(ServerHardware::Write(write));
    let frame_bytes = message.encode(ORDER_MESSAGE_ID, &mut bytes).ok()?;
    Some(bytes.get(..frame_bytes)?.to_vec())
}

//! A simulated cloud for virtual time, spoken to over in-memory pipes with the real protocol.
//!
//! It acts as one of two services, whose only difference is what becomes of a device that its owner gives away:
//! the hosted service deletes the record and answers status 9 from then on; Rehome keeps the token until the board is
//! wiped, lets it in for that alone, and only then refuses it. Our firmware gets a release key at its claim, is wiped by
//! a signed order and answers with a receipt; stock firmware gets `config erase` and answers with silence. For tests the
//! cloud can also misbehave, see [`Mood`].

mod claim_codes;
mod firmware_host;
mod session;
mod signed_release;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::air::Secret;
use crate::board::{CloudNet, DialError, DialSecurity, Dialing};
use crate::clock::BenchClock;
use crate::queue::BoundedQueue;
use crate::seed::SeededRng;
use claim_codes::ClaimCodes;
use signed_release::{ReleaseKeys, Signer};

pub use firmware_host::HostedImage;

/// Name under which boards find the simulated cloud.
pub const CLOUD_HOST: &str = "blynk.cloud";
/// Ports on which it listens: TLS and plain, as devices expect.
pub const CLOUD_PORTS: [u16; 4] = [443, 9443, 80, 8080];
/// Bytes in flight in one direction of a connection.
const PIPE_BYTES: usize = 16 * 1024;
/// Messages that wait for one device.
const ORDERS_LEN_MAX: usize = 32;
/// Silence after an erase order that counts as obeyed. Source: the design, "Release is a process".
pub const RELEASE_SILENCE: Duration = Duration::from_secs(20);

/// Which service is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Deleting a device makes its token invalid, and that is all.
    Hosted,
    /// Giving a device away gets it wiped first.
    Rehome,
}

/// How the cloud answers, for tests of bad days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Normal,
    /// Its name does not resolve.
    NoName,
    /// Nothing listens.
    Down,
    /// It accepts connections and says nothing.
    Silent,
    /// Its certificate is not acceptable to TLS connections.
    BadCertificate,
    /// It sends bytes that are no protocol.
    Garbage,
    /// A captive portal answers in its place: with a certificate of its own over TLS, with its log-in page over HTTP.
    CaptivePortal,
    /// It answers every login with this status.
    LoginStatus(u16),
    /// It closes every connection at once.
    HangsUp,
}

/// Where a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// Belongs to a device.
    Active,
    /// Given away, not known to be wiped.
    ReleasePending,
    /// The order to erase was sent and obeyed as far as one can tell: nothing was heard since.
    ReleaseInferred,
    /// The board proved with a signed receipt that it erased itself.
    ReleaseConfirmed,
    /// Deleted at the hosted service.
    Deleted,
}

/// The simulated cloud; cheap to clone, all clones are the same cloud.
#[derive(Clone)]
pub struct VirtualCloud {
    inner: Rc<Inner>,
}

pub(crate) struct Inner {
    service: Service,
    clock: BenchClock,
    rng: SeededRng,
    signer: Signer,
    mood: Cell<Mood>,
    devices: RefCell<BTreeMap<Vec<u8>, Rc<CloudDevice>>>,
    /// Images by the path under which they are served.
    images: RefCell<BTreeMap<String, Rc<HostedImage>>>,
    claim_codes: ClaimCodes,
}

/// What the cloud knows of one device.
pub(crate) struct CloudDevice {
    state: Cell<TokenState>,
    values: RefCell<BTreeMap<u8, Vec<u8>>>,
    session: RefCell<Option<Rc<BoundedQueue<Order>>>>,
    login_count: Cell<u32>,
    /// Events that the device recorded, as `code: description`.
    events: RefCell<Vec<String>>,
    /// What the device last said it runs.
    firmware_version: RefCell<Option<String>>,
    /// As its last info message said.
    is_on_bench: Cell<bool>,
    keys: ReleaseKeys,
}

/// What a session shall do.
pub(crate) enum Order {
    Send(Vec<u8>),
    Erase,
    Close,
}

impl std::fmt::Debug for VirtualCloud {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("VirtualCloud").field("service", &self.inner.service).finish_non_exhaustive()
    }
}

impl VirtualCloud {
    /// Creates a cloud without devices.
    #[must_use]
    pub fn new(service: Service, clock: BenchClock, seed: u64) -> Self {
        let inner = Inner {
            service,
            clock,
            rng: SeededRng::for_part(seed, "cloud tokens"),
            signer: Signer::new(&SeededRng::for_part(seed, "cloud keys")),
            mood: Cell::new(Mood::Normal),
            devices: RefCell::default(),
            images: RefCell::default(),
            claim_codes: ClaimCodes::default(),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Makes a device and returns its token.
    #[must_use]
    pub fn create_device(&self) -> Secret {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let letter = |_| {
            let index =
                usize::try_from(self.inner.rng.between(0, ALPHABET.len() as u64 - 1)).unwrap_or_default();
            ALPHABET.get(index).copied().unwrap_or(b'A')
        };
        let token: Vec<u8> = (0..wire::TOKEN_BYTES).map(letter).collect();
        let device = CloudDevice {
            state: Cell::new(TokenState::Active),
            values: RefCell::default(),
            session: RefCell::default(),
            login_count: Cell::new(0),
            events: RefCell::default(),
            firmware_version: RefCell::default(),
            is_on_bench: Cell::new(false),
            keys: ReleaseKeys::new(self.inner.devices.borrow().len()),
        };
        self.inner.devices.borrow_mut().insert(token.clone(), Rc::new(device));
        Secret::new(token)
    }

    /// Makes a device and returns its token and a claim code for it, as a person types it.
    #[must_use]
    pub fn create_claim_code(&self) -> (Secret, Secret) {
        let token = self.create_device();
        let code = self.inner.claim_codes.open(&self.inner.rng, token.reveal().to_vec());
        (token, Secret::new(code.shown().to_vec()))
    }

    /// Returns the order to wipe a device that was given away, as text for its portal.
    #[must_use]
    pub fn release_order_text(&self, token: &Secret) -> Option<String> {
        let device = self.device(token)?;
        let is_released = device.state.get() != TokenState::Active;
        let epoch = device.keys.held_epoch().filter(|_| is_released)?;
        let order = self.inner.signer.order(&device.keys, epoch)?;
        Some(wire::ReleaseText::from_order(&order).as_str().to_owned())
    }

    /// Takes a receipt that somebody copied from a portal; returns whether it proves the wipe of this device.
    #[must_use]
    pub fn hand_in_receipt(&self, token: &Secret, receipt: &str) -> bool {
        let Some(device) = self.device(token) else { return false };
        let Ok(text) = wire::ReleaseText::collect(receipt.bytes()) else { return false };
        let is_proof = device.state.get() != TokenState::Active
            && text.receipt().is_ok_and(|receipt| self.inner.signer.is_receipt_for(&device.keys, &receipt));
        if is_proof {
            device.state.set(TokenState::ReleaseConfirmed);
        }
        is_proof
    }

    /// The owner gives the device away: deletes it at the hosted service, releases it at Rehome.
    pub fn give_away(&self, token: &Secret) {
        let Some(device) = self.device(token) else {
            return;
        };
        let (state, order) = match self.inner.service {
            Service::Hosted => (TokenState::Deleted, Order::Close),
            Service::Rehome => (TokenState::ReleasePending, Order::Erase),
        };
        device.state.set(state);
        device.order(order);
    }

    /// Writes a value to a device that is online.
    pub fn write_pin(&self, token: &Secret, pin: u8, value: &[u8]) {
        if let Some(device) = self.device(token)
            && let Some(frame) = session::pin_write_frame(pin, value)
        {
            device.order(Order::Send(frame));
        }
    }

    /// Returns the last value that a device wrote to a pin.
    #[must_use]
    pub fn value(&self, token: &Secret, pin: u8) -> Option<Vec<u8>> {
        self.device(token)?.values.borrow().get(&pin).cloned()
    }

    /// Returns where a token stands.
    #[must_use]
    pub fn token_state(&self, token: &Secret) -> Option<TokenState> {
        Some(self.device(token)?.state.get())
    }

    /// Returns whether a device has a session now.
    #[must_use]
    pub fn is_online(&self, token: &Secret) -> bool {
        self.device(token).is_some_and(|device| device.session.borrow().is_some())
    }

    /// Returns how many logins with this token were accepted.
    #[must_use]
    pub fn login_count(&self, token: &Secret) -> u32 {
        self.device(token).map_or(0, |device| device.login_count.get())
    }

    /// Serves an image under a path such as `/static/f.bin` from now on, in place of another under that path.
    pub fn host_image(&self, path: &str, image: Rc<HostedImage>) {
        self.inner.images.borrow_mut().insert(path.to_owned(), image);
    }

    /// Orders a device that is online to install what is at this address.
    pub fn order_update(&self, token: &Secret, url: &str) {
        if let Some(device) = self.device(token)
            && let Some(frame) = session::update_frame(url)
        {
            device.order(Order::Send(frame));
        }
    }

    /// Returns the events that a device recorded, as `code: description`.
    #[must_use]
    pub fn events(&self, token: &Secret) -> Vec<String> {
        self.device(token).map_or_else(Vec::new, |device| device.events.borrow().clone())
    }

    /// Returns the firmware version that a device told last.
    #[must_use]
    pub fn firmware_version(&self, token: &Secret) -> Option<String> {
        self.device(token)?.firmware_version.borrow().clone()
    }

    /// Returns whether the device said in its last session that its home is on the bench.
    #[must_use]
    pub fn is_on_bench(&self, token: &Secret) -> bool {
        self.device(token).is_some_and(|device| device.is_on_bench.get())
    }

    /// Sends a frame as it is to a device that is online; for tests of orders that must change nothing.
    pub fn send_raw(&self, token: &Secret, frame: Vec<u8>) {
        if let Some(device) = self.device(token) {
            device.order(Order::Send(frame));
        }
    }

    /// Returns a release order for a device in any epoch, as a frame: correctly signed, whether or not the device was
    /// given away. For tests.
    #[must_use]
    pub fn signed_order(&self, token: &Secret, epoch: u32) -> Option<Vec<u8>> {
        let device = self.device(token)?;
        session::order_frame(&self.inner.signer.order(&device.keys, epoch)?)
    }

    /// Returns the byte strings of a device's claim that must not survive its wipe. For tests.
    #[must_use]
    pub fn release_traces(&self, token: &Secret) -> Vec<Vec<u8>> {
        self.device(token).map_or_else(Vec::new, |device| self.inner.signer.traces(&device.keys))
    }

    /// Changes how the cloud answers from now on; sessions in progress end unless it is normal.
    pub fn set_mood(&self, mood: Mood) {
        self.inner.mood.set(mood);
        if mood != Mood::Normal {
            self.inner.devices.borrow().values().for_each(|device| device.order(Order::Close));
        }
    }

    fn device(&self, token: &Secret) -> Option<Rc<CloudDevice>> {
        self.inner.device(token.reveal())
    }
}

impl Inner {
    fn device(&self, token: &[u8]) -> Option<Rc<CloudDevice>> {
        self.devices.borrow().get(token).cloned()
    }
}

impl CloudDevice {
    fn order(&self, order: Order) {
        if let Some(session) = self.session.borrow().as_ref() {
            session.push(order);
        }
    }
}

impl CloudNet for VirtualCloud {
    fn dial(&self, host: &str, port: u16, security: DialSecurity) -> Dialing {
        let is_known = host.eq_ignore_ascii_case(CLOUD_HOST);
        let is_open = CLOUD_PORTS.contains(&port);
        let inner = Rc::clone(&self.inner);
        Box::pin(async move {
            let is_tls = security == DialSecurity::VerifiedTls;
            match inner.mood.get() {
                _ if !is_known => Err(DialError::Dns),
                Mood::NoName => Err(DialError::Dns),
                Mood::Down => Err(DialError::Refused),
                Mood::BadCertificate | Mood::CaptivePortal if is_tls => Err(DialError::Certificate),
                _ if !is_open => Err(DialError::Refused),
                mood => {
                    let (near, far) = tokio::io::duplex(PIPE_BYTES);
                    tokio::task::spawn_local(session::serve(inner, far, mood));
                    Ok(Box::new(near) as crate::link::BoxPipe)
                }
            }
        })
    }
}

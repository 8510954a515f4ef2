//! The cloud of a world: accounts, sessions, claims, signed orders, receipts; and those who play the cloud.
//!
//! It speaks the real protocol through `wire`. To stock firmware it sends `config erase`, to ours a signed order.

use std::collections::{BTreeMap, VecDeque};

use ed25519_dalek::{Signer as _, SigningKey};
use wire::{
    CLAIM_CODE_CHARS, Claim, ClaimCode, ClaimRequest, DeviceId, DeviceInternal, DeviceMessage,
    FINGERPRINT_DIGITS, Frame, Info, NONCE_BYTES, NoToken, Parsed, Receipt, ReceiptSecret, ReleaseOrder,
    ReleaseTerms, Secret, ServerInternal, ServerMessage, Status, TOKEN_BYTES,
};

use crate::dice::Dice;
use crate::files::Update;
use crate::plan::{CloudTrouble, Hostile};

/// Longest body that is read.
const BODY_BYTES_MAX: usize = 4096;
/// Longest frame that is written.
const FRAME_BYTES_MAX: usize = 512;
/// Id of messages that the cloud starts by itself.
const ORDER_MESSAGE_ID: u16 = 7777;
/// Epoch of every ownership as this cloud records it; a board that counts further is followed.
const RECORDED_EPOCH: u32 = 1;

/// How long a claim code is good for, in milliseconds. Source: design.md, promise 5.
const CODE_MS: u64 = 15 * 60_000;

/// Where an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountState {
    Active,
    /// Given away, not known to be wiped.
    Releasing,
    /// The receipt came.
    Confirmed,
    /// Deleted; its token is invalid.
    Deleted,
}

/// One device as the cloud knows it.
pub(crate) struct Account {
    pub(crate) token: [u8; TOKEN_BYTES],
    pub(crate) state: AccountState,
    /// Refused by mistake until then.
    pub(crate) refused_until_ms: u64,
    device_id: String,
    receipt_secret: [u8; wire::KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Cloud,
    Silent,
    Garbage,
    Busy,
    HangsUp,
    Captive,
    Impostor,
    /// Hands out firmware.
    Files,
}

/// What a frame means for what a device may do afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Nothing,
    Accepted,
    Refused,
    /// The claim code is not exchanged.
    NoToken,
    /// Signed by the true key, for this device and epoch.
    TrueOrder,
    /// `config erase`.
    Erase,
    /// The true cloud's release key.
    Claim,
}

/// One connection of a board, seen from the cloud's end.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, any combination can be true")]
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) generation: u32,
    pub(crate) token: [u8; TOKEN_BYTES],
    pub(crate) is_tls: bool,
    pub(crate) peer: Option<Peer>,
    pub(crate) account: Option<usize>,
    pub(crate) is_logged_in: bool,
    /// Nothing gets through any more, and neither end has been told.
    pub(crate) is_broken: bool,
    /// The peer closes once everything is delivered.
    pub(crate) is_closing: bool,
    pub(crate) downlink: VecDeque<(Vec<u8>, Meaning)>,
    /// How many of them have been sent off.
    pub(crate) under_way: usize,
    /// Epoch of the true key that the board said it holds.
    pub(crate) held_epoch: Option<u32>,
    /// It was made for a firmware image.
    pub(crate) is_download: bool,
    /// What came of the request for it.
    pub(crate) request: Vec<u8>,
}

/// A claim code that nobody has logged in with.
struct OpenCode {
    account: usize,
    ends_at_ms: u64,
    /// The device that came first has the code to itself.
    uid: Option<String>,
}

/// The cloud.
pub(crate) struct Cloud {
    key: SigningKey,
    foreign_key: SigningKey,
    pub(crate) accounts: Vec<Account>,
    by_token: BTreeMap<[u8; TOKEN_BYTES], usize>,
    codes: BTreeMap<[u8; CLAIM_CODE_CHARS], OpenCode>,
    troubles: Vec<CloudTrouble>,
    dice: Dice,
    speaks_rehome: bool,
    pub(crate) receipt_count: u64,
}

impl Session {
    pub(crate) fn close(&mut self) {
        let generation = self.generation.wrapping_add(1);
        *self = Self { generation, ..Self::default() };
    }

    /// The board is in a session that the cloud accepted, and it works.
    pub(crate) fn is_online(&self) -> bool {
        self.is_logged_in && !self.is_broken && self.peer == Some(Peer::Cloud)
    }

    fn push(&mut self, message: &ServerMessage<'_>, message_id: u16, meaning: Meaning) {
        let mut bytes = [0_u8; FRAME_BYTES_MAX];
        if let Ok(frame_bytes) = message.encode(message_id, &mut bytes) {
            self.downlink.push_back((bytes.get(..frame_bytes).unwrap_or_default().to_vec(), meaning));
        }
    }

    fn respond(&mut self, message_id: u16, status: Status, meaning: Meaning) {
        self.push(&ServerMessage::Response(status), message_id, meaning);
    }

    fn push_internal(&mut self, message: ServerInternal<'_>, meaning: Meaning) {
        self.push(&ServerMessage::Internal(message), ORDER_MESSAGE_ID, meaning);
    }

    pub(crate) fn push_command(&mut self, command: &[u8]) {
        self.push_internal(ServerInternal::Dbg { command: Secret(command) }, Meaning::Nothing);
    }
}

impl Cloud {
    pub(crate) fn new(mut dice: Dice, speaks_rehome: bool) -> Self {
        let key = SigningKey::from_bytes(&dice.bytes());
        let foreign_key = SigningKey::from_bytes(&dice.bytes());
        Self {
            key,
            foreign_key,
            accounts: Vec::new(),
            by_token: BTreeMap::new(),
            codes: BTreeMap::new(),
            troubles: Vec::new(),
            dice,
            speaks_rehome,
            receipt_count: 0,
        }
    }

    pub(crate) fn create_account(&mut self) -> usize {
        let index = self.accounts.len();
        let token = std::array::from_fn(|_| self.dice.text(1).bytes().next().unwrap_or(b'A'));
        self.accounts.push(Account {
            token,
            state: AccountState::Active,
            refused_until_ms: 0,
            device_id: format!("DEV{index:04}{}", self.dice.text(6)),
            receipt_secret: self.dice.bytes(),
            nonce: self.dice.bytes(),
        });
        self.by_token.insert(token, index);
        index
    }

    /// Whether it knows what stock clouds do not: claim codes, signed orders, updates on trial.
    pub(crate) const fn speaks_rehome(&self) -> bool {
        self.speaks_rehome
    }

    /// Opens a claim code for an account.
    pub(crate) fn open_code(&mut self, account: usize, now_ms: u64) -> ClaimCode {
        let code = ClaimCode::from_random(self.dice.bytes());
        self.codes.insert(*code.expose(), OpenCode { account, ends_at_ms: now_ms + CODE_MS, uid: None });
        code
    }

    /// The keys of the maker and of somebody else.
    pub(crate) const fn keys(&self) -> (&SigningKey, &SigningKey) {
        (&self.key, &self.foreign_key)
    }

    pub(crate) fn begin(&mut self, trouble: CloudTrouble) {
        self.troubles.push(trouble);
    }

    pub(crate) fn end(&mut self, trouble: CloudTrouble) {
        if let Some(position) = self.troubles.iter().position(|known| *known == trouble) {
            self.troubles.remove(position);
        }
    }

    pub(crate) fn trouble(&self) -> Option<CloudTrouble> {
        self.troubles.first().copied()
    }

    /// Whether a login with this token is accepted at present, the network and the line aside.
    pub(crate) fn accepts(&self, token: &[u8; TOKEN_BYTES], now_ms: u64) -> bool {
        self.trouble().is_none() && self.login_status(token, now_ms) == Status::Success
    }

    /// Whether a login with this token is answered with "invalid" at present.
    pub(crate) fn refuses(&self, token: &[u8; TOKEN_BYTES], now_ms: u64) -> bool {
        matches!(self.trouble(), None | Some(CloudTrouble::RefusesAll))
            && self.login_status(token, now_ms) == Status::InvalidToken
    }

    fn login_status(&self, token: &[u8; TOKEN_BYTES], now_ms: u64) -> Status {
        if self.troubles.contains(&CloudTrouble::RefusesAll) {
            return Status::InvalidToken;
        }
        let account = self.by_token.get(token).and_then(|index| self.accounts.get(*index));
        match account {
            Some(account) if account.refused_until_ms > now_ms => Status::InvalidToken,
            Some(account) => match account.state {
                AccountState::Active | AccountState::Releasing => Status::Success,
                AccountState::Confirmed | AccountState::Deleted => Status::InvalidToken,
            },
            // A token that nobody issued: a typing error, or somebody else's cloud.
            None => Status::InvalidToken,
        }
    }

    /// Takes one frame of a board; what is to be answered stands in the session's downlink afterwards.
    pub(crate) fn receive(&mut self, session: &mut Session, bytes: &[u8], now_ms: u64) {
        let Ok(Parsed::Complete { frame, .. }) = Frame::parse(bytes, BODY_BYTES_MAX) else {
            return;
        };
        let Ok(message) = DeviceMessage::parse(&frame) else { return };
        let message_id = frame.message_id();
        match session.peer {
            None | Some(Peer::Silent | Peer::Files) => {}
            Some(Peer::Garbage) => {
                let noise = self.dice.bytes::<24>().to_vec();
                session.downlink.push_back((noise, Meaning::Nothing));
            }
            Some(Peer::Captive) => {
                let page = b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n".to_vec();
                session.downlink.push_back((page, Meaning::Nothing));
            }
            Some(Peer::Busy) => session.respond(message_id, Status::from(19), Meaning::Nothing),
            Some(Peer::Impostor) => self.deceive(session, message_id, &message),
            Some(Peer::Cloud | Peer::HangsUp) => self.serve(session, message_id, &message, now_ms),
        }
    }

    fn serve(&mut self, session: &mut Session, message_id: u16, message: &DeviceMessage<'_>, now_ms: u64) {
        match message {
            DeviceMessage::Login { token } | DeviceMessage::LoginOld { token } => {
                let Ok(token) = <[u8; TOKEN_BYTES]>::try_from(token.0) else { return };
                let status = self.login_status(&token, now_ms);
                let is_accepted = status == Status::Success;
                // After a claim code it is not the token that the connection was made with.
                session.token = token;
                let meaning = if is_accepted { Meaning::Accepted } else { Meaning::Refused };
                session.respond(message_id, status, meaning);
                session.account = self.by_token.get(&token).copied().filter(|_| is_accepted);
                session.is_logged_in = is_accepted;
                session.is_closing = session.peer == Some(Peer::HangsUp);
                if let Some(account) = session.account {
                    self.codes.retain(|_, open| open.account != account);
                }
            }
            DeviceMessage::Internal(DeviceInternal::ClaimCode(request)) => {
                self.exchange(session, request, now_ms);
            }
            _ if !session.is_logged_in => {}
            DeviceMessage::Ping => session.respond(message_id, Status::Success, Meaning::Nothing),
            DeviceMessage::Internal(DeviceInternal::Info(info)) => {
                session.respond(message_id, Status::Success, Meaning::Nothing);
                self.take_info(session, info);
            }
            DeviceMessage::Internal(DeviceInternal::Released(receipt)) => {
                self.take_receipt(session, message_id, receipt);
            }
            _ => {}
        }
    }

    fn exchange(&mut self, session: &mut Session, request: &ClaimRequest<'_>, now_ms: u64) {
        match self.redeem(request, now_ms) {
            Ok(token) => {
                let token = Secret(token.as_slice());
                session.push_internal(ServerInternal::Token { token }, Meaning::Nothing);
            }
            Err(reason) => session.push_internal(ServerInternal::NoToken(reason), Meaning::NoToken),
        }
    }

    fn redeem(&mut self, request: &ClaimRequest<'_>, now_ms: u64) -> Result<[u8; TOKEN_BYTES], NoToken> {
        // Somebody else's board by the books, or a cloud that counts attempts.
        match self.dice.between(0, 19) {
            0 => return Err(NoToken::Owned),
            1 => return Err(NoToken::Later),
            _ => {}
        }
        if self.troubles.contains(&CloudTrouble::RefusesAll) {
            return Err(NoToken::Code);
        }
        let open = self.codes.get_mut(request.code.expose()).filter(|open| now_ms < open.ends_at_ms);
        let open = open.ok_or(NoToken::Code)?;
        if *open.uid.get_or_insert_with(|| request.uid.to_owned()) != request.uid {
            return Err(NoToken::Code);
        }
        self.accounts.get(open.account).map(|account| account.token).ok_or(NoToken::Code)
    }

    fn take_info(&mut self, session: &mut Session, info: &Info<'_>) {
        let Some(account) = session.account.and_then(|index| self.accounts.get(index)) else { return };
        let public_key = self.key.verifying_key().to_bytes();
        let mut own = [0; FINGERPRINT_DIGITS];
        let is_ours = info.release_key == Some(wire::key_fingerprint(&public_key, &mut own));
        session.held_epoch = info.epoch.filter(|_| is_ours);
        if account.state == AccountState::Releasing {
            self.order_erase(session);
        } else if self.speaks_rehome && info.release_key.is_none() {
            let claim = DeviceId::parse(&account.device_id).map(|device_id| Claim {
                device_id,
                epoch: info.epoch.unwrap_or_default().max(RECORDED_EPOCH),
                release_key: public_key,
                receipt_secret: ReceiptSecret(account.receipt_secret),
            });
            if let Some(claim) = claim {
                session.push_internal(ServerInternal::Claim(claim), Meaning::Claim);
            }
        }
    }

    /// Orders the wipe in the way that the board understands.
    pub(crate) fn order_erase(&self, session: &mut Session) {
        let Some(account) = session.account.and_then(|index| self.accounts.get(index)) else { return };
        match session.held_epoch {
            Some(epoch) => {
                if let Some(order) = sign(&self.key, account, epoch) {
                    session.push_internal(ServerInternal::Release(order), Meaning::TrueOrder);
                }
            }
            None => session
                .push_internal(ServerInternal::Dbg { command: Secret(b"config erase") }, Meaning::Erase),
        }
    }

    fn take_receipt(&mut self, session: &mut Session, message_id: u16, receipt: &Receipt<'_>) {
        let epoch = session.held_epoch;
        let Some(account) = session.account.and_then(|index| self.accounts.get_mut(index)) else { return };
        let order = epoch.and_then(|epoch| sign(&self.key, account, epoch));
        let is_true = order
            .is_some_and(|order| device::sign_receipt(&order.terms, &account.receipt_secret) == *receipt);
        if is_true && account.state == AccountState::Releasing {
            account.state = AccountState::Confirmed;
            self.receipt_count += 1;
            session.respond(message_id, Status::Success, Meaning::Nothing);
            session.is_closing = true;
        }
    }

    /// Orders an update over a session that the cloud accepted.
    pub(crate) fn order_update(session: &mut Session) {
        let url = Update::url(session.is_tls);
        session.push_internal(ServerInternal::Ota { url: Secret(url.as_bytes()) }, Meaning::Nothing);
    }

    /// Somebody who plays the cloud over a connection that proves nothing.
    fn deceive(&mut self, session: &mut Session, message_id: u16, message: &DeviceMessage<'_>) {
        match message {
            DeviceMessage::Login { .. } | DeviceMessage::LoginOld { .. } => match self.dice.between(0, 2) {
                0 => session.respond(message_id, Status::InvalidToken, Meaning::Refused),
                1 => session.is_closing = true,
                _ => {
                    session.respond(message_id, Status::Success, Meaning::Accepted);
                    session.is_logged_in = true;
                }
            },
            DeviceMessage::Internal(DeviceInternal::ClaimCode(_)) => match self.dice.between(0, 2) {
                0 => session.push_internal(ServerInternal::NoToken(NoToken::Code), Meaning::NoToken),
                1 => {
                    session
                        .push_internal(ServerInternal::Token { token: Secret(b"short") }, Meaning::Nothing);
                }
                _ => session.respond(message_id, Status::InvalidToken, Meaning::Nothing),
            },
            DeviceMessage::Internal(DeviceInternal::Info(info)) => {
                session.held_epoch = info.epoch.filter(|_| info.release_key.is_some());
                session.account = self.by_token.get(&session.token).copied();
                for hostile in [Hostile::ForeignOrder, Hostile::OldOrder, Hostile::ConfigErase] {
                    self.push_hostile(session, hostile);
                }
            }
            _ => {}
        }
    }

    /// Sends an order that must change nothing, to a board that holds a release key.
    pub(crate) fn push_hostile(&mut self, session: &mut Session, hostile: Hostile) {
        let Some(epoch) = session.held_epoch else { return };
        let Some(account) = session.account.and_then(|index| self.accounts.get(index)) else { return };
        let foreign = sign(&self.foreign_key, account, epoch);
        let message = match hostile {
            Hostile::ForeignOrder => foreign.map(ServerInternal::Release),
            Hostile::OldOrder => sign(&self.key, account, epoch.wrapping_sub(1)).map(ServerInternal::Release),
            Hostile::BentOrder => sign(&self.key, account, epoch).map(|mut order| {
                let position = self.dice.index(order.signature.len());
                if let Some(byte) = order.signature.get_mut(position) {
                    *byte ^= 1 << self.dice.between(0, 7);
                }
                ServerInternal::Release(order)
            }),
            Hostile::ForeignClaim => DeviceId::parse(&account.device_id).map(|device_id| {
                let release_key = self.foreign_key.verifying_key().to_bytes();
                let receipt_secret = ReceiptSecret(self.dice.bytes());
                ServerInternal::Claim(Claim { device_id, epoch, release_key, receipt_secret })
            }),
            Hostile::ConfigErase => Some(ServerInternal::Dbg { command: Secret(b"config erase") }),
            Hostile::Garbage => {
                let noise = self.dice.bytes::<32>().to_vec();
                session.downlink.push_back((noise, Meaning::Nothing));
                return;
            }
        };
        if let Some(message) = message {
            let meaning = if hostile == Hostile::ConfigErase { Meaning::Erase } else { Meaning::Nothing };
            session.push_internal(message, meaning);
        }
    }
}

fn sign<'a>(key: &SigningKey, account: &'a Account, epoch: u32) -> Option<ReleaseOrder<'a>> {
    let device_id = DeviceId::parse(&account.device_id)?;
    let terms = ReleaseTerms { device_id, epoch, nonce: account.nonce };
    let signature = key.sign(terms.canonical_bytes().as_bytes()).to_bytes();
    Some(ReleaseOrder { terms, signature })
}

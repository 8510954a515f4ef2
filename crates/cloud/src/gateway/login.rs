//! The login: the first frame of a connection, and what becomes of it.

use std::time::Duration;

use metrics::counter;
use registry::{
    BoardKey, DeviceId, Epoch, LoginDecision, LookedUp, ReleaseEvent, ReleaseRecord, SessionId, SessionStep,
    StepName, Token, TokenRecord, TryLaterReason, decide_login,
};
use store::{DeviceError, StorageError, WriterHealth};
use tracing::{debug, info, warn};
use wire::{
    ClaimRequest, Command, DeviceInternal, DeviceMessage, Frame, Parsed, ServerMessage, Status, trim_token,
};

use super::claim_codes::{self, CodeRequest, Exchanged};
use super::connection::Connection;
use super::links::{Link, Turned};
use super::outbox::Outbox;
use super::{NextFrame, next_frame};
use crate::app::App;
use crate::control::recorded_key;
use crate::errors::ErrorChain;
use crate::listener::Peer;
use crate::rate_limits::client_of;

/// 2 s for noting that somebody was turned away; usually it takes milliseconds.
const NOTING_TIME_MAX: Duration = Duration::from_secs(2);

/// A device that is in.
pub(super) struct LoggedIn {
    pub(super) link: Link,
    pub(super) turned: Option<Turned>,
    pub(super) token: Token,
    /// The provisioning session that this login claimed.
    pub(super) claimed_session: Option<SessionId>,
}

/// A well-formed login frame.
struct Presented {
    message_id: u16,
    token: Vec<u8>,
}

/// What may come first on a connection.
enum FirstFrame {
    Login(Presented),
    Code(CodeRequest),
}

/// Reads the login and answers it; `None` when the device is not let in.
pub(super) async fn log_in(app: &App, connection: &mut Connection, peer: Peer) -> Option<LoggedIn> {
    let Presented { message_id, token: presented } = read_login(app, connection, peer).await?;
    let outbox = connection.outbox();
    let token = Token::parse(&presented).ok();
    if let Some(token) = &token {
        let fingerprint = app.store.hash_token(token).fingerprint();
        if app.limits.logins.take(fingerprint, app.clock.now().mono).is_err() {
            count_login("rate_limited");
            answer(outbox, message_id, Status::ServerException);
            return None;
        }
    }
    let looked_up = app.store.look_up_token(&presented);
    let session = session_of(&looked_up);
    let mut claimed_session = None;
    let mut decision = decide_login(looked_up, app.clock.now().utc);
    if let (LoginDecision::CompleteClaim { session }, Some(token)) = (&decision, &token) {
        claimed_session = Some(session.clone());
        decision = claim(app, session, token).await;
    }
    match (decision, token) {
        (LoginDecision::Accept { device, epoch }, Some(token)) => {
            let logged_in = accept(app, outbox, (message_id, peer), device, epoch, token).await;
            logged_in.map(|logged_in| LoggedIn { claimed_session, ..logged_in })
        }
        (LoginDecision::Quarantine { device }, Some(token)) => {
            quarantine(app, outbox, (message_id, peer), device, token).await
        }
        (LoginDecision::TryLater(reason), token) => {
            if turn_away(app, outbox, message_id, reason, peer) == Noting::Wanted {
                let noting = note_turned_away(app, reason, token.as_ref(), session, peer);
                // The answer goes out meanwhile, and a slow disk does not hold the place of somebody who was turned away.
                let noted = connection.write_until(tokio::time::timeout(NOTING_TIME_MAX, noting)).await;
                if !matches!(noted, Ok(Ok(()))) {
                    debug!("that a device was turned away is noted late or not at all");
                }
            }
            None
        }
        (LoginDecision::RefuseMalformed(_) | LoginDecision::RefuseInvalid(_), _) => {
            refuse(app, outbox, message_id, peer);
            None
        }
        // A decision that lets somebody in rests on a token that was looked up, so these have one.
        (
            LoginDecision::Accept { .. }
            | LoginDecision::Quarantine { .. }
            | LoginDecision::CompleteClaim { .. },
            _,
        ) => {
            answer(outbox, message_id, Status::ServerException);
            None
        }
    }
}

/// Reads the login; before it, one claim code may be exchanged.
///
/// Only the device's part has a time limit. Once a login is being acted on it is carried to its end: cut off between the
/// table of connections and the session that serves them, it would show the device as online for ever.
async fn read_login(app: &App, connection: &mut Connection, peer: Peer) -> Option<Presented> {
    let mut may_exchange = true;
    loop {
        let reading = read_first_frame(connection, may_exchange);
        let Ok(first) = tokio::time::timeout(app.config.timings.first_bytes(), reading).await else {
            count_login("timeout");
            return None;
        };
        match first? {
            FirstFrame::Login(presented) => return Some(presented),
            FirstFrame::Code(request) => {
                may_exchange = false;
                if claim_codes::exchange(app, connection.outbox(), request, peer).await == Exchanged::Nothing
                {
                    return None;
                }
            }
        }
    }
}

/// Reads one frame; anything but a login, or a claim code where that may come, closes the connection without an answer
/// (reference/wire-protocol.md 4).
async fn read_first_frame(connection: &mut Connection, may_exchange: bool) -> Option<FirstFrame> {
    loop {
        let buffer = &mut connection.buffer;
        let is_expected = |code: u8| match Command::from(code) {
            Command::Login | Command::LoginOld => true,
            Command::Internal => may_exchange,
            _ => false,
        };
        if buffer.first().is_some_and(|code| !is_expected(*code)) {
            count_login("not_a_login");
            return None;
        }
        match next_frame(buffer) {
            NextFrame::Complete { frame_bytes } => {
                let frame = buffer.split_to(frame_bytes);
                let Ok(Parsed::Complete { frame, .. }) = Frame::parse(&frame, frame_bytes) else {
                    return None;
                };
                return read_credential(&frame);
            }
            NextFrame::Incomplete => {}
            NextFrame::TooLarge { .. } | NextFrame::Malformed => {
                count_login("malformed");
                return None;
            }
        }
        match connection.read().await {
            Err(_) | Ok(Ok(0)) => return None,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                debug!(%error, "connection failed before the login");
                return None;
            }
        }
    }
}

fn read_credential(frame: &Frame<'_>) -> Option<FirstFrame> {
    let Frame::Message { message_id, command, body } = *frame else { return None };
    if command != Command::Internal {
        return Some(FirstFrame::Login(Presented { message_id, token: trim_token(body).to_vec() }));
    }
    let Ok(DeviceMessage::Internal(DeviceInternal::ClaimCode(ClaimRequest { code, uid }))) =
        DeviceMessage::parse(frame)
    else {
        count_login("not_a_login");
        return None;
    };
    Some(FirstFrame::Code(CodeRequest { message_id, code, uid: uid.to_owned() }))
}

/// Claims a provisioning session; the device is in only when that is on disk.
async fn claim(app: &App, session: &SessionId, token: &Token) -> LoginDecision {
    let device = DeviceId::from_random(rand::random());
    match app.store.complete_claim(session.clone(), device, app.clock.now().utc).await {
        Ok(claimed) => {
            info!(session.id = %session, device.id = %claimed.device, "session {session} was claimed by device {}", claimed.device);
            counter!("provisioning_sessions_claimed_total").increment(1);
            app.publish_session(session).await;
            if claimed.was_known {
                claim_codes::end_earlier_ownership(app, &claimed.device).await;
            }
            app.publish_device(&claimed.device, api_types::DeviceChange::Created);
            LoginDecision::Accept { device: claimed.device, epoch: claimed.epoch }
        }
        Err(failure) => {
            warn!(session.id = %session, error = %ErrorChain(&failure), "session {session} could not be claimed");
            // Another connection may have claimed it a moment ago; the token is a device's then.
            match decide_login(app.store.look_up_token(token.expose().as_bytes()), app.clock.now().utc) {
                LoginDecision::CompleteClaim { .. } => {
                    LoginDecision::TryLater(TryLaterReason::StoreUnavailable)
                }
                decision => decision,
            }
        }
    }
}

async fn accept(
    app: &App,
    outbox: &Outbox,
    (message_id, peer): (u16, Peer),
    device: DeviceId,
    epoch: Epoch,
    token: Token,
) -> Option<LoggedIn> {
    if let Some(target) = &app.config.redirect_devices_to {
        count_login("redirected");
        let redirect = ServerMessage::Redirect { host: &target.host, port: Some(target.port) };
        if let Err(failure) = outbox.send(message_id, &redirect) {
            warn!(error = %ErrorChain(&failure), "the redirect could not be sent");
        }
        return None;
    }
    match store_login(app, &device, epoch, &token).await {
        Ok(()) => {}
        // Released between the look-up and here.
        Err(DeviceError::NotFound) => {
            return quarantine(app, outbox, (message_id, peer), device, token).await;
        }
        Err(failure) => {
            warn!(device.id = %device, error = %ErrorChain(&failure), "the login of {device} could not be stored");
            count_login("try_later");
            answer(outbox, message_id, Status::ServerException);
            return None;
        }
    }
    count_login("accepted");
    answer(outbox, message_id, Status::Success);
    let (link, turned) = app.links.enter(&device, Some(epoch), outbox.clone(), app.clock.now().mono);
    note_protocol(&link, peer);
    debug!(device.id = %device, "device {device} logged in");
    // A release may have come between the look-up and the entry in the table: whoever asks for one looks there for a
    // connection to quarantine, so one of the two sees the other.
    let decision = decide_login(app.store.look_up_token(token.expose().as_bytes()), app.clock.now().utc);
    if decision != (LoginDecision::Accept { device: device.clone(), epoch }) {
        link.quarantine();
        resume_release(app, &device, &link).await;
    }
    Some(LoggedIn { link, turned, token, claimed_session: None })
}

/// Stores what a login changes; most change nothing. While the store cannot write nobody is let in: what a device sent
/// then would be lost.
async fn store_login(app: &App, device: &DeviceId, epoch: Epoch, token: &Token) -> Result<(), DeviceError> {
    if app.store.writer_health() != WriterHealth::Working {
        // Also tries again, so that the first device after the trouble is let in.
        app.store.check_health().await?;
    }
    if app.store.awaits_first_login(token) {
        app.store.record_login(device.clone(), epoch, app.clock.now().utc).await?;
    }
    Ok(())
}

async fn quarantine(
    app: &App,
    outbox: &Outbox,
    (message_id, peer): (u16, Peer),
    device: DeviceId,
    token: Token,
) -> Option<LoggedIn> {
    count_login("quarantined");
    answer(outbox, message_id, Status::Success);
    let (link, turned) = app.links.enter(&device, None, outbox.clone(), app.clock.now().mono);
    note_protocol(&link, peer);
    info!(device.id = %device, "released device {device} logged in; it is in quarantine and is told to wipe itself");
    resume_release(app, &device, &link).await;
    Some(LoggedIn { link, turned, token, claimed_session: None })
}

/// Notes what the device's silence after an order to wipe is worth.
fn note_protocol(link: &Link, peer: Peer) {
    if peer.speaks_mqtt {
        link.note_key(BoardKey::NothingObeyed);
    }
}

async fn resume_release(app: &App, device: &DeviceId, link: &Link) {
    match read_release(app, device).await {
        Ok(Some((record, key))) => {
            let event = Some(ReleaseEvent::LoggedIn { key });
            app.releases.attach(device.clone(), record, Some(link.clone()), event).await;
        }
        // Deleted by force in between: the next login is refused.
        Ok(None) => link.cut(),
        Err(failure) => {
            warn!(device.id = %device, error = %ErrorChain(&failure), "the release of {device} could not be read");
            link.cut();
        }
    }
}

async fn read_release(
    app: &App,
    device: &DeviceId,
) -> Result<Option<(ReleaseRecord, BoardKey)>, StorageError> {
    let Some(record) = app.store.device(device.clone()).await?.and_then(|device| device.release) else {
        return Ok(None);
    };
    Ok(Some((record, recorded_key(app, device).await?)))
}

/// Whether something about a login that was turned away is to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noting {
    Wanted,
    Unwanted,
}

/// Tells a device to come back later. Status 9 would be final for it, and this server may only have forgotten the token.
fn turn_away(app: &App, outbox: &Outbox, message_id: u16, reason: TryLaterReason, peer: Peer) -> Noting {
    count_login("try_later");
    let client = client_of(peer.address.ip());
    if app.limits.refused_logins.take(client, app.clock.now().mono).is_err() {
        // Over the limit nothing is written to the database; the answer is the same.
        answer(outbox, message_id, Status::ServerException);
        return Noting::Unwanted;
    }
    let text = ServerMessage::DebugPrint { text: reason.message().as_bytes() };
    if let Err(failure) = outbox.send(message_id, &text) {
        debug!(error = %ErrorChain(&failure), "the explanation could not be sent");
    }
    answer(outbox, message_id, Status::ServerException);
    Noting::Wanted
}

async fn note_turned_away(
    app: &App,
    reason: TryLaterReason,
    token: Option<&Token>,
    session: Option<SessionId>,
    peer: Peer,
) {
    let now = app.clock.now().utc;
    match (reason, token, session) {
        (TryLaterReason::UnknownToken, Some(token), _) => {
            let remote = peer.address.ip().to_string();
            if let Err(failure) = app.store.record_unknown_token(token, remote, now).await {
                warn!(error = %ErrorChain(&failure), "an unknown token could not be noted");
            }
        }
        (TryLaterReason::SessionExpired | TryLaterReason::SessionCancelled, _, Some(session)) => {
            let message = reason.message().to_owned();
            let step = SessionStep { at: now, step: StepName::LoginTurnedAway, code: None, message };
            if let Err(failure) = app.store.add_session_step(session.clone(), step).await {
                warn!(session.id = %session, error = %ErrorChain(&failure), "a step of {session} could not be noted");
            }
            app.publish_session(&session).await;
        }
        _ => {}
    }
}

fn session_of(looked_up: &LookedUp) -> Option<SessionId> {
    match looked_up {
        LookedUp::Found(TokenRecord::Session { session, .. }) => Some(session.clone()),
        _ => None,
    }
}

fn refuse(app: &App, outbox: &Outbox, message_id: u16, peer: Peer) {
    count_login("refused");
    let client = client_of(peer.address.ip());
    if app.limits.refused_logins.take(client, app.clock.now().mono).is_ok() {
        answer(outbox, message_id, Status::InvalidToken);
    }
}

fn answer(outbox: &Outbox, message_id: u16, status: Status) {
    if let Err(failure) = outbox.send(message_id, &ServerMessage::Response(status)) {
        debug!(error = %ErrorChain(&failure), "the answer to a login could not be sent");
    }
}

fn count_login(outcome: &'static str) {
    counter!("gateway_logins_total", "outcome" => outcome).increment(1);
}

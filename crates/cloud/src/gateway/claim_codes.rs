//! Claim codes: what a device sends in place of a login when its owner typed a code. Source: decision 0027.

use metrics::counter;
use registry::{ClaimCode, DeviceId};
use store::Redeemed;
use tracing::{debug, info, warn};
use wire::{NoToken, Secret, ServerInternal, ServerMessage};

use super::outbox::Outbox;
use crate::app::App;
use crate::errors::ErrorChain;
use crate::listener::Peer;
use crate::rate_limits::client_of;

/// A device that wants a token for a code.
pub(super) struct CodeRequest {
    pub(super) message_id: u16,
    pub(super) code: ClaimCode,
    pub(super) uid: String,
}

/// Whether the device may go on with its login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchanged {
    Token,
    Nothing,
}

/// Answers a code with its session's token, or says why not. A refusal is never status 9: a code that nobody knows may
/// be known again after a backup is restored, and the device has nothing to lose by it but this trial.
pub(super) async fn exchange(app: &App, outbox: &Outbox, request: CodeRequest, peer: Peer) -> Exchanged {
    let now = app.clock.now();
    let CodeRequest { message_id, code, uid } = request;
    let limits = &app.limits;
    let is_allowed = limits.claim_codes.take(client_of(peer.address.ip()), now.mono).is_ok()
        && limits.claim_codes_in_all.take((), now.mono).is_ok();
    if !is_allowed {
        counter!("gateway_claim_codes_total", "outcome" => "rate_limited").increment(1);
        let words = "Too many claim codes were tried. Wait a minute, then try again.";
        return refuse(outbox, message_id, NoToken::Later, words);
    }
    match app.store.redeem_claim_code(code, uid, now.utc).await {
        Ok(Redeemed::Token { session, token }) => {
            counter!("gateway_claim_codes_total", "outcome" => "exchanged").increment(1);
            info!(session.id = %session, "the claim code of session {session} was exchanged");
            app.publish_session(&session).await;
            let token = ServerInternal::Token { token: Secret(token.expose().as_bytes()) };
            send(outbox, message_id, &ServerMessage::Internal(token));
            Exchanged::Token
        }
        Ok(Redeemed::Owned { session }) => {
            counter!("gateway_claim_codes_total", "outcome" => "owned").increment(1);
            app.publish_session(&session).await;
            let words = "This device has an owner, who must release it before it can be set up anew.";
            refuse(outbox, message_id, NoToken::Owned, words)
        }
        Ok(Redeemed::Unknown) => {
            counter!("gateway_claim_codes_total", "outcome" => "unknown").increment(1);
            let words =
                "This server does not know this claim code. Codes are good for 15 minutes and one device.";
            refuse(outbox, message_id, NoToken::Code, words)
        }
        Err(failure) => {
            warn!(error = %ErrorChain(&failure), "a claim code could not be looked up");
            refuse(outbox, message_id, NoToken::Later, "The server cannot look up codes right now.")
        }
    }
}

/// Cuts whatever is connected under the id of a device whose next ownership has begun: it belongs to an earlier one.
pub(super) async fn end_earlier_ownership(app: &App, device: &DeviceId) {
    info!(device.id = %device, "device {device} was set up anew");
    app.releases.forget(device.clone()).await;
    if let Some(link) = app.links.get(device) {
        link.quarantine();
        link.cut();
    }
}

fn refuse(outbox: &Outbox, message_id: u16, reason: NoToken, words: &str) -> Exchanged {
    send(outbox, message_id, &ServerMessage::DebugPrint { text: words.as_bytes() });
    send(outbox, message_id, &ServerMessage::Internal(ServerInternal::NoToken(reason)));
    Exchanged::Nothing
}

fn send(outbox: &Outbox, message_id: u16, message: &ServerMessage<'_>) {
    if let Err(failure) = outbox.send(message_id, message) {
        debug!(error = %ErrorChain(&failure), "the answer to a claim code could not be sent");
    }
}

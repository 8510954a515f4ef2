//! A claim code on trial: exchanged for a token before the login, over the connection that the login then uses.
//!
//! A submitted home without a token lives in RAM only. It gets its token from the cloud, logs in with it, and is stored
//! after that like any other. When anything fails in between, the power included, nothing was stored and the person
//! starts over. Source: decision 0027.

use embedded_storage_async::nor_flash::NorFlash;
use home_store::Token;
use lifecycle::{CloudError, HomeSource, Input};
use portal::ClaimRefusal;
use wire::{ClaimRequest, NoToken};

use crate::agent::Agent;
use crate::application::Application;
use crate::cloud_session::{Phase, Step};
use crate::platform::Platform;

/// Stands in a home whose token has yet to come. No server hands out such a token, and it is never stored.
pub(crate) const TOKEN_TO_COME: [u8; home_store::TOKEN_BYTES] = [b'.'; home_store::TOKEN_BYTES];

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    /// The connection stands: returns what came of logging in, or of asking for a token first.
    pub(crate) fn present_credential(&mut self, is_verified_tls: bool) -> Step {
        let Phase::Dialing { source, .. } = self.session.phase else {
            return Step::None;
        };
        let Some(home) = self.homes.get(source) else {
            return Step::None;
        };
        match self.homes.claim_code.filter(|_| source == HomeSource::Candidate) {
            // A code is worth a device: it leaves over a connection that proves who is at its end, or where the person
            // asked for a server without TLS.
            Some(_) if home.cloud.uses_tls && !is_verified_tls => self.session.fail(CloudError::Certificate),
            Some(code) => {
                let request = ClaimRequest { code, uid: self.config.identity.uid };
                self.session.exchange_code(self.platform, request, is_verified_tls)
            }
            None => self.session.log_in(self.platform, home.cloud.token.expose(), is_verified_tls),
        }
    }

    /// Puts the token that the code stood for into the home on trial and returns what came of logging in with it.
    pub(crate) fn take_token(&mut self, token: Token) -> Step {
        let Some(candidate) = &mut self.homes.candidate else {
            return self.session.fail(CloudError::Other);
        };
        candidate.cloud.token = token;
        self.homes.claim_code = None;
        self.session.log_in_after_exchange(self.platform, candidate.cloud.token.expose())
    }

    /// Ends the trial of a code that was not exchanged; the portal says why.
    pub(crate) async fn take_refusal(&mut self, reason: NoToken, is_verified_tls: bool) {
        let refusal = match reason {
            NoToken::Code => ClaimRefusal::Code,
            NoToken::Owned => ClaimRefusal::Owned,
            NoToken::Later => {
                self.disconnect_cloud();
                return self.feed(Input::CloudFailed(CloudError::Other)).await;
            }
        };
        self.log_now(format_args!("The claim code was not accepted: {refusal:?}"));
        self.portal.claim_refusal = Some(refusal);
        self.disconnect_cloud();
        self.feed(Input::LoginRefused { verified_tls: is_verified_tls }).await;
    }
}

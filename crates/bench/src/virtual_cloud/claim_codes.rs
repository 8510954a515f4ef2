//! Claim codes at the simulated cloud: short names for tokens that nobody has logged in with yet.

use std::cell::RefCell;
use std::collections::BTreeMap;

use wire::{CLAIM_CODE_CHARS, ClaimCode, ClaimRequest, NoToken};

use crate::seed::SeededRng;

/// The open codes.
#[derive(Default)]
pub(super) struct ClaimCodes {
    by_code: RefCell<BTreeMap<[u8; CLAIM_CODE_CHARS], OpenCode>>,
}

struct OpenCode {
    token: Vec<u8>,
    /// The device that came first has the code to itself.
    uid: Option<String>,
}

impl ClaimCodes {
    /// Makes a code for a token.
    pub(super) fn open(&self, rng: &SeededRng, token: Vec<u8>) -> ClaimCode {
        let random =
            core::array::from_fn(|_| rng.next_u64().to_le_bytes().first().copied().unwrap_or_default());
        let code = ClaimCode::from_random(random);
        self.by_code.borrow_mut().insert(*code.expose(), OpenCode { token, uid: None });
        code
    }

    /// Returns the token that a code stands for.
    pub(super) fn redeem(&self, request: &ClaimRequest<'_>) -> Result<Vec<u8>, NoToken> {
        let mut by_code = self.by_code.borrow_mut();
        let open = by_code.get_mut(request.code.expose()).ok_or(NoToken::Code)?;
        if *open.uid.get_or_insert_with(|| request.uid.to_owned()) != request.uid {
            return Err(NoToken::Code);
        }
        Ok(open.token.clone())
    }

    /// The first login with a token ends its code.
    pub(super) fn close(&self, token: &[u8]) {
        self.by_code.borrow_mut().retain(|_, open| open.token != token);
    }
}

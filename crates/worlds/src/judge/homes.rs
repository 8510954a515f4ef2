//! Which home may follow which.

use std::collections::BTreeSet;

use home_store::Home;
use wire::ClaimCode;

/// A home as somebody typed it into the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) ssid: Vec<u8>,
    pub(crate) password: Vec<u8>,
    /// Without one the stored binding is kept.
    pub(crate) token: Option<[u8; wire::TOKEN_BYTES]>,
    /// Typed in place of the token, for which it stands.
    pub(crate) code: Option<ClaimCode>,
}

pub(super) fn remove_parts(gone: &mut BTreeSet<Vec<u8>>, present: &BTreeSet<Vec<u8>>) {
    gone.retain(|earlier| {
        !present.iter().any(|trace| trace.windows(earlier.len()).any(|part| part == earlier.as_slice()))
    });
}

/// The same home, with the release key that it had not.
pub(super) fn is_claim_of(before: &Home, after: &Home) -> bool {
    let mut expected = before.clone();
    expected.cloud.release_key.clone_from(&after.cloud.release_key);
    before.cloud.release_key.is_none() && after.cloud.release_key.is_some() && expected == *after
}

/// The home that these words make, on top of the one before.
pub(super) fn is_made_of(home: &Home, typed: &Typed, before: Option<&Home>) -> bool {
    let is_first = home.networks.first().is_some_and(|network| {
        network.ssid.as_bytes() == typed.ssid && network.secret.expose() == typed.password
    });
    let others = home.networks.get(1..).unwrap_or_default();
    let is_rest_right = match (&typed.token, before) {
        (Some(token), _) => others.is_empty() && home.cloud.token.expose() == token,
        (None, Some(before)) => {
            before.cloud == home.cloud && others.iter().all(|network| before.networks.contains(network))
        }
        (None, None) => false,
    };
    is_first && is_rest_right
}

//! Asks for the proof of possession where the hotspot itself did not.
//!
//! The hotspot of a device with PoP is WPA2 with the PoP as passphrase: whoever is attached has proven it. This is for
//! a radio or a policy that opens such a hotspot without a passphrase, and for the lock that five wrong proofs close.

use crate::config_form::form_arguments;
use crate::dialect::{Dialect, PortalMode};
use crate::lock::{PROOF_BYTES_MAX, ProofLock, ProofVerdict};
use crate::request::Request;
use crate::route::{Guard, Route, Routed, route};

/// One byte more than a proof has, so that a longer one is seen to be wrong.
type GivenProof = heapless::Vec<u8, { PROOF_BYTES_MAX + 1 }>;

/// Routes a complete request like [`route`](crate::route), behind a lock.
///
/// `own_proof` is the device's PoP where each change must carry it in the form field `pop`; `None` where being attached
/// is proof enough or the device has no PoP. A closed lock refuses everything but the redirects that show a phone why.
/// A change without a proof is refused and not counted. Stock dialects know no lock.
#[must_use]
pub fn route_with_lock<'a>(
    request: &Request<'a>,
    mode: &PortalMode<'_>,
    lock: &mut ProofLock,
    own_proof: Option<&[u8]>,
) -> Routed<'a> {
    let mut routed = route(request, mode);
    if mode.dialect != Dialect::Rehome {
        return routed;
    }
    if own_proof.is_some() {
        routed.guard = Guard::Forms;
    }
    let is_change =
        matches!(routed.route, Route::Config(_) | Route::ConfigRefused(_) | Route::Reset | Route::Reboot);
    let refusal = match own_proof {
        _ if lock.is_closed() => is_shut(&routed.route).then_some(Route::DoorClosed),
        // Before anything is said about the form: a stranger learns nothing from its errors.
        Some(own_proof) if is_change => refuse_proof(request, lock, own_proof),
        _ => None,
    };
    if let Some(refusal) = refusal {
        routed.route = refusal;
    }
    routed
}

/// Whether a closed door shuts this away. What stays tells nothing and changes nothing.
const fn is_shut(route: &Route<'_>) -> bool {
    !matches!(
        route,
        Route::Redirect(_)
            | Route::CaptiveApi
            | Route::MethodNotAllowed { .. }
            | Route::ForeignOrigin
            | Route::Bad(_)
    )
}

fn refuse_proof(request: &Request<'_>, lock: &mut ProofLock, own_proof: &[u8]) -> Option<Route<'static>> {
    let Some(given) = form_arguments(request).get_filled("pop") else { return Some(Route::ProofMissing) };
    let given: GivenProof = given.take(PROOF_BYTES_MAX + 1).collect();
    match lock.check(own_proof, &given) {
        ProofVerdict::Accepted => None,
        ProofVerdict::Wrong { tries_left } => Some(Route::ProofWrong { tries_left }),
        ProofVerdict::Closed => Some(Route::DoorClosed),
    }
}

#[cfg(test)]
mod tests;

//! What a device is told when it presents a token.
//!
//! Status 9 is the one answer that cannot be taken back: old Edgent leaves the network, opens an unprotected hotspot
//! and stays there until a person comes (reference/edgent-device.md 10). So a 9 may rest only on facts that no later
//! event, no restored backup and no lost database can make untrue:
//!
//! * the token is malformed: it was never handed out and never can be;
//! * the device was deleted by force, after the person was told that the board keeps its home;
//! * the wipe was confirmed by the board's own signed receipt.
//!
//! Everything else is told to try later. That includes an expired or cancelled session's token. Such a token was never
//! owned as far as this database knows, but a database restored from a backup made while the session was open does not
//! know that it was claimed since, and would send a happily owned board to its hotspot. Nothing is lost by patience:
//! a board that tries a token for the first time gives up by itself after one failed attempt (old Edgent: 702, ERROR,
//! restart, `WAIT_CONFIG`; new Edgent: `WAIT_CONFIG`; ours: the trial fails and the old home is kept).
//!
//! A token of an earlier ownership of a device that was set up anew since is not refused: UIDs prove nothing, so the
//! board that presents it may be another one, whose owner did nothing. It is let into no quarantine either: an order
//! signed for it could be carried to the next owner's board.
//!
//! A token whose wipe is only *inferred* is not refused either. A board that presents it was evidently not wiped; a 9
//! would strand it with its home in flash. It goes back to quarantine and is ordered again.

use crate::{DeviceId, Epoch, ParseTokenError, ReleaseState, SessionId, SessionState, UtcTime};

/// What the store knows about a well-formed token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRecord {
    /// The token of a reserved or owned device.
    Device {
        /// The device it belongs to.
        device: DeviceId,
        /// The ownership it belongs to.
        epoch: Epoch,
    },
    /// The token of a provisioning session that no device has claimed.
    Session {
        /// The session it belongs to.
        session: SessionId,
        /// The state as stored; an open session past its time counts as expired.
        state: SessionState,
        /// When the token stops being good for a claim.
        expires_at: UtcTime,
    },
    /// The token of a released device: kept so that the board can be recognised and wiped.
    Tombstone {
        /// The device it belonged to.
        device: DeviceId,
        /// How far its release has come.
        release: ReleaseState,
    },
    /// The token of an ownership that ended because the board was set up anew.
    Superseded {
        /// The device, which is in a later ownership now.
        device: DeviceId,
    },
    /// The token of a device that was deleted by force.
    Revoked,
}

/// Result of looking a presented token up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookedUp {
    /// The store knows it.
    Found(TokenRecord),
    /// Well-formed, but the store does not know it.
    Unknown,
    /// The store could not answer.
    StoreUnavailable,
    /// Not a token at all.
    Malformed(ParseTokenError),
}

/// Why a device is told to try later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TryLaterReason {
    /// The store does not know the token; it may know it again tomorrow.
    UnknownToken,
    /// The store could not answer.
    StoreUnavailable,
    /// The session's time had passed before any device claimed it.
    SessionExpired,
    /// The session was cancelled before any device claimed it.
    SessionCancelled,
    /// A board with this token's UID was set up anew, so this is another board, or a copy of its flash.
    Superseded,
}

impl TryLaterReason {
    /// Returns a line for the device's own log (`DEBUG_PRINT`) and for the operator.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::UnknownToken => "This server does not know this token. Check it for typing mistakes.",
            Self::StoreUnavailable => "The server cannot look up tokens right now. Trying again helps.",
            Self::SessionExpired => "This provisioning token has expired. Start a new provisioning session.",
            Self::Superseded => {
                "A device with this UID was set up anew; this token belongs to its time before that."
            }
            Self::SessionCancelled => "This provisioning session was cancelled. Start a new one.",
        }
    }
}

/// Why a well-formed token is refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// The device was deleted by force.
    DeletedByForce,
    /// The board proved that it wiped itself, so whoever presents the token is not that board's owner.
    WipeConfirmed,
}

/// What to do with a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginDecision {
    /// Status 200: the device is in.
    Accept {
        /// The device.
        device: DeviceId,
        /// The ownership its data belongs to.
        epoch: Epoch,
    },
    /// Claim the session in the store first; status 200 only after that is on disk, else try later.
    CompleteClaim {
        /// The session to claim.
        session: SessionId,
    },
    /// Status 200, but no data and no control: the device is ordered to wipe itself.
    Quarantine {
        /// The released device.
        device: DeviceId,
    },
    /// Status 19, then close.
    TryLater(TryLaterReason),
    /// Status 9: not a token.
    RefuseMalformed(ParseTokenError),
    /// Status 9: provably not valid any more, and nothing left that could be wiped.
    RefuseInvalid(RefusalReason),
}

/// Decides what a device is told.
#[must_use]
pub fn decide_login(looked_up: LookedUp, now: UtcTime) -> LoginDecision {
    match looked_up {
        LookedUp::Malformed(reason) => LoginDecision::RefuseMalformed(reason),
        LookedUp::Unknown => LoginDecision::TryLater(TryLaterReason::UnknownToken),
        LookedUp::StoreUnavailable => LoginDecision::TryLater(TryLaterReason::StoreUnavailable),
        LookedUp::Found(TokenRecord::Device { device, epoch }) => LoginDecision::Accept { device, epoch },
        LookedUp::Found(TokenRecord::Session { session, state, expires_at }) => {
            match state.seen_at(expires_at, now) {
                SessionState::Open => LoginDecision::CompleteClaim { session },
                SessionState::Expired => LoginDecision::TryLater(TryLaterReason::SessionExpired),
                SessionState::Cancelled => LoginDecision::TryLater(TryLaterReason::SessionCancelled),
                // The claim turns the session's token into the device's in one transaction, so this row cannot exist.
                // Should it, patience is the answer that harms nobody.
                SessionState::Claimed => LoginDecision::TryLater(TryLaterReason::StoreUnavailable),
            }
        }
        LookedUp::Found(TokenRecord::Tombstone { device, release }) => match release {
            ReleaseState::Pending | ReleaseState::Sent | ReleaseState::Inferred => {
                LoginDecision::Quarantine { device }
            }
            ReleaseState::Confirmed => LoginDecision::RefuseInvalid(RefusalReason::WipeConfirmed),
        },
        LookedUp::Found(TokenRecord::Superseded { .. }) => {
            LoginDecision::TryLater(TryLaterReason::Superseded)
        }
        LookedUp::Found(TokenRecord::Revoked) => LoginDecision::RefuseInvalid(RefusalReason::DeletedByForce),
    }
}

/// Returns the status of the RESPONSE that answers the login: 200, 9 or 19 (reference/wire-protocol.md 12).
///
/// For [`LoginDecision::CompleteClaim`] it is the status after the claim succeeded.
#[must_use]
pub const fn status_code(decision: &LoginDecision) -> u16 {
    match decision {
        LoginDecision::Accept { .. }
        | LoginDecision::CompleteClaim { .. }
        | LoginDecision::Quarantine { .. } => 200,
        LoginDecision::TryLater(_) => 19,
        LoginDecision::RefuseMalformed(_) | LoginDecision::RefuseInvalid(_) => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcTime = UtcTime::from_unix_ms(1_000_000);

    fn device() -> DeviceId {
        DeviceId::from_random([1; 10])
    }

    fn session_token(state: SessionState, expires_at: UtcTime) -> LookedUp {
        LookedUp::Found(TokenRecord::Session { session: SessionId::from_random([2; 10]), state, expires_at })
    }

    fn every_lookup() -> Vec<LookedUp> {
        let mut all = vec![
            LookedUp::Unknown,
            LookedUp::StoreUnavailable,
            LookedUp::Malformed(ParseTokenError::Alphabet),
            LookedUp::Malformed(ParseTokenError::Length { bytes: 3 }),
            LookedUp::Found(TokenRecord::Device { device: device(), epoch: Epoch::FIRST }),
            LookedUp::Found(TokenRecord::Revoked),
            LookedUp::Found(TokenRecord::Superseded { device: device() }),
        ];
        for release in ReleaseState::ALL {
            all.push(LookedUp::Found(TokenRecord::Tombstone { device: device(), release }));
        }
        for state in SessionState::ALL {
            for expires_at in [NOW.plus_ms(-1), NOW, NOW.plus_ms(1)] {
                all.push(session_token(state, expires_at));
            }
        }
        all
    }

    #[test]
    fn status_9_goes_only_to_malformed_forcibly_deleted_and_provably_wiped() {
        for looked_up in every_lookup() {
            let may_refuse = matches!(
                &looked_up,
                LookedUp::Malformed(_)
                    | LookedUp::Found(
                        TokenRecord::Revoked
                            | TokenRecord::Tombstone { release: ReleaseState::Confirmed, .. }
                    )
            );
            let decision = decide_login(looked_up.clone(), NOW);
            assert_eq!(status_code(&decision) == 9, may_refuse, "{looked_up:?} -> {decision:?}");
        }
    }

    #[test]
    fn unknown_and_unavailable_are_told_to_try_later() {
        for looked_up in [LookedUp::Unknown, LookedUp::StoreUnavailable] {
            assert_eq!(status_code(&decide_login(looked_up, NOW)), 19);
        }
    }

    #[test]
    fn an_unwiped_tombstone_is_let_into_quarantine() {
        for release in [ReleaseState::Pending, ReleaseState::Sent, ReleaseState::Inferred] {
            let looked_up = LookedUp::Found(TokenRecord::Tombstone { device: device(), release });
            assert_eq!(decide_login(looked_up, NOW), LoginDecision::Quarantine { device: device() });
        }
    }

    #[test]
    fn a_session_is_claimed_until_its_last_millisecond_and_never_refused() {
        let claim = decide_login(session_token(SessionState::Open, NOW.plus_ms(1)), NOW);
        assert!(matches!(claim, LoginDecision::CompleteClaim { .. }));
        let late = decide_login(session_token(SessionState::Open, NOW), NOW);
        assert_eq!(late, LoginDecision::TryLater(TryLaterReason::SessionExpired));
    }
}

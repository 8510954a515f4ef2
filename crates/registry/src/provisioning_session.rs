//! Provisioning sessions: a token, and a short code for it, that are good for one claim and for 15 minutes.

use crate::UtcTime;

/// 15 minutes. Source: design.md, "A claim needs possession" (10–15 min); the longer end, because walking to a board,
/// joining its hotspot and typing a Wi-Fi password takes beginners several attempts.
pub const SESSION_TOKEN_LIFETIME_MS: i64 = 15 * 60 * 1_000;

/// Where a provisioning session stands. All but `Open` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SessionState {
    /// Waiting for a device's first login.
    Open,
    /// A device logged in with the token; the token is now that device's.
    Claimed,
    /// Nobody came in time.
    Expired,
    /// A person ended it.
    Cancelled,
}

impl SessionState {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Open, Self::Claimed, Self::Expired, Self::Cancelled];

    /// Returns the name used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Claimed => "claimed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the name used in the API and in the store.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Returns the state as it counts at `now`: an open session whose time has come is expired, whether or not anybody
    /// has written that down yet.
    #[must_use]
    pub fn seen_at(self, expires_at: UtcTime, now: UtcTime) -> Self {
        if self == Self::Open && now >= expires_at { Self::Expired } else { self }
    }
}

/// What can happen to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionEvent {
    /// A device logged in with the token.
    Claim,
    /// A person ended the session.
    Cancel,
    /// Time passed.
    Expire,
}

/// Why an event does not fit a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdvanceSessionError {
    /// The session is over.
    #[error("the session is already {}", state.as_str())]
    Over {
        /// How it ended.
        state: SessionState,
    },
    /// Its time has not come.
    #[error("the session has not reached its end")]
    NotYet,
}

/// Returns the state after `event`.
///
/// # Errors
/// When the session is over, or when it is to expire before its time.
pub fn advance_session(
    state: SessionState,
    expires_at: UtcTime,
    now: UtcTime,
    event: SessionEvent,
) -> Result<SessionState, AdvanceSessionError> {
    match (state.seen_at(expires_at, now), event) {
        (SessionState::Open, SessionEvent::Claim) => Ok(SessionState::Claimed),
        (SessionState::Open, SessionEvent::Cancel) => Ok(SessionState::Cancelled),
        (SessionState::Open, SessionEvent::Expire) => Err(AdvanceSessionError::NotYet),
        (SessionState::Expired, SessionEvent::Expire) if state == SessionState::Open => {
            Ok(SessionState::Expired)
        }
        (state, _) => Err(AdvanceSessionError::Over { state }),
    }
}

/// Name of a step that a session shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StepName {
    /// The session was opened.
    Opened,
    /// A device exchanged the claim code for the token.
    CodeExchanged,
    /// A device that has an owner was not given away.
    ClaimRefused,
    /// A device presented the token.
    TokenSeen,
    /// The claim is on disk, the device record exists.
    Claimed,
    /// The device said what it is (INTERNAL info).
    InfoReceived,
    /// The device reported an error code.
    DeviceError,
    /// A login with the token was turned away.
    LoginTurnedAway,
    /// Nobody came in time.
    Expired,
    /// A person ended it.
    Cancelled,
}

impl StepName {
    /// Every value.
    pub const ALL: [Self; 10] = [
        Self::Opened,
        Self::CodeExchanged,
        Self::ClaimRefused,
        Self::TokenSeen,
        Self::Claimed,
        Self::InfoReceived,
        Self::DeviceError,
        Self::LoginTurnedAway,
        Self::Expired,
        Self::Cancelled,
    ];

    /// Returns the name used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::CodeExchanged => "code_exchanged",
            Self::ClaimRefused => "claim_refused",
            Self::TokenSeen => "token_seen",
            Self::Claimed => "claimed",
            Self::InfoReceived => "info_received",
            Self::DeviceError => "device_error",
            Self::LoginTurnedAway => "login_turned_away",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the name used in the API and in the store.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == name)
    }
}

/// One visible step of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStep {
    /// When it happened.
    pub at: UtcTime,
    /// What happened.
    pub step: StepName,
    /// A device error code (700–732) where there is one.
    pub code: Option<u16>,
    /// The step in words.
    pub message: String,
}

/// Returns a device's `last_error` code in words. Source: reference/edgent-device.md 3.
#[must_use]
pub const fn describe_device_error(code: u16) -> &'static str {
    match code {
        0 => "No error.",
        700 => "The configuration was not accepted.",
        701 => "The Wi-Fi network did not answer in time.",
        702 => "The server did not answer in time.",
        703 => "The server refused the token.",
        704 => "The network connection failed.",
        705 => "The connection to the server failed.",
        710 => "The server's name could not be looked up (DNS).",
        711 => "The server's certificate was not accepted. A wrong clock has the same effect.",
        712 => "The network wants a sign-in page (captive portal).",
        720 => "The Wi-Fi network was not found.",
        721 => "No network cable is plugged in.",
        722 => "The Wi-Fi password was not accepted.",
        723 => "The network gave no address (DHCP).",
        730 => "The SIM card is missing.",
        731 => "The SIM card is locked.",
        732 => "The SIM card's PIN was not accepted.",
        _ => "The device reported an error this server does not know.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcTime = UtcTime::from_unix_ms(1_000_000);
    const LATER: UtcTime = NOW.plus_ms(1);
    const EVENTS: [SessionEvent; 3] = [SessionEvent::Claim, SessionEvent::Cancel, SessionEvent::Expire];

    #[test]
    fn an_ended_session_never_changes_again() {
        for state in [SessionState::Claimed, SessionState::Expired, SessionState::Cancelled] {
            for event in EVENTS {
                for expires_at in [NOW, LATER] {
                    let outcome = advance_session(state, expires_at, NOW, event);
                    assert_eq!(outcome, Err(AdvanceSessionError::Over { state }), "{state:?} {event:?}");
                }
            }
        }
    }

    #[test]
    fn an_open_session_can_be_claimed_or_cancelled_but_does_not_expire_early() {
        let outcomes = EVENTS.map(|event| advance_session(SessionState::Open, LATER, NOW, event));
        let expected =
            [Ok(SessionState::Claimed), Ok(SessionState::Cancelled), Err(AdvanceSessionError::NotYet)];
        assert_eq!(outcomes, expected);
    }

    #[test]
    fn a_session_past_its_time_can_only_expire() {
        let over = Err(AdvanceSessionError::Over { state: SessionState::Expired });
        let outcomes = EVENTS.map(|event| advance_session(SessionState::Open, NOW, NOW, event));
        assert_eq!(outcomes, [over, over, Ok(SessionState::Expired)]);
    }

    #[test]
    fn names_can_be_read_back() {
        for state in SessionState::ALL {
            assert_eq!(SessionState::from_name(state.as_str()), Some(state));
        }
        for step in StepName::ALL {
            assert_eq!(StepName::from_name(step.as_str()), Some(step));
        }
        assert_eq!(StepName::from_name("Opened"), None);
    }
}
